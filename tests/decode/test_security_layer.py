"""Behind a login with a SASL security layer nothing can be read, and that is said; elsewhere no layer is seen."""

import base64

import pytest
from conversations import conversation

from labkit.capture.conversation import CLIENT, SERVER
from labkit.decode.dialogue import read
from labkit.decode.privacy import visible
from labkit.decode.security_layer import INSIDE_LAYER
from labkit.dialects.ldap_messages import ENUMERATED, STRING, element, envelope, number
from labkit.show.readings import summary

BUFFERS = [(CLIENT, b"\0\0\0\x08" + bytes(range(200, 208))), (SERVER, b"\0\0\0\x04\xff\xfe\xfd\xfc")]
SASL = element(0xA3, element(STRING, b"GSS-SPNEGO"), element(STRING, b"token"))
LOGINS = {
    "SMTP": (
        587,
        [(SERVER, b"220 x ESMTP\r\n"), (CLIENT, b"AUTH GSSAPI YWJj\r\n"), (SERVER, b"235 in\r\n")],
    ),
    "IMAP": (
        143,
        [
            (SERVER, b"* OK IMAP\r\n"),
            (CLIENT, b"a AUTHENTICATE DIGEST-MD5\r\n"),
            (SERVER, b"+ YWJj\r\n"),
            (CLIENT, b"YWJj\r\n"),
            (SERVER, b"a OK in\r\n"),
        ],
    ),
    "ManageSieve": (
        4190,
        [
            (SERVER, b'"IMPLEMENTATION" "x"\r\nOK\r\n'),
            (CLIENT, b'AUTHENTICATE "GSSAPI" "YWJj"\r\n'),
            (SERVER, b"OK\r\n"),
        ],
    ),
    "LDAP": (
        389,
        [
            (CLIENT, envelope(1, 0x60, number(3), element(STRING), SASL)),
            (SERVER, envelope(1, 0x61, number(0, ENUMERATED), element(STRING), element(STRING))),
        ],
    ),
}


def decoded(port, turns):
    return read(conversation(turns, port))


@pytest.mark.parametrize("name", LOGINS)
@pytest.mark.parametrize("size", (1, 3, 4, 5, 100))
def test_what_is_protected_by_a_login_is_named_wherever_it_is_split(name, size):
    port, login = LOGINS[name]
    pieces = [(side, data[at : at + size]) for side, data in BUFFERS for at in range(0, len(data), size)]
    dialogue = decoded(port, [*login, *pieces])
    hidden = [event for event in dialogue.events if event.title == INSIDE_LAYER]
    for side, data in BUFFERS:
        assert b"".join(event.data for event in hidden if event.sender == side) == data
    assert all("cannot be read here" in event.meaning for event in hidden)
    assert not any(event.title == "unfinished" for event in dialogue.events)
    assert "everything crossed" not in summary(dialogue)
    assert "text" not in {one.what for one in visible(dialogue)}


CHALLENGES = {
    "NTLM": base64.b64encode(b"NTLMSSP\0\2\0\0\0" + bytes(40)),
    "NTLM by name": b"NTLM supported",
    "DIGEST-MD5": base64.b64encode(b'nonce="abc",qop="auth-int",algorithm=md5-sess'),
    "Kerberos": base64.b64encode(bytes.fromhex("600f06092a864886f71201020202006f00")),
}


HEARD = {
    25: (b"220 x ESMTP", b"334 ", b"235 in"),
    110: (b"+OK x", b"+ ", b"+OK in"),
    143: (b"* OK IMAP", b"+ ", b"a OK in"),
}


@pytest.mark.parametrize("name", CHALLENGES)
@pytest.mark.parametrize("port", HEARD)
def test_the_servers_challenge_names_the_mechanism_where_the_client_was_not_captured(name, port):
    greeting, ask, done = HEARD[port]
    heard = [(SERVER, line + b"\r\n") for line in (greeting, ask + CHALLENGES[name], done)]
    assert decoded(port, [*heard, BUFFERS[1]]).events[-1].title == INSIDE_LAYER
    other = [(SERVER, line.replace(CHALLENGES[name], b"VXNlcm5hbWU6")) for _, line in heard]
    assert decoded(port, [*other, BUFFERS[1]]).events[-1].title != INSIDE_LAYER


@pytest.mark.parametrize("mechanism", (b"PLAIN", b"SCRAM-SHA-256", b"XOAUTH2"))
def test_a_mechanism_without_a_layer_hides_nothing(mechanism):
    port, login = LOGINS["SMTP"]
    told = [(side, data.replace(b"GSSAPI", mechanism)) for side, data in login]
    assert not any(event.title == INSIDE_LAYER for event in decoded(port, [*told, *BUFFERS]).events)


def test_text_behind_a_login_that_took_no_layer_is_read():
    port, login = LOGINS["SMTP"]
    behind = [(CLIENT, b"MAIL FROM:<a@x>\r\n"), (SERVER, b"250 ok\r\n")]
    assert decoded(port, [*login, *behind]).events[-2].title == "MAIL"
