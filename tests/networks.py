"""A network of a certain kind, or a skipped test where the machine does not allow it."""

import os
from contextlib import closing
from functools import cache

import pytest

from labkit.errors import NetworkUnavailable
from labkit.network import HOSTS, Network, make

_TRIED = "LABKIT_TESTED_ON"
"""The environment variable by which the processes of pytest-xdist know it, because all must collect the same tests."""


def _of_a_lab() -> str:
    """The kind of network that a lab has here unless it is told another."""
    with closing(make("auto", HOSTS)) as network:
        return network.kind


os.environ[_TRIED] = os.environ.get(_TRIED) or _of_a_lab()
BEST = (os.environ[_TRIED],)
"""Where `make test` says what is true of every kind of network; `make thorough` says it of each."""


def made(kind: str, hosts: tuple[str, ...] = HOSTS) -> Network:
    """A network of this kind with these hosts; the test is skipped where the machine does not allow it."""
    try:
        return make(kind, hosts)
    except NetworkUnavailable as refusal:
        pytest.skip(str(refusal))


def require(kind: str) -> None:
    """Skip the test where there can be no network of this kind, which is tried once in each process."""
    if why := refusal(kind):
        pytest.skip(why)


@cache
def refusal(kind: str) -> str:
    """Why this machine allows no network of this kind; empty where it does."""
    try:
        make(kind, HOSTS).close()
    except NetworkUnavailable as refusal:
        return str(refusal)
    return ""
