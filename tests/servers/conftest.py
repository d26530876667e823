"""What most tests of servers begin with."""

import pytest

from labkit import Lab
from labkit.trust.contexts import client_context


@pytest.fixture
def lab():
    """On loopback: what a server answers depends on no network. Tests of real ports make labs on the best one."""
    with Lab("loopback") as lab:
        yield lab


@pytest.fixture
def trusting(lab):
    """How a client speaks TLS that trusts the lab's authority alone."""
    return client_context(lab.authority, verify=True)


@pytest.fixture
def trusted(lab, tmp_path):
    """The path of the authority's certificate, for tools."""
    path = tmp_path / "authority.pem"
    path.write_bytes(lab.authority.pem)
    return str(path)
