"""A host on the path: it gets what others mean for a server, reaches the server itself, and is gone when it closes."""

from contextlib import ExitStack, contextmanager

import pytest

from labkit.capture import record
from labkit.decode.dialogue import read
from labkit.errors import LabError, NotListening, OutsideTheLab


@contextmanager
def _joined(network, sender="alice", port=587):
    """The two ends of a new connection from `sender` to mail; the far end may be the attacker's."""
    interception = network.interceptions[("mail", port)]
    with network.host(sender).connect("mail", port) as near, interception.accept() as far:
        yield near, far


def test_the_attacker_gets_the_connections_that_were_meant_for_the_server(network):
    mail = network.host("mail").listen(587)
    with network.intercept("mallory", "mail", 587), _joined(network) as (near, far):
        near.sendall(b"for mail")
        assert far.recv(100) == b"for mail"
        mail.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            mail.socket.accept()


def test_the_attacker_reaches_the_real_server(network):
    mail = network.host("mail").listen(587)
    with network.intercept("mallory", "mail", 587) as interception, interception.connect(2) as sock:
        far, _ = mail.socket.accept()
        with far:
            sock.sendall(b"from mallory")
            assert far.recv(100) == b"from mallory"


def test_when_the_interception_is_closed_the_server_is_reached_again(network):
    mail = network.host("mail").listen(587)
    interception = network.intercept("mallory", "mail", 587)
    interception.close()
    interception.close()
    with network.host("alice").connect("mail", 587) as near, mail.socket.accept()[0] as far:
        near.sendall(b"x")
        assert far.recv(1) == b"x"
    assert not network.interceptions
    assert list(network.listeners) == [("mail", 587)]


def test_closing_the_network_ends_the_interceptions(network):
    interception = network.intercept("mallory", "mail", 587)
    network.close()
    assert interception.listener.socket.fileno() == -1
    assert not network.interceptions


def test_a_port_without_a_listener_can_be_intercepted(network):
    with network.intercept("mallory", "mail", 443) as interception:
        with _joined(network, port=443) as (near, far):
            near.sendall(b"hello")
            assert far.recv(100) == b"hello"
        with pytest.raises(NotListening):
            interception.connect(1)


@pytest.mark.parametrize("target", ("198.51.100.7", "2001:db8::1", "0.0.0.0", "mail.example.net", ""))
def test_nothing_outside_the_lab_can_be_intercepted(network, target):
    with pytest.raises(OutsideTheLab, match="not inside the lab"):
        network.intercept("mallory", target, 587)
    with pytest.raises(OutsideTheLab, match="not inside the lab"):
        network.intercept(target, "mail", 587)
    assert not network.interceptions


def test_what_makes_no_sense_is_refused_in_a_sentence(network):
    with pytest.raises(LabError, match="on the path to itself"):
        network.intercept("mail", "mail", 587)
    with pytest.raises(LabError, match="port is a number from 1 to 65535"):
        network.intercept("mallory", "mail", 0)
    with network.intercept("mallory", "mail", 587), pytest.raises(LabError, match="close that interception first"):
        network.intercept("mallory", "mail", 587)
    network.close()
    with pytest.raises(LabError, match="closed"):
        network.intercept("mallory", "mail", 587)


@pytest.mark.parametrize("first", ("capture", "attacker"))
def test_a_tap_sees_both_legs_and_calls_the_ends_by_their_names(network, first):
    mail = network.host("mail").listen(587)
    with ExitStack() as stack:
        if first == "attacker":
            interception = stack.enter_context(network.intercept("mallory", "mail", 587))
        trace = stack.enter_context(record(network, method="tap"))
        if first == "capture":
            interception = stack.enter_context(network.intercept("mallory", "mail", 587))
        with _joined(network) as (near, far), interception.connect(2) as onward, mail.socket.accept()[0] as end:
            near.sendall(b"EHLO alice\r\n")
            onward.sendall(far.recv(100).replace(b"alice", b"mallory"))
            assert end.recv(100) == b"EHLO mallory\r\n"
    legs = {
        (dialogue.client_name, dialogue.server_name): conversation.stream("client")
        for conversation in trace.conversations
        for dialogue in [read(conversation, names=trace.names)]
    }
    assert legs == {
        ("alice", "mallory posing as mail"): b"EHLO alice\r\n",
        ("mallory", "mail"): b"EHLO mallory\r\n",
    }


def test_after_the_interception_the_server_is_called_by_its_own_name_again(network):
    mail = network.host("mail").listen(587)
    network.intercept("mallory", "mail", 587).close()
    with network.host("alice").connect("mail", 587) as near, mail.socket.accept()[0]:
        assert network.names["{}:{}>".format(*near.getsockname())] == "mail"
    assert network.names[f"{mail.address[0]}:587"] == "mail"
