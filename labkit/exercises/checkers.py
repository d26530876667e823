"""Ready-made checkers, so that most exercises are pure data. Each says what is wrong with this answer.

``expected`` is a value, or a function that works it out from what the answer is about: with
``check("02.3", frames, capture)`` it is called with the capture. `mistakes` names wrong answers that people give, and
why each is wrong. What an answer is called in a sentence is decided here too.
"""

import math
import reprlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from numbers import Number, Real
from typing import Any

from labkit.exercises.question import Checker, applied

_LONGEST = 60
"""Characters of an answer that a sentence repeats."""

_PLAIN = (str, bytes, bytearray, int, float, complex, tuple, list, set, frozenset, dict, range, type(None), type(...))
"""Types whose `repr` says what they are in a few words."""

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = _brief.maxlong = _LONGEST


def shown(answer: object) -> str:
    """An answer as a sentence names it: its value when that is short and plain, otherwise what kind of thing it is."""
    if isinstance(answer, bytes | bytearray):
        answer = answer[: _LONGEST + 1]
    try:
        value = _brief.repr(answer) if type(answer) in _PLAIN else str(answer) if isinstance(answer, Number) else ""
    except Exception:
        value = ""
    kind = "class" if isinstance(answer, type) else type(answer).__name__
    return _cut(value) or f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"


def _cut(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"


def same(one: object, other: object) -> bool:
    """Whether two values are equal, also if comparing them does not return a bool (arrays)."""
    try:
        return bool(one == other)
    except Exception:
        return False


def equals(expected: Any, mistakes: Mapping[Any, str] | None = None, otherwise: str = "") -> Checker:
    """Exactly this value: text, bytes or anything that compares. `otherwise` is said of answers without a name."""

    def checker(answer: object, *about: object) -> str:
        right = _worked_out(expected, about)
        if same(answer, right) and isinstance(answer, bool) == isinstance(right, bool):
            return ""
        return named(answer, mistakes) or nearly(answer, right) or _plainly_wrong(answer, otherwise)

    return checker


def text(expected: Any, mistakes: Mapping[Any, str] | None = None, otherwise: str = "") -> Checker:
    """This text, in which upper and lower case matter; bytes of it, and spaces or line ends around it, do not."""

    def checker(answer: object, *about: object) -> str:
        right, said = _worked_out(expected, about), as_text(answer)
        if said is None:
            return f'The answer is text in quotes, "like this", and yours is {shown(answer)}.'
        if said == right.strip():
            return ""
        known = {as_text(wrong): why for wrong, why in (mistakes or {}).items()}
        return known.get(said) or _other_spelling(said, right) or _plainly_wrong(answer, otherwise)

    return checker


def word(*accepted: str, mistakes: Mapping[str, str] | None = None, otherwise: str = "") -> Checker:
    """One of these words or short phrases; upper and lower case and surrounding spaces do not matter."""

    def checker(answer: object, *about: object) -> str:
        said = as_text(answer)
        if said is None:
            return f'The answer is text in quotes, "like this", and yours is {shown(answer)}.'
        if _folded(said) in map(_folded, accepted):
            return ""
        known = {_folded(wrong): why for wrong, why in (mistakes or {}).items()}
        return known.get(_folded(said)) or _plainly_wrong(answer, otherwise)

    return checker


def number(
    expected: Any, tolerance: float = 0, mistakes: Mapping[float, str] | None = None, otherwise: str = ""
) -> Checker:
    """A number, within `tolerance` of the one expected."""

    def checker(answer: object, *about: object) -> str:
        if isinstance(answer, str | bytes) and _is_number(answer):
            return f"{shown(answer)} is text that looks like a number: write it without the quotes."
        if not isinstance(answer, Real | Decimal) or isinstance(answer, bool) or math.isnan(answer):
            return f"The answer is a number, and yours is {shown(answer)}."
        right = _worked_out(expected, about)
        if abs(float(answer) - right) <= tolerance:
            return ""
        return named(answer, mistakes) or f"{shown(answer)} is too {'high' if answer > right else 'low'}. {otherwise}"

    return checker


def choice(right: str, wrong: Mapping[str, str]) -> Checker:
    """The letter of a choice; `wrong` says of each other letter why it is not the one."""

    def checker(answer: object, *about: object) -> str:
        letter = answer.strip().casefold() if isinstance(answer, str) else answer
        if letter == right:
            return ""
        if isinstance(letter, str) and letter in wrong:
            return wrong[letter]
        letters = ", ".join(f'"{each}"' for each in sorted([right, *wrong]))
        return f"Choose one of {letters}; yours is {shown(answer)}."

    return checker


def members(
    expected: Any,
    missing: Mapping[Any, str] | None = None,
    extra: Mapping[Any, str] | None = None,
    of: Collection[Any] = (),
) -> Checker:
    """A set, list or tuple of these things in any order; `missing` and `extra` say why one belongs or does not.

    `of` is what the question lets choose from, where it does.
    """

    def checker(answer: object, *about: object) -> str:
        if _no_collection(answer):
            return f'The answer is several things in brackets, like {{"a", "b"}}, and yours is {shown(answer)}.'
        right = list(_worked_out(expected, about))
        for thing in answer:
            if of and not _among(thing, of):
                return f"{shown(thing)} is none of what there is to choose from: {', '.join(map(repr, of))}."
            if not _among(thing, right):
                return f"{shown(thing)} does not belong there. {named(thing, extra)}".rstrip()
        left = [thing for thing in right if not _among(thing, answer)]
        if not left:
            return ""
        why = next(filter(None, (named(thing, missing) for thing in left)), "")
        begins = "What you have is right, but" if answer else "There is nothing in it yet:"
        return f"{begins} {_count(len(left))} missing. {why}".rstrip()

    return checker


def sequence(expected: Any, mistakes: Mapping[Any, str] | None = None) -> Checker:
    """A list or tuple of these things in this order; `mistakes` says why a thing does not belong where it was put."""

    def checker(answer: object, *about: object) -> str:
        if _no_collection(answer) or isinstance(answer, set | frozenset):
            return f'The order matters, so the answer is a list, like ["a", "b"], and yours is {shown(answer)}.'
        right = list(_worked_out(expected, about))
        given = list(islice(answer, len(right) + 1))
        for place, (thing, wanted) in enumerate(zip(given, right, strict=False), 1):
            if not same(thing, wanted):
                before = f"It is right up to {shown(given[place - 2])}. " if place > 1 else ""
                return f"{before}At place {place} it is not {shown(thing)}. {named(thing, mistakes)}".rstrip()
        if len(given) < len(right):
            return f"So far it is right, but {_count(len(right) - len(given))} missing at the end."
        return f"The first {len(right)} are right, and then it should end." if len(given) > len(right) else ""

    return checker


def contains(*parts: str | bytes, without: Mapping[Any, str] | None = None) -> Checker:
    """Text or bytes in which each of `parts` occurs; `without` says of other things why they must not occur."""
    kind = type(parts[0])

    def checker(answer: object, *about: object) -> str:
        if not isinstance(answer, kind):
            return f"The answer is {kind_named(kind)}, and yours is {shown(answer)}."
        for wrong, why in (without or {}).items():
            if wrong in answer:
                return f"{shown(wrong)} is in it. {why}"
        left = [part for part in parts if part not in answer]
        return f"There is no {shown(left[0])} in {shown(answer)}." if left else ""

    return checker


def _worked_out(expected: Any, about: Sequence[object]) -> Any:
    return applied(expected, *about) if callable(expected) else expected


def named(answer: object, mistakes: Mapping[Any, str] | None) -> str:
    """What is said of this wrong answer, or ``\"\"``."""
    return next((why for wrong, why in (mistakes or {}).items() if same(answer, wrong)), "")


def _plainly_wrong(answer: object, otherwise: str) -> str:
    return f"It is not {shown(answer)}. {otherwise}".rstrip()


def nearly(answer: object, right: object) -> str:
    """The sentence for an answer that is right in another form."""
    if isinstance(right, str | bytes) and isinstance(answer, str | bytes | bytearray):
        return _other_kind(answer, right) or _other_spelling(answer, right)
    if isinstance(right, list | tuple) and isinstance(answer, list | tuple) and same(list(answer), list(right)):
        forms = kind_named(type(right)), kind_named(type(answer))
        return "The values are right, but the answer is {}, and yours is {}.".format(*forms)
    if isinstance(answer, Real) and isinstance(right, Real) and not isinstance(right, bool):
        return ""
    if not isinstance(answer, type(right)) and not isinstance(right, type(answer)):
        return f"The answer is {kind_named(type(right))}, and yours is {shown(answer)}."
    return ""


def _other_kind(answer: str | bytes | bytearray, right: str | bytes) -> str:
    if isinstance(answer, str) == isinstance(right, str):
        return ""
    as_text = answer if isinstance(answer, str) else bytes(answer).decode("utf-8", "backslashreplace")
    right_text = right if isinstance(right, str) else right.decode("utf-8", "backslashreplace")
    fits = "The value is right, but the" if as_text == right_text else "The"
    return f"{fits} answer is {kind_named(type(right))}, and yours is {kind_named(type(answer))}."


def _other_spelling(answer: Any, right: Any) -> str:
    if answer.strip() == right.strip():
        return "It is right but for spaces or line ends at its beginning or end."
    if answer.strip().lower() == right.strip().lower():
        return "It is right but for upper and lower case letters."
    return ""


_KINDS = {
    str: 'text, "like this"',
    bytes: 'bytes, b"like this"',
    bytearray: "bytes",
    int: "a number",
    float: "a number",
    bool: "True or False",
    list: "a list, [like, this]",
    tuple: "a tuple, (like, this)",
    set: "a set, {like, this}",
    dict: "a dictionary",
}


def kind_named(kind: type) -> str:
    """The words for a value of that type in a sentence."""
    return _KINDS.get(kind, f"a {kind.__name__}")


def as_text(answer: object) -> str | None:
    """Text without spaces and line ends around it, also of bytes; None for anything else."""
    if isinstance(answer, bytes | bytearray):
        answer = bytes(answer).decode("utf-8", "backslashreplace")
    return answer.strip() if isinstance(answer, str) else None


def spelled_alike(answer: object, wanted: str) -> bool:
    """Whether an answer is that text but for upper and lower case, spaces around it, or being bytes."""
    said = as_text(answer)
    return said is not None and _folded(said) == _folded(wanted)


def _folded(said: str) -> str:
    return " ".join(said.split()).rstrip(".").casefold()


def _is_number(answer: str | bytes) -> bool:
    try:
        float(answer)
    except ValueError:
        return False
    return True


def _no_collection(answer: object) -> bool:
    return isinstance(answer, str | bytes | bytearray | Mapping) or not isinstance(answer, Collection)


def _among(thing: object, things: Iterable[object]) -> bool:
    return any(same(thing, other) or _alike(thing, other) for other in things)


def _alike(one: object, other: object) -> bool:
    return (isinstance(other, str) and spelled_alike(one, other)) or (
        isinstance(one, str) and spelled_alike(other, one)
    )


def _count(left: int) -> str:
    return "one is" if left == 1 else f"{left} are"
