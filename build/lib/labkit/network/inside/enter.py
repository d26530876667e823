"""Start a tool on a host: step into its namespaces, take its name, and become the tool.

Arguments: the broker's process number, its descriptor of the host's network namespace, the host's name, and the
command.
"""

import os
import socket
import sys

from syscalls import HOSTNAME, MOUNTS, NETWORK, USERS, enter, unshare


def main(broker: str, network: str, name: str, command: list[str]) -> None:
    """Become `command` on the host. Raises `OSError`."""
    folder = os.getcwd()
    places = (("ns/user", USERS), ("ns/mnt", MOUNTS), (f"fd/{network}", NETWORK))
    namespaces = [(os.open(f"/proc/{broker}/{place}", os.O_RDONLY), kind) for place, kind in places]
    for namespace, kind in namespaces:
        enter(namespace, kind)
    unshare(HOSTNAME)
    socket.sethostname(name)
    os.chdir(folder)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
