"""The broker: makes the LAN of one lab in namespaces of its own and hands out sockets in them, until its lab is gone.

Arguments: the descriptor of a Unix socket (SEQPACKET) to the lab, the folder of pyroute2, and the LAN as JSON. Over the
socket come requests and go answers, one JSON object each; a socket travels as a descriptor beside its answer
(SCM_RIGHTS, unix(7)). When the other end is closed, however that came about, this process ends, and so does whatever
runs on a host.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
from types import ModuleType
from typing import Any

from root import become_root
from syscalls import MOUNTS, NETWORK, USERS, bind, keep_mounts_private, mount_memory, unmount

_LARGEST = 1 << 16
_FOLDER = "/tmp"
"""Where our files are written before they are bound to their places; a private mount hides them."""


def main(control: socket.socket, folder: str, plan: dict[str, Any]) -> None:
    """Make the LAN, say so, and serve."""
    step = "making a user namespace"
    try:
        users = become_root(USERS | NETWORK | MOUNTS)
        step = "setting up its files"
        keep_mounts_private()
        _show_files(plan["files"])
        step = "loading pyroute2"
        _allow_parts("pyroute2", folder)
        from lan import Lan

        step = "making the network"
        lan = Lan(plan["hosts"], plan["prefix"])
    except Exception as error:
        _answer(control, {"number": 0, "step": step, **_refusal(error)})
        return
    _answer(control, {"number": 0, "value": {"namespaces": lan.namespaces, "users": users}})
    try:
        _serve(control, lan)
    finally:
        _end_tools()


def _allow_parts(name: str, folder: str) -> None:
    """Let modules of a package be imported without its `__init__`: pyroute2's imports them all, which takes 0.1 s."""
    package = ModuleType(name)
    package.__path__ = [folder]
    sys.modules[name] = package


def _show_files(files: dict[str, str]) -> None:
    """Show these contents in the place of files of the machine, to the processes of this lab alone."""
    mount_memory(_FOLDER)
    for number, (path, contents) in enumerate(files.items()):
        ours = f"{_FOLDER}/{number}"
        with open(ours, "w", encoding="ascii") as file:
            file.write(contents)
        with contextlib.suppress(FileNotFoundError):  # no program reads it on a machine that does not have it
            bind(ours, path)
    unmount(_FOLDER)


def _serve(control: socket.socket, lan: Any) -> None:
    """Answer requests and carry frames until the lab has closed its end."""
    while True:
        waits = [wait for wire in lan.wires.values() if (wait := wire.deliver()) is not None]
        ends = {end: wire for wire in lan.wires.values() for end in wire.ends}
        ready, _, _ = select.select([control, *ends], [], [], min(waits, default=None))
        for end in ready:
            if end is not control:
                ends[end].take(end)
        if control in ready:
            request = control.recv(_LARGEST)
            if not request:
                return
            _obey(control, lan, **json.loads(request))


def _end_tools() -> None:
    """Kill every process that sees our files, also what a tool has left behind in the background."""
    ours = os.readlink("/proc/self/ns/mnt")
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended, or belongs to another user
            if int(process) != os.getpid() and os.readlink(f"/proc/{process}/ns/mnt") == ours:
                os.kill(int(process), signal.SIGKILL)


def _obey(control: socket.socket, lan: Any, number: int, verb: str, arguments: list[Any]) -> None:
    """Do what one request asks for."""
    try:
        value = getattr(lan, verb)(*arguments)
    except Exception as error:
        _answer(control, {"number": number, **_refusal(error)})
        return
    if isinstance(value, socket.socket):
        with value:
            _answer(control, {"number": number, "value": None}, value.fileno())
    else:
        _answer(control, {"number": number, "value": value})


def _refusal(error: Exception) -> dict[str, Any]:
    """An error of the system or of netlink (which says `code`) for the other end."""
    number = getattr(error, "errno", None) or getattr(error, "code", None) or 0
    return {"errno": number, "error": getattr(error, "strerror", None) or str(error)}


def _answer(control: socket.socket, answer: dict[str, Any], *descriptors: int) -> None:
    socket.send_fds(control, [json.dumps(answer).encode()], descriptors)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as lab, contextlib.suppress(ConnectionError):
        main(lab, sys.argv[2], json.loads(sys.argv[3]))
    os._exit(0)  # the kernel clears up in a moment what Python would take a tenth of a second for
