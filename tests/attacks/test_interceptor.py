"""An interceptor changes only what its vector says, whatever the two ends are."""

import random
import socket
import ssl
import threading
from contextlib import ExitStack

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leaks import left, what_is_held
from thoroughly import examples
from wires import everything, intercepted, joined, talk

from labkit import Lab, attacks, policies
from labkit.attacks import Answer, Close, Delay, Drop, Inject, Pass, Replace, Vector
from labkit.dialects import ALL
from labkit.errors import LabError, VectorFailed

PATIENCE = 30.0
"""Seconds for connections to end."""
GREETING = b"220 mail.lab.test ESMTP\r\n"
CONVERSATION = b"EHLO alice\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"


class OnText(Vector):
    """What a test says about a line that holds a text."""

    def __init__(self, text, *actions):
        self.text, self.actions = text, actions

    def on_line(self, line):
        return self.actions if self.text in line.data else None


@settings(max_examples=examples(25))
@given(
    client=st.lists(st.binary(min_size=1, max_size=200), max_size=5),
    server=st.lists(st.binary(min_size=1, max_size=200), max_size=5),
    port=st.sampled_from((587, 143, 110, 465, 4711)),
)
def test_with_a_vector_that_passes_everything_both_sides_get_the_very_bytes(client, server, port):
    assert talk(Vector(), client, server, port) == (b"".join(client), b"".join(server))


@pytest.mark.parametrize("port", (587, 143, 110))
def test_megabytes_pass_in_both_directions_whatever_they_are(port):
    noise = random.Random(port).randbytes(3 << 20)
    lines = b"x" * 998 + b"\r\n"
    assert talk(Vector(), [noise], [lines * 2000], port) == (noise, lines * 2000)


def test_bytes_that_the_vector_did_not_touch_are_neither_lost_nor_doubled():
    vector = OnText(b"RCPT", Replace(b"RCPT TO:<mallory@lab.test>\r\n"))
    to_server, to_client = talk(vector, [CONVERSATION], [GREETING, b"250 OK\r\n"])
    assert to_server == CONVERSATION.replace(b"c@d", b"mallory@lab.test")
    assert to_client == GREETING + b"250 OK\r\n"


@settings(max_examples=examples(15))
@given(cuts=st.sets(st.integers(1, len(CONVERSATION) - 1), max_size=6))
def test_lines_split_at_any_byte_give_the_same_decisions(cuts):
    ends = [*sorted(cuts), len(CONVERSATION)]
    pieces = [CONVERSATION[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    vector = OnText(b"MAIL", Drop(), Inject("server", b"NOOP\r\n"))
    to_server, _ = talk(vector, pieces, [GREETING])
    assert to_server == CONVERSATION.replace(b"MAIL FROM:<a@b>\r\n", b"NOOP\r\n")


@pytest.mark.parametrize(
    ("actions", "to_server", "to_client"),
    (
        ((Pass(),), b"EHLO x\r\n", b""),
        ((Drop(),), b"", b""),
        ((Replace(b"HELO x\r\n"),), b"HELO x\r\n", b""),
        ((Answer(b"502 no\r\n"),), b"", b"502 no\r\n"),
        ((Inject("server", b"NOOP\r\n"),), b"EHLO x\r\nNOOP\r\n", b""),
        ((Inject("server", b"NOOP\r\n"), Pass()), b"NOOP\r\nEHLO x\r\n", b""),
        ((Inject("client", b"250 hi\r\n"),), b"EHLO x\r\n", b"250 hi\r\n"),
        ((Delay(0.01),), b"EHLO x\r\n", b""),
        ((), b"EHLO x\r\n", b""),
    ),
)
def test_each_action_does_what_it_says(actions, to_server, to_client):
    said, heard = talk(OnText(b"EHLO", *actions), [b"EHLO x\r\n"], [GREETING])
    assert said == to_server
    assert heard in (GREETING + to_client, to_client + GREETING)


def test_what_is_passed_and_what_is_injected_make_one_segment():
    vector = OnText(b"STARTTLS", Inject("server", b"NOOP\r\n"))
    with intercepted(vector) as (network, _, listener), joined(network, listener) as (alice, mail):
        mail.sendall(GREETING)
        alice.recv(100)
        alice.sendall(b"STARTTLS\r\n")
        assert mail.recv(100) == b"STARTTLS\r\nNOOP\r\n"


@pytest.mark.parametrize("reset", (False, True))
def test_closing_reaches_both_ends_behind_what_was_said(reset):
    vector = OnText(b"EHLO", Answer(b"421 gone\r\n"), Close(reset))
    with intercepted(vector) as (network, interceptor, listener), joined(network, listener) as (alice, mail):
        alice.sendall(b"EHLO x\r\n")
        assert everything(alice) in ((b"421 gone\r\n", b"") if reset else (b"421 gone\r\n",))
        assert everything(mail) == b""
    assert "closed" in repr(interceptor.edits) or reset


def test_two_victims_at_once_do_not_meet():
    class Naming(Vector):
        """Says to each victim what it has said."""

        def on_line(self, line):
            said = [earlier.text for earlier in line.earlier if earlier.sender == "client"]
            return Answer(f"250 {' '.join([*said, line.text])}\r\n".encode()) if line.sender == "client" else None

    with intercepted(Naming()) as (network, interceptor, listener):
        with joined(network, listener) as (one, _), joined(network, listener) as (two, _):
            for number in range(3):
                for name, sock in (("a", one), ("b", two)):
                    sock.sendall(f"{name}{number}\r\n".encode())
                    wanted = " ".join(f"{name}{earlier}" for earlier in range(number + 1))
                    assert sock.recv(100) == f"250 {wanted}\r\n".encode()
        assert [edit.session for edit in interceptor.edits] == [1, 2] * 3


def test_tls_on_a_port_for_clear_text_passes_unread():
    with Lab("loopback") as lab:
        lab.smtp(port=587, implicit=True)
        with lab.mallory(attacks.StripCapability()):
            context = ssl.create_default_context(cadata=lab.authority.pem.decode())
            sock = lab.alice.connect("mail", 587, timeout=30)
            with context.wrap_socket(sock, server_hostname="mail.lab.test") as tls:
                assert tls.recv(100).startswith(b"220 ")


@pytest.mark.parametrize("policy", policies.ALL, ids=lambda policy: policy.name)
def test_an_attacker_who_only_listens_changes_nothing(policy):
    with Lab("loopback") as lab:
        server = lab.smtp(implicit=policy.starts == "implicit", auth="always")
        with lab.mallory(Vector()) as mallory:
            assert lab.send(server, "The PIN is 4921", login=("alice", "hunter2"), policy=policy)
        assert not mallory.edits
        sides = [
            [conversation.stream(end) for conversation in side.conversations for end in ("client", "server")]
            for side in (mallory.victim_side, mallory.server_side)
        ]
        assert sides[0] == sides[1] and sides[0][0]
        assert bool(mallory.loot.secrets) == (policy.name == "none")


@pytest.mark.parametrize(
    "said", (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0\xff\x16" * 300, b"no end", b"", b"\r\n" * 500)
)
def test_a_victim_that_speaks_something_else_passes_through(said):
    for vector in (attacks.StripCapability(), attacks.StealByInjection(), attacks.FullInterception()):
        to_server, _ = talk(vector, [said], [GREETING])
        assert to_server == said


@pytest.mark.parametrize("kind", attacks.catalogue.on_conversations(attacks.ALL), ids=lambda kind: kind.id)
def test_noise_on_both_sides_breaks_no_vector(kind):
    vector = kind()
    noise = random.Random(vector.id)
    for port in (one.explicit_ports[0] for one in ALL if vector.applies_to(one)):
        said = [
            noise.choice((b"EHLO x\r\n", b"a CAPABILITY\r\n", b"STLS\r\n", b"* OK [", b"+OK\r\n.", noise.randbytes(9)))
            for _ in range(30)
        ]
        with intercepted(vector, port) as (network, interceptor, listener):
            with network.host("alice").connect("mail", port, timeout=30) as alice:
                alice.sendall(b"".join(said))
                alice.shutdown(socket.SHUT_WR)
                listener.socket.settimeout(0.2)
                try:
                    mail, _ = listener.socket.accept()
                except TimeoutError:
                    continue
                with mail:
                    mail.sendall(b"".join(reversed(said)))
            for session in interceptor.sessions:
                assert session.failure is None


def test_a_flood_is_carried_no_faster_than_the_server_takes_it():
    with intercepted(Vector()) as (network, _, listener), joined(network, listener) as (alice, _):
        alice.settimeout(0.5)
        before = psutil.Process().memory_info().rss
        with pytest.raises(TimeoutError):
            for _ in range(1 << 10):
                alice.sendall(b"x" * 99_998 + b"\r\n")  # the other end does not read
        assert psutil.Process().memory_info().rss - before < 60 << 20


def test_a_victim_that_hangs_up_ends_the_session_on_both_sides():
    with intercepted(Vector()) as (network, interceptor, listener), joined(network, listener) as (alice, mail):
        alice.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        alice.close()
        assert everything(mail) == b""
        mail.close()
        assert interceptor.sessions[0].over.wait(30)


def test_where_no_server_listens_the_victim_is_sent_away():
    with intercepted(Vector()) as (network, interceptor, listener):
        listener.close()
        with network.host("alice").connect("mail", 587, timeout=30) as alice:
            assert everything(alice) == b""
        assert interceptor.sessions[0].over.wait(30)
        assert "Nothing listens on port 587 of mail" in interceptor.sessions[0].problem


# ---- a mistake in the vector itself


class Wrong(Vector):
    """Divides by nothing when it sees a word."""

    def on_line(self, line):
        return 1 / 0 if b"MAIL" in line.data else None


class Strange(Vector):
    """Returns something other than an action."""

    def on_line(self, line):
        return "drop it" if b"EHLO" in line.data else None


def test_a_mistake_in_a_vector_names_it_and_the_line_and_the_lab_goes_on():
    with Lab("loopback") as lab:
        mail = lab.smtp()
        with (
            pytest.raises(VectorFailed, match=r"Wrong failed in on_line .*MAIL (?i:FROM).*ZeroDivisionError"),
            lab.mallory(Wrong()),
        ):
            assert not lab.send(mail, "x", policy=policies.none)
        mistake = r"Strange failed in on_line .*EHLO.*'drop it', which is no action"
        with pytest.raises(VectorFailed, match=mistake), lab.mallory(Strange()) as mallory:
            assert not lab.send(mail, "x")
        assert mallory.verdict.outcome == "broken"
        assert lab.send(mail, "x", policy=policies.verified)


def test_a_mistake_does_not_hide_what_was_raised_in_the_block():
    with Lab("loopback") as lab:
        mail = lab.smtp()
        with pytest.raises(KeyError), lab.mallory(Wrong()):
            lab.send(mail, "x", policy=policies.none)
            raise KeyError


@pytest.mark.parametrize(
    ("make", "said"),
    (
        (lambda: Inject("mail", b""), "'client' or 'server', not to 'mail'"),
        (lambda: Delay(-1), "0 to 30 seconds, not -1"),
        (lambda: Delay(31), "0 to 30 seconds, not 31"),
        (lambda: attacks.vector("N9"), "Preauth"),
        (lambda: attacks.vector("X4"), "no attack 'X4'"),
        (lambda: attacks.vector("Z1"), "no attack 'Z1'"),
    ),
)
def test_what_means_nothing_is_refused_in_a_sentence(make, said):
    with pytest.raises(LabError, match=said):
        make()


def test_an_attack_is_not_used_where_it_does_not_belong():
    with Lab("loopback") as lab:
        mail, post = lab.smtp(), lab.pop3()
        for wrong in ("N9", attacks.Preauth, None):
            with pytest.raises(LabError, match=r"an object like attacks\.StripCapability\(\), not "):
                lab.mallory(wrong)
        for wrong in ("mail", type(mail), (mail, post)):
            with pytest.raises(LabError, match=r"on a server of the lab, as lab\.smtp\(\) starts one, not on "):
                lab.mallory(attacks.StripCapability(), at=wrong)
        with pytest.raises(LabError, match="is an attack on IMAP, not on SMTP"):
            lab.mallory(attacks.Preauth(), at=mail)
        with pytest.raises(
            LabError, match=r'not apply to POP3 or SMTP: start a server first, with lab\.start\("imap"\)'
        ):
            lab.mallory(attacks.Preauth())
        with lab.mallory(attacks.StealByInjection()):  # on the one that it knows
            assert lab.network.reached("mail", post.port, "alice") == "mail"
        assert lab.send(mail, "x")


def test_fifty_victims_need_no_thread_of_their_own():
    with intercepted(Vector()) as (network, interceptor, listener), ExitStack() as stack:
        before = set(threading.enumerate())
        ends = [stack.enter_context(joined(network, listener)) for _ in range(50)]
        for number, (alice, mail) in enumerate(ends):
            alice.sendall(b"EHLO %d\r\n" % number)
            assert mail.recv(100) == b"EHLO %d\r\n" % number
        assert set(threading.enumerate()) <= before and len(interceptor.sessions) == 50


def test_while_one_victim_is_delayed_the_others_are_served():
    vector = OnText(b"slow", Delay(2))
    with (
        intercepted(vector) as (network, _, listener),
        joined(network, listener) as (slow, to_slow),
        joined(network, listener) as (fast, to_fast),
    ):
        slow.sendall(b"slow\r\n")
        fast.sendall(b"fast\r\n")
        assert to_fast.recv(100) == b"fast\r\n"
        to_slow.setblocking(False)
        with pytest.raises(BlockingIOError):
            to_slow.recv(100)


def test_a_victim_that_stays_does_not_keep_the_attack_from_ending():
    with intercepted(Vector()) as (network, interceptor, listener), joined(network, listener) as (alice, mail):
        interceptor.close()
        assert everything(alice) == b"" and everything(mail) == b""
        assert interceptor.sessions[0].over.is_set()


def test_after_many_attacks_nothing_more_is_open_than_before():
    with Lab("loopback") as lab:
        mail = lab.smtp(auth="always")
        lab.send(mail, "x")
        before = what_is_held()
        for kind in (attacks.StripCapability, attacks.FullInterception, attacks.BreakHandshake) * 5:
            with lab.mallory(kind()):
                lab.send(mail, "x", login=("alice", "hunter2"))
        assert not left(before, PATIENCE, what_is_held)
