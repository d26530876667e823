"""What is read in sessions that a lab held a moment ago, whole and spoilt."""

import socket
import ssl
import threading
import time
from contextlib import contextmanager

import pytest
from live import LOGIN, MAIL, opened, said, session, titles, told

from labkit import Capture, Lab, policies
from labkit.capture.encapsulation import segment
from labkit.capture.frames import ETHERNET
from labkit.capture.trace import Trace
from labkit.decode.event import CLIENT, SERVER, TEXT, TLS, Dialogue
from labkit.decode.event import TCP as SIGNAL
from labkit.trust.contexts import client_context

OPENING = ["SYN", "SYN, ACK", "ACK"]
INSIDE = ["EHLO", "250", "AUTH", "235", "MAIL", "250", "RCPT", "250", "DATA", "354", "message", "250", "QUIT", "221"]
HANDSHAKES = {
    "TLS 1.2": [
        *("ClientHello", "ServerHello", "Certificate", "ServerKeyExchange", "ServerHelloDone", "ClientKeyExchange"),
        *("ChangeCipherSpec", "Finished", "ChangeCipherSpec", "Finished"),
    ],
    "TLS 1.3": [
        *("ClientHello", "ServerHello", "ChangeCipherSpec", "EncryptedExtensions", "Certificate", "CertificateVerify"),
        *("Finished", "ChangeCipherSpec", "Finished"),
    ],
}
VERSIONS = pytest.mark.parametrize("tls", HANDSHAKES)
METHODS = pytest.mark.parametrize("method", ("auto", "tap"))


def by(side: str, dialogue: Dialogue) -> list[str]:
    """What one side said."""
    return [event.title for event in dialogue.events if event.sender == side and event.layer != SIGNAL]


def spoken(dialogue: Dialogue) -> list[str]:
    """What both said in turn. What may cross on the wire is left out: tickets, and the end of TLS."""
    return [title for title in titles(dialogue) if title not in ("NewSessionTicket", "Alert: close_notify")]


# ---- whole sessions


@METHODS
def test_a_session_in_clear_text_is_read_from_syn_to_fin(method):
    dialogue = opened(session("none", auth="always", method=method))
    assert [event.title for event in dialogue.events][:3] == OPENING
    assert spoken(dialogue) == ["220", *INSIDE] and dialogue.session is None
    assert not any(event.encrypted for event in dialogue.events)
    assert sorted(titles(dialogue, SIGNAL)[3:]) == ["FIN", "FIN"]
    assert (dialogue.client_name, dialogue.server_name, dialogue.dialect.name) == ("alice", "mail", "SMTP")
    assert dialogue.server.port == 587
    times = [event.time for event in dialogue.events]
    assert times == sorted(times) and abs(times[0] - time.time()) < 600


@METHODS
@VERSIONS
def test_an_upgraded_session_is_read_through_its_handshake_to_what_is_said_inside(tls, method):
    dialogue = opened(session(tls=tls, method=method))
    assert spoken(dialogue) == ["220", "EHLO", "250", "STARTTLS", "220", *HANDSHAKES[tls], *INSIDE]
    assert by(SERVER, dialogue).count("NewSessionTicket") == {"TLS 1.2": 1, "TLS 1.3": 2}[tls]
    assert [by(side, dialogue).count("Alert: close_notify") for side in (CLIENT, SERVER)] == [1, 1]
    outside = dialogue.events[: [event.kind for event in dialogue.events].index("go-ahead") + 1]
    assert not any(event.encrypted for event in outside)
    inside = [event for event in dialogue.events[len(outside) :] if event.layer == TEXT]
    assert all(event.encrypted and event.wire > len(event.data) for event in inside)
    (message,) = (event for event in dialogue.events if event.kind == "message")
    assert MAIL in message.text and message.data.endswith(b"\r\n.\r\n")
    found = dialogue.session
    assert (found.started, found.version, found.server_name) == ("explicit", tls, "mail.lab.test")
    assert (found.opened, found.resumed, found.problem) == (True, False, "")


@VERSIONS
def test_an_implicit_session_begins_with_its_handshake_and_greets_inside(tls):
    dialogue = opened(session("implicit", tls=tls))
    assert spoken(dialogue) == [*HANDSHAKES[tls], "220", *INSIDE]
    assert all(event.encrypted for event in dialogue.events if event.layer == TEXT)
    assert (dialogue.session.started, dialogue.session.opened, dialogue.server.port) == ("implicit", True, 465)
    assert dialogue.events[3].title == "ClientHello"


def test_without_the_secrets_a_session_ends_for_the_reader_where_its_encryption_begins():
    (dialogue,) = session().dialogues
    assert spoken(dialogue)[:8] == ["220", "EHLO", "250", "STARTTLS", "220", *HANDSHAKES["TLS 1.3"][:3]]
    sealed = [event for event in dialogue.events if event.encrypted]
    assert len(sealed) > 15 and all(event.layer == TLS for event in sealed)
    assert MAIL.encode() not in b"".join(event.data for event in dialogue.events)
    assert (dialogue.session.version, dialogue.session.opened) == ("TLS 1.3", False)
    assert "No secrets were used" in dialogue.session.problem


def test_a_client_that_is_refused_goes_on_in_clear_text():
    with Lab(network="loopback", capture="tap") as lab, refusing(lab), lab.capture() as capture:
        client = lab.alice.connect("mail", 587)
        talk(client, b"EHLO alice.lab.test", b"STARTTLS", b"MAIL FROM:<alice@lab.test>", b"QUIT")
        client.close()
    dialogue = opened(capture)
    assert spoken(dialogue) == ["220", "EHLO", "250", "STARTTLS", "454", "MAIL", "250", "QUIT", "250"]
    (refusal,) = (event for event in dialogue.events if event.kind == "refusal")
    assert "refuses" in refusal.meaning and dialogue.session is None


@contextmanager
def refusing(lab):
    """A server that offers STARTTLS and has no certificate for it."""
    listener = lab.mail.listen(587)
    answers = {b"EHLO": b"250-mail.lab.test\r\n250 STARTTLS", b"STAR": b"454 No certificate"}

    def serve():
        server, _ = listener.socket.accept()
        with server, server.makefile("rb") as lines:
            server.sendall(b"220 mail.lab.test ESMTP\r\n")
            for line in lines:
                server.sendall(answers.get(line[:4], b"250 OK") + b"\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    thread.join(60)
    listener.close()


def talk(client: socket.socket, *lines: bytes) -> None:
    """Read the greeting, then say each line and read what is answered at once."""
    for line in (b"", *lines):
        if line:
            client.sendall(line + b"\r\n")
        client.recv(65536)


# ---- what was smuggled in


@METHODS
@VERSIONS
def test_what_stands_behind_the_upgrade_command_is_injected_and_the_session_opens(tls, method):
    with Lab(network="loopback", capture=method) as lab:
        lab.smtp(tls=tls)
        context = client_context(lab.authority, verify=True, keylog=lab.keylog.path)
        with lab.capture() as capture, lab.alice.connect("mail", 587) as client:
            talk(client, b"EHLO alice.lab.test", b"STARTTLS\r\nMAIL FROM:<mallory@lab.test>\r\nRSET")
            with context.wrap_socket(client, server_hostname="mail.lab.test") as inside:
                inside.sendall(b"EHLO alice.lab.test\r\n")
                assert inside.recv(65536).startswith(b"250")
    dialogue = opened(capture)
    injected = [event for event in dialogue.events if event.kind == "injected"]
    assert b"".join(event.data for event in injected) == b"MAIL FROM:<mallory@lab.test>\r\nRSET\r\n"
    assert {(event.sender, event.encrypted) for event in injected} == {(CLIENT, False)}
    assert dialogue.session.opened and said(dialogue)[-2:] == [
        *((CLIENT, "EHLO alice.lab.test"), (SERVER, "250-mail.lab.test"))
    ]


# ---- with other keys


def spoilt(keylog: str, **options) -> Dialogue:
    capture = session(**options)
    return opened(Capture(capture.frames, keylog))


def test_with_the_keys_of_another_session_it_stays_closed_and_says_why():
    dialogue = spoilt(session(tls="TLS 1.2").keylog)
    assert not dialogue.session.opened and "no secret of this session" in dialogue.session.problem
    assert titles(dialogue) == titles(session().dialogues[0])


@VERSIONS
def test_with_keys_that_are_wrong_it_stays_closed_and_says_why(tls):
    lines = session(tls=tls).keylog.split("\n")
    bent = "\n".join(line[:-8] + "00000000" if line else "" for line in lines)
    dialogue = spoilt(bent, tls=tls)
    assert not dialogue.session.opened and "secrets do not fit" in dialogue.session.problem
    assert not any(event.encrypted for event in dialogue.events if event.layer == TEXT)


@pytest.mark.parametrize("side, label", ((CLIENT, "CLIENT_TRAFFIC_SECRET_0"), (SERVER, "SERVER_TRAFFIC_SECRET_0")))
def test_with_a_part_of_the_keys_a_part_is_opened(side, label):
    keylog = "\n".join(line for line in session().keylog.split("\n") if not line.startswith(label))
    dialogue = spoilt(keylog)
    inside = {event.sender for event in dialogue.events if event.layer == TEXT and event.encrypted}
    assert inside == {CLIENT, SERVER} - {side}
    assert f"no {label}" in dialogue.session.problem
    assert [event.title for event in dialogue.events if event.sender == side].count("Finished") == 1


def test_with_the_keys_of_the_handshake_alone_the_handshake_is_opened():
    keylog = "\n".join(line for line in session().keylog.split("\n") if "HANDSHAKE" in line)
    dialogue = spoilt(keylog)
    assert not dialogue.session.opened and "TRAFFIC_SECRET_0" in dialogue.session.problem
    assert "Certificate" in titles(dialogue) and not any(e.encrypted for e in dialogue.events if e.layer == TEXT)


# ---- with frames missing


def part(trace: Trace, first: int, last: int) -> Capture:
    """The frames from one number to another."""
    return Capture(trace.frames[first - 1 : last], trace.keylog)


def without(trace: Trace, number: int) -> Capture:
    return Capture([frame for n, frame in enumerate(trace.frames, 1) if n != number], trace.keylog)


@VERSIONS
def test_a_capture_that_ends_early_tells_the_beginning_of_the_same_story(tls):
    whole = session(tls=tls)
    story = told(opened(whole))
    lengths = set()
    for end in range(1, len(whole.frames)):
        dialogue = opened(part(whole, 1, end))
        begun = told(dialogue)
        lengths.add(len(begun))
        assert begun == story[: len(begun)]
    assert len(lengths) > 20


@VERSIONS
def test_a_capture_that_begins_late_tells_the_end_of_the_story_or_why_it_cannot(tls):
    whole = session(tls=tls)
    story = told(opened(whole))
    frames = [event.frame for event in opened(whole).events]
    hello = frames[[event.title for event in opened(whole).events].index("ClientHello")]
    last = max(event.frame for event in opened(whole).events if event.layer != SIGNAL)
    for start in range(2, last + 1):
        dialogue = opened(part(whole, start, len(whole.frames)))
        assert dialogue.session and dialogue.session.started == "explicit"
        if start <= hello:
            assert dialogue.session.opened
            assert told(dialogue)[-len(INSIDE) :] == story[-len(INSIDE) :]
        else:
            assert not dialogue.session.opened and "is missing" in dialogue.session.problem
            assert not any(event.layer == TEXT for event in dialogue.events)


@VERSIONS
def test_a_hole_in_the_middle_closes_what_is_behind_it_in_its_direction_and_nothing_else(tls):
    whole = session(tls=tls)
    events, story = opened(whole).events, told(opened(whole))
    for number in range(events[3].frame, next(event.frame for event in events if event.title == "MAIL")):
        lost = [event for event in events if event.frame == number]
        payload = segment(ETHERNET, whole.frames[number - 1].data).payload
        if not payload:
            continue
        dialogue = opened(without(whole, number))
        gap = next(event for event in dialogue.events if event.kind == "gap")
        assert (gap.sender, gap.wire) == (lost[0].sender, len(payload))
        assert "injected" not in {event.kind for event in dialogue.events}
        assert dialogue.session.started == "explicit"
        if lost[0].layer == TEXT and not lost[0].encrypted:
            assert [event for event in told(dialogue) if event[5]] == [event for event in story if event[5]]
        elif lost[0].encrypted:
            before = [event[2:9] for event in events if event.frame < number]
            assert told(dialogue)[: len(before)] == before
            assert f"Bytes of the {gap.sender} are missing" in dialogue.session.problem
            other = CLIENT if gap.sender == SERVER else SERVER
            assert [e for e in told(dialogue) if e[0] == other] == [e for e in story if e[0] == other]


def test_a_reply_that_is_missing_does_not_hide_what_follows_it():
    whole = session("none", auth="always")
    wanted = opened(whole)
    for lost in [event for event in wanted.events if event.sender == SERVER and event.layer == TEXT]:
        dialogue = opened(without(whole, lost.frame))
        assert by(CLIENT, dialogue) == by(CLIENT, wanted)
        assert len(by(SERVER, dialogue)) == len(by(SERVER, wanted)) - 1


# ---- other protocols, other ports


def test_a_greeting_in_pieces_is_still_known_on_any_port():
    """Nothing says that a server's first line comes in one segment."""
    with Lab(network="loopback", capture="tap") as lab:
        listener = lab.mail.listen(4321)
        with lab.capture() as capture:
            client = lab.alice.connect("mail", 4321)
            server, _ = listener.socket.accept()
            with client, server:
                for piece in (b"2", b"20 mail.lab", b".test ESMTP\r", b"\n250 not asked for\r\n"):
                    server.sendall(piece)
                    client.recv(100)
                client.sendall(b"QUIT\r\n")
                server.recv(100)
        listener.close()
    dialogue = opened(capture)
    assert dialogue.dialect.name == "SMTP" and spoken(dialogue) == ["220", "250", "QUIT"]


def test_tls_is_found_in_a_protocol_that_the_lab_does_not_know():
    with Lab(network="loopback", capture="tap") as lab:
        listener = lab.mail.listen(4321)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with lab.capture() as capture:
            client = lab.alice.connect("mail", 4321)
            server, _ = listener.socket.accept()
            with client, server:
                server.sendall(b"hello\n")
                client.recv(100)
                client.sendall(b"let us encrypt\n")
                server.recv(100)
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                with pytest.raises(ssl.SSLWantReadError):
                    context.wrap_bio(incoming, outgoing, server_hostname="chat.lab.test").do_handshake()
                client.sendall(outgoing.read())
                server.recv(65536)
        listener.close()
    dialogue = opened(capture)
    assert dialogue.dialect is None and titles(dialogue) == ["data", "data", "ClientHello"]
    assert (dialogue.session.started, dialogue.session.server_name) == ("explicit", "chat.lab.test")


def test_a_policy_that_is_not_met_leaves_a_story_too():
    with Lab(network="loopback", capture="tap") as lab:
        server = lab.smtp(starttls="off")
        with lab.capture() as capture:
            assert not lab.send(server, MAIL, login=LOGIN, policy=policies.mandatory)
    assert spoken(opened(capture)) == ["220", "EHLO", "250", "QUIT", "221"]
