"""The loopback network: it works everywhere, and it is loopback and nothing else."""

import errno
import socket
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import Lab
from labkit.errors import CannotSniff, LabError, PortTaken
from labkit.network import make


@pytest.fixture
def network():
    with closing(make("loopback")) as network:
        yield network


@given(st.ip_addresses())
def test_only_loopback_addresses_belong_to_the_lab(address):
    loopback = (address.version == 4 and str(address).startswith("127.")) or str(address) == "::1"
    assert make("loopback").contains(str(address)) == loopback


@given(st.text())
def test_no_text_that_is_not_an_address_belongs_to_the_lab(text):
    assert not make("loopback").contains(text + "x")


def test_a_host_is_reached_over_ipv6_too(network):
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"no IPv6 here ({error})")
    with server, network.host("alice").connect(*server.getsockname()[:2]) as client:
        assert client.getpeername()[0] == "::1"


def test_without_ipv6_the_lab_runs_and_an_ipv6_address_is_refused_in_a_sentence(monkeypatch):
    real = socket.socket

    def without_ipv6(family=socket.AF_INET, *more, **options):
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(family, *more, **options)

    monkeypatch.setattr(socket, "socket", without_ipv6)
    with Lab(network="loopback") as lab:
        assert lab.send(lab.smtp(), "x")
        with pytest.raises(LabError, match=r"alice cannot reach port 25 of ::1 .*Address family not supported"):
            lab.alice.connect("::1", 25)


def test_a_port_that_the_attacker_uses_itself_cannot_be_intercepted(network):
    network.host("mallory").listen(25)
    with pytest.raises(PortTaken):
        network.intercept("mallory", "mail", 25)


def test_a_system_without_packet_sockets_is_named(network, monkeypatch):
    monkeypatch.delattr(socket, "AF_PACKET", raising=False)
    with pytest.raises(CannotSniff, match="only on Linux"):
        network.host("mallory").sniff()


def test_the_network_says_how_it_is_made(network):
    assert "127.0.0.1" in network.describe()
