"""Every network that this machine allows, for the tests of what they have in common."""

from contextlib import closing

import pytest

from labkit.errors import NetworkUnavailable
from labkit.network import KINDS, make


def made(kind: str, hosts: tuple[str, ...] = ("alice", "mail", "mallory")):
    """A network of this kind; the test is skipped where the machine does not allow it."""
    try:
        return make(kind, hosts)
    except NetworkUnavailable as refusal:
        pytest.skip(str(refusal))


@pytest.fixture(params=KINDS)
def network(request):
    with closing(made(request.param)) as network:
        yield network
