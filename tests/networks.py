"""A network of a certain kind, or a skipped test where the machine does not allow it."""

from functools import cache

import pytest

from labkit.errors import NetworkUnavailable
from labkit.network import HOSTS, Network, make


def made(kind: str, hosts: tuple[str, ...] = HOSTS) -> Network:
    """A network of this kind with these hosts; the test is skipped where the machine does not allow it."""
    try:
        return make(kind, hosts)
    except NetworkUnavailable as refusal:
        pytest.skip(str(refusal))


def require(kind: str) -> None:
    """Skip the test where there can be no network of this kind, which is tried once in each process."""
    if refusal := _refusal(kind):
        pytest.skip(refusal)


@cache
def _refusal(kind: str) -> str:
    """Why this machine allows no network of this kind; empty where it does."""
    try:
        make(kind, HOSTS).close()
    except NetworkUnavailable as refusal:
        return str(refusal)
    return ""
