"""The ways in which something crosses the wire, as a picture must tell them apart: by a word, a shape and a colour."""

from typing import NamedTuple

from labkit.decode.event import TCP, TEXT, Event


class Form(NamedTuple):
    """One way of crossing the wire."""

    name: str
    """Also the class in HTML."""
    tag: str
    """The short word beside an event."""
    legend: str
    """The words that explain it."""
    colour: str
    """The role in `theme.COLOURS`."""
    locked: bool
    """Whether an eavesdropper sees only ciphertext."""


SIGNAL = Form("tcp", "TCP", "TCP signal, no content", "tcp", False)
CLEAR = Form("clear", "CLEAR", "clear text, readable by anyone on the path", "clear", False)
HANDSHAKE = Form("tls", "TLS", "TLS in clear: handshake, alerts", "tls", False)
OPENED = Form("opened", "decrypted", "ciphertext on the wire, opened with the session's secrets", "sealed", True)
SEALED = Form("sealed", "ciphertext", "ciphertext, not opened", "sealed", True)
OPENED_TLS = Form("opened", "TLS decrypted", "TLS message sent as ciphertext, opened", "sealed", True)

FORMS = (SIGNAL, CLEAR, HANDSHAKE, OPENED_TLS, OPENED, SEALED)


def form_of(event: Event) -> Form:
    """How this event crossed the wire."""
    if event.layer == TCP:
        return SIGNAL
    if event.layer == TEXT:
        return OPENED if event.encrypted else CLEAR
    if not event.encrypted:
        return HANDSHAKE
    return SEALED if event.kind in ("application-data", "unknown") else OPENED_TLS
