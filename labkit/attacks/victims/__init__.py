"""Victims: the standard library's mail clients used well and used carelessly, and models of clients that made mistakes.

Each runs against a server of the lab from a host of the lab, and gives a `Report`: what its own user would be told. The
lab's clients with a policy (`labkit.policies`) are victims, too, through `Lab.send` and `Lab.fetch`.
"""

import inspect
from dataclasses import dataclass

from labkit.attacks.victims import habits, mistakes
from labkit.attacks.victims.programs import LOGIN, PROGRAMS, TEXT, Program, Scene
from labkit.attacks.victims.report import Report
from labkit.errors import LabError

__all__ = ["ALL", "LOGIN", "TEXT", "Scene", "Victim", "named"]


@dataclass(frozen=True)
class Victim:
    """A program, and the habit of whoever uses it."""

    protocol: str
    """``IMAP``."""
    habit: habits.Habit
    program: type[Program]

    @property
    def name(self) -> str:
        """``SMTP, if offered``, or with the program's mistake: ``IMAP, careful (tagless)``."""
        mistake = self.program.__name__.removesuffix(self.protocol).lower()
        special = self.program is not PROGRAMS[self.protocol]
        return f"{self.protocol}, {self.habit.__name__.replace('_', ' ')}{f' ({mistake})' if special else ''}"

    @property
    def what(self) -> str:
        """What it does, in a sentence or two."""
        kinds = [self.habit, self.program] if self.program is not PROGRAMS[self.protocol] else [self.habit]
        return " ".join(" ".join(kind.__doc__.split()) for kind in kinds)

    @property
    def code(self) -> str:
        """Its habit as it is written, in Python."""
        return inspect.getsource(self.habit)

    def run(self, scene: Scene) -> Report:
        """Let it do its work, and say what its user would be told; it raises nothing."""
        program = self.program(scene)
        try:
            self.habit(program)
        except program.errors as error:
            return Report(False, _shown(error), tuple(program.believed))
        except LabError as error:
            return Report(False, str(error), tuple(program.believed))
        return Report(True, "done", tuple(program.believed))


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
)

ALL: tuple[Victim, ...] = (
    *(Victim(protocol, habit, program) for protocol, program in PROGRAMS.items() for habit in _HABITS),
    Victim("SMTP", habits.only_for_login, PROGRAMS["SMTP"]),
    Victim("SMTP", habits.relays, PROGRAMS["SMTP"]),
    Victim("SMTP", habits.careful, mistakes.KeepingSMTP),
    Victim("IMAP", habits.careful, mistakes.KeepingIMAP),
    Victim("IMAP", habits.careful, mistakes.EarlyIMAP),
    Victim("IMAP", habits.careful, mistakes.TaglessIMAP),
    Victim("IMAP", habits.careful, mistakes.ForgetfulIMAP),
    Victim("IMAP", habits.careful, mistakes.AlertingIMAP),
    Victim("IMAP", habits.careful, mistakes.BoldIMAP),
    Victim("IMAP", habits.looks, PROGRAMS["IMAP"]),
    Victim("IMAP", mistakes.browses, PROGRAMS["IMAP"]),
    Victim("IMAP", mistakes.browses_strictly, PROGRAMS["IMAP"]),
    Victim("IMAP", mistakes.follows_referral, PROGRAMS["IMAP"]),
    Victim("IMAP", mistakes.forgets_after_greeting, PROGRAMS["IMAP"]),
    Victim("POP3", habits.careful, mistakes.KeepingPOP3),
    Victim("POP3", mistakes.forgets_without_list, PROGRAMS["POP3"]),
)

_BY_NAME = {victim.name: victim for victim in ALL}


def named(name: str) -> Victim:
    """The victim of that name, for example ``SMTP, if offered``. Raises `LabError` for another name."""
    if name not in _BY_NAME:
        raise LabError(f"There is no victim {name!r}: attacks.victims.ALL has {', '.join(map(repr, _BY_NAME))}.")
    return _BY_NAME[name]
