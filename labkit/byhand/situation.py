"""Lines that an attacker holds, as she sees them: the waiting one, the decisions on the others, and the outcome.

What can be clicked is in `console`.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from labkit.attacks.actions import Action, Answer, Decision, Drop, Inject, Pass, Replace
from labkit.attacks.engine.edits import Edit, edit
from labkit.attacks.vector import Line
from labkit.attacks.verdict import Verdict
from labkit.byhand.waiting import ByHand, HeldLine
from labkit.dialects.base import CLIENT, SERVER
from labkit.show import html
from labkit.show.page import Page
from labkit.show.printed import decoded, printable
from labkit.show.table import Column, build

Names = Mapping[str, str]
"""`CLIENT` and `SERVER` -> who that is: ``alice``, ``mail``."""

TITLE = "You are Mallory"
_COLUMNS = (Column("Session"), Column("Who", "lk-who"), Column("Said what"), Column("What became of it"))
_OTHER = {CLIENT: SERVER, SERVER: CLIENT}
_SHOWN, _LINES, _LONGEST = 60, 4, 160
"""Decisions in a table, lines of each thing that was said, and characters of each line."""
_MEANINGS, _EVIDENCE = 8, 12
"""Sentences on what a line means, and lines that show how a verdict came about."""


class Situation(NamedTuple):
    """The state of an attack by hand."""

    names: Names
    byhand: ByHand | None
    """What is held and what was; None before the first victim."""
    note: str = ""
    """A sentence on who decides, or on what to do first."""
    ending: tuple[html.Node, str] | None = None
    """HTML and text of the outcome, once the attack is over."""
    patience: float = 0.0
    """Seconds for which the last victim waits for an answer; 0 where that is not known."""

    @property
    def by_hand(self) -> bool:
        """Whether a person decides now."""
        return self.byhand is not None and self.ending is None and not self.byhand.deputised

    @property
    def held(self) -> HeldLine | None:
        """The line to decide now."""
        return next(iter(self.byhand.waiting), None) if self.by_hand else None

    @property
    def speaks(self) -> bool:
        """Whether something can be said now: ahead of a line, or in the silence after one that was dropped."""
        return self.by_hand and bool(self.byhand.waiting or self.byhand.dropped)


# ---- what is held


def sentences(situation: Situation) -> list[str]:
    """How things stand, in a few words."""
    known = [situation.note] if situation.note else []
    return [*known, _now(situation)] if situation.by_hand else known


def _now(situation: Situation) -> str:
    waiting, records = situation.byhand.waiting, situation.byhand.records
    if waiting:
        line, behind = waiting[0].line, len(waiting) - 1
        queue = f" Behind it: {behind} more." if behind else ""
        what = printable(f"{line.kind} {line.title}")
        return f"Held: {_way(line, situation.names)}, {what}, session {line.session}.{queue}"
    sealed = f" {records} TLS records have passed, and you cannot read them." if records else ""
    return f"Nothing is held.{sealed}{_after_a_drop(situation)}"


def _after_a_drop(situation: Situation) -> str:
    """The sentence that the client waits in vain, after a line was dropped and nothing was sent in its place."""
    last = situation.byhand.dropped
    if last is None:
        return ""
    client = situation.names[CLIENT]
    if last.actions != (Drop(),):
        return " You dropped the last line, and have said something in its place. You may say more."
    time = f", for up to {situation.patience:g} s from then" if situation.patience else ""
    return (
        f" You dropped the last line, so {client} waits for an answer{time}. Give one, with a line of your own, or end "
        "the attack to cut the waiting short."
    )


def clock(held: HeldLine | None) -> str:
    """How long the line still waits, in words; empty where its time has not begun."""
    return f"It passes by itself in {held.left:.0f} s." if held is not None and held.left < float("inf") else ""


def ahead(held: HeldLine | None, names: Names) -> list[str]:
    """What goes out ahead of the line, as soon as that is decided."""
    said = held.said if held is not None else ()
    return [f"Ahead of the line, {names[one.to]} will be told: {_quoted(one.data)}" for one in said]


def meanings(held: HeldLine | None) -> list[str]:
    """What the line means: each sentence once."""
    if held is None:
        return []
    line = held.line
    said = line.text.splitlines()[:100] or [""]
    means = dict.fromkeys(line.dialect.explain(line.kind, line.title, each) for each in said)
    return [printable(sentence) for sentence in means if sentence][:_MEANINGS]


def _way(line: Line, names: Names) -> str:
    return f"{names[line.sender]} → {names[_OTHER[line.sender]]}"


# ---- what became of the lines


def log(situation: Situation) -> tuple[html.Node, str]:
    """HTML and text of the decisions on the lines, oldest first."""
    decided = situation.byhand.decided if situation.byhand is not None else ()
    if not decided:
        return None, ""
    shown = decided[-_SHOWN:]
    caption = "What became of each line" + (f", the last {_SHOWN} of {len(decided)}" if decided != shown else "")
    table = build(_COLUMNS, [_row(held, situation.names) for held in shown], caption)
    return table, "\n".join([caption, *(_plain(held, situation.names) for held in shown)])


def _row(held: HeldLine, names: Names) -> tuple[html.Node, ...]:
    said = _stacked(html.code[line] for line in _lines(held.line.data))
    return held.line.session, _way(held.line, names), said, _stacked(_became(held, names))


def _plain(held: HeldLine, names: Names) -> str:
    first, *more = _lines(held.line.data)
    said = first[:42] + (" …" if more or len(first) > 42 else "")
    return f"#{held.line.session} {_way(held.line, names):15} {said:44} {'; '.join(_became(held, names))}"


def _became(held: HeldLine, names: Names) -> list[str]:
    """A sentence for each action, which begins with a sign; the last one with why."""
    sentences = (_in_words(action, held.line, names) for action in held.actions)
    *others, last = [*filter(None, sentences), *_record(held.line, *held.actions).also]
    return [*others, f"{last} ({held.why})" if held.why else last]


def _in_words(action: Action, line: Line, names: Names) -> str:
    match action:
        case Pass():
            return "= passed"
        case Drop():
            return "✘ dropped"
        case Answer(data):
            return f"✘ dropped, and {names[line.sender]} was told: {_quoted(data)}"
        case Inject(to, data):
            return f"+ {names[to]} was told: {_quoted(data)}"
        case Replace():
            changes = _record(line, action).changes
            return f"≠ {', '.join(f'{word} {_quoted(part)}' for word, parts in changes for part in parts)}"
    return ""


def _record(line: Line, *actions: Action) -> Edit:
    return edit(line.session, 0, line, Decision(actions))


def _quoted(data: bytes) -> str:
    return f"“{' ⏎ '.join(_lines(data))}”"


def _lines(data: bytes) -> list[str]:
    """The first lines, each fit to be shown."""
    lines = [decoded(line) for line in data[:4096].splitlines()] or [""]
    short = [line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…" for line in lines[:_LINES]]
    return short if len(lines) <= _LINES else [*short, f"… {len(lines) - _LINES} more"]


# ---- the end of it


def ending(outcome: object, verdict: Verdict, names: Names) -> tuple[html.Node, str]:
    """HTML and text of the outcome: the verdict with its evidence, and the last victim's report."""
    why, *evidence = map(printable, repr(verdict).splitlines())
    said = printable(f"{names[CLIENT]} says: {outcome!r}")
    lines = _stacked(line.strip() for line in evidence[:_EVIDENCE])
    words = html.pre("lk-words")[lines] if lines else None
    card = html.div("lk-card")[html.p("lk-head")[html.b[why]], words, html.p[said]]
    return card, "\n".join([why, *evidence, said])


def head() -> html.Node:
    """The title above all of it."""
    return html.p("lk-head")[html.b[TITLE]]


def _stacked(lines: Iterable[html.Node]) -> list[html.Node]:
    """The lines below each other."""
    return [part for line in lines for part in (html.br, line)][1:]


def page(situation: Situation) -> Page:
    """All of it, where nothing can be clicked."""
    said = sentences(situation)
    table, rows = log(situation)
    end, last = situation.ending or (None, "")
    return Page(
        lambda: [head(), [html.p[each] for each in said], end, table],
        "\n".join(filter(None, [TITLE, *said, rows, last])),
    )
