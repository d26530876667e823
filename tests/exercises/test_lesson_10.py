"""Wrong answers to lesson 10 are told what is wrong with them; right ones pass."""

from dataclasses import replace

import pytest

from labkit import Lab, attacks, check, policies


@pytest.fixture(scope="module")
def verdicts():
    """Of command injection on POP3 servers: with the mistake, and without."""
    found = []
    with Lab() as lab:
        for quirks in (("keeps the buffer",), ()):
            server = lab.pop3(quirks=quirks)
            with lab.mallory(attacks.CommandInjection(), at=server) as attack:
                lab.fetch(server, login=("bob", "swordfish"), policy=policies.verified)
            found.append(attack.verdict)
    return tuple(found)


def test_a_server_with_the_mistake_and_one_without_have_different_verdicts(verdicts):
    with_mistake, without = verdicts
    assert "right" in check("10.3", verdicts).text
    assert "right" in check("10.3", [with_mistake, without]).text
    assert "wrong order" in check("10.3", (without, with_mistake)).text
    assert "does not make the mistake" in check("10.3", (without, without)).text
    assert "without the mistake" in check("10.3", (with_mistake, with_mistake)).text
    assert "not from a POP3 server" in check("10.3", (replace(with_mistake, evidence=("252 x",)), without)).text
    assert "a pair of verdicts" in check("10.3", with_mistake).text


@pytest.mark.parametrize(
    ("number", "answer", "told"),
    [
        ("10.1", "VRFY mallory", "right"),
        ("10.1", "STARTTLS", "alice's own"),
        ("10.1", "VRFY mallory\r\n", "line end"),
        ("10.1", b"VRFY mallory", "text"),
        ("10.2", {"a server that clears its buffer", "implicit TLS"}, "right"),
        ("10.2", {"implicit TLS"}, "injected command kept"),
        ("10.2", {"a client that verifies"}, "did verify"),
        ("10.4", lambda buffer: b"", "right"),
        ("10.4", lambda buffer: buffer, "before the handshake"),
        ("10.4", lambda buffer: buffer if buffer.startswith(b"\x16") else b"", "too much of a hurry"),
        ("10.4", lambda buffer: "", "bytes"),
    ],
)
def test_what_is_said_of_an_answer(number, answer, told):
    assert told in check(number, answer).text
