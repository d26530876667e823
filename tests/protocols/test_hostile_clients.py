"""Whatever a client sends to one of these servers, the answer is in the protocol's own words or a clean close."""

import logging
import re
import select
import socket
import ssl
import time
import tracemalloc
from contextlib import closing, suppress
from itertools import accumulate
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thoroughly import examples

from labkit import Lab, dialects
from labkit.dialects.ldap import WHO_AM_I
from labkit.dialects.ldap_messages import element, envelope, extended
from labkit.dialects.postgresql import message, startup
from labkit.dialects.xmpp import header
from labkit.servers.xmpp import _WellFormed
from labkit.trust.contexts import client_context

CODES = rb"(?:\d{3}[ -].*\r\n)?"
MOST = 32 << 20
"""Bytes that a client sends without end; a server reads fewer."""


class Hostile(NamedTuple):
    """What a test has to know to be a bad client of one protocol."""

    session: tuple[bytes, ...]
    """What a client says one after the other: an upgrade is not among it."""
    answer: bytes
    """A regular expression for whatever the server says in clear text."""
    endless: tuple[bytes, ...]
    """(beginning, what follows again and again, …) of things that have no end."""
    words: tuple[bytes, ...]
    """Pieces of commands, for any mixture."""


LINES = (b"\r\n", b"\n", b"\0", b"\xff", b" ", b"x" * 9000, b".\r\n", b"QUIT\r\n", b"STARTTLS\r\n", b"\x16\x03\x01\0")
BIND = bytes.fromhex("302702010160220201030419") + b"uid=alice,dc=lab,dc=test\x20"[:25] + b"\x80\x02hi"
LOGGED_IN = dialects.LDAP.writes.login("alice", "hunter2", "1")
STARTUP = startup({"user": "alice", "database": "lab"})
AUTH = dialects.XMPP.writes.login("alice", "hunter2", "")

LMTP_DATA = b"LHLO a\r\nMAIL FROM:<a@lab.test>\r\nRCPT TO:<bob@lab.test>\r\nDATA\r\n"

HOSTILE = {
    "LMTP": Hostile(
        (b"LHLO a\r\n", b"MAIL FROM:<a@lab.test>\r\n", b"RCPT TO:<bob@lab.test>\r\n", b"DATA\r\n", b"x\r\n", b".\r\n"),
        CODES,
        (b"", b"x", LMTP_DATA, b"x"),
        (
            *LINES,
            b"LHLO x\r\n",
            b"EHLO x\r\n",
            b"MAIL FROM:<a@b>\r\n",
            b"RCPT TO:<c@d>\r\n",
            b"DATA\r\n",
            b"AUTH PLAIN ",
        ),
    ),
    "ManageSieve": Hostile(
        (b'AUTHENTICATE "PLAIN" "AGFsaWNlAGh1bnRlcjI="\r\n', b'PUTSCRIPT "s" {5+}\r\n', b"keep;", b"\r\n", b"NOOP\r\n"),
        rb'(?:(?:OK|NO|BYE|"|\{)[^\0]*\r\n)?',
        (b"", b"x"),
        (
            *(*LINES, b'AUTHENTICATE "PLAIN"\r\n', b'"AGFsaWNlAGh1bnRlcjI="', b"PUTSCRIPT ", b'"s" ', b"{3+}\r\n"),
            *(
                b"{99999999999+}\r\n",
                b"{999999999+}\r\n",
                b"{-1+}\r\n",
                b'"',
                b"\\",
                b"GETSCRIPT ",
                b"LISTSCRIPTS",
                b"NOOP ",
            ),
        ),
    ),
    "FTP": Hostile(
        (b"USER alice\r\n", b"PASS hunter2\r\n", b"EPSV\r\n", b"PASV\r\n", b"PBSZ 0\r\n", b"STOR x\r\n"),
        CODES,
        (b"", b"x"),
        (
            *(*LINES, b"USER alice\r\n", b"PASS hunter2\r\n", b"PASV\r\n", b"EPSV\r\n", b"PROT ", b"P", b"PBSZ 0\r\n"),
            *(
                b"RETR ",
                b"CWD ..",
                b"AUTH TLS\r\n",
                b"AUTH ",
                b"FEAT\r\n",
                b"OPTS UTF8 ON\r\n",
                b"PORT 1,2,3,4,5,6\r\n",
            ),
        ),
    ),
    "NNTP": Hostile(
        (b"AUTHINFO USER alice\r\n", b"AUTHINFO PASS hunter2\r\n", b"POST\r\n", b"Subject: x\r\n\r\n", b".\r\n"),
        CODES,
        (b"", b"x"),
        (
            *(*LINES, b"AUTHINFO USER alice\r\n", b"AUTHINFO PASS hunter2\r\n", b"POST\r\n", b"ARTICLE ", b"1"),
            *(b"\xc2\xb2", b"GROUP lab.test\r\n", b"CAPABILITIES\r\n", b"MODE READER\r\n", b"HELP\r\n", b"DATE\r\n"),
        ),
    ),
    "XMPP": Hostile(
        (
            header("to='lab'"),
            AUTH,
            header("to='lab'"),
            b"<iq type='set' id='1'>",
            b"</iq>",
            b"<message>",
            b"</message>",
        ),
        rb"(?:<[^\0]*>)?",
        (
            *(b"<stream:stream>", b"<a>"),
            *(b"<stream:stream><a x='", b"y"),
            *(b"<stream:stream><message>", b"&lol;"),
            *(b"<!DOCTYPE x [", b"<!ENTITY a 'bbbb'>"),
            *(b"", b"x"),
            *(b"<!--", b"-"),
        ),
        (
            *(
                b"<stream:stream>",
                b"</stream:stream>",
                b"<a>",
                b"</a>",
                b"<a/>",
                b"'",
                b'"',
                b"<",
                b">",
                b"\0",
                b"\xff",
            ),
            *(b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?xml?>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", header("")),
            *(
                AUTH,
                b"<auth mechanism='PLAIN'>",
                b"</auth>",
                b"<iq id='1'/>",
                b"<message/>",
                b"<presence/>",
                b"<starttls/>",
            ),
        ),
    ),
    "LDAP": Hostile(
        (extended(1, WHO_AM_I), BIND, b"\x30\x0c", b"\x02\x01\x03\x60\x07\x02\x01\x03\x04\0\x80\0"),
        rb"(?:0[^\0]?.*)?",
        (b"\x30\x83\x0f\xff\xff", b"x", b"GET /", b"x"),
        (
            *(
                b"0",
                b"\x80",
                b"\x84\xff\xff\xff\xff",
                b"\x84\0\0\0\0",
                b"\0",
                b"\x02\x01\x01",
                b"\x60",
                b"\x63\x02\x04\0",
            ),
            *(
                extended(1, WHO_AM_I),
                b"0\x05\x02\x01\x01\x60\0",
                b"0\x05\x02\x01\x01\x42\0",
                b"0\x05\x02\x01\x01\x68\0",
            ),
            *(
                b"0\x05\x02\x01\x01\x63\0",
                b"0\x07\x02\x01\x01\x77\x02\x80\0",
                b"0\x09\x02\x01\x01\x60\x04\x02\0\x04\0",
                BIND,
            ),
            *(b"0\x0b\x02\x01\x01\x68\x06\x04\x01a\x30\x01a", b"0\x80\x02\x01\x01", b"\x1f\x85", b"0\0"),
        ),
    ),
    "PostgreSQL": Hostile(
        (STARTUP, message(b"p", b"hunter2\0"), message(b"Q", b"SELECT 1\0"), b"Q\0\0\0\x09", b"SELE"),
        rb"(?:[NSREKZCv][^\r]*)?",
        (b"\x7f\xff\xff\xff", b"x", STARTUP + b"p\x7f\xff\xff\xff", b"x", b"GET /", b"x"),
        (
            *(
                b"\0\0\0\x08\x04\xd2\x16\x2f",
                b"\0\0\0\x08\x04\xd2\x16\x30",
                STARTUP,
                message(b"p", b"hunter2\0"),
                b"\0",
            ),
            *(
                b"\0\0\0\x08",
                b"\0\x03\0\0",
                b"\0\0\0\0",
                b"\xff\xff\xff\xff",
                b"Q",
                b"X\0\0\0\x04",
                message(b"Q", b"x\0"),
            ),
            *(startup({"_pq_.x": "y"}), message(b"P", b""), message(b"p", b""), message(b"p", b"\xff\0\0")),
        ),
    ),
}
PROTOCOLS = tuple(HOSTILE)
every_protocol = pytest.mark.parametrize("name", PROTOCOLS)


@pytest.fixture(scope="module")
def servers():
    with Lab("loopback") as lab:
        yield {name: lab.start(name, auth="always") for name in PROTOCOLS}, lab


@pytest.fixture
def start(servers, caplog):
    """name -> (server, lab); nothing that a program printed, and no error of Python's, may be left at the end."""
    running, lab = servers
    used = []

    def chosen(name):
        used.append(running[name])
        return running[name], lab

    with caplog.at_level(logging.WARNING):
        yield chosen
    for server in used:
        assert all_gone(server)
        assert not re.search(r"cannot go on|Traceback|\w(?:Error|Exception)\b(?!:)", repr(server.log)), repr(server.log)
    assert not [record for record in caplog.records if record.name != "mail.log"]


def all_gone(server):
    """Whether nothing of any connection is left in the server, now or a moment later."""
    for _ in range(200):
        if not server._under_way and all(transport.is_closing() for transport in list(server._open)):
            return True
        time.sleep(0.02)
    return False


def connect(lab, server):
    return closing(lab.alice.connect("mail", server.port, timeout=60))


def everything(sock):
    """All that the server still says until it closes the connection."""
    data = b""
    with suppress(ConnectionError):
        while piece := sock.recv(1 << 16):
            data += piece
    return data


def until(sock, reader, kind):
    """Read until the server has said a phrase of this kind; all kinds that it said."""
    said = []
    while kind not in said and (data := sock.recv(1 << 16)):
        said += [phrase.kind for phrase in reader.feed("server", data) if phrase.sender == "server"]
    return said


def _greeted(sock, name):
    """The dialect's reader, which has read the greeting where the server speaks first."""
    reader = dialects.named(name).reader()
    if name in ("LMTP", "ManageSieve", "FTP", "NNTP"):
        until(sock, reader, "greeting")
    return reader


def upgrade(sock, name, behind=b""):
    """Say in clear text what leads to TLS, with `behind` in the same segment; the kinds of the server's answers."""
    dialect = dialects.named(name)
    reader, opening = _greeted(sock, name), HOSTILE[name].session[0] if name in ("XMPP", "LMTP") else b""
    command = dialect.writes.command(dialect.upgrade, "7")
    if opening:
        sock.sendall(opening)
        reader.feed("client", opening)
        until(sock, reader, "reply")
    sock.sendall(command + behind)
    reader.feed("client", command)
    return until(sock, reader, "go-ahead")


def shaken(lab, sock):
    return client_context(lab.authority, verify=True).wrap_socket(sock, server_hostname="mail.lab.test")


@every_protocol
@settings(max_examples=examples(80), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_bytes_are_answered_in_the_words_of_the_protocol(start, name, data):
    server, lab = start(name)
    row = HOSTILE[name]
    pieces = st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(row.words), max_size=15).map(b"".join))
    begun = data.draw(st.integers(0, len(row.session)))
    with connect(lab, server) as sock:
        with suppress(ConnectionError):
            sock.sendall(b"".join(row.session[:begun]) + data.draw(pieces))
            sock.shutdown(socket.SHUT_WR)
        answer = everything(sock).partition(b"\x15\x03")[0]
    assert re.fullmatch(row.answer, answer, re.DOTALL), answer
    assert name in ("LDAP", "PostgreSQL") or not re.search(rb"\0|\r(?!\n)", answer), answer


@pytest.mark.parametrize(
    "name, begin, more",
    [(name, *pair) for name, row in HOSTILE.items() for pair in zip(row.endless[::2], row.endless[1::2], strict=True)],
)
def test_what_has_no_end_is_refused_in_the_words_of_the_protocol(start, name, begin, more):
    server, lab = start(name)
    sent, answer, block = 0, b"", more * (65536 // len(more))
    with connect(lab, server) as sock, suppress(ConnectionError):
        _greeted(sock, name)
        sock.sendall(begin)
        while sent < MOST:
            if select.select([sock], [], [], 0.02 if answer else 0.001)[0]:
                if not (said := sock.recv(1 << 16)):
                    break
                answer += said
            sent += sock.send(block)
    assert sent < MOST and answer and re.fullmatch(HOSTILE[name].answer, answer, re.DOTALL), answer


@pytest.mark.parametrize(
    ("name", "said", "answer"),
    (
        ("XMPP", b"G", b"not-well-formed"),
        ("XMPP", b" \n\x16", b"not-well-formed"),
        ("XMPP", b"\xff", b"not-well-formed"),
        ("XMPP", b"<5", b"not-well-formed"),
        ("XMPP", b"<a <", b"not-well-formed"),
        ("XMPP", b"<a x='<", b"not-well-formed"),
        ("XMPP", b"<!ELEMENT ", b"not-well-formed"),
        ("XMPP", b"<stream:stream><a></b>", b"not-well-formed"),
        ("XMPP", b"<stream:stream><a>&lol;", b"not-well-formed"),
        ("XMPP", b"<stream:stream><a>\0", b"not-well-formed"),
        ("XMPP", b"<stream:stream>hello", b"bad-format"),
        ("XMPP", b"<stream:stream><stream:stream>", b"unsupported-stanza-type"),
        ("XMPP", b"<!DOCTYPE a [", b"restricted-xml"),
        ("LDAP", b"G", b"This is no LDAP message"),
        ("LDAP", b"0\x0a\x02\x01\x01\x60\x05\x02\x01\x03\x04\0", b"The request is malformed"),
        ("LDAP", b"0\x07\x02\x01\x01\x63\x02\x04\0", b"The request is malformed"),
        ("LDAP", LOGGED_IN + b"0\x0c\x02\x01\x01\x68\x07\x04\x01a0\x020\0", b"The request is malformed"),
        ("PostgreSQL", b"G", b"invalid length of startup packet"),
    ),
)
def test_what_cannot_become_a_command_is_refused_without_waiting_for_more_of_it(start, name, said, answer):
    server, lab = start(name)
    with connect(lab, server) as sock:
        for byte in said:  # each arrives alone
            sock.sendall(bytes([byte]))
        heard = everything(sock)
    assert answer in heard, heard
    if name == "XMPP":  # RFC 6120 §4.9.1.2: an error stands in a stream of the server's
        assert heard.count(b"<stream:stream ") == 1 and heard.endswith(b"</stream:error></stream:stream>")


@pytest.mark.parametrize(
    ("said", "answer"),
    (
        (b"NOOP {1+}\r\n\0\r\n", b'NO "A name or a tag has no control characters"'),
        (b'NOOP {10+}\r\n"\r\nOK "bye\r\n', b'NO "A name or a tag has no control characters"'),
        (b'NOOP "\xe2\x80\xa8"\r\n', b'NO "A name or a tag has no control characters"'),
        (b'NOOP "a\\"b"\r\n', b'OK (TAG "a\\"b") "Still here"'),
    ),
)
def test_what_a_client_of_managesieve_says_becomes_no_line_of_the_server(start, said, answer):
    server, lab = start("ManageSieve")
    with connect(lab, server) as sock:
        sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)
        heard = everything(sock)
    assert heard.endswith(b'"ManageSieve of the lab"\r\n' + answer + b"\r\n"), heard


@pytest.mark.parametrize(
    ("name", "said", "answer"),
    (
        ("LMTP", (b"NO\rOP\x1b\r\n",), b'500 Error: command "NO\\x0dOP\\x1b" not recognized'),
        ("FTP", (b"USER alice\r\n", b"PASS hunter2\r\n", b"EPSV\r\n", b"STOR a\rb\r\n"), b"553 A name"),
        ("NNTP", (*HOSTILE["NNTP"].session[:3], b"Subject: x\r\n\r\na\rb\r\n.\r\n"), b"441 An article"),
    ),
)
def test_what_a_client_says_is_repeated_without_control_characters(start, name, said, answer):
    server, lab = start(name)
    with connect(lab, server) as sock:
        sock.sendall(b"".join(said))
        sock.shutdown(socket.SHUT_WR)
        heard = everything(sock)
    assert heard.splitlines()[-1].startswith(answer), heard


def test_what_is_remembered_of_a_stream_is_bounded():
    checked = _WellFormed()
    checked.feed(header("to='lab'"), whole=True)
    tracemalloc.start()
    try:
        for number in range(2000):
            checked.feed(b"<presence name%d=''/>" % number, whole=True)
        assert tracemalloc.get_traced_memory()[0] < 50_000
    finally:
        tracemalloc.stop()


def test_logins_that_are_refused_again_and_again_end_an_xmpp_stream(start):
    server, lab = start("XMPP")
    with connect(lab, server) as sock:
        sock.sendall(header("to='lab'") + b"<auth mechanism='PLAIN'>AGEAYg==</auth>" * 20)
        heard = everything(sock)
    assert heard.count(b"<not-authorized/>") == 6 and heard.endswith(b"</stream:error></stream:stream>"), heard


def test_a_name_of_any_size_takes_little_room_in_the_log(start):
    server, lab = start("LDAP")
    with connect(lab, server) as sock:
        sock.sendall(envelope(1, 0x77, element(0x80, b"x" * 60_000)))
        sock.shutdown(socket.SHUT_WR)
        assert everything(sock)
    assert "C: ExtendedRequest xxx" in repr(server.log) and max(map(len, server.log)) < 5000


def test_white_space_keeps_an_xmpp_stream_alive_and_a_new_one_may_follow_it(start):
    server, lab = start("XMPP")
    with connect(lab, server) as sock:
        for said in (b" \n", header("to='lab'"), b"\n \n", AUTH, b" ", header("to='lab'"), b" <iq id='7' type='set'/>"):
            sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)
        heard = everything(sock)
    assert b"id='7'" in heard and b"error" not in heard, heard


@every_protocol
@pytest.mark.parametrize("linger", (b"", b"\1\0\0\0\0\0\0\0"), ids=("FIN", "RST"))
def test_a_client_that_vanishes_at_any_step_leaves_nothing(start, name, linger):
    server, lab = start(name)
    for said in accumulate(HOSTILE[name].session, initial=b""):
        for cut in (0, 1):
            with connect(lab, server) as sock:
                sock.sendall(said[: len(said) - cut])
                if linger:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


@every_protocol
@pytest.mark.parametrize("half", (b"", b"\x16\x03", b"\x16\x03\x01\x02\0\x01\0", b"nonsense" * 10))
def test_a_client_that_vanishes_in_the_handshake_or_speaks_nonsense_there_leaves_nothing(start, name, half):
    server, lab = start(name)
    with connect(lab, server) as sock:
        assert "go-ahead" in upgrade(sock, name)
        sock.sendall(half)
    assert all_gone(server)


@every_protocol
def test_a_client_that_vanishes_inside_tls_leaves_nothing(start, name):
    server, lab = start(name)
    for said in accumulate(HOSTILE[name].session, initial=b""):
        with connect(lab, server) as sock:
            upgrade(sock, name)
            with closing(shaken(lab, sock)) as tls:
                tls.sendall(said)


@every_protocol
def test_what_stands_behind_the_upgrade_is_not_run_however_much_it_is(start, name):
    server, lab = start(name)
    for early in (HOSTILE[name].session[0], HOSTILE[name].session[0] * 2000):
        with connect(lab, server) as sock:
            said = upgrade(sock, name, early)
            if "go-ahead" not in said:  # PostgreSQL ends the connection instead (CVE-2021-23222)
                assert name == "PostgreSQL" and "refusal" in said
                continue
            with suppress(ssl.SSLError, ConnectionError), closing(shaken(lab, sock)) as tls:
                tls.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    answer = tls.recv(1 << 16)
                    assert (
                        name == "ManageSieve" and b'"SASL"' in answer
                    )  # its capabilities come unasked (RFC 5804 §2.2)
                    tls.recv(1 << 16)


@every_protocol
def test_an_upgrade_that_is_asked_for_twice_is_refused(start, name):
    server, lab = start(name)
    dialect = dialects.named(name)
    with connect(lab, server) as sock:
        upgrade(sock, name)
        with closing(shaken(lab, sock)) as tls:
            reader, opening = dialect.reader(), HOSTILE[name].session[0] if name in ("XMPP", "LMTP") else b""
            if name in ("LMTP", "FTP", "NNTP"):
                reader.feed("server", b"200 \r\n" if name == "NNTP" else b"220 \r\n")  # the one before TLS
            if name == "ManageSieve":
                until(tls, reader, "greeting")
            if opening:
                tls.sendall(opening)
                reader.feed("client", opening)
                until(tls, reader, "reply")
            command = dialect.writes.command(dialect.upgrade, "8")
            tls.sendall(command)
            reader.feed("client", command)
            said = until(tls, reader, "refusal")
            assert "refusal" in said and "go-ahead" not in said
