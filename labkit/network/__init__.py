"""Where the hosts of the lab live, and the only room that makes sockets. `make` gives a network by name."""

from labkit.errors import LabError
from labkit.network.base import Host, Listener, Network
from labkit.network.interception import Interception
from labkit.network.loopback import Loopback
from labkit.network.namespace import Namespace

__all__ = ["HOSTS", "KINDS", "Host", "Interception", "Listener", "Network", "make"]

HOSTS = ("alice", "mail", "mallory")
"""Who is on the stage: the client, the server, and the attacker on the path."""

KINDS = {"loopback": Loopback, "namespace": Namespace}
"""How a network may be made; ``auto`` takes the last that this machine allows."""


def make(kind: str = "auto", hosts: tuple[str, ...] = HOSTS) -> Network:
    """A network with these hosts. Raises `LabError` for a kind that does not exist."""
    if kind == "auto":
        return Loopback(hosts)
    if kind not in KINDS:
        raise LabError(f"There is no network {kind!r}: use 'auto' or one of {', '.join(map(repr, KINDS))}.")
    return KINDS[kind](hosts)
