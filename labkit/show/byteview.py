"""The byte view: every byte of one message, the field that it belongs to, and a sentence on that field.

Bytes and fields stand side by side; pointing at one, or reaching it by keyboard, lights up the other. Detail opens and
closes without a script. What the fields are is decided in `labkit.decode`.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from textwrap import wrap
from typing import NamedTuple

from labkit.decode.event import CLIENT, Event, Field
from labkit.errors import LabError
from labkit.show import html
from labkit.show.forms import form_of, tag
from labkit.show.page import Page, fresh
from labkit.show.printed import printable

_ROW = 16
"""Bytes in a row of the grid."""
_TEXT_ROW = 12
"""Bytes in a row of the plain text."""
_WIDTH = 110
_VALUE = 90
_GROUP_VALUE = 44
_HEX_VALUE = 24
"""Characters of a value that are shown before its field is opened: of one, of a group's, of one in hexadecimal."""
_OPENED = 2
"""Levels of fields that can be open from the start."""
_LIGHT = "background:var(--lk-secret);color:var(--lk-secret-ink);outline:2px solid var(--lk-secret-line)"
_LIT = 400
"""Fields that light up; more would make the page slow."""


class FieldGroup(NamedTuple):
    """A sort of fields, distinguished by underline and colour."""

    css: str
    legend: str


STRUCTURE = FieldGroup("structure", "structure: types and lengths")
COMPUTED = FieldGroup("random", "random or computed: nonces, keys, signatures")
BY_CLIENT = FieldGroup("by-client", "said by the client")
BY_SERVER = FieldGroup("by-server", "said by the server")

_STRUCTURE = re.compile(r"(^|[ _])(length|type|count|reserved|padding|header|not described)$", re.IGNORECASE)
_COMPUTED = re.compile(
    r"random|nonce|(^|[ _])(id|point|key|ticket|identity|binder|signature|cookie)$"
    r"|public.key|verify.data|age.add|ciphertext",
    re.IGNORECASE,
)
_HEX = re.compile("[0-9a-f]{20}")


class _Node(NamedTuple):
    """A field in its place in the tree."""

    number: int
    field: Field
    group: FieldGroup | None
    """None where the children have their own."""
    above: tuple[int, ...]
    """The numbers of the fields around it."""
    children: tuple["_Node", ...]


def byteview(event: Event) -> Page:
    """The bytes of a message with their fields. Raises `LabError` for an event without bytes."""
    if not event.data:
        raise LabError(f"{event.title} carries no bytes: look at a message, such as a ClientHello or an EHLO.")
    nodes = _nodes(_whole(event.fields, 0, len(event.data)), event, count(), ())
    return Page(partial(_body, event, nodes), _text(event, nodes))


# ---- the tree


def _whole(fields: Sequence[Field], start: int, end: int) -> list[Field]:
    """The fields in order, with the bytes between them that no field describes."""
    found = []
    for field in sorted(fields, key=lambda field: (field.start, field.end)):
        if field.start < start or field.end > end:
            continue
        if field.start > start:
            found.append(_undescribed(start, field.start))
        found.append(field)
        start = field.end
    return [*found, _undescribed(start, end)] if start < end else found


def _undescribed(start: int, end: int) -> Field:
    return Field("not described", start, end, _sized(end - start), "Bytes that the lab has no description for.")


def _nodes(fields: Sequence[Field], event: Event, numbers: Iterator[int], above: tuple[int, ...]) -> tuple[_Node, ...]:
    found = []
    for field in fields:
        number = next(numbers)
        inner = _whole(field.children, field.start, field.end) if field.children else []
        children = _nodes(inner, event, numbers, (*above, number))
        found.append(_Node(number, field, None if children else _group(field, event), above, children))
    return tuple(found)


def _group(field: Field, event: Event) -> FieldGroup:
    if _STRUCTURE.search(field.name):
        return STRUCTURE
    if _COMPUTED.search(field.name):
        return COMPUTED
    return BY_CLIENT if event.sender == CLIENT else BY_SERVER


def _every(nodes: Sequence[_Node]) -> Iterator[_Node]:
    for node in nodes:
        yield node
        yield from _every(node.children)


def _leaves(nodes: Sequence[_Node]) -> list[_Node]:
    """The fields without children: each byte belongs to exactly one; empty fields have no bytes to show."""
    return [node for node in _every(nodes) if not node.children and node.field.end > node.field.start]


def _sized(size: int) -> str:
    return f"{size:,} byte" if size == 1 else f"{size:,} bytes"


def _place(field: Field) -> str:
    size = field.end - field.start
    if size < 2:
        return f"at {field.start:04x}, 1 byte" if size else "empty"
    return f"at {field.start:04x} to {field.end - 1:04x}, {size:,} bytes"


# ---- HTML


def _body(event: Event, nodes: Sequence[_Node]) -> html.Node:
    key = fresh()
    leaves = _leaves(nodes)
    used = dict.fromkeys(node.group for node in leaves if node.group)
    size = html.small[f"from the {event.sender}, {_sized(len(event.data))}"]
    grid = html.code("lk-hex", tabindex="0", role="group", aria_label="The bytes in hexadecimal")
    return (
        html.div("lk-head")[html.b[event.title], " ", size, " ", tag(form_of(event)), html.br, event.meaning],
        html.p[(html.span(f"lk-key lk-{group.css}")[group.legend] for group in used)],
        html.div("lk-bytes", id=key)[
            html.style[_lighting(key, nodes)],
            grid[_grid(event.data, leaves)],
            html.div(role="group", aria_label="The fields")[_fields(nodes, len(event.data))],
        ],
    )


def _lighting(key: str, nodes: Sequence[_Node]) -> str:
    """The style sheet that lights up the bytes of the field pointed at, and the field of the bytes pointed at."""
    numbers = [node.number for node in _every(nodes)][:_LIT]
    places = [
        f"#{key}:has(.lk-s{n}:is(:hover,:focus-visible)) .lk-f{n},#{key}:has(.lk-f{n}:hover) .lk-s{n}" for n in numbers
    ]
    return f"{','.join(places)}{{{_LIGHT}}}" if places else ""


def _grid(data: bytes, leaves: Sequence[_Node]) -> html.Node:
    rows: list[html.Node] = []
    following = iter([*leaves, None])
    node = next(following)
    for start in range(0, len(data), _ROW):
        end = min(start + _ROW, len(data))
        runs: list[html.Node] = []
        while node and node.field.start < end:
            runs += [" ", _run(data, node, max(start, node.field.start), min(end, node.field.end))]
            if node.field.end > end:
                break
            node = next(following)
        blank = " " * (3 * (_ROW - (end - start)) + 2)
        rows += [html.br, html.i[f"{start:04x}  "], runs[1:], html.i[f"{blank}{_ascii(data[start:end])}"]]
    return rows[1:]


def _ascii(data: bytes) -> str:
    """The bytes as characters; a dot for each that is not printable ASCII."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)


def _run(data: bytes, node: _Node, start: int, end: int) -> html.Node:
    places = " ".join(f"lk-f{number}" for number in (*node.above, node.number) if number < _LIT)
    css = node.group.css if node.group else STRUCTURE.css
    title = f"{node.field.name}: {_short(node.field.value, _VALUE)}"
    return html.span(f"lk-{css} {places}", title=title)[data[start:end].hex(" ")]


def _short(value: str, room: int) -> str:
    room = _HEX_VALUE if _HEX.match(value) else room
    return value if len(value) <= room else f"{value[: room - 1]}…"


def _fields(nodes: Sequence[_Node], whole: int) -> list[html.Node]:
    return [_field(node, whole) for node in nodes]


def _field(node: _Node, whole: int) -> html.Node:
    """A field that opens and closes; one that holds most of the `whole` bytes of the message is open from the start."""
    field = node.field
    is_open = bool(node.children) and 2 * (field.end - field.start) > whole and len(node.above) < _OPENED
    short = _short(field.value, _GROUP_VALUE if node.children else _VALUE)
    name = html.span(f"lk-key lk-{node.group.css}" if node.group else "lk-key")[field.name]
    return html.details(open=is_open)[
        html.summary(f"lk-s{node.number}")[name, [" ", html.code[short]] if short else None],
        html.div("lk-inside")[
            html.div[field.meaning, " ", html.small[f"({_place(field)})"]],
            html.div[html.code[field.value]] if short != field.value else None,
            _fields(node.children, whole),
        ],
    ]


# ---- plain text


def _text(event: Event, nodes: Sequence[_Node]) -> str:
    head = f"{printable(event.title)} from the {event.sender}, {_sized(len(event.data))}, {form_of(event).tag}"
    rows = [head, *wrap(printable(event.meaning), _WIDTH), ""]
    for node in _every(nodes):
        rows += _text_rows(event.data, node)
    return "\n".join(rows)


def _text_rows(data: bytes, node: _Node) -> list[str]:
    field, indent = node.field, "  " * len(node.above)
    own = b"" if node.children else data[field.start : field.end]
    cells = [own[at : at + _TEXT_ROW].hex(" ") for at in range(0, len(own), _TEXT_ROW)]
    room = max(_WIDTH - 6 - (4 * _TEXT_ROW + 2) - len(indent), 20)
    value = "" if own and field.value == own.hex() else f": {printable(field.value)}"
    said = wrap(f"{printable(field.name)}{value}", room, subsequent_indent="  ")
    said += wrap(printable(field.meaning), room, initial_indent="  ", subsequent_indent="  ")
    rows = []
    for number in range(max(len(cells), len(said))):
        offset = f"{field.start + number * _TEXT_ROW:04x}" if number < max(len(cells), 1) else ""
        cell = cells[number] if number < len(cells) else ""
        words = f"{indent}{said[number]}" if number < len(said) else ""
        letters = _ascii(bytes.fromhex(cell))
        rows.append(f"{offset:4}  {cell:<{3 * _TEXT_ROW}} {letters:<{_TEXT_ROW}} {words}".rstrip())
    return rows
