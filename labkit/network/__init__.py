"""Where the hosts of the lab live, and the only room that makes sockets. `make` gives a network by name."""

import os
import re

from labkit.errors import LabError, NetworkUnavailable
from labkit.network.hosts import Host, Network
from labkit.network.interception import Interception
from labkit.network.listener import TCP, UDP, Listener
from labkit.network.loopback import Loopback
from labkit.network.namespace import Namespace

__all__ = ["HOSTS", "KINDS", "TCP", "UDP", "Host", "Interception", "Listener", "Network", "make", "names"]

HOSTS = ("alice", "mail", "mallory")
"""The hosts of every lab: the client, the server, and the attacker on the path."""

KINDS = {"loopback": Loopback, "namespace": Namespace}
"""How a network may be made; ``auto`` takes the last that this machine allows."""


CHOICE = "LABKIT_NETWORK"
"""The environment variable that decides for ``auto``."""
_NAME = re.compile("[a-z][a-z0-9-]{0,14}")
"""Fits into a domain (RFC 1123 §2.1), and as the name of an interface of Linux."""


def names(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """The names of hosts as a tuple. Raises `LabError` for anything else."""
    if not isinstance(hosts, tuple | list) or not all(
        isinstance(name, str) and _NAME.fullmatch(name) for name in hosts
    ):
        raise LabError(
            "Hosts are given as a tuple of names of at most 15 small letters, digits and hyphens, "
            f"for example ('provider',), not as {hosts!r}."
        )
    return tuple(hosts)


def make(kind: str = "auto", hosts: tuple[str, ...] = HOSTS) -> Network:
    """A network with these hosts. Raises `LabError` for a kind that does not exist or that this machine does not allow.

    ``auto`` is what the environment variable LABKIT_NETWORK says, otherwise the last of `KINDS` that this machine
    allows; why it is not a later one is then said in `Network.instead`.
    """
    if kind == "auto":
        kind = os.environ.get(CHOICE, kind)
    if kind == "auto":
        return _best(hosts)
    if kind not in KINDS:
        raise LabError(f"There is no network {kind!r}: use 'auto' or one of {', '.join(map(repr, KINDS))}.")
    return KINDS[kind](hosts)


def _best(hosts: tuple[str, ...]) -> Network:
    *others, best = KINDS.values()
    try:
        return best(hosts)
    except NetworkUnavailable as refusal:
        network = others[-1](hosts)
        network.instead = str(refusal)
        return network
