"""What the author of a message asks of every hop (RFC 8689): ``REQUIRETLS`` in the envelope, or that TLS be waived.

Only the words are here; what they change is in `decision`, and a server that takes and sends them is in `sending`.
"""

from collections.abc import Sequence
from email import message_from_bytes
from email.errors import MessageError

REQUIRETLS = "REQUIRETLS"
"""The capability, and the parameter of MAIL FROM (§2)."""
TLS_REQUIRED = "TLS-Required"
"""The field of a message whose one value is ``No`` (§3)."""
UNSUPPORTED = "5.7.30"
"""REQUIRETLS support required (§4.2.1)."""
UNPROTECTED = "5.7.10"
"""Encryption needed (§4.2.1)."""

DEFAULT, REQUIRED, WAIVED = "by the sender's policy", "TLS required", "TLS not required"


def wish(options: Sequence[str], message: bytes) -> str:
    """What the author asks: `REQUIRED`, `WAIVED` or `DEFAULT`. The envelope beats the header field (§4.1)."""
    if any(option.upper() == REQUIRETLS for option in options):
        return REQUIRED
    header = message.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    try:
        fields = message_from_bytes(header).get_all(TLS_REQUIRED, [])
    except (MessageError, ValueError):
        return DEFAULT
    waived = len(fields) == 1 and str(fields[0]).strip().lower() == "no"  # two of them are not allowed (§3)
    return WAIVED if waived else DEFAULT
