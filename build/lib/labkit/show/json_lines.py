"""A dialogue as one line of JSON (RFC 8259), for programs. The fields keep their names; new ones may come.

- ``client``, ``server``: ``{"host", "port", "name"}``.
- ``protocol``: ``"SMTP"``, for example; null where the lab does not know it.
- ``tls``: null without TLS, otherwise the fields of `labkit.decode.event.TLSSession`.
- ``events``: what happened, in order, with the fields of `labkit.decode.event.Event`. For its bytes there are ``text``,
  what was said in the protocol, with ``\\xNN`` for what is not UTF-8, and ``base64`` (RFC 4648 §4), a message of TLS
  or a text that is not UTF-8. Each is null where it has nothing to say.
- ``readable``: what someone on the path can read, ``{"what", "value", "event", "start", "end"}``, with the index of the
  event and offsets in its bytes (`labkit.decode.privacy.Exposure`).
"""

import json
from base64 import b64encode
from dataclasses import asdict
from typing import Any

from labkit.capture.conversation import Endpoint
from labkit.decode.escaped import escaped
from labkit.decode.event import TEXT, Dialogue, Event
from labkit.decode.privacy import visible


def json_line(dialogue: Dialogue) -> str:
    """One line of ASCII without its line ending."""
    return json.dumps(
        {
            "client": _end(dialogue.client, dialogue.client_name),
            "server": _end(dialogue.server, dialogue.server_name),
            "protocol": dialogue.dialect.name if dialogue.dialect else None,
            "tls": asdict(dialogue.session) if dialogue.session else None,
            "events": [_event(event) for event in dialogue.events],
            "readable": [
                {"what": what, "value": value, "event": event, "start": start, "end": end}
                for what, value, event, start, end in visible(dialogue)
            ],
        }
    )


def _end(end: Endpoint, name: str) -> dict[str, Any]:
    return {"host": end.host, "port": end.port, "name": name}


def _event(event: Event) -> dict[str, Any]:
    text, exact = _text(event.data) if event.layer == TEXT else (None, False)
    return {
        "time": event.time,
        "frame": event.frame,
        "sender": event.sender,
        "layer": event.layer,
        "kind": event.kind,
        "title": event.title,
        "encrypted": event.encrypted,
        "wire": event.wire,
        "text": text,
        "base64": b64encode(event.data).decode() if event.data and not exact else None,
        "meaning": event.meaning,
    }


def _text(data: bytes) -> tuple[str, bool]:
    """The bytes as text, and whether that is all that they are."""
    try:
        return data.decode(), True
    except UnicodeDecodeError:
        return escaped(data), False
