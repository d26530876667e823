"""Victims: client libraries used well and used carelessly, and models of clients that made mistakes; by protocol.

Each protocol's file gives its `PROGRAM`, which is run with every habit, and in `SPECIAL` the victims that it has alone.

Each runs against a server of the lab from a host of the lab, and gives a `Report`: what its own user would be told. The
lab's clients with a policy (`labkit.policies`) are victims, too, through `Lab.send` and `Lab.fetch`.
"""

import inspect
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from labkit import dialects
from labkit.attacks.victims import habits
from labkit.attacks.victims.programs import LOGIN, TEXT, Program, Scene
from labkit.attacks.victims.report import DONE, Report
from labkit.dialects import Dialect
from labkit.errors import LabError

__all__ = ["ALL", "LOGIN", "TEXT", "Scene", "Victim", "named", "of"]


@dataclass(frozen=True)
class Victim:
    """A program, and the habit of its user."""

    protocol: str
    """``IMAP``."""
    habit: habits.Habit
    program: type[Program]

    @property
    def name(self) -> str:
        """``SMTP, if offered``, or with the program's mistake: ``IMAP, careful (tagless)``."""
        variant = f" ({self.program.variant})" if self.program.variant else ""
        return f"{self.protocol}, {self.habit.__name__.replace('_', ' ')}{variant}"

    @property
    def what(self) -> str:
        """What it does, in a sentence or two."""
        kinds = [self.habit, self.program] if self.program.variant else [self.habit]
        return " ".join(" ".join(kind.__doc__.split()) for kind in kinds)

    @property
    def code(self) -> str:
        """The source code of its habit."""
        return inspect.getsource(self.habit)

    def run(self, scene: Scene) -> Report:
        """Run it to its end and report what its user would read; raises nothing."""
        program = self.program(scene)
        try:
            self.habit(program)
        except program.errors as error:
            return Report(False, _shown(error), tuple(program.believed))
        except LabError as error:
            return Report(False, str(error), tuple(program.believed))
        return Report(True, DONE, tuple(program.believed))


def _shown(error: Exception) -> str:
    text = " ".join(
        str(part.decode("utf-8", "backslashreplace") if isinstance(part, bytes) else part) for part in error.args
    )
    return f"{type(error).__name__}: {text}"


_HABITS = (
    habits.careful,
    habits.implicit,
    habits.without_context,
    habits.if_offered,
    habits.without_looking,
    habits.tries_again,
    habits.auto_detects,
    habits.older_tls,
    habits.remembers,
    habits.ignores_login,
    habits.as_it_comes,
)


@cache
def of(dialect: Dialect) -> tuple[Victim, ...]:
    """The victims of a protocol: none where it has no file here, and none for implicit TLS that does not exist."""
    name = f"{__name__}.{dialect.name.lower()}"
    if find_spec(name) is None:
        return ()
    module = import_module(name)
    possible = (habit for habit in _HABITS if module.PROGRAM.implicit or habit is not habits.implicit)
    chosen = (*((habit, module.PROGRAM) for habit in possible), *module.SPECIAL)
    return tuple(Victim(dialect.name, habit, program) for habit, program in chosen)


ALL: tuple[Victim, ...] = tuple(victim for dialect in dialects.ALL for victim in of(dialect))
"""Those of the dialects that come with the lab; `named` knows those of added ones, too."""


def named(name: str) -> Victim:
    """The victim of that name, for example ``SMTP, if offered``. Raises `LabError` for another name."""
    known = {victim.name: victim for dialect in dialects.ALL for victim in of(dialect)}
    if name not in known:
        protocol = str(name).partition(",")[0].strip().lower()
        alike = [victim.name for victim in known.values() if victim.protocol.lower() == protocol]
        alike = alike or [f"{protocol}, careful" for protocol in dict.fromkeys(one.protocol for one in known.values())]
        raise LabError(
            f"There is no victim {name!r}: its name is a protocol and a habit, such as {', '.join(map(repr, alike))}."
        )
    return known[name]
