"""Exercises and predictions as a student sees them: a sign, a word and a sentence; never a colour alone.

What is shown is decided in `labkit.exercises`; here it becomes a page. Text in backticks becomes code.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from labkit.show.page import Page, markup, printable

if TYPE_CHECKING:
    from ipywidgets import Widget

RIGHT, WRONG, OPEN = "✔", "✘", "…"
"""The signs of a right answer, a wrong one, and none."""

_CODE = re.compile(r"`([^`\n]+)`")


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
    return Page("".join(each._body for each in (page, *cards)), "\n".join(each.text for each in (page, *cards)))


def download(html: str, name: str, content: str) -> "Widget":
    """HTML, and a button with which the browser keeps `content` as a file of that name."""
    import ipywidgets

    href = f"data:application/json;base64,{b64encode(content.encode()).decode()}"
    button = f'<a class="jupyter-button" download="{markup(name)}" href="{href}">Download {markup(name)}</a>'
    box = ipywidgets.VBox([ipywidgets.HTML(html), ipywidgets.HTML(f'<div class="labkit">{button}</div>')])
    return box.add_class("labkit")


def progress_table(lessons: Iterable[tuple[str, list[ProgressRow]]], notes: Sequence[str]) -> tuple[str, str]:
    """HTML and text of what was done, lesson by lesson: (title, rows), and `notes` below it.

    A lesson without rows was not begun.
    """
    caption = "Your progress"
    body, text = [], [caption]
    for title, rows in lessons:
        nothing = "" if rows else "not begun"
        body.append(f'<tr><th scope="rowgroup" colspan="{3 if rows else 1}">{markup(title)}</th>')
        body.append("</tr>" if rows else f'<td colspan="2">{nothing}</td></tr>')
        body += [_cells(row) for row in rows]
        text.append(f"{printable(title):40} {nothing}".rstrip())
        text += [f"  {row.what:12} {row.sign or ' '} {row.state:24} {row.helped}".rstrip() for row in rows]
    head = "".join(f'<th scope="col">{column}</th>' for column in ("Exercise", "Answer", "Help taken"))
    table = f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
    below = "".join(f"<p>{prose(note)}</p>" for note in notes)
    return f"<table><caption>{caption}</caption>{table}</table>{below}", "\n".join([*text, *map(printable, notes)])


def _cells(row: ProgressRow) -> str:
    sign = f"{row.sign} " if row.sign else ""
    return f"<tr><td>{markup(row.what)}</td><td>{sign}{markup(row.state)}</td><td>{markup(row.helped)}</td></tr>"


def _card(kind: str, sign: str, head: str, *paragraphs: str, code: str = "") -> Page:
    """A box with a sign, a heading, lines of code where there are any, and paragraphs."""
    said = "".join(f"<p>{prose(each)}</p>" for paragraph in paragraphs for each in paragraph.strip().split("\n\n"))
    pre = f'<pre class="lk-words">{"<br>".join(map(markup, code.splitlines()))}</pre>' if code else ""
    body = f'<div class="lk-card lk-{kind}"><p class="lk-head"><b>{sign} {markup(head)}</b></p>{pre}{said}</div>'
    lines = [f"{sign} {printable(head)}", *(f"    {printable(line)}" for line in code.splitlines())]
    lines += [
        f"  {printable(line)}" for paragraph in paragraphs for line in paragraph.strip().splitlines() if line.strip()
    ]
    return Page(body, "\n".join(lines))


def prose(text: str) -> str:
    """HTML of a paragraph of text with `code` in backticks."""
    return _CODE.sub(r"<code>\1</code>", markup(" ".join(text.split())))
