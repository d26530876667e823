"""Checks of the way into TLS: the offer, the request, the go-ahead, the handshake, and what is listed on each side."""

import re

from labkit.dialects.writing import Capabilities
from labkit.probe.findings import UPGRADE, Said, ServerCheck, fault, good, note, unknown
from labkit.probe.observation import Observation, Unseen
from labkit.probe.visit import HANDSHAKE, in_one_line


def _reach(seen: Observation) -> Said:
    where = f"port {seen.port} of {seen.host}"
    if not seen.reached:
        return fault(f"The server could not be reached: {seen.trouble}.")
    if not seen.spoken:
        hint = f" {seen.hint}" if seen.hint else ""
        greeted = f"; it had greeted with {in_one_line(seen.dialect, seen.greeting)!r}" if seen.greeting else ""
        return fault(f"The conversation with {where} came to no good end: {seen.trouble}{greeted}.{hint}")
    return good(f"A server answers on {where} and speaks {seen.dialect.name}.")


def _greeting(seen: Observation) -> Said | None:
    preauth = seen.dialect.writes.preauth
    if preauth is None or seen.greeting is None or seen.implicit:
        return None
    if seen.greeting.kind == "greeting" and preauth(seen.greeting.data) == seen.greeting.data:
        return fault("The greeting says that the client is logged in already, so the upgrade comes too late.")
    return good("The greeting leaves the client logged out, so that it can still start TLS.")


def _offer(seen: Observation) -> Said | None:
    token = seen.dialect.token
    if seen.implicit or not token:
        return None
    if not seen.spoken:
        return None
    if seen.clear is None:
        if seen.answered is not None and seen.answered.kind == "go-ahead":
            return note(
                f"The server starts TLS, though it lists nothing when it is asked; {_name(seen)} is not offered."
            )
        return fault(f"The server does not offer to start TLS: it lists nothing, and so no {_name(seen)}.")
    if _offered(token, seen.clear):
        return good(f"The server offers to start TLS: {_name(seen)} is in its list.")
    return fault(f"The server does not offer to start TLS: its list has no {_name(seen)}.")


def _name(seen: Observation) -> str:
    """The capability as its dialect names it; for an object identifier, the command and the identifier."""
    token = seen.dialect.token
    return f"{seen.dialect.upgrade} ({token})" if token[:1].isdigit() else token


def _offered(token: str, listed: Capabilities) -> bool:
    """Whether a capability is in a list, with or without parameters."""
    wanted = token.upper()
    return any(one.upper() == wanted or one.upper().startswith(f"{wanted} ") for one in listed)


def _go_ahead(seen: Observation) -> Said | None:
    if seen.implicit or seen.answered is None:
        return None
    said = in_one_line(seen.dialect, seen.answered)
    if seen.answered.kind == "go-ahead":
        return good(f"The server answers {seen.dialect.upgrade} with its go-ahead, {said!r}.")
    return fault(f"The server refuses to start TLS: it answers {seen.dialect.upgrade} with {said!r}.")


def _handshake(seen: Observation) -> Said | None:
    if seen.version:
        return good(f"The handshake ends well, in {seen.version} with {seen.cipher}.")
    if seen.step == HANDSHAKE:
        hint = f" {seen.hint}" if seen.hint else ""
        return fault(f"The handshake fails: {seen.trouble}.{hint}")
    return None


def _behind(seen: Observation) -> Said | None:
    if seen.implicit or not seen.version:
        return None
    if seen.behind:
        return fault(f"The server says more in clear text after its go-ahead ({len(seen.behind)} bytes).")
    return good("Nothing follows the go-ahead in clear text.")


def _clear_login(seen: Observation) -> Said | None:
    if seen.implicit or not seen.spoken:
        return None
    passwords = seen.dialect.writes.passwords
    offered = passwords(seen.clear) if passwords and seen.clear is not None else ()
    if offered:
        near = ", as seen from its own address, which some servers trust" * seen.own_address
        return fault(f"The server offers a login with the password itself before TLS: {_short(offered)}{near}.")
    if seen.clear_login is True:
        return fault("The server takes a login with the password itself before TLS.")
    if passwords and seen.clear is not None:
        return good("No login with the password itself is offered before TLS.")
    if seen.clear_login is False:
        return good("A login with the password itself is refused before TLS.")
    return unknown("the server lists no logins, and none is tried where it could only fail")


def _short(offered: Capabilities) -> str:
    return ", ".join(" ".join(re.sub("<[^>]*>", " ", one).split()) for one in offered)


def _inside(seen: Observation) -> Said | None:
    token = seen.dialect.token
    if not token or not seen.version:
        return None
    if seen.inside is None:
        return unknown(seen.trouble or "the server listed nothing inside TLS")
    if _offered(token, seen.inside):
        return fault(f"The list inside TLS still has {_name(seen)}, though TLS is there already.")
    if seen.implicit:
        return good(f"The list inside TLS has no {_name(seen)}.")
    if seen.clear is None:
        return unknown("there is no list from before TLS to compare with")
    gone, new = _less(seen.clear, seen.inside), _less(seen.inside, seen.clear)
    changed = [f"gone is {_short(gone)}"] * bool(gone) + [f"new is {_short(new)}"] * bool(new)
    return good(f"The list is made anew inside TLS: {'; '.join(changed) or 'it is the same'}.")


def _less(one: Capabilities, other: Capabilities) -> Capabilities:
    return tuple(each for each in one if each not in other)


def _again(seen: Observation) -> Said | None:
    if seen.implicit or not seen.version or seen.again is None:
        return None
    if isinstance(seen.again, Unseen):
        return good(f"The server ends the conversation when TLS is asked for inside TLS: {seen.again.why}.")
    said = in_one_line(seen.dialect, seen.again)
    if seen.again.kind == "go-ahead":
        return note(f"Inside TLS the server agrees to start TLS once more, with {said!r}; no client needs that.")
    return good(f"Inside TLS the server refuses to start TLS once more, with {said!r}.")


def _turns(seen: Observation) -> Said | None:
    if not seen.version or not seen.waits:
        return None
    return note(
        f"Up to the first answer inside TLS the client waited {seen.waits} times for the server, "
        f"{seen.seconds * 1000:.0f} ms in all."
    )


def _implicit(seen: Observation) -> Said | None:
    if seen.implicit:
        return good("TLS begins before the first byte, so there is nothing to strip.")
    if not seen.implicit_port:
        return None
    if isinstance(seen.implicit_tls, Unseen):
        return unknown(f"port {seen.implicit_port} gave no clear answer: {seen.implicit_tls.why}")
    if seen.implicit_tls:
        return good(f"Implicit TLS is offered, too: port {seen.implicit_port} speaks {seen.implicit_tls}.")
    return note(f"Implicit TLS is not offered: nothing listens on port {seen.implicit_port}.")


CHECKS = (
    ServerCheck(
        id="reach",
        title="Reached",
        group=UPGRADE,
        rule="RFC 9293 §3.5",
        look=_reach,
        means="No client can use the service, or not in this protocol.",
        mend={"": "See that the server runs, that it listens on this port, and that no firewall is between."},
        leaves="F",
    ),
    ServerCheck(
        id="preauth",
        title="Greeting",
        group=UPGRADE,
        rule="RFC 9051 §7.1.4",
        look=_greeting,
        means="A client that wants TLS cannot have it, and some then go on in clear text.",
        mend={"": "Greet with OK; keep PREAUTH for connections that another program has secured."},
        leaves="F",
    ),
    ServerCheck(
        id="offer",
        title="TLS offered",
        group=UPGRADE,
        rule="upgrade",
        look=_offer,
        means="Opportunistic clients send everything in clear text, and those that require TLS cannot connect.",
        mend={
            "Postfix": "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = /etc/postfix/server.pem",
            "Dovecot": "ssl = required\nssl_cert = </etc/dovecot/server.pem\nssl_key = </etc/dovecot/server.key",
            "": "Give the server a certificate and switch TLS on.",
        },
        leaves="F",
    ),
    ServerCheck(
        id="go-ahead",
        title="Go-ahead",
        group=UPGRADE,
        rule="upgrade",
        look=_go_ahead,
        means="TLS is promised and not given: clients give up, or go on in clear text.",
        mend={
            "Postfix": "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = /etc/postfix/server.pem",
            "Dovecot": "ssl = required",
            "": "Look into the server's log: most often it cannot read its certificate or its key.",
        },
        leaves="F",
    ),
    ServerCheck(
        id="handshake",
        title="Handshake",
        group=UPGRADE,
        rule="RFC 8446 §2",
        look=_handshake,
        means="No client can start TLS; opportunistic ones may try again in clear text.",
        mend={"": "Look into the server's log: certificate and key may not belong together."},
        leaves="F",
    ),
    ServerCheck(
        id="behind-go-ahead",
        title="Behind the go-ahead",
        group=UPGRADE,
        rule="forget",
        look=_behind,
        means="A client that keeps its buffer takes these bytes for the first answer inside TLS.",
        mend={"": "Send nothing between the go-ahead and the handshake."},
        leaves="B",
    ),
    ServerCheck(
        id="clear-login",
        title="Login before TLS",
        group=UPGRADE,
        rule="login",
        look=_clear_login,
        means="A client that does not insist on TLS sends its password so that anyone on the path can read it.",
        mend={
            "Postfix": "smtpd_tls_auth_only = yes",
            "Dovecot": "ssl = required\ndisable_plaintext_auth = yes",
            "": "Offer logins inside TLS only.",
        },
        leaves="D",
    ),
    ServerCheck(
        id="list-inside",
        title="List inside TLS",
        group=UPGRADE,
        rule="forget",
        look=_inside,
        means="Clients may start TLS inside TLS, or take the list from before TLS for a true one.",
        mend={"": "Make the list of capabilities anew inside TLS, without the upgrade."},
        leaves="B",
    ),
    ServerCheck(id="upgrade-inside", title="Upgrade inside TLS", group=UPGRADE, rule="upgrade", look=_again),
    ServerCheck(id="implicit", title="Implicit TLS", group=UPGRADE, rule="RFC 8314 §3", look=_implicit),
    ServerCheck(id="round-trips", title="Round trips", group=UPGRADE, rule="RFC 8446 §2", look=_turns),
)
