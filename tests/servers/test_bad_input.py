"""To any bytes of a client, the answer is in the protocol's own words, memory stays bounded, and nothing hangs."""

import socket
import ssl
import time
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from thoroughly import examples
from wire import connected

from labkit import Lab
from labkit.mail.mailbox import Message
from labkit.servers.imap.session import MESSAGE_LIMIT, IMAPSession
from labkit.servers.pop3 import _Session as POP3Session
from labkit.trust.contexts import client_context

NOOP = {"SMTP": b"NOOP", "IMAP": b"x NOOP", "POP3": b"CAPA"}
FINE = {"SMTP": "250", "IMAP": "x OK", "POP3": "+OK"}
COMPLAINT = {"SMTP": "500", "IMAP": "* BAD", "POP3": "-ERR"}
PROTOCOLS = tuple(NOOP)
OURS = ("IMAP", "POP3")
"""Those whose servers are not aiosmtpd's."""


@pytest.fixture(scope="module")
def lab():
    with Lab() as lab:
        lab.mailbox().keep(Message("alice@lab.test", ("bob@lab.test",), b"a: b\r\n\r\n" + b"x" * 3_000_000, "", ""))
        yield lab


@pytest.fixture
def start(lab):
    """protocol -> a server that takes the login before TLS."""
    return lambda protocol: {"SMTP": lab.smtp, "IMAP": lab.imap, "POP3": lab.pop3}[protocol](
        auth="always", replace=True
    )


def _all_gone(server):
    """Whether nothing of any connection is left in the server, now or a moment later."""
    for _ in range(100):
        if not server._under_way and all(transport.is_closing() for transport in list(server._open)):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("size", (9_000, 100_000))
@pytest.mark.parametrize("byte", (b"x", b"\xff", b"\0"))
def test_a_line_that_is_too_long_is_complained_of_and_the_session_goes_on(lab, start, protocol, size, byte):
    with connected(lab, start(protocol)) as wire:
        assert wire.say(byte * size).startswith(COMPLAINT[protocol])
        answer = wire.say(NOOP[protocol])
        assert answer.startswith(FINE[protocol])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_line_without_end_ends_the_session(lab, start, protocol):
    with connected(lab, start(protocol)) as wire:
        wire.send(b"x" * 1_200_000)
        assert wire.line().endswith("The line has no end")
        assert wire.line() == ""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bytes_that_no_command_holds_are_complained_of(lab, start, protocol):
    with connected(lab, start(protocol)) as wire:
        for line in (b"\0", b"\xff\xfe\xfd", b"NO\0\rOP", b"\x16\x03\x01\x02\0", b"\r\r", b" ", b"\x80 \x80"):
            answer = wire.say(line)
            assert answer.startswith((COMPLAINT[protocol], "x BAD", "5")), line
            assert answer.isprintable(), line
        assert wire.say(NOOP[protocol]).startswith(FINE[protocol])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_that_only_makes_mistakes_is_sent_away(lab, start, protocol):
    with connected(lab, start(protocol)) as wire:
        wire.send(b"GET / HTTP/1.1\r\n" * 30)
        answers = []
        while answer := wire.line():
            answers.append(answer)
        assert 3 < len(answers) <= 22


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nonsense_in_place_of_a_handshake_ends_the_connection(lab, start, protocol):
    server = start(protocol)
    with connected(lab, server) as wire:
        assert wire.goes_ahead(wire.say(wire.upgrade))
        wire.send(b"x LOGIN bob swordfish\r\n" * 10)
        while wire.sock.recv(4096):
            pass
    assert "TLS handshake failed" in repr(server.log) and _all_gone(server)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_however_much_stands_behind_starttls_the_handshake_does_not_hang(lab, start, protocol):
    with connected(lab, start(protocol)) as wire:
        wire.send(wire.upgrade + b"\r\n" + (NOOP[protocol] + b"\r\n") * 9_000)
        assert wire.goes_ahead(wire.reply())
        with suppress(ssl.SSLError, ConnectionError):  # what came too late to be thrown away is no handshake
            client_context(lab.authority, verify=True).wrap_socket(wire.sock, server_hostname="mail.lab.test").close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("inside", (False, True))
@pytest.mark.parametrize("linger", (b"", b"\1\0\0\0\0\0\0\0"), ids=("FIN", "RST"))
def test_a_client_that_vanishes_leaves_nothing(lab, start, protocol, inside, linger):
    server = start(protocol)
    trusting = client_context(lab.authority, verify=True)
    for half in (b"", b"x", b"x APPEND INBOX {10}\r\nabc", b"USER bob\r\nPA", b"STLS\r\n\x16\x03"):
        with connected(lab, server) as wire:
            if inside:
                wire.starttls(trusting)
            if hasattr(wire, "log_in"):
                wire.log_in()
            wire.send(half)
            if linger:
                wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    assert _all_gone(server)
    assert "cannot go on" not in repr(server.log)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_that_sends_and_never_reads_is_not_read_either(lab, start, protocol):
    server = start(protocol)
    with connected(lab, server) as wire:
        wire.sock.settimeout(0.3)
        taken = 0
        with pytest.raises(TimeoutError):
            while taken < 64 << 20:
                taken += wire.sock.send((NOOP[protocol] + b"\r\n") * 10_000)
    assert _all_gone(server)


def test_a_literal_of_absurd_size_is_refused_before_it_is_sent(lab, start):
    with connected(lab, start("IMAP")) as wire:
        for size in (100_000, 10**9, 10**18):
            assert wire.say(b"x LOGIN {%d}" % size).startswith("x NO [TOOBIG]")
        assert wire.say(b"x LOGIN {%d}" % 10**30).startswith("x BAD")
        assert wire.say(b"x APPEND INBOX {%d}" % 100_000).startswith("x NO [TOOBIG]")  # no user is logged in
        wire.log_in()
        assert wire.say(b"x APPEND INBOX {%d}" % (MESSAGE_LIMIT + 1)).startswith("x NO [TOOBIG]")
        assert wire.say(b"x SEARCH SUBJECT {%d}" % 100_000).startswith("x NO [TOOBIG]")
        assert wire.say(b"x APPEND INBOX {%d}" % 100_000).startswith("+ ")


def test_a_literal_of_absurd_size_that_does_not_wait_ends_the_session(lab, start):
    with connected(lab, start("IMAP")) as wire:
        assert wire.say(b"x LOGIN {1000000000+}").startswith("* BYE")
        assert wire.line() == ""


def test_many_small_literals_are_one_large_one(lab, start):
    with connected(lab, start("IMAP")) as wire:
        wire.send(b"x LOGIN " + b"{1000+}\r\n" + (b"y" * 1000 + b" {1000+}\r\n") * 100)
        assert wire.reply().startswith("* BYE That literal is too big")


@pytest.mark.parametrize("keys", (b"NOT " * 1000 + b"ALL", b"(" * 1000, b"OR " * 2000 + b"ALL", b"ALL " * 1500 + b"X"))
def test_a_search_with_keys_without_end_is_refused(lab, start, keys):
    with connected(lab, start("IMAP")) as wire:
        wire.log_in()
        wire.do(b"SELECT INBOX")
        assert wire.say(b"x SEARCH " + keys).startswith("x BAD")


def test_a_message_that_is_asked_for_again_and_again_is_not_sent_as_often(lab, start):
    with connected(lab, start("IMAP")) as wire:
        wire.log_in()
        wire.do(b"SELECT INBOX")
        parts = b" ".join(b"BODY.PEEK[]<%d.3000000>" % number for number in range(50))
        assert wire.say(b"x FETCH 1 (%s)" % parts).startswith("x NO [LIMIT]")


def test_a_pattern_with_many_wildcards_takes_no_time(lab, start):
    with connected(lab, start("IMAP")) as wire:
        wire.log_in()
        wire.say(b"x CREATE " + b"a" * 190)
        assert wire.do(b'LIST "" ' + b"*a" * 90 + b"b") == ""
        assert wire.say(b'x LIST "" ' + b"*" * 1000).startswith("x NO [LIMIT]")


@pytest.mark.parametrize("protocol, kind", (("IMAP", IMAPSession), ("POP3", POP3Session)))
def test_a_client_that_says_nothing_is_sent_away_in_the_end(lab, start, monkeypatch, protocol, kind):
    monkeypatch.setattr(kind, "idle_limit", 0.1)
    with connected(lab, start(protocol)) as wire:
        assert wire.line().endswith("Nothing was said for too long")
        assert wire.line() == ""


@pytest.mark.parametrize(
    "protocol, kind, ask", (("IMAP", IMAPSession, b"x FETCH 1 BODY[]\r\n"), ("POP3", POP3Session, b"RETR 1\r\n"))
)
def test_a_client_that_takes_nothing_is_dropped_in_the_end(lab, start, monkeypatch, protocol, kind, ask):
    monkeypatch.setattr(kind, "idle_limit", 0.2)
    server = start(protocol)
    with connected(lab, server) as wire:
        wire.log_in()
        if protocol == "IMAP":
            wire.do(b"EXAMINE INBOX")
        wire.send(ask * 10)  # more than the kernel holds
        assert _all_gone(server)
    assert "connection lost: the client reads nothing" in repr(server.log)


WORDS = st.sampled_from(
    (
        *(
            b"x ",
            b"y ",
            b"* ",
            b"+ ",
            b" ",
            b"\r\n",
            b"\r\n",
            b"\n",
            b"\0",
            b"\xff",
            b'"',
            b"\\",
            b"(",
            b")",
            b"[",
            b"]",
        ),
        *(
            b"{",
            b"}",
            b"{3}\r\n",
            b"{3+}\r\n",
            b"{0+}\r\n",
            b"{9999999999}\r\n",
            b"<0.9>",
            b"*",
            b"%",
            b"1:*",
            b"1",
            b",",
        ),
        *(b"LOGIN bob swordfish\r\n", b"AUTHENTICATE PLAIN\r\n", b"SELECT INBOX\r\n", b"EXAMINE Sent\r\n"),
        *(b"UID ", b"FETCH ", b"STORE ", b"SEARCH ", b"COPY ", b"LIST ", b"STATUS ", b"APPEND ", b"CREATE "),
        *(
            b"FLAGS",
            b"BODY[",
            b"BODY.PEEK[1.",
            b"HEADER.FIELDS",
            b"TEXT",
            b"MIME",
            b"ENVELOPE",
            b"BODYSTRUCTURE",
            b"ALL",
        ),
        *(b"NOT ", b"OR ", b"SINCE ", b"1-Feb-2021", b"CHARSET UTF-8 ", b"SUBJECT ", b"\\Seen", b"+FLAGS "),
        *(
            b"USER bob\r\n",
            b"PASS swordfish\r\n",
            b"AUTH PLAIN\r\n",
            b"RETR ",
            b"TOP ",
            b"DELE ",
            b"UIDL ",
            b"LIST ",
            b"9",
        ),
        *(
            b"STAT\r\n",
            b"CAPA\r\n",
            b"RSET\r\n",
            b"QUIT\r\n",
            b"DONE\r\n",
            b"NOOP\r\n",
            b"EXPUNGE\r\n",
            b"CLOSE\r\n",
            b"AAAA",
        ),
    )
)
LOGINS = {"IMAP": b"x LOGIN bob swordfish\r\nx SELECT Sent\r\n", "POP3": b"USER bob\r\nPASS swordfish\r\n"}


@pytest.mark.parametrize("protocol", OURS)
@settings(max_examples=examples(400), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS, max_size=30).map(b"".join) | st.binary(max_size=200), st.booleans())
@example(b'x SEARCH HEADER "" ""\r\n', True)
@example(b"x FETCH 1 BODY[1.]\r\n", True)
def test_any_bytes_are_answered_in_the_words_of_the_protocol(lab, protocol, said, logged_in):
    server = lab.servers.get(("mail", 143 if protocol == "IMAP" else 110)) or (
        lab.imap(auth="always") if protocol == "IMAP" else lab.pop3(auth="always")
    )
    with connected(lab, server) as wire:
        wire.send((LOGINS[protocol] if logged_in else b"") + said + b"\r\n")
        wire.sock.shutdown(socket.SHUT_WR)
        answer = wire.read(1 << 20)
    assert answer.endswith(b"\r\n") or not answer  # a client that ends within a literal has asked for nothing yet
    assert "cannot go on" not in repr(server.log)
