"""What a host does with programs that labkit did not write: run one to its end, start one that stays, name its ports.

Each kind of network starts programs on its hosts in its own way.
"""

import os
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from labkit.errors import LabError, NotListening, PortTaken
from labkit.interrupts import uninterrupted
from labkit.limits import within_limits
from labkit.network.bounded import Ended, run_bounded
from labkit.network.checks import check_installed, check_port, check_timeout
from labkit.network.listener import ForeignListener, reset_on_close
from labkit.network.started import StartedProgram

if TYPE_CHECKING:
    from labkit.network.hosts import Network

_NOTHING: Mapping[str, str] = {}
_TRY, _PAUSE = 1.0, 0.05
"""Seconds for a connection, and between two of them."""


ROOT, USER = "root", "user"
"""The user that a program runs as on a private LAN: its root, or the user of this process."""


def check_command(command: list[str]) -> None:
    """Raises `LabError` for anything but a list of words, and for a program that is not installed."""
    if isinstance(command, str) or not command or not all(isinstance(word, str | os.PathLike) for word in command):
        raise LabError(f"A command is a list of words, for example ['openssl', 'version'], not {command!r}.")
    check_installed(command[0])


class Processes(ABC):
    """The part of a `labkit.network.hosts.Host` that is about programs."""

    network: "Network"
    name: str
    address: str

    def run(self, command: list[str], input: bytes = b"", timeout: float = 30.0) -> subprocess.CompletedProcess[bytes]:
        """Run a tool on this host with `input` on its standard input; `timeout` in seconds, output in bytes.

        SSLKEYLOGFILE (RFC 9850) leads to the lab's key log, as for `start` and `try_out`. Raises `LabError` when the
        tool is not installed or does not end in time. It is stopped then, and when this process ends, together with
        the processes that it has started.
        """
        self.network.still_open()
        check_timeout(timeout)
        check_command(command)
        try:
            with within_limits(f"Starting {command[0]!r}"):
                return self._run(command, input, timeout, self._environment())
        except subprocess.TimeoutExpired as error:
            raise LabError(
                f"{command[0]!r} was still running after {timeout:g} s and was stopped: give it more with timeout=."
            ) from error
        except OSError as error:
            raise LabError(f"{command[0]!r} cannot be started ({error.strerror}): try it in a terminal.") from error

    def try_out(
        self,
        command: list[str],
        input: bytes = b"",
        timeout: float = 8.0,
        most: int = 1 << 20,
        environment: Mapping[str, str] = _NOTHING,
    ) -> Ended:
        """Run any program on this host: whatever it does, it ends, and nothing that it has started is left.

        After `timeout` seconds, or `most` bytes of output, it is ended; that is not an error. `environment` is added to
        that of this process, as in `start`. Raises `LabError` where it is not installed.
        """
        self.network.still_open()
        check_timeout(timeout)
        check_installed(command[0])
        try:
            with within_limits(f"Starting {command[0]!r}"):
                placed, around, network = self._placed(command), self._environment(environment), self.network
                return run_bounded(placed, input, timeout, most, around, network.programs, network.still_open)
        except OSError as error:
            raise LabError(f"{command[0]!r} cannot be started ({error.strerror}): try it in a terminal.") from error

    def start(
        self, command: list[str], environment: Mapping[str, str] = _NOTHING, as_root: bool = False
    ) -> StartedProgram:
        """Start a program on this host that stays, for example a server; it is stopped with the lab, or by its `close`.

        It runs as the user of this process, or with `as_root` as the root of a private LAN, who has no power outside.
        `environment` is added to that of this process; SSLKEYLOGFILE leads to the lab's key log. Raises `LabError` when
        the program is not installed, cannot be started, or ends at once. A cell of a notebook that runs again ends
        what it has started on this host before.
        """
        self.network.still_open()
        check_command(command)
        if as_root:
            self._check_root()
        prefix = self._placed([], ROOT if as_root else USER)
        self._end_repeated()
        program: StartedProgram | None = None
        try:
            with uninterrupted(), within_limits(f"Starting {command[0]!r}"):
                program = StartedProgram(self.name, command, prefix, self._environment(environment))
                self.network.started.append((program, self.network.occasion()))
            self.network.still_open()  # another thread may have closed it meanwhile
            program.check()
        except BaseException as error:
            if program is not None:
                program.close()
                self.network.started[:] = [each for each in self.network.started if each[0] is not program]
            if isinstance(error, OSError):
                raise LabError(f"{command[0]!r} cannot be started ({error.strerror}): try it in a terminal.") from error
            raise
        return program

    def _environment(self, more: Mapping[str, str] = _NOTHING) -> dict[str, str]:
        """The environment variables of a program on this host: of this process, of the lab, and more."""
        return {**os.environ, **self.network.environment(), **more}

    def _end_repeated(self) -> None:
        """End what was started here on an occasion that is repeated now, and forget what has ended."""
        for program, occasion in tuple(self.network.started):
            if program.host == self.name and self.network.repeats(occasion):
                program.close()
                self.network.started.remove((program, occasion))

    def free_port(self, port: int) -> int:
        """The real port on which a program has to listen on this host to stand for the nominal `port`.

        On a private LAN it is that port; on loopback a free one, the same at every call. Raises `LabError` where
        something of the lab listens on this port of the host already.
        """
        self._check_free(port)
        return self.network.reserve(self.name, port)

    def adopt(self, port: int, real: int | None = None, timeout: float = 10.0) -> ForeignListener:
        """Make known on which port a program listens, so that the network treats it as its own.

        `port` is the nominal port, `real` the other one where the program does not listen on what `free_port` gave.
        Waits until it listens, `timeout` seconds at most. Raises `LabError` where it does not.
        """
        self._check_free(port)
        if (self.name, port) in self.network.listeners:
            raise PortTaken(f"Port {port} on {self.name} is adopted already: close what was adopted first.")
        check_timeout(timeout)
        there = self.network.real_port(self.name, port) if real is None else real
        check_port(there)
        self.network.admit(self.address)
        self._wait_for(port, there, timeout)
        return self.network.remember(ForeignListener(self.name, port, (self.address, there), self.network.forget))

    def _check_free(self, port: int) -> None:
        check_port(port)
        self.network.still_open()
        if not isinstance(self.network.listeners.get((self.name, port)), ForeignListener | None):
            raise PortTaken(f"Port {port} on {self.name} is taken: close what listens there, or use another port.")

    def _wait_for(self, port: int, real: int, timeout: float) -> None:
        """Wait until something listens there. Raises `NotListening`."""
        deadline = time.monotonic() + timeout
        where = f"port {port} of {self.name}{'' if real == port else f', really {self.address}:{real}'}"
        while not self._answers(real):
            here = [program for program, _ in self.network.started if program.host == self.name]
            summary = f" {here[-1].summary}." if here else ""
            if here and not any(program.running for program in here):
                raise NotListening(f"Nothing listens on {where}, and what was started there has ended.{summary}")
            if time.monotonic() > deadline:
                raise NotListening(
                    f"Nothing listens on {where}, within {timeout:g} s: let the program listen on the address "
                    f"{self.address} and on the port that free_port({port}) gives.{summary}"
                )
            time.sleep(_PAUSE)

    def _answers(self, real: int) -> bool:
        """Whether something accepts connections on this port of the host."""
        with self.tcp() as sock, suppress(OSError):
            sock.settimeout(_TRY)
            sock.connect((self.address, real))
            reset_on_close(sock)  # no capture that begins now sees how it ends
            return True
        return False

    @abstractmethod
    def tcp(self, family: int = socket.AF_INET) -> socket.socket:
        """A TCP socket of this host that is not connected yet, with Nagle's algorithm off. Raises `OSError`."""

    @abstractmethod
    def _run(
        self, command: list[str], input: bytes, timeout: float, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a tool on this host to its end. Raises `OSError` and `subprocess.TimeoutExpired`."""

    @abstractmethod
    def _placed(self, command: list[str], rights: str = ROOT) -> list[str]:
        """The words that start a tool on this host, with the rights of `ROOT` or `USER` where there is a choice."""

    @abstractmethod
    def _check_root(self) -> None:
        """Raises `LabError` where no program can be root."""
