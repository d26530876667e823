"""What is tried on the lab's own servers only, because it is an attack: state that crosses into TLS.

Everything said before the handshake has to be forgotten by it (RFC 3207 §4.2, RFC 9051 §6.2.1, RFC 2595 §4). Each
experiment is a visit that plants something in clear text and looks for it inside TLS.
"""

import re
from collections.abc import Callable, Sequence

from labkit.dialects.base import Phrase
from labkit.dialects.writing import Writer
from labkit.probe.observation import Observation, Unseen
from labkit.probe.target import ProbeTarget
from labkit.probe.visit import Broken, Deadline, ProbeVisit, in_one_line, lenient_context

NOT_OURS = "the server is not one of the lab's own, and only those are attacked"


def run(target: ProbeTarget, deadline: Deadline, seen: Observation) -> None:
    """Run all experiments, where they are allowed and something is said in clear text."""
    if target.implicit:
        return
    if not target.ours:
        seen.injection = seen.early = seen.login_kept = seen.clear_login = seen.state_kept = Unseen(NOT_OURS)
        return
    if seen.version:
        seen.injection = _tried(lambda: _inject(target, deadline, seen))
        seen.state_kept = _tried(lambda: _keep_state(target, deadline))
    broken = _tried(lambda: _keep_login(target, deadline, seen))
    seen.clear_login = broken if seen.clear_login is None else seen.clear_login


def _tried(experiment: Callable[[], bool | Unseen | None]) -> bool | Unseen | None:
    try:
        return experiment()
    except Broken as trouble:
        return Unseen(f"the experiment broke off: {trouble}")


def _matches(pattern: str, phrases: Sequence[Phrase]) -> bool:
    return any(re.match(pattern, phrase.data.decode("latin-1"), re.IGNORECASE) for phrase in phrases)


def _inject(target: ProbeTarget, deadline: Deadline, seen: Observation) -> bool | Unseen:
    """Put a command after the request to start TLS, in the same segment, and look for its reply inside TLS."""
    writes = target.dialect.writes
    injected, question = writes.injected, writes.begin or writes.ask
    if injected is None:
        return Unseen(f"no harmless command of {target.dialect.name} is known for it")
    if question is None:
        return Unseen(f"no command of {target.dialect.name} is known to ask with inside TLS")
    with ProbeVisit(target, deadline) as visit:
        visit.greet()
        visit.ask()
        try:
            said = visit.request(writes.command(injected.command, "mallory"))
            if said.kind != "go-ahead":
                seen.early = f"the server refused to start TLS: {in_one_line(target.dialect, said)}"
                return False
            visit.handshake(lenient_context())
        except Broken as trouble:
            seen.early = f"the server ended the conversation ({trouble})"
            return False
        if visit.injected:
            seen.early = "the command was carried out in clear text, after the go-ahead"
        visit.unasked()
        visit.say(question(target.name, "2900"))
        heard = visit.answer()  # what was injected is answered before the question
        found = _matches(injected.reply, heard)
        if found:
            seen.early = "the command was carried out inside TLS"
        elif seen.early is None:
            seen.early = "the command was thrown away"
        return found


def _keep_state(target: ProbeTarget, deadline: Deadline) -> bool | None:
    """Say the first half of something in clear text and the second inside TLS."""
    kept, login = target.dialect.writes.kept, target.login
    if kept is None or login is None:
        return None
    named = {"user": login.user, "password": login.password, "address": login.address}
    with ProbeVisit(target, deadline) as visit:
        visit.greet()
        visit.ask()
        visit.command(kept.before.format(**named))
        visit.upgrade()
        visit.handshake(lenient_context())
        return _matches(kept.reply, visit.command(kept.after.format(**named)))


def _keep_login(target: ProbeTarget, deadline: Deadline, seen: Observation) -> None:
    """Log in in clear text, start TLS, and ask whether the login still counts."""
    with ProbeVisit(target, deadline) as visit:
        visit.greet()
        visit.ask()
        seen.clear_login = _log_in(visit)
        if seen.clear_login is True and seen.version:
            seen.login_kept = _still_logged_in(visit)


def _log_in(visit: ProbeVisit) -> bool | Unseen:
    """Log in in clear text. Returns whether the server accepted the login."""
    login, writes = visit.target.login, visit.dialect.writes
    if login is None:
        return Unseen("no account on it is known")
    if writes.welcome == Writer.welcome:
        return Unseen(f"how a server of {visit.dialect.name} welcomes a right login is not known")
    try:
        commands = visit.say(writes.login(login.user, login.password, "1701"))
        return any(_matches(writes.welcome, visit.answer()) for _ in range(commands))
    except Broken:  # a server may hang up on a login that it does not allow
        return False


def _still_logged_in(visit: ProbeVisit) -> bool | Unseen:
    """Start TLS after a login, and see whether it counts there."""
    shows = visit.dialect.writes.logged_in
    if visit.dialect.upgrades_first:
        return False
    try:
        if visit.request().kind != "go-ahead":
            return False
        visit.handshake(lenient_context())
    except Broken:  # it hangs up, and with that the login is over
        return False
    if shows is None:
        return Unseen(f"how a server of {visit.dialect.name} shows that a client is logged in is not known")
    try:
        visit.unasked()
        visit.ask()
        return _matches(shows.reply, visit.command(shows.command))
    except Broken as trouble:
        return Unseen(f"the experiment broke off: {trouble}")
