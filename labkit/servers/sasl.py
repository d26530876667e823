"""How a login is read: SASL PLAIN (RFC 4616), as IMAP and POP3 carry it."""

import base64
import binascii


def read_plain(response: bytes) -> tuple[str, str] | None:
    """(user, password) of a base64 response to AUTH PLAIN; nothing where it is none."""
    try:
        _, user, password = base64.b64decode(response, validate=True).split(b"\0")
    except (binascii.Error, ValueError):
        return None
    return user.decode("utf-8", "replace"), password.decode("utf-8", "replace")
