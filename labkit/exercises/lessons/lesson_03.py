"""Inside TLS: the messages of the handshake and their bytes."""

from typing import TYPE_CHECKING

from labkit.exercises.captures import capture_that
from labkit.exercises.checkers import equals, function, members
from labkit.exercises.question import Exercise, Lesson, Prediction

if TYPE_CHECKING:
    from labkit.show.capture import Capture


def _hello(capture: "Capture") -> bytes:
    return next(event.data for event in capture.dialogue.events if event.title == "ClientHello")


def _random(answer: object, capture: "Capture") -> str:
    client = _hello(capture)[6:38].hex()
    server = next(event.data for event in capture.dialogue.events if event.title == "ServerHello")[6:38].hex()
    if isinstance(answer, bytes) and answer.hex() == client:
        return "The value is right, but the answer is hexadecimal text: `.hex()` makes it of bytes."
    if isinstance(answer, str) and answer.replace(" ", "").replace(":", "").lower() == client != answer:
        return "It is right but for spaces, colons or capital letters: write the 64 digits one after the other."
    mistakes = {
        server: "That is the server's random; the key log goes by the client's.",
        client[:40]: "That is the part that fits on the screen; all 32 bytes have 64 digits.",
    }
    return equals(client, mistakes)(answer)


def _header(kind: int, version: int, length: int) -> bytes:
    return bytes([kind]) + version.to_bytes(2) + length.to_bytes(2)


_HEADERS = {
    _header(22, 0x0301, 512): (22, 0x0301, 512),
    _header(23, 0x0303, 17): (23, 0x0303, 17),
    _header(21, 0x0303, 16640): (21, 0x0303, 16640),
}

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
    ),
    (
        Exercise(
            "03.1",
            "Which name does the client tell everybody on the path in its ClientHello?",
            equals(
                "mail.lab.test",
                mistakes={
                    "alice.lab.test": "That is the client's own name, from EHLO. The ClientHello names the server.",
                    "mail": "That is what the lab calls the host. The extension `server_name` has the whole name.",
                },
            ),
            hints=(
                "Open the field `extensions` of the ClientHello and look for `server_name`.",
                "`capture.dialogue.session` knows it too: look at its `server_name`.",
            ),
            solution="name = capture.dialogue.session.server_name",
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
            "Which messages of both versions can be read in TLS 1.2 and are hidden in TLS 1.3?",
            members(
                ("Certificate", "NewSessionTicket"),
                missing={
                    "Certificate": "Which message names the server?",
                    "NewSessionTicket": "Look at the message that lets the client come back.",
                },
                extra={
                    "Finished": "Finished is hidden in both: it is the first message after ChangeCipherSpec.",
                    "ServerKeyExchange": "TLS 1.3 has no such message: its content moved into the hellos.",
                    "ClientKeyExchange": "TLS 1.3 has no such message: its content moved into the hellos.",
                    "ClientHello": "ClientHello can be read in both.",
                    "ServerHello": "ServerHello can be read in both.",
                    "CertificateVerify": "In TLS 1.2 only a client that shows a certificate sends it.",
                    "EncryptedExtensions": "TLS 1.2 has no such message.",
                    "ServerHelloDone": "TLS 1.3 has no such message.",
                },
            ),
            hints=(
                "Take the titles that are in the list `TLS 1.2 readable` *and* in the list `TLS 1.3 hidden`.",
                "There are two: one says who the server is, one is for coming back later.",
            ),
            solution='hidden_now = {"Certificate", "NewSessionTicket"}',
            because="TLS 1.3 hides everything that it can hide: who the server is, and what links two sessions.",
        ),
        Exercise(
            "03.4",
            "Capture a mail over TLS 1.2 with ChaCha20-Poly1305.",
            capture_that(
                (lambda capture: capture.dialogue.session, "There is no TLS in this capture."),
                (
                    lambda capture: capture.dialogue.session.version == "TLS 1.2",
                    'That session is not TLS 1.2: the server takes `tls=("TLS 1.2",)`.',
                ),
                (
                    lambda capture: "CHACHA20" in capture.dialogue.session.cipher,
                    'It is TLS 1.2, but with another cipher: the server takes `ciphers="ECDHE+CHACHA20"`.',
                ),
                (
                    lambda capture: capture.decrypted().dialogue.session.opened,
                    "The session has not come far enough to carry anything: was the mail sent?",
                ),
            ),
            hints=(
                '`lab.smtp(tls=("TLS 1.2",), ciphers="ECDHE+CHACHA20")` makes the server.',
                "Both arguments are needed: TLS 1.3 has its own suites, which `ciphers` does not touch.",
            ),
            solution=(
                'server = lab.smtp(tls=("TLS 1.2",), ciphers="ECDHE+CHACHA20")\n'
                "with lab.capture() as chacha:\n"
                '    lab.send(server, "The PIN is 4921", policy=policies.verified)'
            ),
            because="The client offered it among others, and the server, which had nothing else, took it.",
        ),
        Exercise(
            "03.5",
            "Write a function that reads the header of a TLS record.",
            function(
                _HEADERS,
                mistakes={
                    (22, 0x0103, 2): "The bytes of each number are in the other order: the most significant is first.",
                    (22, 3, 1): "The version has two bytes, and so has the length.",
                },
            ),
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
