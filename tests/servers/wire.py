"""Clients that say exactly what a test wants, byte by byte, and read whole replies."""

import base64
import socket
import ssl
from contextlib import contextmanager


class Wire:
    """One connection to an SMTP server of a lab; its kinds speak IMAP and POP3."""

    greeting = "220"
    upgrade = b"STARTTLS"

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._file = sock.makefile("rb")

    def send(self, data: bytes) -> None:
        """Send these bytes, and nothing else."""
        self.sock.sendall(data)

    def say(self, *lines: bytes) -> str:
        """Send the lines in one piece, each ended by CRLF, and return the next reply."""
        self.send(b"".join(line + b"\r\n" for line in lines))
        return self.reply()

    def line(self) -> str:
        """The next line, without its end; empty when the server has hung up."""
        return self._file.readline().decode("latin-1").rstrip("\r\n")

    def read(self, size: int) -> bytes:
        """The next bytes, fewer when the server has hung up."""
        return self._file.read(size)

    def reply(self) -> str:
        """The next reply, its lines joined by a newline; empty when the server has hung up."""
        lines = []
        while line := self.line():
            lines.append(line)
            if line[3:4] == " ":
                break
        return "\n".join(lines)

    def goes_ahead(self, answer: str) -> bool:
        """Whether this reply is the permission to start TLS."""
        return answer.startswith("220")

    def starttls(self, context: ssl.SSLContext, *behind: bytes) -> str:
        """Upgrade, with `behind` in the same segment as the command; the go-ahead, or the refusal."""
        answer = self.say(self.upgrade, *behind)
        if self.goes_ahead(answer):
            self.sock = context.wrap_socket(self.sock, server_hostname="mail.lab.test")
            self._file = self.sock.makefile("rb")
        return answer

    def close(self) -> None:
        self._file.close()
        self.sock.close()


class POP3Wire(Wire):
    """One connection to a POP3 server: a reply is its first line."""

    greeting = "+OK"
    upgrade = b"STLS"

    def reply(self) -> str:
        return self.line()

    def lines(self, command: bytes) -> list[str]:
        """The lines behind the first one of a reply, without the dot at the end."""
        assert self.say(command).startswith("+OK")
        return list(iter(self.line, "."))

    def goes_ahead(self, answer: str) -> bool:
        return answer.startswith("+OK")

    def log_in(self, user: bytes = b"bob", password: bytes = b"swordfish") -> str:
        self.say(b"USER " + user)
        return self.say(b"PASS " + password)


class IMAPWire(Wire):
    """One connection to an IMAP server. Commands are tagged ``x``; a reply is all lines up to the one with the tag."""

    greeting = "* OK"
    upgrade = b"x STARTTLS"

    def reply(self) -> str:
        lines = []
        while line := self._file.readline():
            lines.append(line.decode("latin-1").rstrip("\r\n"))
            if lines[-1].startswith(("x ", "+ ", "* BYE", "* BAD")):
                break
        return "\n".join(lines)

    def do(self, command: bytes) -> str:
        """Carry out a command that must succeed; what the server said before the tagged line."""
        answer = self.say(b"x " + command)
        *before, last = answer.split("\n")
        assert last.startswith("x OK"), answer
        return "\n".join(before)

    def goes_ahead(self, answer: str) -> bool:
        return answer.startswith("x OK")

    def log_in(self, user: bytes = b"bob", password: bytes = b"swordfish") -> str:
        return self.say(b"x LOGIN " + user + b" " + password)


WIRES = {"SMTP": Wire, "IMAP": IMAPWire, "POP3": POP3Wire}


@contextmanager
def connected(lab, server, greeting="", context=None):
    """A wire to the server, behind its greeting; with `context`, inside TLS from the first byte."""
    sock = lab.alice.connect(server.host, server.port, timeout=30)
    kind = WIRES[server.protocol]
    wire = kind(context.wrap_socket(sock, server_hostname="mail.lab.test") if context else sock)
    try:
        assert wire.line().startswith(greeting or kind.greeting)
        yield wire
    finally:
        wire.close()


def plain(user: bytes, password: bytes) -> bytes:
    """AUTH PLAIN with an initial response (RFC 4616)."""
    return b"AUTH PLAIN " + encoded(user, password)


def encoded(user: bytes, password: bytes) -> bytes:
    """What SASL PLAIN sends (RFC 4616)."""
    return base64.b64encode(b"\0" + user + b"\0" + password)
