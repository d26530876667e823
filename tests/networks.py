"""A network of a certain kind, or a skipped test where the machine does not allow it."""

import pytest

from labkit.errors import NetworkUnavailable
from labkit.network import HOSTS, Network, make


def made(kind: str, hosts: tuple[str, ...] = HOSTS) -> Network:
    """A network of this kind with these hosts; the test is skipped where the machine does not allow it."""
    try:
        return make(kind, hosts)
    except NetworkUnavailable as refusal:
        pytest.skip(str(refusal))
