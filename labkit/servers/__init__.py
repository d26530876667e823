"""Servers of the lab, one file or folder a protocol, named like the dialect; each has its class as `SERVER`."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from labkit.dialects import named
from labkit.errors import LabError

if TYPE_CHECKING:
    from labkit.servers.server import Server


def server_for(protocol: str) -> "type[Server]":
    """The class of the servers that speak this protocol, in any case.

    Raises `LabError` for one that the lab does not speak, or has no server for.
    """
    dialect = named(protocol)
    file = f"{__name__}.{dialect.name.lower()}"
    if find_spec(file) is None:
        raise LabError(f"The lab reads {dialect.name} and has no server for it: it would be {file}.")
    return import_module(file).SERVER
