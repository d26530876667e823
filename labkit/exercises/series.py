"""The whole series on one page: what each lesson asked, and every attack with what stops it and its lesson.

It is made from the lessons and from the catalogue of attacks, so nothing can be missing from it.
"""

from labkit.attacks.remedies import attacks, remedy
from labkit.exercises.lessons import lesson, numbers
from labkit.show.page import Page
from labkit.show.table import table


def series() -> Page:
    """The lessons with their questions and answers, and the attacks with their defences."""
    shipped = [lesson(number) for number in numbers() if number.isdigit()]
    asked = [(f"{each.number} {each.title}", *_answer(each.prediction)) for each in shipped]
    known = {each.number: each.title for each in shipped}
    rows = []
    for kind in attacks():
        stopped = remedy(kind.id)
        title = known.get(stopped.lesson, "")
        rows.append((f"{kind.id} {kind.__name__}", _first_line(kind), stopped.defence, f"{stopped.lesson} {title}"))
    pages = (
        table("What the lessons asked", ("lesson", "asked", "right"), asked),
        table("Every attack of the lab", ("attack", "what it does", "what stops it", "lesson"), rows),
    )
    return Page(lambda: [page.body() for page in pages], "\n\n".join(page.text for page in pages))


def _answer(asked: object) -> tuple[str, str]:
    return (asked.question, asked.choices[asked.right]) if asked else ("", "")


def _first_line(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split("\n\n", 1)[0].split())
