"""The POP3 server, one line at a time: what it offers when, what it answers, and when messages really go."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wire import connected, encoded, plain

from labkit.mail.mailbox import Message
from labkit.servers.pop3 import stuffed, top

BASE = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE"]
MAILS = (b"Subject: 1\r\n\r\none\r\ntwo\r\n", b"Subject: 2\r\n\r\n.\r\n..two\r\n", b"no field\r\n")


@pytest.fixture
def clear(lab):
    """A server that takes the login before TLS, and a client that is connected to it."""
    with connected(lab, lab.pop3(auth="always")) as wire:
        yield wire


@pytest.fixture
def filled(lab, clear):
    """bob, logged in, with three messages."""
    for data in MAILS:
        lab.mailbox().keep(Message("alice@lab.test", ("bob@lab.test",), data, "clear text", ""))
    assert clear.log_in() == "+OK 3 messages"
    return clear


def test_stls_is_offered_before_tls_and_login_only_after(lab, trusting):
    with connected(lab, lab.pop3()) as wire:
        assert wire.lines(b"CAPA") == [*BASE, "STLS"]
        assert wire.log_in().startswith("-ERR [AUTH]")
        assert wire.say(plain(b"bob", b"swordfish")).startswith("-ERR [AUTH]")
        assert wire.starttls(trusting) == "+OK Begin TLS negotiation now"
        assert wire.lines(b"CAPA") == [*BASE, "USER", "SASL PLAIN"]
        assert wire.say(b"STLS") == "-ERR TLS is already active"
        assert wire.log_in() == "+OK 0 messages"


def test_implicit_tls_offers_login_and_no_stls(lab, trusting):
    server = lab.pop3(implicit=True)
    assert server.port == 995
    with connected(lab, server, context=trusting) as wire:
        assert wire.lines(b"CAPA") == [*BASE, "USER", "SASL PLAIN"]
        assert wire.say(b"STLS") == "-ERR TLS is already active"
        assert wire.log_in().startswith("+OK")


def test_off_means_neither_offered_nor_done(lab):
    with connected(lab, lab.pop3(starttls="off")) as wire:
        assert wire.lines(b"CAPA") == BASE
        assert wire.say(b"STLS").startswith("-ERR")


def test_required_means_little_but_stls_before_tls(lab, trusting):
    with connected(lab, lab.pop3(starttls="required", auth="always")) as wire:
        assert wire.lines(b"CAPA") == [*BASE, "STLS"]
        assert wire.log_in().startswith("-ERR Nothing without TLS")
        wire.starttls(trusting)
        assert wire.log_in().startswith("+OK")


def test_stls_after_a_login_is_refused(clear):
    clear.log_in()
    assert clear.say(b"STLS") == "-ERR STLS is not possible after the login"


def test_a_user_that_was_named_before_tls_is_forgotten(lab, trusting):
    with connected(lab, lab.pop3(auth="always")) as wire:
        wire.say(b"USER bob")
        wire.starttls(trusting)
        assert wire.say(b"PASS swordfish") == "-ERR USER comes before PASS"


def test_auth_plain_comes_with_its_response_or_waits_for_the_server(lab):
    server = lab.pop3(auth="always")
    with connected(lab, server) as wire:
        assert wire.say(plain(b"bob", b"swordfish")).startswith("+OK")
    with connected(lab, server) as wire:
        assert wire.say(b"AUTH PLAIN") == "+ "
        assert wire.say(encoded(b"bob", b"swordfish")).startswith("+OK")
    with connected(lab, server) as wire:
        wire.say(b"AUTH PLAIN")
        assert wire.say(b"*") == "-ERR The login was given up"
        assert wire.log_in().startswith("+OK")


@pytest.mark.parametrize("attempt", ((b"bob", b"hunter2"), (b"carol", b"x"), (b"bob", b" swordfish")))
def test_a_wrong_login_is_refused_and_can_be_made_again(clear, attempt):
    assert clear.log_in(*attempt).startswith("-ERR [AUTH]")
    assert clear.say(b"PASS swordfish").startswith("-ERR USER comes before")
    assert clear.log_in().startswith("+OK")


@pytest.mark.parametrize(
    "line",
    (
        b"USER",
        b"PASS",
        b"PASS swordfish",
        b"AUTH",
        b"AUTH CRAM-MD5",
        b"AUTH PLAIN !!!",
        b"AUTH PLAIN YQ==",
        b"STAT",
        b"RETR 1",
        b"NOOP",
        b"CAPA now",
        b"XYZZY",
        b"",
        b"\xff\xfe",
        b"USER b\0b",
    ),
)
def test_what_is_malformed_or_too_early_is_answered_and_the_session_goes_on(clear, line):
    assert clear.say(line).startswith("-ERR")
    assert clear.log_in().startswith("+OK")


def test_messages_are_counted_listed_and_named(filled):
    sizes = [len(data) for data in MAILS]
    assert filled.say(b"STAT") == f"+OK 3 {sum(sizes)}"
    assert filled.lines(b"LIST") == [f"{n} {size}" for n, size in enumerate(sizes, 1)]
    assert filled.say(b"LIST 2") == f"+OK 2 {sizes[1]}"
    names = filled.lines(b"UIDL")
    assert len({name.split()[1] for name in names}) == 3
    assert filled.say(b"UIDL 2") == f"+OK {names[1]}"


def test_a_message_comes_with_its_dots_doubled_and_nothing_else_changed(filled):
    for number, data in enumerate(MAILS, 1):
        assert filled.say(b"RETR %d" % number) == f"+OK {len(data)} octets"
        sent = stuffed(data)
        assert filled.read(len(sent)) == sent
    assert filled.lines(b"TOP 1 1") == ["Subject: 1", "", "one"]
    assert filled.lines(b"TOP 1 0") == ["Subject: 1", ""]
    assert filled.lines(b"TOP 3 5") == ["no field"]


@pytest.mark.parametrize(
    "line", (b"RETR 0", b"RETR 4", b"RETR", b"RETR x", b"RETR -1", b"DELE 99999999999", b"TOP 1", b"TOP 1 x", b"LIST x")
)
def test_a_message_that_is_not_there_is_refused(filled, line):
    assert filled.say(line).startswith("-ERR")


def test_deleted_messages_go_only_with_quit(lab, filled):
    assert filled.say(b"DELE 1").startswith("+OK") and filled.say(b"DELE 2").startswith("+OK")
    assert filled.say(b"RETR 1").startswith("-ERR") and filled.say(b"STAT").startswith("+OK 1 ")
    filled.say(b"RSET")
    assert filled.say(b"STAT").startswith("+OK 3 ")
    filled.say(b"DELE 2")
    assert len(lab.mailbox()) == 3
    assert filled.say(b"QUIT") == "+OK Goodbye" and filled.line() == ""
    assert [message.data for message in lab.mailbox()] == [MAILS[0], MAILS[2]]


def test_a_client_that_vanishes_deletes_nothing(lab, filled):
    filled.say(b"DELE 1")
    filled.sock.shutdown(2)
    assert filled.line() == ""
    assert len(lab.mailbox()) == 3


def test_commands_may_be_sent_ahead(filled):
    filled.send(b"NOOP\r\nSTAT\r\nQUIT\r\n")
    assert [filled.line()[:3] for _ in range(4)] == ["+OK", "+OK", "+OK", ""]


def test_the_log_tells_the_session_and_not_the_password(lab):
    server = lab.pop3(auth="always")
    with connected(lab, server) as wire:
        wire.log_in(b"bob", b"stockfish")
        wire.log_in()
    with connected(lab, server) as wire:
        wire.say(b"AUTH PLAIN")
        wire.say(encoded(b"bob", b"swordfish"))
    with connected(lab, server) as wire:
        wire.say(plain(b"bob", b"swordfish"))
    text = repr(server.log)
    assert "#1 C: PASS ********\n#1 logged in as bob\n" in text and "#3 C: AUTH PLAIN ********\n" in text
    assert "swordfish" not in text and "stockfish" not in text
    assert encoded(b"bob", b"swordfish").decode() not in text


@given(st.lists(st.sampled_from((b".", b"\r\n", b"\n", b"\r", b"x", b"\0", b"\xff"))).map(b"".join))
@example(b".")
@example(b"\n.\n.\r\n")
def test_stuffing_dots_can_be_undone_and_never_ends_a_message_early(data):
    sent = stuffed(data)
    *lines, last, nothing = sent.split(b"\n")
    assert (last, nothing) == (b".\r", b"")
    assert all(not line.startswith(b".") or line.startswith(b"..") for line in lines)
    undone = b"".join(line.removeprefix(b".") + b"\n" for line in lines)
    assert undone in (data, data + b"\r\n")


@given(st.lists(st.sampled_from((b"\r\n", b"x", b"a: b"))).map(b"".join), st.integers(0, 5))
def test_the_top_of_a_message_is_its_beginning(data, lines):
    assert data.startswith(top(data, lines))
    assert top(data, 10_000) == data
