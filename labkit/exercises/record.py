"""What a student has done: tries, hints, solutions and predictions, as plain records that can be merged and written.

Where they are kept is `keeping`. Nothing here reads or writes a file.
"""

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any


@dataclass
class Work:
    """What was done on one exercise."""

    tried: int = 0
    """How many answers were checked, until one was right."""
    solved: bool = False
    hints: int = 0
    """How many hints were shown."""
    solution: bool = False
    """Whether the solution was shown."""

    def answered(self, right: bool) -> None:
        """Count an answer; those after the first right one change nothing."""
        if not self.solved:
            self.tried += 1
            self.solved = right

    def take(self, other: "Work") -> None:
        """Add what was done elsewhere."""
        for name, value in vars(other).items():
            setattr(self, name, max(getattr(self, name), value))


@dataclass
class Guess:
    """What was predicted in one lesson."""

    choice: str | None = None
    recalled: bool = False
    """Whether the choice was compared with the right one; from then on it cannot be changed."""

    def take(self, other: "Guess") -> None:
        """Add what was predicted elsewhere: what was recalled stays, and otherwise the choice made here."""
        if not self.recalled and (other.recalled or self.choice is None):
            self.choice, self.recalled = other.choice, other.recalled


@dataclass
class StudentRecord:
    """Everything that one student has done."""

    student: str
    """The seed from which the student's values are drawn."""
    exercises: dict[str, Work] = field(default_factory=dict)
    predictions: dict[str, Guess] = field(default_factory=dict)

    def work(self, number: str) -> Work:
        """What was done on that exercise."""
        return self.exercises.setdefault(number, Work())

    def guess(self, number: str) -> Guess:
        """What was predicted in that lesson."""
        return self.predictions.setdefault(number, Guess())

    def take(self, other: "StudentRecord") -> None:
        """Add what another record has."""
        for number, work in other.exercises.items():
            self.work(number).take(work)
        for number, guess in other.predictions.items():
            self.guess(number).take(guess)

    @property
    def digest(self) -> str:
        """Its digest: SHA-256, in hexadecimal."""
        return _digest(asdict(self))

    def written(self) -> str:
        """As JSON, with its digest, by which `read_record` notices a change."""
        return json.dumps({**asdict(self), "digest": self.digest}, indent=2) + "\n"


def read_record(data: bytes) -> StudentRecord:
    """What `StudentRecord.written` wrote. Raises ValueError, whose message says what is wrong with the data."""
    try:
        content = json.loads(data)
        digest = content.pop("digest") if isinstance(content, dict) and "digest" in content else None
        changed = digest != _digest(content)
    except (ValueError, RecursionError):
        raise ValueError("it is damaged or cut off") from None
    if digest is None:
        raise ValueError("it holds something else")
    if changed:
        raise ValueError("it was changed by something other than the lab")
    try:
        return StudentRecord(
            _name(content["student"]),
            {number: _work(**work) for number, work in content["exercises"].items()},
            {number: _guess(**guess) for number, guess in content["predictions"].items()},
        )
    except (TypeError, KeyError, AttributeError):
        raise ValueError("it was written by another version of the lab") from None


_MOST = 1_000_000
"""The largest count that is valid in a file."""


def _name(student: object) -> str:
    if not isinstance(student, str) or not student:
        raise TypeError
    return student


def _work(tried: object, solved: object, hints: object, solution: object) -> Work:
    counts = all(type(count) is int and 0 <= count <= _MOST for count in (tried, hints))
    if not counts or not isinstance(solved, bool) or not isinstance(solution, bool):
        raise TypeError
    return Work(tried, solved, hints, solution)


def _guess(choice: object, recalled: object) -> Guess:
    if not isinstance(choice, str | None) or not isinstance(recalled, bool):
        raise TypeError
    return Guess(choice, recalled)


def _digest(content: Any) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
