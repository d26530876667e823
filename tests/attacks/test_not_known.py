"""What the wire does not tell, or not yet, is called unknown: nothing is called stopped, broken or done by guess."""

import smtplib
import socket
import ssl
import struct
import threading
import time
from contextlib import contextmanager, suppress
from itertools import takewhile

import pytest
from turns import conversation, said

from labkit import Lab, attacks, policies
from labkit.attacks import Drop, Pass, Vector
from labkit.attacks.deeds import deeds
from labkit.attacks.engine import interceptor as interception
from labkit.attacks.engine import side
from labkit.attacks.engine.interceptor import Interceptor, Target
from labkit.attacks.evidence import Evidence
from labkit.attacks.verdict import Case, judge
from labkit.dialects import SMTP
from labkit.trust import keylog
from labkit.trust.contexts import client_context, server_context

MAIL = "Subject: secret\r\n\r\nThe PIN is 4921\r\n"
LONGEST_WAIT = 30


@pytest.fixture
def lab():
    with Lab("loopback") as lab:
        yield lab


class Server:
    """An SMTP server in the lab whose TLS the judge can open; `fates` are its replies to the messages, one each, and
    None stands for a reset in the place of one."""

    def __init__(self, lab, fates):
        self._fates = iter(fates)
        self._context = server_context(lab.authority.certificate(), keylog=lab.keylog.path)
        self._listener = lab.network.host("mail").listen(587)
        self.stored = []

    def serve(self):
        with suppress(OSError):
            sock, _ = self._listener.socket.accept()
            sock.settimeout(LONGEST_WAIT)
            with self._talk(sock) as ended:
                ended.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _talk(self, sock):
        sock.sendall(b"220 lab ESMTP\r\n")
        lines = sock.makefile("rb")
        while line := lines.readline():
            verb = line.split()[0].upper()
            if verb == b"DATA":
                sock.sendall(b"354 go\r\n")
                self.stored.append(b"".join(takewhile(lambda line: line != b".\r\n", lines)))
                if (fate := next(self._fates)) is None:
                    return sock
                sock.sendall(fate)
            elif verb == b"EHLO":
                sock.sendall(b"250-lab\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n")
            else:
                sock.sendall({b"STARTTLS": b"220 go\r\n", b"AUTH": b"235 in\r\n"}.get(verb, b"250 ok\r\n"))
            if verb == b"STARTTLS":
                sock = self._context.wrap_socket(sock, server_side=True)
                lines = sock.makefile("rb")
        return sock

    def close(self):
        self._listener.close()


@contextmanager
def attacked(lab, fates, vector=None):
    """(server, interceptor, a client of the standard library inside TLS with the server)"""
    server = Server(lab, fates)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    target = Target("mail", 587, SMTP, False)
    with Interceptor(lab.network, vector or Vector(), [target], lab.authority, lab.keylog.path) as interceptor:
        client = smtplib.SMTP(*interceptor.address(587), timeout=LONGEST_WAIT)
        client._host = "mail.lab.test"
        client.starttls(context=client_context(lab.authority, verify=True))
        client.login("alice", "hunter2")
        yield server, interceptor, client
        client.close()
    server.close()
    thread.join(LONGEST_WAIT)


def verdict(lab, interceptor, known=lambda label: True):
    logged = keylog.parse(lab.keylog.text())
    secrets = {name: {label: found[label] for label in found if known(label)} for name, found in logged.items()}
    return judge(Case(interceptor.vector, [Evidence(one, secrets) for one in interceptor.sessions], False, []))


@pytest.mark.parametrize(
    ("fates", "outcome"),
    (
        ([b"250 ok\r\n"], "unharmed"),
        ([None], "unknown"),
        ([b"451 later\r\n"], "broken"),
        ([b"421 I go\r\n"], "broken"),
        ([b"250 ok\r\n", None], "unknown"),
        ([b"250 ok\r\n", b"452 full\r\n"], "broken"),
        ([b"451 later\r\n", b"250 ok\r\n"], "broken"),
    ),
)
def test_a_mail_that_was_sent_whole_and_never_answered_may_have_been_taken(lab, fates, outcome):
    """RFC 1047: the client cannot know; nor can the judge, though the server has stored it here."""
    with attacked(lab, fates) as (server, interceptor, client):
        for number in range(len(fates)):
            with suppress(smtplib.SMTPException, OSError):
                client.sendmail("alice@lab.test", [f"bob{number}@lab.test"], MAIL)
    found = verdict(lab, interceptor)
    assert len(server.stored) == len(fates)
    assert found.outcome == outcome, found
    assert (outcome == "unknown") == ("never answered the victim's message" in found.why)


ENVELOPE = "S: 220 x ESMTP\nC: MAIL FROM:<a@x>\nS: 250 ok\nC: RCPT TO:<b@x>\nS: 250 ok\n"
IMAP = "S: * OK IMAP ready\nC: a LOGIN alice hunter2\nS: a OK\n"
MAY_HAVE_BEEN_DONE = {
    "a chunk": (25, ENVELOPE + "C: BDAT 7 LAST\nC: hello", True),
    "half a chunk": (25, ENVELOPE + "C: BDAT 99 LAST\nC: hello", False),
    "a chunk that is not the last": (25, ENVELOPE + "C: BDAT 7\nC: hello", False),
    "a mail without its text": (25, ENVELOPE + "C: DATA\nS: 354 go", False),
    "an upload": (143, IMAP + "C: b APPEND x {5}\nS: + go\nC: hello", True),
    "an upload cut off": (143, IMAP + "C: b APPEND x {50}\nS: + go\nC: hello", False),
    "an upload that was never begun": (143, IMAP + "C: b APPEND x {50}\nS: + go\nC: c LOGOUT\nS: c OK", False),
    "a mail that is asked for": (143, IMAP + "C: b FETCH 1 BODY[]", False),
    "a copy": (143, IMAP + "C: b COPY 1 x", True),
    "flags, by unique numbers": (143, IMAP + "C: b UID STORE 1 +FLAGS (\\Deleted)", True),
    "half a command": (143, IMAP + "C: b COPY 1 {9}", False),
    "an expunge": (143, IMAP + "C: b EXPUNGE", True),
    "a search": (143, IMAP + "C: b SEARCH ALL", False),
    "a file that goes": (21, "S: 220 FTP ready\nC: DELE x", True),
    "a file that is read": (21, "S: 220 FTP ready\nC: RETR x", False),
    "an article": (119, "S: 200 NNTP ready\nC: POST\nS: 340 go\nC: x: y\nC: \nC: hello\nC: .", True),
    "no article": (119, "S: 200 NNTP ready\nC: POST\nS: 340 go", False),
    "a file, which crosses elsewhere": (21, "S: 220 FTP ready\nC: STOR x\nS: 150 go", True),
    "a mail that goes with QUIT": (110, "S: +OK POP3 ready\nC: DELE 1\nS: +OK\nC: QUIT", True),
    "a mail that does not go without QUIT": (110, "S: +OK POP3 ready\nC: DELE 1\nS: +OK", False),
}


@pytest.mark.parametrize("name", MAY_HAVE_BEEN_DONE)
def test_only_what_was_asked_to_its_end_may_have_been_done_without_an_answer(name):
    port, text, expected = MAY_HAVE_BEEN_DONE[name]
    assert any(deed.unanswered and deed.lasting for deed in deeds(conversation(port, said(text)))) == expected


class Deafening(Vector):
    """Lets no answer reach the victim once it has sent a record as long as a mail."""

    def on_record(self, record):
        told = [one for one in record.earlier if one.sender == "client" and len(one.data) > 1000]
        return Drop() if record.sender == "server" and told and record.earlier[-1].kind == 23 else None


def test_a_mail_that_was_taken_though_the_victim_was_not_told_is_not_done_as_it_believes(lab):
    with attacked(lab, [b"250 ok\r\n"], Deafening()) as (server, interceptor, client):
        client.sock.settimeout(1)
        with pytest.raises(OSError):
            client.sendmail("alice@lab.test", ["bob@lab.test"], MAIL * 100)
    found = verdict(lab, interceptor)
    assert len(server.stored) == 1 and found.outcome == "broken"
    assert found.why == "the server did the victim's message, and the victim was not told"


def test_what_was_done_is_known_with_the_secrets_behind_the_handshake_and_not_without_the_clients(lab):
    with attacked(lab, [b"250 ok\r\n"]) as (_, interceptor, client):
        client.sendmail("alice@lab.test", ["bob@lab.test"], MAIL)
        client.quit()
    behind = verdict(lab, interceptor, lambda label: label.endswith("TRAFFIC_SECRET_0"))
    assert behind.outcome == "unharmed", behind
    half = verdict(lab, interceptor, lambda label: label != "CLIENT_TRAFFIC_SECRET_0")
    assert half.outcome == "unknown" and "CLIENT_TRAFFIC_SECRET_0" in half.why, half


@pytest.mark.parametrize(("leaves", "outcome"), ((True, "unharmed"), (False, "unknown")))
def test_a_program_that_is_gone_behind_its_login_may_have_wanted_more(lab, leaves, outcome):
    with attacked(lab, []) as (_, interceptor, client):
        if leaves:
            client.quit()
    found = verdict(lab, interceptor)
    assert found.outcome == outcome and (leaves or "without a farewell" in found.why), found


def test_a_mail_that_was_cut_off_was_not_taken(lab):
    with attacked(lab, [b"250 ok\r\n"]) as (_, interceptor, client):
        client.mail("alice@lab.test")
        client.rcpt("bob@lab.test")
        client.docmd("DATA")
        client.send(MAIL)
        client.close()
    assert verdict(lab, interceptor).outcome == "broken"


def test_what_becomes_of_a_victim_whose_connection_is_open_is_not_known_yet(lab):
    server = lab.smtp(auth="always")
    with (
        lab.mallory(Vector(), at=server) as mallory,
        smtplib.SMTP(*mallory.address(server), timeout=LONGEST_WAIT) as client,
    ):
        client.ehlo()
        assert mallory.verdict.outcome == "unknown" and "still open" in mallory.verdict.why
        client.starttls(context=ssl._create_unverified_context())
        client.login("alice", "hunter2")
        assert mallory.verdict.outcome == "unknown" and "still open" in mallory.verdict.why
    assert mallory.verdict.outcome == "unharmed"


def test_a_leak_is_known_while_the_connection_is_open(lab):
    server = lab.smtp(auth="always")
    with (
        lab.mallory(attacks.StripCapability(), at=server) as mallory,
        smtplib.SMTP(*mallory.address(server), timeout=LONGEST_WAIT) as client,
    ):
        client.login("alice", "hunter2")
        assert (mallory.verdict.outcome, mallory.verdict.secrets) == ("leaked", ("password", "user name"))


def test_what_crossed_behind_the_part_that_is_kept_is_not_known(lab, monkeypatch):
    server = lab.smtp(auth="always")
    for kept, outcome in ((side.KEPT, "unharmed"), (1 << 16, "unknown")):
        monkeypatch.setattr(side, "KEPT", kept)
        with lab.mallory(Vector(), at=server) as mallory:
            assert lab.send(server, "A line of a long mail.\n" * 8000, login=("alice", "hunter2"))
        assert mallory.verdict.outcome == outcome, mallory.verdict
    assert "that are kept" in mallory.verdict.why


def test_what_victims_did_whose_connections_are_not_kept_any_more_is_not_known(lab, monkeypatch):
    monkeypatch.setattr(interception, "_SESSIONS_KEPT", 2)
    server = lab.smtp(auth="always")
    with lab.mallory(Vector(), at=server) as mallory:
        for _ in range(3):
            assert lab.send(server, "x", login=("alice", "hunter2"), policy=policies.verified)
    assert [one.outcome for one in mallory.verdict.each] == ["unknown", "unharmed", "unharmed"]
    assert mallory.verdict.outcome == "unknown" and "the connections up to number 1 are not kept" in mallory.verdict.why


class Silent(Vector):
    """Lets no answer through."""

    def on_line(self, line):
        return Drop() if line.sender == "server" else Pass()


class Slow(Vector):
    """Is still at work when the client's time is over."""

    def on_line(self, line):
        time.sleep(1.5 * (line.kind == "greeting"))


@pytest.mark.parametrize(("kind", "outcome"), ((Silent, "stopped"), (Slow, "unknown")))
def test_a_time_limit_says_something_only_where_it_ran_out_in_silence(lab, kind, outcome):
    server = lab.smtp()
    with lab.mallory(kind(), at=server) as mallory:
        assert not lab.send(server, "x", policy=policies.verified, timeout=1)
    expected = {outcome, "unknown"}  # what else runs here may keep the client's thread from its silence
    assert mallory.verdict.outcome in expected, mallory.verdict
    assert ("still at work" in mallory.verdict.why) == (mallory.verdict.outcome == "unknown")


def test_nothing_is_known_of_an_attack_under_way_without_a_victim_and_it_is_judged_once(lab):
    server = lab.smtp()
    with lab.mallory(attacks.StripCapability(), at=server) as mallory:
        first = mallory.verdict
        assert first.outcome == "unknown" and mallory.verdict is first
    assert mallory.verdict is first


def test_a_victim_that_never_reads_has_said_what_it_has_said(lab):
    server = lab.pop3(auth="always")
    with lab.mallory(attacks.StripCapability(), at=server) as mallory:
        victim = socket.create_connection(mallory.address(server), LONGEST_WAIT)
        victim.sendall(b"USER alice\r\nPASS hunter2\r\n" + b"LIST\r\n" * 20)
        limit = time.monotonic() + LONGEST_WAIT
        while mallory.verdict.outcome != "leaked" and time.monotonic() < limit:
            time.sleep(0.01)
    victim.close()
    assert mallory.verdict.outcome == "leaked" and "password" in mallory.verdict.secrets
