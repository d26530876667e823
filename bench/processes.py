"""Fresh processes, timed as a whole: from the start of the program to its end, with what it has to load."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

LIMIT = 600.0
"""Seconds for one process."""


class Run(NamedTuple):
    """One process, from its start to its end."""

    seconds: float
    output: str


def python(*arguments: str) -> list[str]:
    """The command that runs this Python."""
    return [sys.executable, *arguments]


def run(command: Sequence[str]) -> Run:
    """Run a command and take its standard output. Raises `RuntimeError` with the end of its complaint if it fails."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {done.stderr.strip()[-400:]}")
    return Run(seconds, done.stdout)


def interleaved(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, Run]:
    """The median run of each command, in turn (A B A B …) so that a busy moment of the machine hits all of them."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(run(command))
    return {name: sorted(done)[rounds // 2] for name, done in runs.items()}
