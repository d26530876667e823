"""Connections that belong to a conversation on another one: FTP's data connections (RFC 959 §5, RFC 2428 §3).

Which they are is said by the dialect, in `labkit.dialects.base.Dialect.further`, so it is known as far as the
conversation itself can be read: where that is inside TLS, with its secrets alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from labkit.decode.event import SERVER, TEXT, Dialogue


def joined(dialogues: Iterable[Dialogue]) -> Iterator[Dialogue]:
    """The dialogues in the order of their beginning; one that belongs to an earlier one says so in its `part_of`."""
    announced: dict[tuple[str, int], str] = {}
    for dialogue in dialogues:
        dialect = dialogue.dialect
        if dialect is None:
            named = announced.get((dialogue.client.host, dialogue.server.port), "")
            yield replace(dialogue, part_of=named) if named else dialogue
            continue
        for event in dialogue.events if dialect.further is not None else ():
            if event.sender == SERVER and event.layer == TEXT and (port := dialect.further(event.title, event.data)):
                announced[dialogue.client.host, port] = f"{dialect.name} data of {dialogue.client}"
        yield dialogue
