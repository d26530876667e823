"""Inside TLS: the messages of the handshake and their bytes."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from labkit.exercises.captures import about_capture, capture_that, sessions, taken
from labkit.exercises.checkers import as_text, shown, word
from labkit.exercises.drawn import Draw
from labkit.exercises.functions import Call, tried_on
from labkit.exercises.question import Exercise, Lesson, Prediction
from labkit.exercises.staged import lab_with
from labkit.show.recordings import recorded
from labkit.trust.certificates import SERVER_NAME
from labkit.trust.contexts import client_context

if TYPE_CHECKING:
    from labkit.decode.event import TLSSession
    from labkit.show.capture import Capture


def _visit(of: Draw) -> "Capture":
    """A client that greets a server over implicit TLS, and wants it under a name of its own."""
    with lab_with() as lab:
        server = lab.smtp(implicit=True)
        context = client_context(lab.authority, verify=False, keylog=lab.keylog.path)
        wanted = f"{of.name('03.1')}.{of.word('03.1')}.test"
        with lab.capture() as capture:
            wire = lab.alice.connect(server.host, server.port, 5)
            with context.wrap_socket(wire, server_hostname=wanted) as inside:
                inside.recv(4096)
                inside.sendall(b"QUIT\r\n")
                inside.recv(4096)
    return capture


@about_capture
def _name(answer: object, capture: "Capture") -> str:
    right = next((session.server_name for session in sessions(capture)), "")
    if not right:
        return "There is no ClientHello with a name in that capture."
    mistakes = {
        "alice.lab.test": "That is the client's own name, from EHLO. The ClientHello names the server.",
        SERVER_NAME: "That is what the client of the lesson asks for. This one asks for another.",
        "alice": "That is what the lab calls the host of the client. The ClientHello names the server.",
        "mail": "That is what the lab calls the host. The extension `server_name` has the whole name.",
        right.partition(".")[0]: "That is only its first part: the extension `server_name` has the whole name.",
    }
    mistakes.pop(right, None)
    return word(right, mistakes=mistakes, otherwise="Open the `extensions` of the ClientHello.")(answer)


def _hello(capture: "Capture", title: str) -> bytes:
    events = (event for dialogue in capture.dialogues for event in dialogue.events)
    return next((event.data for event in events if event.title == title), b"")


def _digits(answer: object) -> str:
    """Hexadecimal digits, however they are spaced; of 32 bytes their digits."""
    if isinstance(answer, bytes | bytearray) and len(answer) == 32:
        return answer.hex()
    said = (as_text(answer) or "").lower().removeprefix("0x")
    return "".join(character for character in said if character not in " :-\n\t")


def _secrets(capture: "Capture") -> set[str]:
    """The last words of the key log's lines: 64 digits with SHA-256, 96 with SHA-384."""
    return {line.split()[-1].lower() for line in capture.keylog.splitlines() if line.strip()}


@about_capture
def _random(answer: object, capture: "Capture") -> str:
    hello, server = _hello(capture, "ClientHello"), _hello(capture, "ServerHello")[6:38].hex()
    client, digits = hello[6:38].hex(), _digits(answer)
    if not client:
        return "There is no ClientHello in that capture."
    if digits == client:
        return ""
    if isinstance(answer, bytes) and answer == hello:
        return "That is the whole ClientHello: its random stands at the bytes 6 to 37."
    if not digits or set(digits) - set("0123456789abcdef"):
        return f"The answer is hexadecimal text, such as `hello.data[6:38].hex()` gives, and yours is {shown(answer)}."
    if digits == server:
        return "That is the server's random; the key log goes by the client's."
    if len(digits) >= 64 and any(secret.startswith(digits) for secret in _secrets(capture)):
        return "That is a secret of the session, the last of three words. The random is the word before it."
    if client.startswith(digits):
        return f"That is only its beginning, {len(digits)} digits: all 32 bytes have 64."
    if len(digits) == 64:
        return "These are 32 bytes, but not the client's random of this session: it stands at the bytes 6 to 37."
    return f"32 bytes have 64 hexadecimal digits, and yours has {len(digits)}."


def _chacha(session: "TLSSession") -> bool:
    return session.version == "TLS 1.2" and "CHACHA20" in session.cipher


def _mailed_over_it(capture: "Capture") -> bool:
    """Whether a mail crossed such a session, and not only another one of the same capture."""
    opened = capture.decrypted().dialogues
    return any(dialogue.session and _chacha(dialogue.session) and taken(dialogue) for dialogue in opened)


def _sessions() -> Iterator[Call]:
    older, newer = (recorded(f"starttls_{name}").decrypted().dialogue for name in ("tls12", "tls13"))
    short = replace(newer, events=tuple(event for event in newer.events if event.title != "NewSessionTicket"))
    not_handshake = {
        event.title: f"`{event.title}` is no message of the handshake: look at `event.kind`."
        for event in newer.events
        if event.kind != "handshake"
    }
    both = {"Certificate", "NewSessionTicket"}
    extra = {frozenset(both | {name}): why for name, why in not_handshake.items()}
    yield Call((older, newer), both, "TLS 1.2 and TLS 1.3", extra)
    yield Call((newer, older), set(), "TLS 1.3 and TLS 1.2, in this order,")
    yield Call((older, older), set(), "the same session of TLS 1.2 twice")
    yield Call((older, short), {"Certificate"}, "TLS 1.2 and a TLS 1.3 without tickets")
    clear = recorded("clear_smtp_auth_plain").dialogue
    yield Call((clear, newer), set(), "a session without TLS and TLS 1.3")


def _headers() -> Iterator[Call]:
    """Headers in which no two numbers can be mistaken for each other, each time others."""
    for _ in range(4):
        kind, version = 20 + secrets.randbelow(5), 0x0301 + secrets.randbelow(3)
        length = 256 * (1 + secrets.randbelow(60)) + 64 + secrets.randbelow(100)
        header = bytes([kind]) + version.to_bytes(2) + length.to_bytes(2)
        backwards = tuple(int.from_bytes(part, "little") for part in (header[:1], header[1:3], header[3:]))
        mistakes = {
            backwards: "The bytes of each number are in the other order: the most significant is first.",
            tuple(header[:3]): "The version has two bytes, and so has the length.",
            (kind, version): "The length is missing.",
            (kind, header[1:3], header[3:]): "All three must be numbers: `int.from_bytes(...)` makes one of bytes.",
        }
        yield Call((header,), (kind, version, length), f"the header `{header.hex(' ')}`", mistakes)


LESSON = Lesson(
    "03",
    "Inside TLS",
    Prediction(
        "In a TLS 1.3 handshake, which is the first message that somebody on the path cannot read?",
        {
            "a": "ClientHello, the first one of all",
            "b": "ServerHello, the server's first",
            "c": "EncryptedExtensions, right after ServerHello",
            "d": "the first command of SMTP, when the handshake is over",
        },
        right="c",
        because=(
            "With the two halves in ClientHello and ServerHello both sides have a key, and TLS 1.3 uses it at once: "
            "even the certificate is hidden. In TLS 1.2 most of the handshake can be read."
        ),
        wrong={
            "a": "The client has nothing to encrypt it with: a key needs something from both sides, and the server "
            "has said nothing yet.",
            "b": "It still carries the server's half of the key, which the client needs before it can open anything.",
            "d": "That was true up to TLS 1.2, where all of the handshake but the two Finished and, with many "
            "servers, a ticket can be read. TLS 1.3 does not wait that long.",
        },
    ),
    (
        Exercise(
            "03.1",
            "Which server name does this client tell everybody on the path in its ClientHello?",
            _name,
            given=_visit,
            hints=(
                '`theirs.bytes("ClientHello")`: open the field `extensions` and look for `server_name`.',
                "`theirs.dialogue.session` knows it too: look at its `server_name`.",
            ),
            solution="name = theirs.dialogue.session.server_name",
            because="SNI travels in the clear so that a server with many names can choose a certificate (RFC 6066 §3).",
        ),
        Exercise(
            "03.2",
            "Give the client random of your TLS 1.3 session.",
            _random,
            hints=(
                "In the key log it is the second of the three words in each line.",
                "In the ClientHello it stands at the bytes 6 to 37: `event.data[6:38].hex()`.",
            ),
            solution=(
                'hello = next(event for event in capture.dialogue.events if event.title == "ClientHello")\n'
                "random = hello.data[6:38].hex()"
            ),
            because="The client random is the name under which a key log keeps a session's secrets (RFC 9850).",
        ),
        Exercise(
            "03.3",
            "Write a function that finds the handshake messages that the first session shows and the second hides.",
            tried_on(_sessions),
            hints=(
                'Handshake messages are the events of the kind "handshake"; each has a `title` and says whether it was '
                "`encrypted`.",
                "`{event.title for event in older.events if ...}` makes a set of titles. You need one of each session.",
                "`one & other` is what two sets have in common.",
            ),
            solution=(
                "def hidden_now(older, newer):\n"
                '    shown = {e.title for e in older.events if e.kind == "handshake" and not e.encrypted}\n'
                '    hidden = {e.title for e in newer.events if e.kind == "handshake" and e.encrypted}\n'
                "    return shown & hidden"
            ),
            because=(
                "Between TLS 1.2 and TLS 1.3 these are Certificate and NewSessionTicket: who the server is, and what "
                "links "
                "two sessions. TLS 1.3 hides everything that it can hide."
            ),
        ),
        Exercise(
            "03.4",
            "Capture a mail over TLS 1.2 with ChaCha20-Poly1305.",
            capture_that(
                (sessions, "There is no TLS in this capture."),
                (
                    lambda capture: any(session.version == "TLS 1.2" for session in sessions(capture)),
                    'That session is not TLS 1.2: the server takes `tls=("TLS 1.2",)`.',
                ),
                (
                    lambda capture: any(_chacha(session) for session in sessions(capture)),
                    'It is TLS 1.2, but with another cipher: the server takes `ciphers="ECDHE+CHACHA20"`.',
                ),
                (_mailed_over_it, "The session is right, but no mail crossed it: was it sent?"),
            ),
            hints=(
                '`lab.smtp(tls=("TLS 1.2",), ciphers="ECDHE+CHACHA20", replace=True)` makes the server.',
                "Both arguments are needed: TLS 1.3 has its own suites, which `ciphers` does not touch.",
            ),
            solution=(
                'server = lab.smtp(tls=("TLS 1.2",), ciphers="ECDHE+CHACHA20", replace=True)\n'
                "with lab.capture() as chacha:\n"
                '    lab.send(server, "The PIN is 4921", policy=policies.verified)'
            ),
            because="The client offered it among others, and the server, which had nothing else, took it.",
        ),
        Exercise(
            "03.5",
            "Write a function that reads the header of a TLS record.",
            tried_on(_headers),
            hints=(
                "One byte of type, two bytes of version, two bytes of length.",
                "`int.from_bytes(header[1:3])` makes a number of two bytes; `header[0]` is one already.",
            ),
            solution=(
                "def record_header(header: bytes):\n"
                '    return header[0], int.from_bytes(header[1:3], "big"), int.from_bytes(header[3:5], "big")'
            ),
            because="Type 22 is handshake, 23 application data, 21 alert, 20 ChangeCipherSpec (RFC 8446 §5.1).",
        ),
    ),
)
