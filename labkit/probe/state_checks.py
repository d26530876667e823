"""Checks of what crosses from clear text into TLS: commands, logins, other state; for the lab's own servers alone."""

from labkit.probe.findings import STATE, Said, ServerCheck, fault, good, note, unseen
from labkit.probe.observation import Observation, Unseen


def _injection(seen: Observation) -> Said | None:
    if seen.injection is None:
        return None
    if isinstance(seen.injection, Unseen):
        return unseen(seen.injection, seen.ours)
    if seen.injection:
        return fault("A command that stood in clear text after the request to start TLS was carried out inside TLS.")
    return good("A command that stood in clear text after the request to start TLS has no effect inside TLS.")


def _early(seen: Observation) -> Said | None:
    if seen.early is None or seen.injection is True:
        return None
    if isinstance(seen.early, Unseen):
        return unseen(seen.early, seen.ours)
    told = note if "in clear text" in seen.early else good
    return told(f"Behind the request to start TLS stood one more command: {seen.early}.")


def _login(seen: Observation) -> Said | None:
    if isinstance(seen.login_kept, Unseen):
        return unseen(seen.login_kept, seen.ours)
    if seen.login_kept:
        return fault("A login from before TLS still counts inside TLS.")
    if seen.login_kept is False:
        return good("A login from before TLS does not count inside TLS, or TLS is refused after it.")
    if not seen.version:
        return None
    if isinstance(seen.clear_login, Unseen):
        return unseen(seen.clear_login, seen.ours)
    if seen.clear_login is False:
        return good("No login is taken before TLS, so none can be kept; a wrong account would look the same.")
    return None


def _state(seen: Observation) -> Said | None:
    if seen.state_kept is None:
        return None
    if isinstance(seen.state_kept, Unseen):
        return unseen(seen.state_kept, seen.ours)
    if seen.state_kept:
        return fault("What a client began before TLS could be finished inside TLS.")
    return good("What a client began before TLS is forgotten inside TLS.")


CHECKS = (
    ServerCheck(
        id="injection",
        title="Command injection",
        group=STATE,
        rule="forget",
        look=_injection,
        means="An attacker on the path has the server run commands as if a verified client had sent them, and can so "
        "have the client's password and mail stored where the attacker reads them.",
        mend={
            "Postfix": "update: versions before 2.7.3 did this (CVE-2011-0411)",
            "Dovecot": "update: the submission server did this before 2.3.15 (CVE-2021-33515)",
            "": "Empty the buffer of what was received before the handshake.",
        },
        leaves="F",
    ),
    ServerCheck(id="early-bytes", title="Early bytes", group=STATE, rule="forget", look=_early),
    ServerCheck(
        id="login-kept",
        title="Session fixation",
        group=STATE,
        rule="forget",
        look=_login,
        means="An attacker on the path lends a client the attacker's account, and reads what the client stores there.",
        mend={"": "Refuse to start TLS after a login, or forget the login, and update the server (CVE-2021-37845)."},
        leaves="F",
    ),
    ServerCheck(
        id="state-kept",
        title="Other state",
        group=STATE,
        rule="forget",
        look=_state,
        means="An attacker on the path decides a part of what the client does inside TLS, its sender for example.",
        mend={"": "Forget everything but the connection itself when TLS begins."},
        leaves="B",
    ),
)
