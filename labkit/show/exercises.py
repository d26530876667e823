"""Exercises and predictions as a student sees them: a sign, a word and a sentence; never a colour alone.

What is shown is decided in `labkit.exercises`; here it becomes a page. Text in backticks becomes code.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from labkit.show import html
from labkit.show.page import Page
from labkit.show.printed import printable
from labkit.show.table import Column, RowGroup, build

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
    """Repeat the question, because no answer was given."""
    return _card("open", OPEN, f"{number}: not answered yet", question, f'No idea? `hint("{number}")` helps.')


def right(number: str, because: str) -> Page:
    """Say that the answer is right."""
    return _card("right", RIGHT, f"{number}: right", because)


def wrong(number: str, complaint: str) -> Page:
    """Say that the answer is wrong, and why."""
    return _card("wrong", WRONG, f"{number}: not yet", complaint)


def hint(number: str, text: str, at: int, of: int) -> Page:
    """Show one hint: number `at` (from 1) of `of`."""
    more = f'`hint("{number}")` again says more.' if at < of else f'It was the last; there is `solution("{number}")`.'
    return _card("open", "?", f"{number}: hint {at} of {of}", text, more)


def no_more_hints(number: str, last: str) -> Page:
    """Repeat the last hint, because all were shown."""
    return _card("open", "?", f"{number}: no more hints", f"The last was: {last}", f'There is `solution("{number}")`.')


def solution(number: str, code: str, because: str) -> Page:
    """Show the model solution and its explanation."""
    return _card("open", "!", f"{number}: solution", because, code=code.strip())


def unnamed() -> Page:
    """Ask for the student's name."""
    return _card("open", OPEN, "who are you?", 'Put your name in place of the three dots, like `i_am("anna")`.')


def named(student: str, said: str) -> Page:
    """Name the student for whom values are drawn, and the reason where that differs from the given name."""
    why = [] if student == said else [f"LABKIT_STUDENT names the student here, so `i_am({said!r})` changes nothing."]
    return _card("open", "»", f"you are {student}", "What you are given is drawn from that name.", *why)


def no_solution(number: str) -> Page:
    """Say that solutions were left out of this installation."""
    why = "Solutions are left out of this installation: ask your teacher."
    return _card("open", "!", f"{number}: no solution here", why)


def question(number: str, text: str, choices: Mapping[str, str], chosen: str | None) -> Page:
    """Ask for the prediction of lesson `number`, as text without a form."""
    kept = f"You said ({chosen})." if chosen else "You have not said yet."
    listed = [f"({letter}) {choice}" for letter, choice in choices.items()]
    first = next(iter(choices))
    return _card(
        "open", "?", f"{number}: predict", text, *listed, f'{kept} `predict("{number}", "{first}")` says ({first}).'
    )


def committed(number: str, letter: str, choice: str) -> Page:
    """Confirm that the prediction was saved."""
    later = f'`recall("{number}")` brings it back when the packets have spoken.'
    return _card("open", "»", f"{number}: you predict", f"({letter}) {choice}", later)


def decided(number: str, text: str, choices: Mapping[str, str], chosen: str) -> Page:
    """Say that the prediction is final, because the right answer was already shown."""
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
    """Show the prediction beside the right answer; `wrong` explains a wrong prediction."""
    truth = f"({right_one}) {choices[right_one]}"
    if chosen == right_one:
        return _card("right", RIGHT, f"{number}: as you predicted", text, truth, because)
    if chosen is None:
        return _card("open", OPEN, f"{number}: you predicted nothing", text, f"Right is {truth}", because)
    said = f"You said ({chosen}) {choices[chosen]}"
    told = [said, *filter(None, [wrong]), f"Right is {truth}", because]
    return _card("wrong", WRONG, f"{number}: not as you predicted", text, *told)


def with_news(page: Page, news: Iterable[str]) -> Page:
    """Add `news` about the progress file below a page; without news the page is unchanged."""
    pages = [page, *(_card("open", "!", "progress", sentence) for sentence in news)]
    if len(pages) == 1:
        return page
    return Page(lambda: [each.body() for each in pages], "\n".join(each.text for each in pages))


def download(page: Page, name: str, content: str) -> "Widget":
    """Add a button that downloads `content` as the file `name`."""
    import ipywidgets

    href = f"data:application/json;base64,{b64encode(content.encode()).decode()}"
    button = html.div("labkit")[html.a("jupyter-button", download=name, href=href)[f"Download {name}"]]
    box = ipywidgets.VBox([ipywidgets.HTML(page.html), ipywidgets.HTML(html.render(button))])
    return box.add_class("labkit")


def graded(number: str, points: float, of: int, parts: Sequence[tuple[str, float, int]], problem: str) -> Page:
    """Show the points of an answer and of its parts, or the reason why it could not be graded."""
    told = [f"{name}: {earned:g} of {worth}" for name, earned, worth in parts] if len(parts) > 1 else []
    return _card(
        "open", "=", f"{number}: {points:g} of {of} {'point' if of == 1 else 'points'}", *told, *filter(None, [problem])
    )


_CAPTION = "Your progress"
_COLUMNS = (Column("Exercise"), Column("Answer"), Column("Help taken"))


def progress_table(lessons: Sequence[tuple[str, str, list[ProgressRow]]], notes: Sequence[str]) -> Page:
    """What was done, lesson by lesson: (title, what there is to say in one line, rows), and `notes` below it."""
    lines = [_CAPTION]
    for title, note, rows in lessons:
        lines.append(f"{printable(title):40} {note}".rstrip())
        lines += [f"  {row.what:12} {row.sign or ' '} {row.state:24} {row.helped}".rstrip() for row in rows]
    return Page(lambda: _progress(lessons, notes), "\n".join([*lines, *notes]))


def certificate(student: str, lessons: int, exercises: int, first: int, helped: int, looked: int, digest: str) -> Page:
    """The certificate of completion: how many of the exercises were right at the first try, how many with hints, and
    for how many the solution was shown; `digest` is that of the record."""
    return _card(
        "right",
        RIGHT,
        "Certificate of completion",
        f"The student `{student}` has solved all {exercises} exercises of the {lessons} lessons of the STARTTLS lab: "
        f"{first} at the first try, {helped} with the help of hints; of {looked} the solution was shown.",
        "From the first password in the clear to a whole network under attack: who listens, who strips, who forges, "
        "who injects, and what stops each of them.",
        f"Digest of the record: `{digest[:16]}`, as in the file that keeps it.",
    )


def _progress(lessons: Sequence[tuple[str, str, list[ProgressRow]]], notes: Sequence[str]) -> html.Node:
    rows: list[Sequence[html.Node] | RowGroup] = []
    for title, note, done in lessons:
        rows.append(RowGroup(title, note))
        rows += [(row.what, f"{row.sign} {row.state}".strip(), row.helped) for row in done]
    return build(_COLUMNS, rows, _CAPTION), [html.p[prose(note)] for note in notes]


def _card(kind: str, sign: str, head: str, *paragraphs: str, code: str = "") -> Page:
    """A box: a sign, a heading, optional lines of code, and paragraphs."""
    lines = [f"{sign} {head}", *(f"    {line}" for line in code.splitlines())]
    lines += [f"  {line}" for paragraph in paragraphs for line in paragraph.strip().splitlines() if line.strip()]

    def body() -> html.Node:
        said = [html.p[prose(each)] for paragraph in paragraphs for each in paragraph.strip().split("\n\n")]
        pre = html.pre("lk-words")[_lines(code)] if code else None
        return html.div(f"lk-card lk-{kind}")[html.p("lk-head")[html.b[f"{sign} {head}"]], pre, said]

    return Page(body, "\n".join(lines))


def _lines(code: str) -> list[html.Node]:
    """Join lines with line break elements: a line end inside the text would be shown as a control picture."""
    first, *others = code.splitlines()
    return [first, *(part for line in others for part in (html.br, line))]


def prose(text: str) -> list[html.Node]:
    """A paragraph of text with `code` in backticks."""
    parts = _CODE.split(" ".join(text.split()))
    return [html.code[part] if at % 2 else part for at, part in enumerate(parts)]
