"""Captures of the same thing sent in different ways, beside each other: what of it could be read, and how much it was.

Three views: bars of bytes, columns of what an eavesdropper sees, and the entropy along one capture.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from labkit.decode.event import CLIENT, TCP, TEXT, Dialogue, Event
from labkit.decode.measure import READABLE, SEALED, SHAKING, WINDOW, crossed, entropies, entropy, measure
from labkit.decode.privacy import visible
from labkit.show import html
from labkit.show.forms import form_of
from labkit.show.page import Page
from labkit.show.picture import WIDTH, Picture, canvas, ink
from labkit.show.printed import printable
from labkit.show.shapes import fitted, line, page, write
from labkit.show.table import Column, build

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from labkit.show.capture import Capture

_LOOKS = {READABLE: ("clear", ""), SHAKING: ("tls", "////"), SEALED: ("sealed", "xxxx")}
"""How bytes crossed the wire -> colour and hatching."""
_LEGEND = {
    READABLE: "clear text: anybody on the path reads it",
    SHAKING: "TLS handshake that can be read: names, versions, keys in the making",
    SEALED: "ciphertext: only its length and its time can be seen",
}
_LEFT, _TOP, _BAR, _ROW = 130.0, 34.0, 20.0, 46.0
_SAID = 46
"""Characters of a line in a column."""
_LINES = 8
"""Lines of a reply in a column."""


def compare(captures: "Mapping[str, Capture]") -> Picture:
    """Bars of the bytes of each capture's dialogue, by what an eavesdropper sees of them.

    `captures` is name -> capture. Raises `LabError` when one has no conversation.
    """
    dialogues = {name: capture.dialogue for name, capture in captures.items()}
    words = "\n".join(_sentence(name, dialogue) for name, dialogue in dialogues.items())
    return Picture(_bars(dialogues), words, f"Bars of bytes: {len(dialogues)} captures compared.")


def side_by_side(captures: "Mapping[str, Capture]") -> Page:
    """What an eavesdropper sees of each capture's dialogue, in columns. Raises `LabError` as `compare` does."""
    dialogues = {name: capture.dialogue for name, capture in captures.items()}
    text = "\n\n".join("\n".join([printable(name), *_as_text(dialogue)]) for name, dialogue in dialogues.items())
    return Page(partial(_columns, dialogues), text)


def _as_text(dialogue: Dialogue) -> list[str]:
    """What an eavesdropper sees of a dialogue, as lines of plain text."""
    rows = []
    for event in _with_payload(dialogue):
        first, *others = _seen(event)
        rows += [f"  {_arrow(event)} {first}", *(f"    {line}" for line in others)]
    return rows


def entropy_curve(capture: "Capture") -> Picture:
    """How random the bytes look along the dialogue of a capture, both directions in the order of the wire."""
    dialogue = capture.dialogue
    which = capture.dialogues.index(dialogue)
    data = b"".join(chunk.data for chunk in capture.conversations[which].chunks)
    curve = entropies(data)
    spans = _spans(dialogue)
    parts = [f"{name}: {entropy(data[start:end]):.1f} bits for each byte" for name, start, end in spans]
    words = f"{len(data):,} bytes in {len(spans)} parts. " + "; ".join(parts) + "."
    return Picture(_curve(curve, spans, len(data)), words, "Entropy along the conversation, in bits for each byte.")


# ---- bars


def _sentence(name: str, dialogue: Dialogue) -> str:
    taken = measure(dialogue)
    sizes = ", ".join(f"{size:,} bytes {kind}" for kind, size in taken.payload.items() if size)
    return printable(
        f"{name}: {sizes}; {taken.turns} turns in {taken.seconds * 1000:.1f} ms; readable: {_readable(dialogue)}."
    )


def _readable(dialogue: Dialogue) -> str:
    return ", ".join(dict.fromkeys(exposure.what for exposure in visible(dialogue))) or "nothing"


def _bars(dialogues: Mapping[str, Dialogue]) -> "Figure":
    taken = {name: measure(dialogue) for name, dialogue in dialogues.items()}
    scale = (WIDTH - _LEFT - 70) / max(sum(one.payload.values()) or 1 for one in taken.values())
    figure = canvas(_TOP + _ROW * len(taken) + 17 * len(_LOOKS) + 16)
    axes = page(figure)
    write(axes, _LEFT, 18, "payload bytes on the wire, by what somebody on the path sees of them", "soft")
    for row, (name, one) in enumerate(taken.items()):
        y = _TOP + _ROW * row
        write(
            axes,
            _LEFT - 10,
            y + _BAR / 2,
            fitted(printable(name), _LEFT - 16, 10, "bold"),
            size=10,
            weight="bold",
            va="center",
            ha="right",
        )
        x = _LEFT
        for kind, size in one.payload.items():
            _block(axes, x, y, size * scale, _BAR, kind)
            x += size * scale
        write(axes, x + 6, y + _BAR / 2, f"{sum(one.payload.values()):,}", "soft", va="center")
        said = f"readable: {_readable(dialogues[name])}"
        write(axes, _LEFT, y + _BAR + 12, fitted(said, WIDTH - _LEFT - 10), "soft", 9.5)
    _legend(axes, _TOP + _ROW * len(taken) + 8)
    return figure


def _block(axes: "Axes", x: float, y: float, width: float, height: float, kind: str) -> None:
    if width:
        role, hatch = _LOOKS[kind]
        face = ink(role) if not hatch else ink("raised")
        box = ((x, x + width, x + width, x), (y, y, y + height, y + height))
        axes.fill(*box, facecolor=face, edgecolor=ink(role), hatch=hatch, linewidth=1.2)


def _legend(axes: "Axes", top: float) -> None:
    for row, (kind, legend) in enumerate(_LEGEND.items()):
        y = top + 17 * row
        _block(axes, _LEFT, y, 26, 11, kind)
        write(axes, _LEFT + 34, y + 6, legend, "soft", 9.5, va="center")


# ---- columns


def _with_payload(dialogue: Dialogue) -> list[Event]:
    return [event for event in dialogue.events if event.layer != TCP]


def _arrow(event: Event) -> str:
    return "→" if event.sender == CLIENT else "←"


def _seen(event: Event) -> list[str]:
    """What an eavesdropper sees of an event: the lines of a reply, of a message the first."""
    if event.encrypted:
        return [f"▒▒▒▒▒▒ {event.wire:,} bytes"]
    if event.layer != TEXT:
        return [f"{event.title}, {event.wire:,} bytes"]
    lines = [printable(line) for line in event.text.splitlines()] or [""]
    shown = lines[: 1 if event.kind == "message" else _LINES]
    short = [line if len(line) <= _SAID else f"{line[: _SAID - 1]}…" for line in shown]
    return short if len(lines) == len(shown) else [*short, f"… {len(lines) - len(shown)} more lines"]


def _columns(dialogues: Mapping[str, Dialogue]) -> html.Node:
    columns = [Column(name) for name in dialogues]
    return build(
        columns,
        [[_column(dialogue) for dialogue in dialogues.values()]],
        label="What can be read of each",
        css="lk-equal",
    )


def _column(dialogue: Dialogue) -> list[html.Node]:
    return [
        html.div(f"lk-line lk-{form_of(event).name}")[html.span[_arrow(event), " ", _stacked(_seen(event))]]
        for event in _with_payload(dialogue)
    ]


def _stacked(lines: list[str]) -> list[html.Node]:
    return [part for line in lines for part in (html.br, html.code[line])][1:]


# ---- entropy


def _spans(dialogue: Dialogue) -> list[tuple[str, int, int]]:
    """The parts of the payload that crossed in one way: (how, first byte, byte after the last)."""
    spans: list[tuple[str, int, int]] = []
    at = 0
    for event in _with_payload(dialogue):
        kind, end = crossed(event), at + event.wire
        if spans and spans[-1][0] == kind:
            spans[-1] = (kind, spans[-1][1], end)
        elif event.wire:
            spans.append((kind, at, end))
        at = end
    return spans


def _curve(curve: list[tuple[int, float]], spans: list[tuple[str, int, int]], size: int) -> "Figure":
    width, height, left, top = WIDTH - 60.0, 150.0, 44.0, 20.0
    figure = canvas(top + height + 44 + 17 * len(_LOOKS))
    axes = page(figure)
    across, up = width / max(size, 1), height / 8.0
    for kind, start, end in spans:
        _block(axes, left + start * across, top + height + 4, (end - start) * across, 9, kind)
    for bits in range(0, 9, 2):
        y = top + height - bits * up
        line(axes, (left, left + width), (y, y), "rule", 0.8)
        write(axes, left - 8, y, str(bits), "soft", va="center", ha="right")
    write(axes, left - 8, 11, f"bits for each byte, in a window of {WINDOW}", "soft", 9.5)
    xs = tuple(left + at * across for at, _ in curve)
    ys = tuple(top + height - bits * up for _, bits in curve)
    line(axes, xs, ys, "ink", 1.5)
    write(axes, left, top + height + 27, "first byte", "soft", 9.5)
    write(axes, left + width, top + height + 27, f"byte {size:,}", "soft", 9.5, ha="right")
    _legend(axes, top + height + 38)
    return figure
