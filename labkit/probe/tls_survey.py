"""Which versions of TLS and SSL a server takes, and which cipher suites in each: asked with a ClientHello a visit.

The server's first answer says it all: a ServerHello names what it has chosen, an alert refuses. Each suite that was
chosen is left out of the next hello, so the suites come in the order in which the server takes them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labkit.decode.tls.hello import server_hello
from labkit.decode.tls.records import ALERT, HANDSHAKE, SSL2, Cutter
from labkit.decode.tls.registry import ALERTS, VERSIONS
from labkit.decode.tls.suites import SUITES
from labkit.probe.hello_writer import SSL3, TLS13, client_hello_record, ssl2_hello

Exchange = Callable[[bytes], "HelloAnswer"]
"""Sends a hello on a new visit, and reads the answer. Raises `labkit.probe.visit.Broken`."""

_SERVER_HELLO = 2
_NO_VERSION = "protocol_version"
"""The alert of a server that does not speak the version, whichever suites are offered."""
_LONGEST = 1 << 16
"""Bytes of a first answer that are read."""
_NOT_OFFERED = ("SCSV", "KRB5", "PSK", "SRP", "ECCPWD", "NULL_WITH_NULL", "TLS_SHA256_SHA256", "TLS_SHA384_SHA384")
"""Parts of the names of suites that need more than a certificate, and of signalling values."""
_TLS13 = tuple(number for number in SUITES if 0x1301 <= number <= 0x1307)
_OLDER = tuple(
    number
    for number, name in SUITES.items()
    if number not in _TLS13 and not any(word in name for word in _NOT_OFFERED) and not 0xC0B4 <= number <= 0xC0B5
)
_EXCHANGES = ("TLS_ECDHE_", "TLS_RSA_", "TLS_DHE_", "TLS_")
"""How names begin of the suites that share a hello, the usual ones first; the last are all others.

A server may fail at a suite that it has chosen, where it has no key for it; then it fails at those of one exchange.
"""
NUMBERS = {name: number for number, name in VERSIONS.items()}
"""``TLS 1.3`` -> 0x0304."""


@dataclass(frozen=True)
class HelloAnswer:
    """A server's answer to a hello."""

    version: int = 0
    suite: int = 0
    compression: int = 0
    alert: str = ""
    """The name of the alert, or what came in the place of an answer; empty where the hello was taken."""

    def __bool__(self) -> bool:
        return not self.alert


@dataclass(frozen=True)
class VersionSupport:
    """One version of TLS at a server."""

    version: str
    accepted: bool
    suites: tuple[str, ...] = ()
    """IANA names, in the order in which the server takes them."""
    why: str = ""
    """Why it was not taken: the alert, for example."""
    compression: bool = False
    whole: bool = True
    """Whether all suites were tried."""


def read_answer(data: bytes) -> HelloAnswer | None:
    """The answer that a server's first bytes hold; None where more of them is needed. Never raises."""
    message = b""
    for kind, _, content in Cutter().feed(data):
        if kind == SSL2:
            taken = content[:1] == b"\x04"
            return HelloAnswer(NUMBERS["SSL 2.0"]) if taken else HelloAnswer(alert="an error of SSL 2.0")
        if kind == ALERT and len(content) >= 2:
            return HelloAnswer(alert=ALERTS.get(content[1], f"alert {content[1]}"))
        if kind != HANDSHAKE:
            return HelloAnswer(alert="what the server sent is not TLS")
        message += content
        if message[:1] != bytes([_SERVER_HELLO]):
            return HelloAnswer(alert="what the server sent is no ServerHello")
        if len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4], "big"):
            hello = server_hello(message[: 4 + int.from_bytes(message[1:4], "big")])
            return HelloAnswer(hello.version, hello.suite, hello.compression)
    return HelloAnswer(alert="the server's first answer has no end") if len(data) > _LONGEST else None


def support(version: str, name: str | None, exchange: Exchange, in_time: Callable[[], bool]) -> VersionSupport:
    """Whether a server takes this version, and with which suites, as long as there is time. Raises `Broken`."""
    number = NUMBERS[version]
    if number < SSL3:
        answer = exchange(ssl2_hello())
        return VersionSupport(version, bool(answer), why=answer.alert)
    suites, why, compression = [], "", False
    for some in _PIECES[number == TLS13]:
        if why == _NO_VERSION:
            break
        left = list(some)
        while left:
            if not in_time():
                return VersionSupport(version, bool(suites), tuple(suites), why or "time", compression, whole=False)
            answer = exchange(client_hello_record(number, left, name, number < TLS13))
            if not answer or answer.version != number or answer.suite not in left:
                why = answer.alert or f"the server chose {VERSIONS.get(answer.version, hex(answer.version))}"
                break
            suites.append(SUITES[answer.suite])
            compression |= bool(answer.compression)
            left.remove(answer.suite)
    return VersionSupport(version, bool(suites), tuple(suites), "" if suites else why, compression)


def _apart(suites: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The suites by their key exchange."""
    kinds = [next(kind for kind in _EXCHANGES if SUITES[suite].startswith(kind)) for suite in suites]
    return tuple(
        tuple(suite for suite, kind in zip(suites, kinds, strict=True) if kind == wanted) for wanted in _EXCHANGES
    )


_PIECES = {False: _apart(_OLDER), True: (_TLS13,)}
"""Whether the version is TLS 1.3 -> the suites of one hello each."""
