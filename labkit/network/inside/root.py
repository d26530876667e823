"""Becoming the root of a new user namespace, in which there are as many users of the machine as may be (subuid(5)).

A process may always take its own user along. More of them need a privilege: root has it, and newuidmap(1) gives it to
others for the numbers that /etc/subuid and /etc/subgid list. Either way a process outside has to do it.
"""

import os
import pwd
from contextlib import suppress

from syscalls import unshare
from users import map_one, numbers

_LENT = {"gid_map": ("newgidmap", "/etc/subgid"), "uid_map": ("newuidmap", "/etc/subuid")}


def become_root(kinds: int) -> int:
    """Move to new namespaces of these kinds, a user namespace among them; how many users it has. Raises `OSError`."""
    pid, user, group = os.getpid(), os.geteuid(), os.getegid()
    begin, begun = os.pipe()
    mapper = os.fork()
    if not mapper:
        os.close(begun)
        os.read(begin, 1)
        _map_from_outside(pid, user, group)
    os.close(begin)
    try:
        unshare(kinds)
    finally:
        os.close(begun)
        os.waitpid(mapper, 0)
    map_one(0, 0, user, group)
    return sum(count for _, _, count in numbers("uid_map"))


def _map_from_outside(pid: int, user: int, group: int) -> None:
    """Map as many users as possible into the namespace of this process, and end."""
    with suppress(OSError, KeyError, ValueError):
        if user == 0:
            _map_all(pid)
        else:
            _map_subordinate(pid, user, group)
    os._exit(0)


def _map_all(pid: int) -> None:
    """Map every number that there is in the namespace outside to itself."""
    for file in _LENT:
        same = "".join(f"{first} {first} {count}\n" for first, _, count in numbers(file))
        with open(f"/proc/{pid}/{file}", "w", encoding="ascii") as target:
            target.write(same)


def _map_subordinate(pid: int, user: int, group: int) -> None:
    """Map this user's number to 0, and the subordinate numbers (subuid(5)) from 1 on."""
    own, name = {"uid_map": user, "gid_map": group}, pwd.getpwuid(user).pw_name
    for file, (helper, table) in _LENT.items():
        first, count = _range(table, (name, str(user)))
        ranges = ["0", str(own[file]), "1", "1", first, count]
        if os.spawnvp(os.P_WAIT, helper, [helper, str(pid), *ranges]):
            return


def _range(table: str, owners: tuple[str, str]) -> tuple[str, str]:
    """The first number and the count that a table gives to a user. Raises KeyError where it has none for that user."""
    with open(table, encoding="utf-8") as file:
        for line in file:
            owner, first, count = line.strip().split(":")
            if owner in owners:
                return first, count
    raise KeyError(owners)
