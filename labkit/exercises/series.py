"""The whole series on one page: what each lesson asked, and every attack with what stops it and its lesson.

It is made from the lessons and from the catalogue of attacks, so nothing can be missing from it.
"""

from labkit.attacks import catalogue
from labkit.attacks.remedies import Remedy, remedy
from labkit.exercises.lessons import lesson, numbers
from labkit.exercises.question import Prediction
from labkit.show.page import Page, joined
from labkit.show.table import table


def series() -> Page:
    """The lessons with their questions and answers, and the attacks by what stops them."""
    shipped = [lesson(number) for number in numbers() if number.isdigit()]
    asked = [(f"{each.number} {each.title}", *_answer(each.prediction)) for each in shipped]
    titles = {each.number: each.title for each in shipped}
    stopped: dict[Remedy, list[str]] = {}
    for kind in catalogue.ALL:
        stopped.setdefault(remedy(kind.id), []).append(f"{kind.id} {kind.__name__}")
    rows = [
        (by.defence, ", ".join(names), f"{by.lesson} {titles.get(by.lesson, '')}".rstrip())
        for by, names in sorted(stopped.items(), key=lambda each: each[0].lesson)
    ]
    pages = (
        table("What the lessons asked", ("lesson", "asked", "right"), asked),
        table("Every attack of the lab, by what stops it", ("what stops it", "attacks", "lesson"), rows),
    )
    return joined(pages)


def _answer(asked: Prediction | None) -> tuple[str, str]:
    return (asked.question.replace("`", ""), asked.choices[asked.right].replace("`", "")) if asked else ("", "")
