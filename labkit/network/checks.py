"""Checks of what a caller gives to a network: ports, time limits, links, programs, loopback addresses."""

import shutil
from ipaddress import ip_address
from numbers import Real

from labkit.errors import LabError

_LONGEST_WAIT = 86_400
"""Seconds; sockets and timers cannot count up to any number."""

_SLOWEST = 10.0
"""Seconds; a slower link would look like a broken one."""


def check_port(port: int) -> None:
    """Raises `LabError` unless this is a TCP port, 1 to 65535."""
    if not isinstance(port, int) or not 0 < port < 65536:
        raise LabError(f"A TCP port is a number from 1 to 65535, not {port!r}.")


def check_timeout(timeout: float) -> None:
    """Raises `LabError` for anything but a number of seconds above 0, a day at most."""
    if not isinstance(timeout, Real) or isinstance(timeout, bool) or not 0 < timeout <= _LONGEST_WAIT:
        raise LabError(f"A time limit is a number of seconds above 0, a day at most, not {timeout!r}.")


def check_link(delay: float, loss: float) -> None:
    """Raises `LabError` for a delay (seconds) or a loss (a part of 1) that no link of the lab has."""
    if not all(isinstance(each, Real) and not isinstance(each, bool) for each in (delay, loss)):
        raise LabError(f"A link has a delay in seconds and a loss as numbers, not {delay!r} and {loss!r}.")
    if not 0 <= delay <= _SLOWEST or not 0 <= loss < 1:
        raise LabError(
            f"A link has a delay of 0 to {_SLOWEST:g} seconds and loses a part of 0 up to 1, "
            f"not {delay:g} and {loss:g}."
        )


def check_installed(program: str) -> None:
    """Raises `LabError` unless there is a program of this name, or at this path."""
    if shutil.which(program) is None:
        raise LabError(f"The tool {program!r} is not installed here: install it, or leave this step out.")


def is_loopback(ip: str) -> bool:
    """Whether this text is a loopback IP address; a host name is not."""
    try:
        return ip_address(ip).is_loopback
    except ValueError:
        return False
