"""Functions that a student writes: called on cases, in a thread of their own and for a limited time.

A case says what the function is called with and what it must return. What comes back may have another sensible form:
a list for a tuple or a set, anything true for True, text in other letters.
"""

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from itertools import islice
from types import CodeType, FrameType
from typing import Any, NamedTuple

from labkit.exercises.checkers import kind_named, named, nearly, same, shown, spelled_alike
from labkit.exercises.question import Checker, applied

LIMIT = 5.0
"""Seconds that one call may take."""
_MOST = 10_000
"""Members of a returned collection that are looked at."""


class OutOfTime(Exception):
    """A function did not return within `LIMIT`."""


class Call(NamedTuple):
    """One call of a student's function."""

    arguments: tuple[Any, ...]
    wanted: Any
    """What it must return; a set stands for its members in any collection."""
    called: str
    """The arguments as a sentence names them."""
    mistakes: Mapping[Any, str] = {}
    """Wrong returns of this case, and why each is wrong."""


def function(cases: Mapping[Any, Any], mistakes: Mapping[Any, str] | None = None) -> Checker:
    """A function of one argument that the student writes: for each key of `cases` it must return the value."""
    return tried_on(lambda: (Call((given,), wanted, shown(given)) for given, wanted in cases.items()), mistakes)


def tried_on(cases: Callable[..., Iterable[Call]], mistakes: Mapping[Any, str] | None = None) -> Checker:
    """A function that the student writes. `cases` makes the cases for each check, from what the answer is about."""

    def checker(answer: object, *about: object) -> str:
        if not callable(answer):
            return f"The answer is a function, given by its name alone, and yours is {shown(answer)}."
        return next(filter(None, (_tried(answer, case, mistakes or {}) for case in applied(cases, *about))), "")

    return checker


def returned(function: Callable[..., Any], *arguments: Any, on: str = "") -> tuple[Any, str]:
    """(what a student's function returns, complaint if it does not return); `on` names the arguments."""
    where = f"On {on} it" if on else "Your function"
    try:
        return call(function, *arguments), ""
    except OutOfTime:
        return None, f"{where} had not come back after {LIMIT:g} seconds: is there a loop that never ends?"
    except BaseException as error:  # a student may also call exit()
        told = str(error).strip().rstrip(".").splitlines()
        return None, f"{where} stops with {type(error).__name__}{f': {told[0][:120]}' if told else ''}."


def call(function: Callable[..., Any], *arguments: Any, limit: float | None = None) -> Any:
    """Call the function. Raises what it raises, and `OutOfTime` after `limit` seconds (`LIMIT` by default)."""
    outcome: list[tuple[Any, BaseException | None]] = []
    context = copy_context()
    watch = _Watch()

    def work() -> None:
        if sys.gettrace() is None:  # a debugger's stays
            sys.settrace(watch.enter)
        try:
            outcome.append((context.run(function, *arguments), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=work, name="a student's function", daemon=True)
    thread.start()
    try:
        thread.join(LIMIT if limit is None else limit)
    finally:
        late = thread.is_alive()  # what it returns from here on is what its handlers make of `OutOfTime`
        watch.end(thread, work.__code__)
    if late or isinstance(outcome[0][1], OutOfTime):
        raise OutOfTime
    value, error = outcome[0]
    if error is not None:
        raise error
    return value


class _Watch:
    """Ends a function in another thread.

    An exception from another thread is nearly always raised inside a ``try``, and a bare ``except`` in a loop swallows
    it. So while it is being handled, the next line of the function raises it again. Two such loops inside each other,
    or a handler that waits in a function of C, are not ended.
    """

    def __init__(self) -> None:
        self._over = False

    def enter(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        """Python's trace function, called for each call: lines are only looked at when the time is over."""
        return self._line if self._over else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        if event == "line" and sys.exc_info()[0] is OutOfTime:
            raise OutOfTime
        return self._line

    def end(self, thread: threading.Thread, outermost: CodeType) -> None:
        """Raise `OutOfTime` in that thread as often as it takes, for a second, inside all that `outermost` calls."""
        self._over = True
        frame = sys._current_frames().get(thread.ident or 0)
        while frame is not None and frame.f_code is not outermost:
            frame.f_trace = self._line
            frame = frame.f_back
        deadline = time.monotonic() + 1
        while thread.is_alive() and time.monotonic() < deadline:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(OutOfTime))
            thread.join(0.005)


def _tried(answer: Callable, case: Call, mistakes: Mapping[Any, str]) -> str:
    got, complaint = returned(answer, *case.arguments, on=case.called)
    if complaint or fits(got, case.wanted):
        return complaint
    if got is None:
        why = named(got, case.mistakes) or "Does every way through it end in a `return`?"
        return f"On {case.called} it returns nothing (None), but it should be {shown(case.wanted)}. {why}"
    why = named(got, case.mistakes) or named(got, mistakes) or _form(got, case.wanted)
    wanted = "nothing (None)" if case.wanted is None else shown(case.wanted)
    return f"On {case.called} it returns {shown(got)}, but it should be {wanted}. {why}".rstrip()


def fits(got: object, wanted: object) -> bool:
    """Whether a function returned what it must, in any sensible form."""
    if isinstance(wanted, bool):
        return truth(got) is wanted
    if isinstance(wanted, set | frozenset):
        return _members(got) == {_frozen(each) for each in wanted}
    if isinstance(wanted, list | tuple) and isinstance(got, list | tuple):
        return len(got) == len(wanted) and all(map(fits, got, wanted))
    if isinstance(wanted, str):
        return spelled_alike(got, wanted)
    return same(got, wanted) and isinstance(got, bool) == isinstance(wanted, bool)


def truth(got: object) -> bool | None:
    """Whether a value counts as true in an ``if``; None for one that does not say."""
    try:
        return bool(got)
    except Exception:
        return None


def _members(got: object) -> set[object] | None:
    if isinstance(got, str | bytes | Mapping):
        return None
    try:
        return {_frozen(each) for each in islice(got, _MOST)}  # type: ignore[call-overload]
    except Exception:
        return None


def _frozen(thing: object) -> object:
    return tuple(thing) if isinstance(thing, list) else thing


def _form(got: object, wanted: object) -> str:
    if isinstance(wanted, bool) and not isinstance(got, bool):
        return f"In an `if` that counts as {truth(got)}."
    if isinstance(wanted, set | frozenset) and isinstance(got, set | frozenset | list | tuple):
        left = [shown(each) for each in wanted if each not in got]
        return f"Missing: {', '.join(left)}." if left else "There is more in it than that."
    if isinstance(wanted, set | frozenset):
        return f"The answer is {kind_named(set)}."
    return "" if wanted is None else nearly(got, wanted)
