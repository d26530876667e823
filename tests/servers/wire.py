"""A client that says exactly what a test wants, byte by byte, and reads whole replies."""

import base64
import socket
import ssl
from contextlib import contextmanager


class Wire:
    """One connection to a server of a lab."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._file = sock.makefile("rb")

    def say(self, *lines: bytes) -> str:
        """Send the lines in one piece, each ended by CRLF, and return the next reply."""
        self.sock.sendall(b"".join(line + b"\r\n" for line in lines))
        return self.reply()

    def reply(self) -> str:
        """The next reply, its lines joined by a newline; empty when the server has hung up."""
        lines = []
        while line := self._file.readline():
            lines.append(line.decode().rstrip("\r\n"))
            if line[3:4] == b" ":
                break
        return "\n".join(lines)

    def starttls(self, context: ssl.SSLContext, *behind: bytes) -> str:
        """Upgrade, with `behind` in the same segment as the command; the go-ahead, or the refusal."""
        answer = self.say(b"STARTTLS", *behind)
        if answer.startswith("220"):
            self.sock = context.wrap_socket(self.sock, server_hostname="mail.lab.test")
            self._file = self.sock.makefile("rb")
        return answer

    def close(self) -> None:
        self._file.close()
        self.sock.close()


@contextmanager
def connected(lab, server, greeting="220", context=None):
    """A wire to the server, behind its greeting; with `context`, inside TLS from the first byte."""
    sock = lab.alice.connect(server.host, server.port, timeout=5)
    wire = Wire(context.wrap_socket(sock, server_hostname="mail.lab.test") if context else sock)
    try:
        assert wire.reply().startswith(greeting)
        yield wire
    finally:
        wire.close()


def plain(user: bytes, password: bytes) -> bytes:
    """AUTH PLAIN with an initial response (RFC 4616)."""
    return b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0" + password)
