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
from typing import Any

from syscalls import MOUNTS, NETWORK, USERS, bind, keep_mounts_private, mount_memory, unmount, unshare

_LARGEST = 1 << 16
_FOLDER = "/tmp"
"""Where our files are written before they are bound to their places; nobody else sees it happen."""


def main(control: socket.socket, packages: str, plan: dict[str, Any]) -> None:
    """Make the LAN, say so, and serve."""
    step = "making a user namespace"
    try:
        _become_root()
        step = "setting up its files"
        _show_files(plan["files"])
        step = "loading pyroute2"
        sys.path.append(packages)
        from lan import Lan

        step = "making the network"
        lan = Lan(plan["hosts"], plan["prefix"])
    except Exception as error:
        _answer(control, {"number": 0, "step": step, **_refusal(error)})
        return
    _answer(control, {"number": 0, "value": lan.namespaces})
    try:
        _serve(control, lan)
    finally:
        _end_tools()


def _become_root() -> None:
    """Root of a new user namespace (user_namespaces(7)), which is nobody special outside."""
    user, group = os.geteuid(), os.getegid()
    unshare(USERS | NETWORK | MOUNTS)
    for file, line in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{file}", "w", encoding="ascii") as target:
            target.write(line)
    keep_mounts_private()


def _show_files(files: dict[str, str]) -> None:
    """Show these contents in the place of files of the machine, for the processes of this lab alone."""
    mount_memory(_FOLDER)
    for number, (path, contents) in enumerate(files.items()):
        ours = f"{_FOLDER}/{number}"
        with open(ours, "w", encoding="ascii") as file:
            file.write(contents)
        with contextlib.suppress(FileNotFoundError):  # a machine without this file has nobody who reads it
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
    """Kill every process of our user namespace, also what a tool has left behind in the background."""
    ours = os.readlink("/proc/self/ns/user")
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # gone, or somebody else's
            if int(process) != os.getpid() and os.readlink(f"/proc/{process}/ns/user") == ours:
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
    return {"errno": getattr(error, "errno", None) or getattr(error, "code", None) or 0, "error": str(error)}


def _answer(control: socket.socket, answer: dict[str, Any], *descriptors: int) -> None:
    socket.send_fds(control, [json.dumps(answer).encode()], descriptors)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as lab, contextlib.suppress(ConnectionError):
        main(lab, sys.argv[2], json.loads(sys.argv[3]))
    os._exit(0)  # the kernel clears up in a moment what Python would take a tenth of a second for
