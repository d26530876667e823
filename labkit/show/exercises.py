"""Exercises and predictions as a student sees them: a sign, a word and a sentence; never a colour alone.

What is shown is decided in `labkit.exercises`; here it becomes a page. Text in backticks becomes code.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from labkit.show import html
from labkit.show.page import Page
from labkit.show.table import Column, RowGroup, build

if TYPE_CHECKING:
    from ipywidgets import Widget

RIGHT, WRONG, OPEN = "✔", "✘", "…"
"""The signs of a right answer, a wrong one, and none."""

_CODE = re.compile(r"`([^`\n]+)`")
_COLUMNS = (Column("Exercise", "lk-who", heads=True), Column("Answer"), Column("Help taken"))


class ProgressRow(NamedTuple):
    """One line of the progress table."""

    what: str
    sign: str
    state: str
    helped: str = ""
    """Which help was taken."""


def unanswered(number: str, question: str) -> Page:
    """The answer is still missing: the question again."""
    return _card("open", OPEN, f"{number}: not answered yet", question, f'No idea? `hint("{number}")` helps.')


def right(number: str, because: str) -> Page:
    """The answer is right."""
    return _card("right", RIGHT, f"{number}: right", because)


def wrong(number: str, complaint: str) -> Page:
    """The answer is wrong, and what is wrong with it."""
    return _card("wrong", WRONG, f"{number}: not yet", complaint)


def hint(number: str, text: str, at: int, of: int) -> Page:
    """The hint `at`, counted from 1, `of` so many."""
    more = f'`hint("{number}")` again says more.' if at < of else f'It was the last; there is `solution("{number}")`.'
    return _card("open", "?", f"{number}: hint {at} of {of}", text, more)


def no_more_hints(number: str, last: str) -> Page:
    """All hints were shown; the last one again."""
    return _card("open", "?", f"{number}: no more hints", f"The last was: {last}", f'There is `solution("{number}")`.')


def solution(number: str, code: str, because: str) -> Page:
    """The code that answers the exercise, and why."""
    return _card("open", "!", f"{number}: solution", because, code=code.strip())


def question(number: str, text: str, choices: Mapping[str, str], chosen: str | None) -> Page:
    """The prediction of lesson `number` that is asked for, without a form."""
    kept = f"You said ({chosen})." if chosen else "You have not said yet."
    listed = [f"({letter}) {choice}" for letter, choice in choices.items()]
    first = next(iter(choices))
    return _card(
        "open", "?", f"{number}: predict", text, *listed, f'{kept} `predict("{number}", "{first}")` says ({first}).'
    )


def committed(number: str, letter: str, choice: str) -> Page:
    """The prediction is kept."""
    later = f'`recall("{number}")` brings it back when the packets have spoken.'
    return _card("open", "»", f"{number}: you predict", f"({letter}) {choice}", later)


def decided(number: str, text: str, choices: Mapping[str, str], chosen: str) -> Page:
    """What is right was shown already, so the prediction cannot change."""
    said = f"You predicted ({chosen}) {choices[chosen]}"
    return _card("open", "»", f"{number}: decided", text, said, f'`recall("{number}")` has shown what is right.')


def recalled(
    number: str,
    text: str,
    choices: Mapping[str, str],
    chosen: str | None,
    right_one: str,
    because: str,
    wrong: str = "",
) -> Page:
    """What was predicted, why that is `wrong` where it is, what is right, and why."""
    truth = f"({right_one}) {choices[right_one]}"
    if chosen == right_one:
        return _card("right", RIGHT, f"{number}: as you predicted", text, truth, because)
    if chosen is None:
        return _card("open", OPEN, f"{number}: you predicted nothing", text, f"Right is {truth}", because)
    said = f"You said ({chosen}) {choices[chosen]}"
    told = [said, *filter(None, [wrong]), f"Right is {truth}", because]
    return _card("wrong", WRONG, f"{number}: not as you predicted", text, *told)


def with_news(page: Page, news: Iterable[str]) -> Page:
    """That page, and below it what became of the file in which progress is kept, where there is something to say."""
    cards = [_card("open", "!", "progress", sentence) for sentence in news]
    if not cards:
        return page
    every = (page, *cards)
    return Page(lambda: [each.body() for each in every], "\n".join(each.text for each in every))


def download(page: Page, name: str, content: str) -> "Widget":
    """A page, and a button with which the browser keeps `content` as a file of that name."""
    import ipywidgets

    href = f"data:application/json;base64,{b64encode(content.encode()).decode()}"
    button = html.div("labkit")[html.a("jupyter-button", download=name, href=href)[f"Download {name}"]]
    box = ipywidgets.VBox([ipywidgets.HTML(page.html), ipywidgets.HTML(html.render(button))])
    return box.add_class("labkit")


def progress_table(lessons: Iterable[tuple[str, list[ProgressRow]]], notes: Sequence[str]) -> Page:
    """What was done, lesson by lesson: (title, rows), and `notes` below it. A lesson without rows was not begun."""
    caption = "Your progress"
    table: list[RowGroup | Sequence[str]] = []
    text = [caption]
    for title, rows in lessons:
        nothing = "" if rows else "not begun"
        table.append(RowGroup(title, nothing))
        table += [(row.what, f"{row.sign} {row.state}".lstrip(), row.helped) for row in rows]
        text.append(f"{title:40} {nothing}".rstrip())
        text += [f"  {row.what:12} {row.sign or ' '} {row.state:24} {row.helped}".rstrip() for row in rows]
    below = [*text, *notes]
    return Page(lambda: [build(_COLUMNS, table, caption), _paragraphs(notes)], "\n".join(below))


def _card(kind: str, sign: str, head: str, *paragraphs: str, code: str = "") -> Page:
    """A box with a sign, a heading, lines of code where there are any, and paragraphs."""
    said = [each for paragraph in paragraphs for each in paragraph.strip().split("\n\n")]
    lines = [f"{sign} {head}", *(f"    {line}" for line in code.splitlines())]
    lines += [f"  {line}" for paragraph in paragraphs for line in paragraph.strip().splitlines() if line.strip()]
    return Page(partial(_box, kind, f"{sign} {head}", code.splitlines(), said), "\n".join(lines))


def _box(kind: str, head: str, code: Sequence[str], said: Sequence[str]) -> html.Node:
    lines = [part for line in code for part in (html.br, line)][1:]
    pre = html.pre("lk-words")[lines] if lines else None
    return html.div(f"lk-card lk-{kind}")[html.p("lk-head")[html.b[head]], pre, _paragraphs(said)]


def _paragraphs(said: Iterable[str]) -> list[html.Node]:
    return [html.p[prose(each)] for each in said]


def prose(text: str) -> list[html.Node]:
    """A paragraph of text with `code` in backticks."""
    parts = _CODE.split(" ".join(text.split()))  # what stands outside and inside of backticks, in turn
    return [html.code[part] if number % 2 else part for number, part in enumerate(parts)]
