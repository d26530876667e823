"""Fresh processes, timed as a whole: from the start of the program to its end, with what it has to load."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

LIMIT = 600.0
"""Seconds for one process."""
_KEEPS_BYTECODE = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""The environment of a program whose modules are compiled once, as those of an installed package are."""


class Run(NamedTuple):
    """One process, from its start to its end."""

    seconds: float
    output: str


def python(*arguments: str) -> list[str]:
    """The command that runs this Python."""
    return [sys.executable, *arguments]


def run(command: Sequence[str]) -> Run:
    """Run a command and take its standard output. Raises `RuntimeError` with the end of its standard error if it
    fails."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {done.stderr.strip()[-400:]}")
    return Run(seconds, done.stdout)


def cpu_seconds(command: Sequence[str]) -> float:
    """The CPU seconds, user and system, that a command takes on one processor. Raises `RuntimeError` if it fails.

    Its output is thrown away: it may be hundreds of megabytes.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_KEEPS_BYTECODE,
        timeout=LIMIT,
        check=False,
        preexec_fn=_on_one_cpu,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {done.stderr.decode().strip()[-400:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _on_one_cpu() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def interleaved(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, Run]:
    """The median run of each command, in turn (A B A B …) so that a busy moment of the machine hits all of them."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(run(command))
    return {name: sorted(done)[rounds // 2] for name, done in runs.items()}
