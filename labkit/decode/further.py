"""Connections that belong to a conversation on another one: FTP's data connections (RFC 959 §5, RFC 2428 §3).

`labkit.dialects.base.Dialect.further` names them, so they are known as far as the conversation itself can be read: one
inside TLS needs its secrets.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from labkit.decode.event import CLIENT, SERVER, TEXT, Dialogue

Announced = dict[tuple[str, int], str]
"""(address of the host that connects, port that it connects to) -> the conversation that announced it."""


def joined(dialogues: Iterable[Dialogue]) -> Iterator[Dialogue]:
    """The dialogues in the order of their beginning; `part_of` is set in those that belong to an earlier one."""
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
    """The dialogue, with `part_of` set if it was announced."""
    named = announced.get((dialogue.client.host, dialogue.server.port), "") if dialogue.dialect is None else ""
    return replace(dialogue, part_of=named) if named else dialogue


def may_be_part(dialogue: Dialogue) -> bool:
    """Whether it can be part of another one: it is in no known dialect, and content crosses in one direction only."""
    if dialogue.dialect is not None or dialogue.part_of:
        return False
    return len({event.sender for event in dialogue.events if event.layer == TEXT}) == 1
