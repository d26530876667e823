"""Answers to lesson 00."""

from decimal import Decimal

from lesson_captures import CLEAR, VERIFIED, Later, captured, fetched, nothing_captured, outcome

from labkit import Lab, recorded

CAPTURE = Later(recorded, "starttls_tls13")
"""A live one has as many frames as the system pleases, sometimes as many as events."""


def _of_capture(what):
    return Later(lambda: what(CAPTURE()))


def _server(protocol, implicit):
    with Lab(network="loopback") as lab:
        return getattr(lab, protocol)(implicit=implicit)


SMTP, SMTPS = Later(_server, "smtp", False), Later(_server, "smtp", True)
IMAP, IMAPS = Later(_server, "imap", False), Later(_server, "imap", True)
POP3 = Later(_server, "pop3", False)

WRONG = [
    ("00.1", "how many events the dialogue has", _of_capture(lambda it: len(it.dialogue.events)), CAPTURE),
    ("00.1", "how many conversations", 1, CAPTURE),
    ("00.1", "`len(...)` around it", _of_capture(lambda it: it.frames), CAPTURE),
    ("00.1", "too low", 2, CAPTURE),
    ("00.1", "too high", 9999, CAPTURE),
    ("00.1", "without the quotes", "12", CAPTURE),
    ("00.1", "is a capture with something in it", 30, 30),
    ("00.2", "465 is for submission over implicit TLS: TLS comes before the first byte", 465, SMTP),
    ("00.2", "587 is for submission with SMTP and STARTTLS", 587, SMTPS),
    ("00.2", "This server speaks IMAP with a beginning in the clear", 993, IMAP),
    ("00.2", "relay between mail servers", 25, POP3),
    ("00.2", "the next time it is another one", Later(lambda: SMTP().address[1]), SMTP),
    ("00.2", "without the quotes", "587", SMTP),
    ("00.2", "is the server, and you gave 587", 587, 587),
    ("00.3", "its subject is not", Later(captured, subject="Hello")),
    ("00.3", "its subject is not", Later(captured, text="Subject: My own mail")),
    ("00.3", "Nothing was captured", Later(nothing_captured)),
    ("00.3", "the capture itself", "My own mail"),
    ("00.3", "the capture itself", outcome),
    ("00.3", "no message in this capture that a server took", Later(fetched, "imap")),
]
RIGHT = [
    ("00.1", _of_capture(lambda it: len(it.frames)), CAPTURE),
    ("00.1", _of_capture(lambda it: float(len(it.packets))), CAPTURE),
    ("00.1", _of_capture(lambda it: len(list(it.frames))), CAPTURE),
    ("00.1", _of_capture(lambda it: Decimal(len(it.frames))), CAPTURE),
    ("00.2", 587, SMTP),
    ("00.2", 465, SMTPS),
    ("00.2", 993.0, IMAPS),
    ("00.2", Later(lambda: POP3().port), POP3),
    ("00.3", Later(captured, subject="My own mail")),
    ("00.3", Later(captured, CLEAR, subject="my own mail ")),
    ("00.3", Later(captured, subject="My own mail", **VERIFIED)),
]
