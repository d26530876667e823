"""Any mail program against every attack, live: one run of the program for each attack and mode, and the verdict on it.

The program is a command in its own words, with `PLACEHOLDERS` for its settings. The attacks are run by `under_attack`;
how the result looks is for `labkit.show`.
"""

import re
import shlex
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from labkit.attacks import catalogue
from labkit.attacks.vector import Vector
from labkit.attacks.verdict import DECEIVED, LEAKED, UNHARMED, UNKNOWN, Verdict
from labkit.dialects import named
from labkit.errors import LabError
from labkit.network.bounded import Ended
from labkit.network.checks import check_installed, check_timeout
from labkit.servers import server_for
from labkit.show.client_report import client_grid, client_page, json_report, junit_report
from labkit.trials.under_attack import CLEAR, IMPLICIT, MODES, UPGRADED, UnderAttack, under_attack

if TYPE_CHECKING:
    from labkit.lab import Lab
    from labkit.show.grid import Grid
    from labkit.show.page import Page

PLACEHOLDERS = {
    "host": "where the server is",
    "port": "its port",
    "user": "the user name of an account",
    "password": "its password",
    "ca": "the path of a PEM file with the authority that issues the server's certificate",
    "message": "the path of a file with a mail, which is on standard input, too",
    "python": "the Python that the lab runs on, for programs in Python",
    "scheme": "smtp, or smtps where TLS is implicit; imap or imaps, and so on",
}
"""What is put into the words of a command for ``{host}`` and the like."""
_PYTHON = "{python}"
TRUSTED = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "LDAPTLS_CACERT")
"""Environment variables that name the authority to trust, for commands without ``{ca}``."""
PATIENCE = 8.0
"""Seconds for one run."""
BASELINE = Vector
"""The first run: an attacker who only reads. It shows whether the program does its work at all."""
_AT_ONCE = 15
"""Programs that run at the same time."""
_WAITING_AT_ONCE = 30
"""Programs that run at the same time where they only wait for the end of their time."""
_LONGEST_LINE = 160
_WORD = re.compile(r"\{([a-z_]+)\}")


class ClientTrial(NamedTuple):
    """One run of the program."""

    vector: str
    """The number of the attack, ``N1``; empty where nothing is attacked."""
    mode: str
    """One of `MODES`."""
    verdict: Verdict
    said: str
    """How the program ended, and the last line that it wrote; empty where it was not run."""
    waits: bool = False
    """Whether it ran until its time was over."""


@dataclass(frozen=True)
class MailProgram:
    """A command for a mail program, and the protocol that it is run with."""

    command: tuple[str, ...]
    """Its words, with `PLACEHOLDERS`."""
    protocol: str
    """The name of a dialect: ``SMTP``."""
    implicit: tuple[str, ...] = ()
    """Its words for implicit TLS, where they are others."""
    timeout: float = PATIENCE
    """Seconds after which a run is ended."""
    vectors: tuple[type[Vector], ...] = ()
    """The attacks under which it is run."""

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that its protocol has."""
        return tuple(MODES) if True in server_for(self.protocol).ports else (CLEAR, UPGRADED)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the command leaves untested, a sentence each."""
        words = " ".join((*self.command, *self.implicit))
        asked = {name: f"{{{name}}}" in words for name in PLACEHOLDERS}
        without = "The command has no {password}: whether the program gives its password away is not tested."
        return tuple(
            [without] * (not asked["password"])
            + [f"{{{name}}} is no placeholder and stays as it is: there are {_every()}." for name in _strange(words)]
        )

    def words(self, mode: str, told: Mapping[str, str]) -> list[str]:
        """The command of a run in this mode, its placeholders filled in."""
        command = self.implicit if mode == IMPLICIT and self.implicit else self.command
        return [_WORD.sub(lambda found: told.get(found[1], found[0]), word) for word in command]


def mail_program(
    command: Sequence[str] | str,
    protocol: str = "smtp",
    implicit: Sequence[str] | str = (),
    timeout: float = PATIENCE,
    vectors: Iterable[type[Vector]] = catalogue.ALL,
) -> MailProgram:
    """The program of a command, which is a list of words, or one text as for a shell.

    It is run under those of the `vectors` that apply to its protocol and whose victims are not browsers, each run
    `timeout` seconds at most. Raises `LabError` for a protocol, a program or an attack that does not exist, and for a
    command with no place for the server.
    """
    check_timeout(timeout)
    dialect = named(protocol)
    server_for(dialect.name)
    kinds = tuple(kind for kind in catalogue.on_conversations(vectors) if kind.applies_to(dialect) and not kind.facade)
    given = [_words(one) for one in (command, implicit) if one]
    for words in given or [()]:
        if not words:
            raise LabError("There is no command: give the words of a mail program, like curl --ssl {host}:{port}.")
        if words[0] != _PYTHON:
            check_installed(words[0])
        missing = [f"{{{name}}}" for name in ("host", "port") if not any(f"{{{name}}}" in word for word in words)]
        if missing:
            raise LabError(
                f"The command {shlex.join(words)!r} has no {' and no '.join(missing)}, so it would go elsewhere: "
                f"write the placeholder where the program takes it. There are {_every()}."
            )
    return MailProgram(given[0], dialect.name, given[1] if len(given) > 1 else (), timeout, kinds)


def _words(command: Sequence[str] | str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command) if isinstance(command, str) else command)
    except (TypeError, ValueError) as error:
        raise LabError(f"A command is a list of words, or a text as for a shell, not {command!r}: {error}.") from error
    if not all(isinstance(word, str) for word in words):
        raise LabError(f"Each word of a command is a text, not as in {command!r}.")
    return words


def _every() -> str:
    return ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)


def _strange(words: str) -> list[str]:
    """Words in braces that are not placeholders."""
    return [name for name in dict.fromkeys(_WORD.findall(words)) if name not in PLACEHOLDERS]


@dataclass(frozen=True)
class ClientMatrix:
    """The verdicts on a mail program, attack by attack and mode by mode; the first row is without an attack."""

    program: MailProgram
    trials: tuple[ClientTrial, ...]

    @property
    def leaks(self) -> tuple[ClientTrial, ...]:
        """The runs in which a secret could be read."""
        return tuple(trial for trial in self.trials if trial.verdict.outcome == LEAKED)

    @property
    def tested(self) -> bool:
        """Whether at least one run has a known outcome."""
        return any(trial.verdict.outcome != UNKNOWN for trial in self.trials)

    def verdict(self, vector: str = "", mode: str = UPGRADED) -> Verdict:
        """The verdict on one attack, or on the run without one. Raises KeyError where there is none."""
        for trial in self.trials:
            if (trial.vector, trial.mode) == (vector, mode):
                return trial.verdict
        raise KeyError((vector, mode))

    @property
    def grid(self) -> "Grid":
        """The verdicts as a grid of attacks and modes."""
        return client_grid(self)

    @property
    def page(self) -> "Page":
        """The grid, and the lines that show what leaked."""
        return client_page(self)

    @property
    def json(self) -> str:
        """Everything as JSON (RFC 8259); `labkit.show.client_report` has the fields."""
        return json_report(self)

    @property
    def junit(self) -> str:
        """Everything as JUnit XML: a test case for each run, which fails where something leaked."""
        return junit_report(self)

    def _repr_html_(self) -> str:
        return self.page.html

    def __repr__(self) -> str:
        return repr(self.page)


def count(program: MailProgram) -> int:
    """How many runs `every_run` has, those included that it leaves out."""
    return len(program.modes) * (1 + len(program.vectors))


def every_run(make: "Callable[[], Lab]", program: MailProgram, step: Callable[[], object]) -> ClientMatrix:
    """Run a program under every attack in every mode; `make` makes a lab for each attack.

    `step` is called after each run, and for each that is left out, because the program does not work in that mode.
    """
    labs = _Labs(make)
    first = _rows(labs, program, [(BASELINE, (mode,)) for mode in program.modes], _AT_ONCE, step)
    controls = {trial.mode: trial for trial in first}
    modes = tuple(mode for mode in program.modes if _is_worthwhile(controls[mode]))
    for _ in range((len(program.modes) - len(modes)) * len(program.vectors)):
        step()
    at_once = _WAITING_AT_ONCE if any(trial.waits for trial in first) else _AT_ONCE
    rows = _rows(labs, program, [(kind, modes) for kind in program.vectors], at_once, step)
    found = {(trial.vector, trial.mode): trial for trial in rows}
    every = [
        _controlled(found.get((vector.id, mode)), vector.id, controls[mode], controls[UPGRADED])
        for vector in program.vectors
        for mode in program.modes
    ]
    return ClientMatrix(program, (*controls.values(), *every))


class _Labs:
    """The labs of one test."""

    def __init__(self, make: "Callable[[], Lab]") -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: WeakSet[Lab] = WeakSet()
        self._closed = False

    def new(self) -> "Lab":
        """Another lab. Raises `LabError` after `close`."""
        lab = self._make()
        with self._lock:
            if not self._closed:
                self._made.add(lab)
                return lab
        lab.close()
        raise LabError("The test was broken off.")

    def close(self) -> None:
        """Close all, with the programs that run in them."""
        with self._lock:
            self._closed = True
        for lab in list(self._made):
            lab.close()


# ---- the runs without an attack say what the others are worth


def _works(control: ClientTrial) -> bool:
    return control.verdict.outcome in (LEAKED, UNHARMED)


def _is_worthwhile(control: ClientTrial) -> bool:
    """Whether attacks in this mode can show something: where TLS is not there or not trusted a program may stop, and
    leak under attack; where it does not speak implicit TLS, or does not connect, there is nothing to attack."""
    return _works(control) or (control.mode != IMPLICIT and control.verdict.outcome != UNKNOWN)


def _controlled(trial: ClientTrial | None, vector: str, control: ClientTrial, upgraded: ClientTrial) -> ClientTrial:
    """A run, or None where there was none, in the light of those without an attack in its mode and with an upgrade."""
    idle = f"without an attack it does not do its work either ({control.verdict.outcome}: {control.verdict.why})"
    if trial is None:
        return ClientTrial(vector, control.mode, Verdict(UNKNOWN, f"it was not run, because {idle}"), "")
    shows = _works(control) or (control.mode == CLEAR and _works(upgraded))
    if shows or trial.verdict.outcome in (LEAKED, DECEIVED, UNKNOWN):
        return trial
    found = trial.verdict
    why = f"{found.outcome}, which shows nothing, because {idle}"
    return trial._replace(verdict=Verdict(UNKNOWN, why, evidence=found.evidence))


# ---- one run


def _rows(
    labs: _Labs,
    program: MailProgram,
    runs: Sequence[tuple[type[Vector], Sequence[str]]],
    at_once: int,
    step: Callable[[], object],
) -> list[ClientTrial]:
    """The runs of a program under these attacks, each in its modes."""
    with ThreadPoolExecutor(at_once, "labkit client") as pool:
        try:
            rows = pool.map(lambda run: _row(labs.new, program, run[0](), run[1], step), runs)
            return list(chain.from_iterable(rows))
        except BaseException:  # an interrupt, or a lab that cannot be made: the programs of the others would run on
            pool.shutdown(wait=False, cancel_futures=True)
            labs.close()
            raise


def _row(
    make: "Callable[[], Lab]", program: MailProgram, vector: Vector, modes: Sequence[str], step: Callable[[], object]
) -> list[ClientTrial]:
    """The runs of a program under one attack."""
    trials = []
    with make() as lab:
        for mode in modes:
            trials.append(_run(lab, program, vector, mode))
            step()
    return trials


def _run(lab: "Lab", program: MailProgram, vector: Vector, mode: str) -> ClientTrial:
    with under_attack(lab, program.protocol, vector, mode) as attacked:
        words, given = program.words(mode, values_for(attacked)), attacked.message.encode()
        ended = lab.alice.try_out(words, given, program.timeout, environment=_environment(attacked))
    lines = _lines(ended)
    said = ": ".join((ended.cut or f"exit status {ended.status}", *lines[-1:]))
    done = ended.status == 0 or bool(ended.cut)
    return ClientTrial(vector.id, mode, attacked.verdict(done, said, lines, ended.cut), said, bool(ended.cut))


def values_for(attacked: UnderAttack) -> dict[str, str]:
    """What stands for the placeholders."""
    return {
        "host": attacked.host,
        "port": str(attacked.port),
        "python": sys.executable,
        "user": attacked.user,
        "password": attacked.password,
        "ca": str(attacked.ca),
        "message": str(attacked.mail),
        "scheme": attacked.scheme,
    }


def _environment(attacked: UnderAttack) -> dict[str, str]:
    """The authority to trust, and a folder for temporary files that goes with the attack."""
    return {**dict.fromkeys(TRUSTED, str(attacked.ca)), "TMPDIR": str(attacked.folder)}


def _lines(ended: Ended) -> tuple[str, ...]:
    """The lines that a program wrote, those that are empty left out."""
    lines = (line.strip() for line in ended.output.decode("utf-8", "backslashreplace").splitlines())
    return tuple(line[:_LONGEST_LINE] for line in lines if line)
