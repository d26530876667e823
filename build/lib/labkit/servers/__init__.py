"""Servers of the lab, one file or folder a protocol, named like the dialect; each has its class as `SERVER`."""

from importlib import import_module
from typing import TYPE_CHECKING

from labkit.dialects import named

if TYPE_CHECKING:
    from labkit.servers.server import Server


def server_for(protocol: str) -> "type[Server]":
    """The class of the servers that speak this protocol, in any case. Raises `LabError` for one that the lab does not
    speak."""
    return import_module(f"{__name__}.{named(protocol).name.lower()}").SERVER
