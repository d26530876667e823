"""Values that are drawn for a student: a seed and the name of a value decide it, wherever it is drawn.

So an answer cannot be copied from the page or from another student, and a grader who knows the seed knows the right
answer. Nothing here reads a file, an environment or a clock.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")

NAMES = ("amara", "bela", "chidi", "dora", "emre", "farah", "goran", "hanna", "ines", "jonas", "kofi", "leila")
"""First names in ASCII, none of which has an account in a lab."""
_WORDS = (
    "amber", "birch", "cobalt", "dune", "ember", "fjord", "grove", "heron", "indigo", "jasper", "kelp", "lotus",
    "maple", "nectar", "onyx", "pebble", "quartz", "reed", "saffron", "thistle", "umber", "violet", "willow", "zephyr",
)  # fmt: skip


class Draw:
    """Everything that is drawn for the student with this seed. Each value is drawn by the name of what it is for."""

    def __init__(self, seed: str) -> None:
        self.seed = seed

    def one(self, what: str, options: Sequence[T]) -> T:
        """One of the options."""
        return options[int(self._dice(what).random() * len(options))]

    def shuffled(self, what: str, options: Sequence[T]) -> list[T]:
        """All the options, in an order of their own."""
        dice = self._dice(what)
        return [option for _, option in sorted(((dice.random(), option) for option in options), key=lambda it: it[0])]

    def some(self, what: str, options: Sequence[T], count: int) -> list[T]:
        """That many of the options, each at most once, in an order of their own."""
        return self.shuffled(what, options)[:count]

    def number(self, what: str, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self._dice(what).random() * (high - low + 1))

    def name(self, what: str) -> str:
        """A user name."""
        return self.one(f"name {what}", NAMES)

    def word(self, what: str) -> str:
        """A word and a number, such as ``heron83``: a password, or another value that must not be guessed."""
        return f"{self.one(f'word {what}', _WORDS)}{self.number(f'digits {what}', 10, 99)}"

    def _dice(self, what: str) -> Random:
        """Only `Random.random` is used: it is what Python promises to keep the same in later versions."""
        return Random(f"{self.seed}/{what}")
