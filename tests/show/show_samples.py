"""Dialogues made by hand, for tests that need no wire."""

from itertools import accumulate

from labkit.capture.conversation import Endpoint
from labkit.decode.event import CLIENT, SERVER, TCP, TEXT, TLS, Dialogue, Event, Field, TLSSession
from labkit.dialects.smtp import SMTP

ALICE, MAIL = Endpoint("127.0.0.1", 50412), Endpoint("127.0.0.1", 587)


class Origin:
    """Says the same of every event; the fields are those of a made-up handshake message."""

    begun = None

    def meaning(self, event):
        return f"What {event.title} means, in one sentence."

    def lines(self, event):
        lines = event.data.split(b"\n")
        lines = lines[:-1] if len(lines) > 1 and not lines[-1] else lines
        return [
            (line.decode("utf-8", "replace"), f"The meaning of line {number}.") for number, line in enumerate(lines)
        ]

    def fields(self, event):
        if event.layer == TLS:
            return hello_fields() if event.title == "ClientHello" else ()
        ends = list(accumulate(len(line) + 1 for line in event.data.rstrip(b"\n").split(b"\n")))
        pairs = zip([0, *ends], ends, self.lines(event), strict=False)
        return tuple(Field(event.title, start, end, line, meaning) for start, end, (line, meaning) in pairs)

    def fields_in(self, event, groups):
        return self.fields(event)


def hello() -> bytes:
    names = b"\x00\x00\x00\x12\x00\x10\x00\x00\x0dmail.lab.test"
    versions = b"\x00\x2b\x00\x05\x04\x03\x04\x03\x03"
    extensions = names + versions
    body = b"\x03\x03" + bytes(range(32)) + b"\x00" + b"\x00\x04\x13\x01\x13\x02" + b"\x01\x00"
    body += len(extensions).to_bytes(2, "big") + extensions
    return b"\x01" + len(body).to_bytes(3, "big") + body


def hello_fields() -> tuple[Field, ...]:
    def field(name, start, end, value, *children):
        return Field(name, start, end, value, f"A sentence on the {name}.", children)

    return (
        field("message type", 0, 1, "ClientHello (1)"),
        field("message length", 1, 4, "78"),
        field("legacy version", 4, 6, "TLS 1.2 (0x0303)"),
        field("random", 6, 38, bytes(range(32)).hex()),
        field("session id length", 38, 39, "0"),
        field(
            "cipher suites",
            39,
            45,
            "2 suites",
            field("cipher suites length", 39, 41, "4"),
            field("cipher suite", 41, 43, "TLS_AES_128_GCM_SHA256 (0x1301)"),
            field("cipher suite", 43, 45, "TLS_AES_256_GCM_SHA384 (0x1302)"),
        ),
        field("compression methods", 45, 47, "null"),
        field("extensions length", 47, 49, "31"),
        field(
            "extension server_name",
            49,
            71,
            "mail.lab.test",
            field("extension type", 49, 51, "server_name (0)"),
            field("extension length", 51, 53, "18"),
            field(
                "server name list",
                53,
                71,
                "1 name",
                field("list length", 53, 55, "16"),
                field("name type", 55, 56, "host_name (0)"),
                field("name length", 56, 58, "13"),
                field("host name", 58, 71, "mail.lab.test"),
            ),
        ),
        field("extension supported_versions", 71, 80, "TLS 1.3, TLS 1.2"),
    )


class Script:
    """Collects events, a few milliseconds apart."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, sender, layer, kind, title, data=b"", encrypted=False, wire=None):
        size = len(data) if wire is None else wire
        time = 1_700_000_000 + len(self.events) * 0.0031
        self.events.append(
            Event(time, len(self.events) + 1, sender, layer, kind, title, data, encrypted, size, Origin())
        )

    def syn(self):
        self.add(CLIENT, TCP, "syn", "SYN")
        self.add(SERVER, TCP, "syn-ack", "SYN, ACK")
        self.add(CLIENT, TCP, "ack", "ACK")

    def fin(self):
        self.add(CLIENT, TCP, "fin", "FIN")
        self.add(SERVER, TCP, "fin", "FIN")

    def reply(self, *lines, kind="reply", encrypted=False):
        data = b"".join(line + b"\r\n" for line in lines)
        self.add(SERVER, TEXT, kind, lines[0][:3].decode("latin1"), data, encrypted, len(data) + 22 * encrypted)

    def say(self, line, kind="command", encrypted=False):
        title = line.split()[0].decode("latin1") if kind == "command" else kind
        self.add(CLIENT, TEXT, kind, title, line + b"\r\n", encrypted, len(line) + 2 + 22 * encrypted)

    def dialogue(self, session=None, dialect=SMTP, names=("alice", "mail")):
        return Dialogue(ALICE, MAIL, *names, dialect, tuple(self.events), session)


OFFER = (b"250-mail.lab.test", b"250-SIZE 33554432", b"250-8BITMIME", b"250-SMTPUTF8", b"250-STARTTLS", b"250 HELP")
AGAIN = (*OFFER[:4], b"250-AUTH LOGIN PLAIN", b"250 HELP")
MESSAGE = b"From: alice@lab.test\r\nTo: bob@lab.test\r\nSubject: Hello from the lab\r\n\r\nThe PIN is 4921\r\n.\r\n"


def clear_text():
    """A session without TLS, with a login."""
    script = Script()
    script.syn()
    script.reply(b"220 mail.lab.test ESMTP ready", kind="greeting")
    script.say(b"EHLO alice.lab.test")
    script.reply(*AGAIN)
    script.say(b"AUTH PLAIN AGFsaWNlAGh1bnRlcjI=")
    script.reply(b"235 2.7.0 Authentication successful")
    script.add(CLIENT, TEXT, "message", "message", MESSAGE)
    script.reply(b"250 OK")
    script.fin()
    return script.dialogue()


def starttls(opened):
    """A TLS 1.3 session after STARTTLS: as the eavesdropper sees it, or opened with its secrets."""
    script = Script()
    script.syn()
    script.reply(b"220 mail.lab.test ESMTP ready", kind="greeting")
    script.say(b"EHLO alice.lab.test")
    script.reply(*OFFER)
    script.say(b"STARTTLS")
    script.reply(b"220 Ready to start TLS", kind="go-ahead")
    script.add(CLIENT, TLS, "handshake", "ClientHello", hello(), wire=517)
    script.add(SERVER, TLS, "handshake", "ServerHello", bytes(90), wire=127)
    script.add(SERVER, TLS, "change-cipher-spec", "ChangeCipherSpec", b"\x01", wire=6)
    (_opened if opened else _sealed)(script)
    script.fin()
    problem = "" if opened else "The secrets of this session are not at hand."
    return script.dialogue(
        TLSSession("explicit", "TLS 1.3", "TLS_AES_256_GCM_SHA384", "mail.lab.test", False, opened, problem)
    )


def _opened(script):
    for title, size in (
        ("EncryptedExtensions", 32),
        ("Certificate", 780),
        ("CertificateVerify", 100),
        ("Finished", 58),
    ):
        script.add(SERVER, TLS, "handshake", title, bytes(size - 22), True, size)
    script.add(CLIENT, TLS, "change-cipher-spec", "ChangeCipherSpec", b"\x01", wire=6)
    script.add(CLIENT, TLS, "handshake", "Finished", bytes(52), True, 74)
    script.say(b"EHLO alice.lab.test", encrypted=True)
    for _ in range(2):
        script.add(SERVER, TLS, "handshake", "NewSessionTicket", bytes(200), True, 255)
    script.reply(*AGAIN, encrypted=True)
    script.say(b"AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", encrypted=True)
    script.reply(b"235 2.7.0 Authentication successful", encrypted=True)
    script.add(CLIENT, TEXT, "message", "message", MESSAGE, True, 400)
    script.reply(b"250 OK", encrypted=True)
    script.add(CLIENT, TLS, "alert", "Alert: close_notify", b"\x01\x00", True, 24)


def _sealed(script):
    for size in (32, 780, 100, 58):
        script.add(SERVER, TLS, "application-data", "encrypted record", bytes(size), True, size)
    script.add(CLIENT, TLS, "change-cipher-spec", "ChangeCipherSpec", b"\x01", wire=6)
    for sender, size in ((CLIENT, 74), (CLIENT, 43), (SERVER, 255), (SERVER, 255), (SERVER, 190), (CLIENT, 400)):
        script.add(sender, TLS, "application-data", "encrypted record", bytes(size), True, size)


# What a careless page would pass on: markup, an attribute's end, a terminal escape, reversed text, mathematics.
HOSTILE = '<script>alert(\'1\')</script> "><img src=x onerror=alert(1)> \x1b[31m \u202e $\\frac{a}{b}$ #ffffff id="x"'


def hostile():
    """A session whose server and names are hostile."""
    script = Script()
    script.syn()
    script.reply(b"220 " + HOSTILE.encode(), kind="greeting")
    script.add(CLIENT, TEXT, "command", HOSTILE, HOSTILE.encode() + b"\r\n")
    return script.dialogue(names=(f"alice{HOSTILE}", f"mail{HOSTILE}"))
