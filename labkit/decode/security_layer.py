"""Where a SASL security layer begins, after which nothing can be read here (RFC 4422 §3.7).

Some mechanisms protect what follows the login without TLS. Each side then sends buffers after their length in 4 bytes.
"""

import re
from collections.abc import Sequence
from functools import cache

from labkit.decode.event import CLIENT, TEXT, Event
from labkit.dialects.base import MECHANISM, Dialect

INSIDE_LAYER = "inside a SASL security layer"
"""The title of what is said there."""
_MECHANISMS = ("GSSAPI", "GSS-SPNEGO", "GS2-KRB5", "KERBEROS_V4", "DIGEST-MD5", "SRP", "NTLM")
"""Those that can have a layer (RFC 4752 §3.1, RFC 2831 §2.3 and others)."""
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
        said = (event for event in reversed(fresh) if event.sender == CLIENT and event.layer == TEXT)
        login = next((event for event in said if event.title in self._dialect.logins), None)
        if login is not None:
            self._agreed = _mechanism(self._dialect, login).upper().startswith(_MECHANISMS)
        return self._agreed


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
