"""Start a tool on a host: step into its namespaces, take its name, and become the tool.

Arguments: the broker's process number, its descriptor of the host's network namespace, the host's name, ``root`` or
``user``, and the command. As root of the LAN the tool may change its host; as the user of the lab's process it may do
no more than outside.
"""

import os
import socket
import sys

from syscalls import HOSTNAME, MOUNTS, NETWORK, USERS, enter, unshare
from users import map_one


def main(broker: str, network: str, name: str, rights: str, command: list[str]) -> None:
    """Become `command` on the host. Raises `OSError`."""
    folder, user, group = os.getcwd(), os.geteuid(), os.getegid()
    places = (("ns/user", USERS), ("ns/mnt", MOUNTS), (f"fd/{network}", NETWORK))
    namespaces = [(os.open(f"/proc/{broker}/{place}", os.O_RDONLY), kind) for place, kind in places]
    for namespace, kind in namespaces:
        enter(namespace, kind)
    unshare(HOSTNAME)
    socket.sethostname(name)
    if rights == "user" and user:
        unshare(USERS)
        map_one(user, group, 0, 0)
    os.chdir(folder)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:5], sys.argv[5:])
