"""An exercise and a lesson that tests ask."""

from labkit.exercises import Exercise, Lesson, Prediction, equals


def exercise(number="mine.1", checker=None, **changes):
    """An exercise whose answer is 220, unless given."""
    parts = {
        "question": "Which reply code is the go-ahead after `STARTTLS`?",
        "checker": checker or equals(220, mistakes={250: "250 answers `EHLO`."}),
        "hints": ("Look below `STARTTLS`.", "It begins with 22."),
        "solution": "code = 220",
        "because": "220 says that the server is ready (RFC 3207 §4).",
    }
    return Exercise(number, **(parts | changes))


def lesson(number="mine", exercises=()):
    """A lesson with a prediction, whose right choice is b."""
    asked = Prediction(
        "What does `STARTTLS` hide?",
        {"a": "everything", "b": "what comes after the `220`"},
        right="b",
        because="Everything before it is open.",
    )
    return Lesson(number, "A lesson of mine", asked, tuple(exercises))
