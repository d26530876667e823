"""The lab's end of the broker: the process that owns the private LAN, started, asked for sockets, and ended.

The kernel of a notebook has threads, so it cannot enter a namespace itself; `labkit.network.inside` can, and hands over
sockets that were made there. Its process ends when this end of the connection is closed, also when this process is
killed.
"""

import contextlib
import errno
import json
import os
import socket
import subprocess
import sys
import threading
import weakref
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from labkit.errors import NetworkUnavailable
from labkit.interrupts import uninterrupted
from labkit.network.obstacles import obstacle

INSIDE = Path(__file__).parent / "inside"
PYTHON = (sys.executable, "-E", "-s", "-S")
"""Python with nothing but the standard library and the program's own folder: it starts in 10 ms."""
_LARGEST = 1 << 16
_PATIENCE = 30.0
"""Seconds for an answer; they take less than a millisecond, the first one a fifth of a second."""
_FAREWELL = 2.0
"""Seconds for the process to end by itself; it takes milliseconds."""
_LOST = "The process that keeps the private LAN has ended: make a new Lab."
_SLOW = f"The process that keeps the private LAN did not answer within {_PATIENCE:g} s: this machine is too busy."


class Broker:
    """A LAN in namespaces of its own, from construction to `close`; `plan` is described in `labkit.network.inside`.

    Raises `NetworkUnavailable` where this machine does not allow it.
    """

    def __init__(self, plan: dict[str, Any]) -> None:
        package = find_spec("pyroute2")
        if package is None or package.origin is None:
            raise NetworkUnavailable("The package pyroute2 is not installed: pip install pyroute2.")
        self._lock = threading.Lock()
        self._number = 0
        with uninterrupted():
            try:
                self._socket, process = _started([str(Path(package.origin).parent), json.dumps(plan)])
            except OSError as error:
                raise NetworkUnavailable(obstacle("starting its process", error.errno or 0, str(error))) from error
            self.pid = process.pid
            self.close = weakref.finalize(self, _end, self._socket, process, os.getpid())
            """End the process and all that it made. A second call does nothing."""
        self._socket.settimeout(_PATIENCE)
        try:
            made = self._answer()[0]
        except BaseException:
            self.close()
            raise
        self.namespaces: dict[str, int] = made["namespaces"]
        """Host, or the switch -> the descriptor that the process has of its network namespace."""
        self.users: int = made["users"]
        """How many users of the machine there are in its user namespace."""

    def ask(self, verb: str, *arguments: object) -> Any:
        """Call this method of `labkit.network.inside.lan.Lan` and return its result. Raises `OSError` as it does."""
        return self._ask(verb, arguments)[0]

    def socket(self, host: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket that was made on a host. Raises `OSError`."""
        _, descriptors = self._ask("socket", (host, family, kind, protocol))
        if not descriptors:  # the kernel drops what this process has no descriptor for (unix(7), MSG_CTRUNC)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return socket.socket(fileno=descriptors[0])

    def _ask(self, verb: str, arguments: tuple[object, ...]) -> tuple[Any, list[int]]:
        with self._lock:
            self._number += 1
            request = {"number": self._number, "verb": verb, "arguments": arguments}
            try:
                self._socket.send(json.dumps(request).encode())
                return self._answer()
            except ConnectionError as error:
                raise NetworkUnavailable(_LOST) from error

    def _answer(self) -> tuple[Any, list[int]]:
        """The answer to the last request; one that an interrupted caller did not wait for is discarded."""
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, _LARGEST, 1, socket.MSG_CMSG_CLOEXEC)
            except TimeoutError as error:
                raise NetworkUnavailable(_SLOW) from error
            if not data:
                raise NetworkUnavailable(_LOST)
            answer = json.loads(data)
            if answer["number"] == self._number:
                break
            for descriptor in descriptors:
                os.close(descriptor)
        if "step" in answer:
            raise NetworkUnavailable(obstacle(answer["step"], answer["errno"], answer["error"]))
        if "error" in answer:
            raise OSError(answer["errno"], answer["error"])
        return answer["value"], descriptors


def _started(arguments: list[str]) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """The process, and this end of the connection to it. Raises `OSError`."""
    with contextlib.ExitStack() as undo:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        undo.enter_context(ours)
        with theirs:
            process = subprocess.Popen(
                [*PYTHON, str(INSIDE / "main.py"), str(theirs.fileno()), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Control-C is for the kernel alone
            )
        undo.pop_all()
    return ours, process


def _end(sock: socket.socket, process: subprocess.Popen[bytes], maker: int) -> None:
    if os.getpid() != maker:
        sock.close()
        return
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)  # a forked process may have a copy of the descriptor
    sock.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_FAREWELL)
        return
    process.kill()
    process.wait(_FAREWELL)
