"""Datagrams stay inside the lab as connections do, and an attacker on the path gets them."""

import pytest

from labkit.errors import LabError, NotListening, OutsideTheLab, PortTaken
from labkit.network import UDP


def answer(listener, text):
    data, client = listener.socket.recvfrom(100)
    listener.socket.sendto(text + data, client)


def test_a_datagram_goes_to_a_host_by_name_or_by_its_address_in_the_dns(network):
    listener = network.host("mail").listen(53, UDP)
    listener.socket.settimeout(30)
    for where in ("mail", network.published("mail")):
        with network.host("alice").connect(where, 53, 30, UDP) as sock:
            sock.send(b"?")
            answer(listener, b"you said ")
            assert sock.recv(100) == b"you said ?"
    listener.close()


def test_a_port_of_udp_is_another_one_than_that_of_tcp(network):
    host = network.host("mail")
    tcp, udp = host.listen(53), host.listen(53, UDP)
    assert tcp.address == udp.address, "tools take one number for both"
    with pytest.raises(PortTaken):
        host.listen(53, UDP)
    udp.close()
    assert network.nominal[tcp.address[1]] == 53
    host.listen(53, UDP).close()
    tcp.close()


@pytest.mark.parametrize("address", ("198.51.100.7", "8.8.8.8", "example.com"))
def test_no_datagram_leaves_the_lab(network, address):
    with pytest.raises(OutsideTheLab):
        network.host("alice").connect(address, 53, 1, UDP)


def test_where_nothing_listens_there_is_no_answer(network):
    with pytest.raises((NotListening, OSError)), network.host("alice").connect("mail", 53, 1, UDP) as sock:
        sock.send(b"?")
        sock.recv(100)


def test_who_is_on_the_path_gets_the_datagrams_and_can_ask_the_real_server(network):
    listener = network.host("mail").listen(53, UDP)
    listener.socket.settimeout(30)
    with network.intercept("mallory", "mail", 53, UDP) as interception:
        with pytest.raises(LabError, match="close that interception first"):
            network.intercept("mallory", "mail", 53, UDP)
        interception.listener.socket.settimeout(30)
        with network.host("alice").connect("mail", 53, 30, UDP) as sock:
            sock.send(b"?")
            answer(interception.listener, b"mallory heard ")
            assert sock.recv(100) == b"mallory heard ?"
        with interception.connect(30) as onward:
            onward.send(b"!")
            answer(listener, b"mail heard ")
            assert onward.recv(100) == b"mail heard !"
    with network.host("alice").connect("mail", 53, 30, UDP) as sock:
        sock.send(b"?")
        answer(listener, b"mail heard ")
        assert sock.recv(100) == b"mail heard ?"


def test_every_host_has_an_address_in_the_dns_of_the_lab(network):
    addresses = {name: network.published(name) for name in network.hosts}
    assert addresses["mail"] == "192.0.2.25" and len(set(addresses.values())) == len(addresses)
    assert all(network.named(address) == name for name, address in addresses.items())
    assert network.named("198.51.100.7") == "198.51.100.7"
