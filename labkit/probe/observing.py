"""All visits to a server, and what was seen in them; each function fills in its part of the observation.

The first visit is the one that any client makes. Further ones are made only if TLS began in the first.
"""

import ssl
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from labkit.defences.relaying import chain
from labkit.dialects import ALL
from labkit.errors import LabError, NotListening
from labkit.probe import experiments, tls_survey
from labkit.probe.observation import Observation, Unseen
from labkit.probe.shown_certificate import read_certificate
from labkit.probe.target import ProbeTarget
from labkit.probe.tls_survey import NUMBERS, HelloAnswer, read_answer
from labkit.probe.visit import (
    ANY_SUITE,
    CONNECTING,
    GREETING,
    HANDSHAKE,
    INSIDE,
    Broken,
    Deadline,
    OtherProtocol,
    ProbeVisit,
    Silent,
    lenient_context,
)
from labkit.trust.contexts import spoken

VERSIONS = tuple(sorted(NUMBERS, key=NUMBERS.__getitem__, reverse=True))
"""The versions that are asked for, the newest first."""
_ANY_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL: dates are judged by themselves."""
_UNTRUSTED = {
    18: "it is signed by itself",
    19: "the chain ends at an authority that is not trusted",
    20: "no trusted authority has issued it, or a certificate between is missing",
    21: "no trusted authority has issued it, or a certificate between is missing",
}
"""OpenSSL's number for what is wrong with a chain (X509_V_ERR_*) -> what that means."""
_NEIGHBOUR = "127.0.0.2"
_FEW = 2.0
"""Seconds for a server to answer a hello; one that refuses in silence is not waited for any longer."""


def observe(target: ProbeTarget) -> Observation:
    """Make every visit that the target allows. Never raises for what the server does."""
    seen = Observation(
        target.dialect,
        target.host,
        target.port,
        target.name,
        target.implicit,
        target.ours,
        target.relays,
    )
    deadline = Deadline(target.longest)
    context = lenient_context()
    shown: tuple[bytes, ...] = ()
    session: Any = None
    try:
        target = _from_elsewhere(target)
        shown, session = _first_visit(target, deadline, context, seen)
    except Broken as trouble:
        seen.trouble, seen.step, seen.silent = str(trouble), trouble.step, isinstance(trouble, Silent)
        seen.hint = _hint(target, deadline, trouble)
    if seen.version:
        seen.certificate = read_certificate(shown)
        seen.untrusted = _untrusted(target, deadline)
        seen.resumed = _resumed(target, deadline, context, session)
    if seen.version or (seen.step == HANDSHAKE and not seen.silent):
        _survey(target, deadline, seen)
    if seen.spoken:
        _implicit(target, deadline, seen)
        experiments.run(target, deadline, seen)
        _published(target, seen, shown)
    return seen


def _from_elsewhere(target: ProbeTarget) -> ProbeTarget:
    """The same target, reached on loopback from another address than its own: some servers trust that one.

    Linux has all of 127.0.0.0/8 there; where the system has not, or another network is between, nothing changes. Raises
    `Broken` where the server cannot be reached.
    """
    try:
        with target.reach.connect(target.host, target.port, target.patience) as sock:
            here, there = sock.getsockname()[0], sock.getpeername()[0]
    except (LabError, OSError) as error:
        raise Broken(CONNECTING, str(error).rstrip(".")) from error
    if here == there and here.startswith("127."):
        with (
            suppress(LabError, OSError),
            target.reach.connect(target.host, target.port, target.patience, source=_NEIGHBOUR),
        ):
            return replace(target, source=_NEIGHBOUR)
    return target


# ---- looks


def _first_visit(
    target: ProbeTarget, deadline: Deadline, context: ssl.SSLContext, seen: Observation
) -> tuple[tuple[bytes, ...], Any]:
    """The visit of any client; the certificates that were shown, and the session for another one."""
    begun = time.monotonic()
    with ProbeVisit(target, deadline) as visit:
        seen.own_address = visit.sock.getsockname()[0] == visit.sock.getpeername()[0]
        if target.implicit:
            visit.handshake(context)
            _note_tls(visit, seen)
            visit.greet()
            seen.greeting = visit.greeting
        else:
            visit.greet()
            seen.greeting = visit.greeting
            seen.clear = visit.ask()
            seen.answered = visit.request()
            if seen.answered.kind != "go-ahead":
                return (), None
            visit.handshake(context)
            seen.behind = visit.injected
            _note_tls(visit, seen)
            visit.unasked()
        shown = chain(visit.sock)
        try:
            _inside(visit, seen, begun)
        except Broken as trouble:  # TLS has begun, and with that most is known
            seen.trouble, seen.step = str(trouble), INSIDE
        return shown, visit.sock.session


def _note_tls(visit: ProbeVisit, seen: Observation) -> None:
    seen.version, seen.cipher = spoken(visit.sock.version()), (visit.sock.cipher() or ("",))[0]


def _inside(visit: ProbeVisit, seen: Observation, begun: float) -> None:
    if visit.dialect.writes.begin is None:  # what is said first instead of a question leaves no room for a request
        seen.inside = visit.ask()
    seen.waits, seen.seconds = visit.waits, time.monotonic() - begun
    if not visit.target.implicit:
        try:
            seen.again = visit.request()
        except Broken as trouble:  # hanging up is a refusal, too
            seen.again = Unseen(str(trouble))


def _untrusted(target: ProbeTarget, deadline: Deadline) -> str | Unseen:
    """Why no trusted authority has issued the certificate; empty where one has. Names and dates are not looked at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.set_ciphers(ANY_SUITE)
    context.verify_flags |= _ANY_TIME
    target.trust(context)
    try:
        with ProbeVisit(target, deadline) as visit:
            up_to_tls(visit, context)
    except Broken as trouble:
        error = trouble.__cause__
        if isinstance(error, ssl.SSLCertVerificationError):
            return _UNTRUSTED.get(error.verify_code, error.verify_message)
        return Unseen(f"the second visit failed: {trouble}")
    return ""


def up_to_tls(visit: ProbeVisit, context: ssl.SSLContext, session: Any = None) -> None:
    """All steps of a client up to a handshake with this context. Raises `Broken`."""
    before_tls(visit)
    visit.handshake(context, session)


def before_tls(visit: ProbeVisit) -> None:
    """All steps of a client before its handshake. Raises `Broken`."""
    if not visit.target.implicit:
        visit.greet()
        visit.ask()
        visit.upgrade()


def _resumed(target: ProbeTarget, deadline: Deadline, context: ssl.SSLContext, session: Any) -> bool | Unseen:
    if session is None:
        return Unseen("the server gave nothing to resume with")
    try:
        with ProbeVisit(target, deadline) as visit:
            up_to_tls(visit, context, session)
            return bool(visit.sock.session_reused)
    except Broken as trouble:
        return Unseen(f"the visit failed: {trouble}")


def _survey(target: ProbeTarget, deadline: Deadline, seen: Observation) -> None:
    """Ask for every version, and for the suites of those that are spoken."""

    def exchange(hello: bytes) -> HelloAnswer:
        with ProbeVisit(target, deadline) as visit:
            before_tls(visit)
            return _answer(visit, hello, min(_FEW, target.patience, deadline.left))

    for version in VERSIONS:
        try:
            if deadline.over:
                raise Silent(HANDSHAKE, f"the time of {target.longest:g} s was up before")
            seen.versions[version] = tls_survey.support(version, target.sni, exchange, lambda: not deadline.over)
        except Broken as trouble:
            seen.versions[version] = Unseen(str(trouble))


def _answer(visit: ProbeVisit, hello: bytes, patience: float) -> HelloAnswer:
    """The server's answer to a hello; a server that hangs up or says nothing refuses, too."""
    visit.beginning = True
    limit, data = Deadline(patience), b""
    with suppress(OSError):
        visit.sock.settimeout(limit.left)
        visit.sock.sendall(hello)
        while not limit.over:
            visit.sock.settimeout(limit.left)
            more = visit.sock.recv(1 << 14)
            if not more:
                return HelloAnswer(alert="the server closed the connection")
            data += more
            answer = read_answer(data)
            if answer is not None:
                return answer
        return HelloAnswer(alert="no answer")
    return HelloAnswer(alert="no answer" if limit.over else "the server closed the connection")


def _implicit(target: ProbeTarget, deadline: Deadline, seen: Observation) -> None:
    """Whether the registered port for implicit TLS is served, too."""
    ports = [port for port in target.dialect.implicit_ports if port != target.port]
    if target.implicit or target.relays or not ports:
        return
    seen.implicit_port = ports[0]
    try:
        sock = target.reach.connect(target.host, ports[0], min(target.patience, deadline.left))
    except NotListening:
        seen.implicit_tls = ""
        return
    except (LabError, OSError) as error:
        seen.implicit_tls = Unseen(str(error).rstrip("."))
        return
    with sock:
        try:
            with lenient_context().wrap_socket(sock, server_hostname=target.sni) as inside:
                seen.implicit_tls = spoken(inside.version())
        except (OSError, ValueError) as error:
            seen.implicit_tls = Unseen(f"TLS did not begin there ({error})")


def _published(target: ProbeTarget, seen: Observation, shown: tuple[bytes, ...]) -> None:
    if not target.relays:
        return
    if target.publication is None:
        seen.published = Unseen(target.unpublished)
        return
    from labkit.probe.domain_records import look  # it loads dnspython, which most probes do not need

    try:
        seen.published = look(target.publication(), target.name, target.domain, target.port, shown)
    except LabError as error:
        seen.published = Unseen(str(error).rstrip("."))


def _hint(target: ProbeTarget, deadline: Deadline, trouble: Broken) -> str:
    """Another way to reach the server, if a second attempt shows one; empty otherwise."""
    if isinstance(trouble, OtherProtocol):
        said = str(trouble)
        other = next((each for each in ALL if f"is {each.name} and" in said), None)
        return f"Probe it as {other.name}." if other else ""
    if trouble.step == GREETING and not target.implicit and isinstance(trouble, Silent):
        return "TLS begins at once on this port: probe it with implicit TLS." if _tls_at_once(target, deadline) else ""
    if trouble.step == HANDSHAKE and target.implicit:
        return "The server may begin in clear text here: probe it without implicit TLS."
    return ""


def _tls_at_once(target: ProbeTarget, deadline: Deadline) -> bool:
    try:
        sock = target.reach.connect(target.host, target.port, min(_FEW, deadline.left))
        with sock, lenient_context().wrap_socket(sock, server_hostname=target.sni):
            return True
    except (LabError, OSError, ValueError):
        return False
