"""The steps of the upgrade as a numbered list, and as remarks for the ladder; which they are: `labkit.decode.steps`."""

from functools import partial

from labkit.decode.event import Dialogue
from labkit.decode.steps import Step, steps
from labkit.show import html
from labkit.show.page import Page
from labkit.show.printed import printable
from labkit.show.table import Column, build

_LINE_SHOWN = 60
"""Characters of what was said that are shown beside a step."""
_COLUMNS = (Column("step", "lk-ms"), Column("name", "lk-who", heads=True), Column("said"), Column("what happens"))


class Steps(Page):
    """The steps of one dialogue."""

    def __init__(self, dialogue: Dialogue) -> None:
        self.dialogue = dialogue
        self.steps = steps(dialogue)
        """The steps that happened, as records."""
        rows = [(step, said(dialogue, step)) for step in self.steps]
        super().__init__(partial(_table, rows), _text(rows))

    @property
    def notes(self) -> dict[int, str]:
        """Index of an event -> its step: remarks for `labkit.show.ladder.ladder`."""
        return {step.event_index: f"Step {step.number}: {step.name}" for step in self.steps}


def said(dialogue: Dialogue, step: Step) -> str:
    """The line of the dialogue in which a step happened."""
    event = dialogue.events[step.event_index]
    lines = [line for line, _ in event.lines]
    token = dialogue.dialect.token.upper() if dialogue.dialect and step.name == "offer" else ""
    line = next((line for line in lines if token in line.upper()), lines[0])
    return printable(_shortened(line, token))


def _shortened(line: str, token: str) -> str:
    """The start of a long line, with the capability that offers the upgrade where it would be cut off."""
    if len(line) <= _LINE_SHOWN:
        return line
    at = line.upper().find(token)
    if at + len(token) < _LINE_SHOWN:
        return f"{line[: _LINE_SHOWN - 1]}…"
    end = f" … {line[at : at + len(token)]} …"
    return line[: _LINE_SHOWN - len(end)].rpartition(" ")[0] + end


def _table(rows: list[tuple[Step, str]]) -> html.Node:
    if not rows:
        return html.p[_NONE]
    shown = [(step.number, step.name, html.code[said], html.small[step.sentence]) for step, said in rows]
    return build(_COLUMNS, shown, label="The steps of the upgrade")


def _text(rows: list[tuple[Step, str]]) -> str:
    return "\n".join(f"{s.number}. {s.name:<19} {said:<48} {s.sentence}" for s, said in rows) or _NONE


_NONE = "No step of an upgrade in this conversation."
