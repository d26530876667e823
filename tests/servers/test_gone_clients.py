"""Clients that leave without a word, and commands that no parser likes: the server says what is right, or nothing."""

import logging
import re
import socket
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughly import examples
from wire import connected

from labkit import Lab
from labkit.trust.contexts import client_context

PIPELINES = {
    "smtp": (
        b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhi\r\n.\r\nVRFY a\r\nRSET\r\nXX\r\nMAIL FROM:<a@\r\n",
        587,
        465,
    ),
    "imap": (b"a NOOP\r\na LOGIN bob swordfish\r\na SELECT INBOX\r\na FETCH 1:* ALL\r\na XX\r\n", 143, 993),
    "pop3": (b"CAPA\r\nUSER bob\r\nPASS swordfish\r\nLIST\r\nNOOP\r\nXX\r\n", 110, 995),
}


@pytest.mark.parametrize("implicit", (False, True), ids=("clear", "TLS"))
@pytest.mark.parametrize("protocol", PIPELINES)
def test_a_client_that_pipelines_and_resets_is_forgotten_in_silence(protocol, implicit, caplog):
    commands, *ports = PIPELINES[protocol]
    with Lab("loopback") as lab, caplog.at_level(logging.WARNING):
        server = getattr(lab, protocol)(implicit=implicit, auth="always")
        context = client_context(lab.authority, False)
        for number in range(40):
            sock = lab.alice.connect("mail", ports[implicit], timeout=30)
            if implicit:
                sock = context.wrap_socket(sock, server_hostname="mail.lab.test")
            if number % 2:
                sock.recv(100)
            sock.sendall(commands * 60)
            time.sleep(0.002 * (number % 4))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        with connected(lab, server, context=context if implicit else None):
            pass
    # Python prints these on standard error, but for aiosmtpd's own, which go nowhere.
    assert not [record for record in caplog.records if record.name != "mail.log"]
    assert not re.search(r"Error\b(?!:)|Traceback|S: 451", repr(server.log)), repr(server.log)[:2000]


@pytest.mark.parametrize(
    "line",
    (
        *(
            b"MAIL FROM:<a@",
            b"MAIL FROM:<a@b",
            b"MAIL FROM:<a@b SIZE=5",
            b"MAIL FROM:<",
            b'MAIL FROM:"',
            b"MAIL FROM:a@",
            b"MAIL FROM:<<",
            b"MAIL FROM:" + b"(" * 490,
        ),
        *(b'VRFY "', b"VRFY <a@", b"VRFY <a@b", b"VRFY <", b"VRFY a@"),
    ),
)
def test_an_address_that_cannot_be_read_is_a_mistake_in_the_command(lab, line):
    with connected(lab, lab.smtp()) as wire:
        wire.say(b"EHLO x")
        assert wire.say(line).startswith("501 5.1.3 ")
        assert wire.say(b"MAIL FROM:<a@lab.test>").startswith("250")
        assert wire.say(line.replace(b"MAIL FROM", b"RCPT TO")).startswith("501")
        assert wire.say(b"RCPT TO:<a@lab.test>").startswith("250")


COMMANDS = st.builds(
    lambda verb, words: verb + b"".join(words),
    st.sampled_from(
        (
            b"MAIL FROM:",
            b"RCPT TO:",
            b"VRFY ",
            b"EHLO ",
            b"HELO ",
            b"NOOP ",
            b"RSET ",
            b"AUTH PLAIN ",
            b"HELP ",
            b"EXPN ",
        )
    ),
    st.lists(
        st.sampled_from(
            (
                *(
                    b"<",
                    b">",
                    b"@",
                    b"a",
                    b'"',
                    b"\\",
                    b"(",
                    b")",
                    b"[",
                    b"]",
                    b":",
                    b",",
                    b".",
                    b" ",
                    b"\t",
                    b"\r",
                    b"\0",
                ),
                *(
                    b"<a@b>",
                    b"SIZE=",
                    b"BODY=8BITMIME",
                    b"SMTPUTF8",
                    b"9" * 30,
                    b"\xff",
                    b"\xc3\xa9",
                    b"=?utf-8?q?=0a?=",
                ),
            )
        )
        | st.binary(max_size=8).map(lambda data: data.replace(b"\n", b"")),
        max_size=8,
    ),
)


def test_any_command_is_answered_in_the_words_of_smtp():
    with Lab("loopback") as lab:
        server = lab.smtp(auth="always")

        @settings(max_examples=examples(300), deadline=None)
        @given(st.lists(COMMANDS, min_size=1, max_size=10))
        def ask(lines):
            with connected(lab, server) as wire:
                wire.say(b"EHLO x")
                for line in lines:
                    answer = wire.say(line)
                    assert re.match(r"[2-5][0-9][0-9][ -]", answer) and not answer.startswith("451"), (line, answer)
                    assert not re.search(r"\w(Error|Exception)\b", answer), (line, answer)

        ask()


@pytest.mark.parametrize("implicit", (False, True), ids=("clear", "TLS"))
@pytest.mark.parametrize("protocol", PIPELINES)
def test_a_greeting_says_starttls_only_in_a_list_of_capabilities(lab, protocol, implicit):
    getattr(lab, protocol)(implicit=implicit, starttls="off")
    sock = lab.alice.connect("mail", PIPELINES[protocol][1 + implicit], timeout=30)
    if implicit:
        sock = client_context(lab.authority, False).wrap_socket(sock, server_hostname="mail.lab.test")
    with sock:
        greeting = sock.recv(1000).upper()
    assert greeting.endswith(b"\r\n") and b"STARTTLS" not in greeting and b"STLS" not in greeting
