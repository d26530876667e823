"""Where a SASL security layer begins, after which nothing can be read here (RFC 4422 §3.7).

Some mechanisms protect what follows the login without TLS. Each side then sends buffers after their length in 4 bytes.
"""

import re
from collections.abc import Sequence
from functools import cache

from labkit.decode.event import CLIENT, TEXT, Event
from labkit.dialects.base import MECHANISM, Dialect
from labkit.mail.charset import unbase64

INSIDE_LAYER = "inside a SASL security layer"
"""The title of what is said there."""
_MECHANISMS = ("GSSAPI", "GSS-SPNEGO", "GS2-KRB5", "KERBEROS_V4", "DIGEST-MD5", "SRP", "NTLM")
"""Those that can have a layer (RFC 4752 §3.1, RFC 2831 §2.3 and others)."""
_NAMED = tuple(name.encode() for name in _MECHANISMS)
_ASKS = (b"334", b"+")
"""With these words and the name of a mechanism Exchange asks for the first response (SMTP, IMAP and POP3)."""
_CHALLENGES = (
    b"NTLMSSP\0\2",
    b"algorithm=md5-sess",
    b"rspauth=",
    bytes.fromhex("2a864886f712010202"),
    bytes.fromhex("2b0601050502"),
)
"""Bytes in a challenge of NTLM, DIGEST-MD5 (RFC 2831 §2.1), Kerberos (RFC 4121 §4.1) and SPNEGO (RFC 4178 §4.2),
which name the mechanism where the client's command was not captured."""
_FIRST_WORDS = 3
"""Among these words of a line stands its base64."""
LENGTH = b"\0"
"""The first byte of a length, because no buffer has 16 MiB (RFC 4752 §3.1); no text and no record begins with it."""


class LayerStart:
    """Looks for the beginning of a layer in what two sides say in a dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._looked = 0
        """How many events have been searched for a login."""
        self._agreed = False
        """Whether the last login could have agreed on a layer."""

    def is_agreed(self, events: Sequence[Event]) -> bool:
        """Whether the last login in `events` could have agreed on a layer, so that `LENGTH` begins a buffer of it."""
        fresh = events[self._looked :]
        self._looked = len(events)
        said = (event for event in reversed(fresh) if event.layer == TEXT and event.kind != "message")
        told = (_agrees(self._dialect, event) for event in said)
        self._agreed = next((agreed for agreed in told if agreed is not None), self._agreed)
        return self._agreed


def _agrees(dialect: Dialect, event: Event) -> bool | None:
    """Whether a login that this event belongs to can agree on a layer; None where it shows no login."""
    if event.sender == CLIENT:
        return _mechanism(dialect, event).upper().startswith(_MECHANISMS) if event.title in dialect.logins else None
    words = event.data.split(maxsplit=_FIRST_WORDS)[:_FIRST_WORDS]
    named = any(word.upper() in _NAMED for word in words[1:2]) and words[0] in _ASKS
    return True if named or any(_is_challenge(part) for part in (event.data, *map(unbase64, words))) else None


def _is_challenge(payload: bytes) -> bool:
    return any(mark in payload for mark in _CHALLENGES)


def _mechanism(dialect: Dialect, login: Event) -> str:
    """The mechanism that this command names."""
    if dialect.reveals is not None:
        named = (one.value for one in dialect.reveals(login.title, login.data) if one.what == MECHANISM)
        return next(named, b"").decode("latin-1")
    found = _compiled(dialect.sasl).match(login.text)
    return found["mechanism"].strip('"') if found else ""


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
