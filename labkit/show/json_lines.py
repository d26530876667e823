"""A dialogue as one line of JSON (RFC 8259), for programs. The fields keep their names; new ones may come.

- ``client``, ``server``: ``{"host", "port", "name"}``.
- ``protocol``: ``"SMTP"``, for example; null where the lab does not know it.
- ``protocol_by``: ``"words"`` where what was said is in that protocol, ``"port"`` where only the server's port tells
  it; null without a protocol.
- ``tls``: null without TLS, otherwise the fields of `labkit.decode.event.TLSSession`.
- ``events``: what happened, in order, with the fields of `labkit.decode.event.Event`. For its bytes there are ``text``,
  what was said in the protocol, with ``\\xNN`` for what is not UTF-8, and ``base64`` (RFC 4648 §4), a message of TLS
  or a text that is not UTF-8. Each is null where it has nothing to say; so is the ``text`` of a picture or a program:
  more than 4,096 bytes that do not begin as text.
- ``readable``: what an eavesdropper can read, ``{"what", "value", "event", "start", "end"}``, with the index of the
  event and offsets in its bytes (`labkit.decode.privacy.Exposure`).

Where a capture holds questions to a name server, one more line has ``lookups``, a list of ``{"time", "client", "name",
"type", "answer", "signed", "about"}`` (`labkit.defences.lookups.Lookup`; the time in seconds since 1970, as in events).

A line may have millions of characters, so an event is one format and only strings go through the encoder: `json.dumps`
of a dictionary for each event takes twice as long.
"""

import json
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import asdict
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING

from labkit.capture.conversation import Endpoint
from labkit.decode.escaped import escaped
from labkit.decode.event import TEXT, TLS, Dialogue, Event, Origin
from labkit.decode.privacy import Exposure, visible
from labkit.decode.tls_start import is_text
from labkit.show.readings import is_in_words

if TYPE_CHECKING:
    from labkit.defences.lookups import Lookup

_word = lru_cache(4096)(quoted)
"""The JSON string of a title or a meaning; the same ones come again and again."""
_SHORT = 512
"""Bytes of a phrase that may come again, so that what is said of it is kept."""
_PAGE = 4096
"""Bytes that are written out even where they are not text."""


def json_line(dialogue: Dialogue) -> str:
    """One line of ASCII without its line ending."""
    client = _end(dialogue.client, dialogue.client_name)
    server = _end(dialogue.server, dialogue.server_name)
    protocol = _word(dialogue.dialect.name) if dialogue.dialect else "null"
    by = "null" if not dialogue.dialect else '"words"' if is_in_words(dialogue) else '"port"'
    tls = json.dumps(asdict(dialogue.session)) if dialogue.session else "null"
    events = ", ".join(map(_event, dialogue.events))
    readable = ", ".join(map(_exposure, visible(dialogue)))
    return (
        f'{{"client": {client}, "server": {server}, "protocol": {protocol}, "protocol_by": {by}, "tls": {tls}, '
        f'"events": [{events}], "readable": [{readable}]}}'
    )


def lookups_line(found: "Iterable[Lookup]") -> str:
    """One line of ASCII for the questions to a name server."""
    said = [{**one._asdict(), "time": one.time / 1e9, "client": str(one.client), "about": one.about} for one in found]
    return json.dumps({"lookups": said})


def _end(end: Endpoint, name: str) -> str:
    return f'{{"host": {quoted(end.host)}, "port": {end.port}, "name": {_word(name)}}}'


def _event(event: Event) -> str:
    time, frame, sender, layer, kind, title, data, encrypted, wire, origin = event
    may_repeat = layer != TLS and len(data) <= _SHORT
    said = _again(sender, layer, kind, title, data, origin) if may_repeat else _said(event)
    return (
        f'{{"time": {time}, "frame": {frame}, "sender": "{sender}", "layer": "{layer}", "kind": "{kind}", '
        f'"title": {_word(title)}, "encrypted": {"true" if encrypted else "false"}, "wire": {wire}, {said}}}'
    )


def _said(event: Event) -> str:
    """What an event says, and what that means."""
    data = event.data
    text, exact = _text(data) if event.layer == TEXT else ("null", False)
    base64 = f'"{b64encode(data).decode()}"' if data and not exact else "null"
    return f'"text": {text}, "base64": {base64}, "meaning": {_word(event.meaning)}'


@lru_cache(4096)
def _again(sender: str, layer: str, kind: str, title: str, data: bytes, origin: Origin) -> str:
    """The same of signals and short phrases, which come again and again."""
    return _said(Event(0.0, 0, sender, layer, kind, title, data, False, 0, origin))


def _text(data: bytes) -> tuple[str, bool]:
    """The JSON string of the bytes as text, or null, and whether that is all that they are."""
    try:
        return quoted(data.decode()), True
    except UnicodeDecodeError:
        shown = len(data) <= _PAGE or is_text(data)
        return quoted(escaped(data)) if shown else "null", False


def _exposure(exposure: Exposure) -> str:
    what, value, event, start, end = exposure
    return f'{{"what": {_word(what)}, "value": {quoted(value)}, "event": {event}, "start": {start}, "end": {end}}}'
