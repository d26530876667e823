"""What every attack states of itself as attributes of its class, and the check that each of them means something.

A misspelt attribute would be silent: the attack would run, and do something else than its author thinks.
"""

from collections.abc import Iterator
from inspect import get_annotations, isclass, isroutine
from types import CodeType, FunctionType
from typing import Any, ClassVar

from labkit.errors import LabError

_KINDS = {str: "a text", tuple: "a tuple of texts", bool: "True or False", int: "a whole number", dict: "a dictionary"}
"""Type of an attribute -> what to write."""


class Described:
    """The description of an attack; its summary is the first paragraph of its docstring.

    A class directly below is a family: `labkit.attacks.vector.Vector` is one. In a class of a family, a public
    attribute is one that the family declares, or a setting of its own that its methods use or that has an annotation;
    methods may have any name that does not begin with ``on_``. Any other raises `LabError` when the class is made, and
    so does a value of another type than the one that is declared.
    """

    id: ClassVar[str] = ""
    """Its number in the catalogue: ``N1``."""
    source: ClassVar[str] = ""
    """Where it was first described or found."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        family = next(kind for kind in cls.__mro__ if Described in kind.__bases__)
        if cls is not family:
            declared = {**get_annotations(Described), **get_annotations(family)}
            for name in declared:
                _check_type(cls, name, getattr(cls, name), getattr(family, name))
            _check_known(cls, family, declared)

    @property
    def name(self) -> str:
        """What it is called."""
        return type(self).__name__

    @property
    def summary(self) -> str:
        """What it does, in one sentence."""
        return " ".join((type(self).__doc__ or "").split("\n\n", 1)[0].split())

    def __repr__(self) -> str:
        return f"<{self.name}{f' ({self.id})' if self.id else ''}: {self.summary}>"


def _check_type(cls: type[Described], attribute: str, value: object, default: object) -> None:
    """Raises `LabError` for a value of another type than the default, and for a tuple of anything but texts."""
    texts = not isinstance(value, tuple) or all(isinstance(one, str) for one in value)
    if type(value) is not type(default) or not texts:
        kind = _KINDS[type(default)]
        form = f": write ({value!r},)" if isinstance(default, tuple) and isinstance(value, str) else ""
        raise LabError(f"{cls.__name__}.{attribute} is {kind}, not {value!r}{form}.")


def _check_known(cls: type[Described], family: type[Described], declared: dict[str, Any]) -> None:
    """Raises `LabError` for an attribute that nothing uses."""
    known = {name for base in cls.__mro__[1:] for name in vars(base)}
    known |= {name for kind in cls.__mro__ for name in get_annotations(kind)}
    known |= {name for one in vars(cls).values() if isinstance(one, FunctionType) for name in _names(one.__code__)}
    asked = [name for name in vars(family) if name.startswith("on_")]
    for name, value in vars(cls).items():
        if name in asked and not _is_code(value):
            raise LabError(f"{cls.__name__}.{name} is a method, not {value!r}.")
        if name.startswith("_") or name in known:
            continue
        if name.startswith("on_"):
            raise LabError(f"{cls.__name__}.{name} is never called: such an attack is asked in {', '.join(asked)}.")
        if not _is_code(value):
            raise LabError(
                f"{cls.__name__}.{name} means nothing: such an attack has {', '.join(declared)}. "
                f"Write {name}: ClassVar = … for a setting of its own."
            )


def _is_code(value: object) -> bool:
    """Whether an attribute of a class is a method, a property or a class, and not a setting."""
    return isroutine(value) or isclass(value) or hasattr(type(value), "__get__")


def _names(code: CodeType) -> Iterator[str]:
    """The attributes that a function's code names, with those of the functions and comprehensions in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
