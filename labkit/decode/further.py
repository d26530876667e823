"""Connections that belong to a conversation on another one: FTP's data connections (RFC 959 §5, RFC 2428 §3).

Which they are is said by the dialect, in `labkit.dialects.base.Dialect.further`, so it is known as far as the
conversation itself can be read: where that is inside TLS, with its secrets alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from labkit.decode.event import CLIENT, SERVER, TEXT, Dialogue

Announced = dict[tuple[str, int], str]
"""The host that connects, and the port to which -> what the connection belongs to."""


def joined(dialogues: Iterable[Dialogue]) -> Iterator[Dialogue]:
    """The dialogues in the order of their beginning; one that belongs to an earlier one says so in its `part_of`."""
    announced: Announced = {}
    for dialogue in dialogues:
        announced.update(announces(dialogue))
        yield as_part(dialogue, announced)


def announces(dialogue: Dialogue) -> Announced:
    """The further connections of a dialogue."""
    dialect = dialogue.dialect
    if dialect is None or dialect.further is None:
        return {}
    said = (event for event in dialogue.events if event.layer == TEXT)
    named = ((event.sender, dialect.further(event.title, event.data)) for event in said)
    connects = {SERVER: dialogue.client.host, CLIENT: dialogue.server.host}
    return {(connects[sender], port): f"{dialect.name} data of {dialogue.client}" for sender, port in named if port}


def as_part(dialogue: Dialogue, announced: Announced) -> Dialogue:
    """The dialogue, which says what it is a part of where that is announced."""
    named = announced.get((dialogue.client.host, dialogue.server.port), "") if dialogue.dialect is None else ""
    return replace(dialogue, part_of=named) if named else dialogue


def may_be_part(dialogue: Dialogue) -> bool:
    """Whether it can be a part of another one: it is in no dialect, and content goes one way."""
    if dialogue.dialect is not None or dialogue.part_of:
        return False
    return len({event.sender for event in dialogue.events if event.layer == TEXT}) == 1
