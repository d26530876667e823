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
_LENGTH = b"\0"
"""The first byte of a length, because no buffer has 16 MiB (RFC 4752 §3.1); no text and no record begins with it."""


def begins(dialect: Dialect, events: Sequence[Event], data: bytes) -> bool:
    """Whether these bytes begin with a buffer, and the last login could have agreed on a layer."""
    if not data.startswith(_LENGTH):
        return False
    said = (event for event in reversed(events) if event.sender == CLIENT and event.layer == TEXT)
    login = next((event for event in said if event.title in dialect.logins), None)
    return login is not None and _mechanism(dialect, login).upper().startswith(_MECHANISMS)


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
