"""Servers that misbehave, each a script of a few lines behind a real listener."""

import socket
import threading
from contextlib import contextmanager, suppress

from labkit.errors import LabError

GREETING = b"220 mail.lab.test ESMTP\r\n"
CAPABILITIES = b"250-mail.lab.test\r\n250 STARTTLS\r\n"

HELD, PATIENCE = 1, 60
"""Seconds: for a client that waits for what never comes, a goodbye at least, and for what must come."""


def limit(words: str) -> int:
    """The time limit of a client whose outcome is described so."""
    return HELD if "ran out" in words else PATIENCE


@contextmanager
def scripted(lab, script, port=587):
    """A listener on mail whose first client is handed to `script`; ended and closed with the block."""
    listener = lab.mail.listen(port)
    ended = threading.Event()

    def serve():
        with suppress(OSError):
            sock, _ = listener.socket.accept()
            with sock:
                sock.settimeout(30)
                script(sock)
                ended.wait(60)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        ended.set()
        with suppress(LabError):  # wakes an accept to which no client came
            lab.mail.connect(*listener.address, timeout=30).close()
        thread.join(60)
        listener.close()


def talks(*answers):
    """A script: the greeting, then for each line (or message) that arrives the next answer."""

    def script(sock):
        sock.sendall(GREETING)
        for answer in answers:
            if not sock.recv(65536):
                return
            sock.sendall(answer)

    return script


def then(script, act):
    """One script, then another act on the same socket."""

    def both(sock):
        script(sock)
        act(sock)

    return both


def hang_up(sock):
    """End the connection in the usual way."""
    sock.recv(65536)
    sock.shutdown(socket.SHUT_RDWR)


def reset(sock):
    """End the connection with RST."""
    sock.recv(65536)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
