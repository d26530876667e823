"""The ways in which something crosses the wire, as a picture must tell them apart: by a word, a shape and a colour."""

from collections.abc import Container
from typing import TYPE_CHECKING, NamedTuple

from labkit.decode.event import TCP, TEXT, Event
from labkit.show import html

if TYPE_CHECKING:
    from htpy import Element


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

CONTENT = ("application-data", "unknown")
"""Kinds of TLS events that carry what the applications say."""
_UNOPENED = "encrypted "
"""How the title of a TLS message begins that crossed as ciphertext and was not opened."""

FORMS = (SIGNAL, CLEAR, HANDSHAKE, OPENED_TLS, OPENED, SEALED)


_LOCKS = {
    "sealed": (9, "M1 5V3.5a3.5 3.5 0 0 1 7 0V5H9v6H0V5zm1.5 0h4V3.5a2 2 0 0 0-4 0z"),
    "opened": (13, "M6 5V3.3a3.3 3.3 0 0 1 6.6 0V5h-1.4V3.3a1.9 1.9 0 0 0-3.8 0V5H9v6H0V5z"),
}
"""`Form.name` -> the width and the outline of a padlock, closed or with its shackle swung open, 11 pixels high."""


def form_of(event: Event) -> Form:
    """How this event crossed the wire."""
    _, _, _, layer, kind, title, _, encrypted, _, _ = event
    if layer == TCP and kind != "again":
        return SIGNAL
    if layer == TCP:
        return SEALED if encrypted else CLEAR
    if layer == TEXT:
        return OPENED if encrypted else CLEAR
    if not encrypted:
        return HANDSHAKE
    return SEALED if kind in CONTENT or title.startswith(_UNOPENED) else OPENED_TLS


def explained(names: Container[str]) -> list[Form]:
    """The forms with these names, one of each, in the order in which a legend has them."""
    return list({form.name: form for form in FORMS if form.name in names}.values())


def tag(form: Form) -> "Element":
    """The small label of a form: a word in a shape, with a lock where an eavesdropper sees ciphertext."""
    lock = _LOCKS.get(form.name)
    return html.span(f"lk-tag lk-{form.name}", title=form.legend)[_lock(*lock) if lock else None, form.tag]


def _lock(width: int, outline: str) -> "Element":
    return html.svg("lk-lock", viewBox=f"0 0 {width} 11", width=width, height=11, aria_hidden="true")[
        html.path(d=outline)
    ]
