"""Listeners that are not mail servers: each answers one connection after the other in a way of its own, on loopback."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Act = Callable[[socket.socket], None]


@contextmanager
def listening(act: Act, address: str = "127.0.0.1") -> Iterator[tuple[str, list[bytes]]]:
    """A server that does `act` on each connection: (where it listens as host:port, what it was sent)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    heard: list[bytes] = []
    ended = threading.Event()
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen(50)
        server.settimeout(0.1)

        def serve() -> None:
            while not ended.is_set():
                with suppress(OSError):
                    sock, _ = server.accept()
                    threading.Thread(target=speak, args=(sock,), daemon=True).start()

        def speak(sock: socket.socket) -> None:
            with sock, suppress(OSError):
                sock.settimeout(30)
                act(Noting(sock, heard, ended))

        running = threading.Thread(target=serve, daemon=True)
        running.start()
        try:
            shown = f"[{address}]" if ":" in address else address
            yield f"{shown}:{server.getsockname()[1]}", heard
        finally:
            ended.set()
            running.join()


class Noting:
    """A connection that notes what it receives."""

    def __init__(self, sock: socket.socket, heard: list[bytes], ended: threading.Event) -> None:
        self._sock, self._heard, self.ended = sock, heard, ended

    def recv(self, size: int = 4096) -> bytes:
        data = self._sock.recv(size)
        self._heard.append(data)
        return data

    def sendall(self, data: bytes) -> None:
        self._sock.sendall(data)

    def __getattr__(self, name: str):
        return getattr(self._sock, name)


def says(*replies: bytes, then: Act = lambda sock: None) -> Act:
    """Sends the first reply, and each other one when something was received; then goes on with `then`."""

    def act(sock) -> None:
        sock.sendall(replies[0])
        for reply in replies[1:]:
            sock.recv()
            sock.sendall(reply)
        then(sock)

    return act


def silent(sock) -> None:
    """Says nothing more, and stays."""
    sock.ended.wait(30)


def endless(data: bytes) -> Act:
    """Says the same again and again, as fast as it is taken."""

    def act(sock) -> None:
        while not sock.ended.is_set():
            sock.sendall(data)

    return act


def drips(data: bytes) -> Act:
    """Says one byte after the other, slowly."""

    def act(sock) -> None:
        for byte in data * 1000:
            sock.sendall(bytes([byte]))
            if sock.ended.wait(0.05):
                return

    return act


def full() -> tuple[socket.socket, list[socket.socket]]:
    """A port that answers no connection, as if a firewall dropped its packets: its queue is full (listen(2))."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    waiting = []
    for _ in range(3):
        client = socket.socket()
        client.setblocking(False)
        with suppress(OSError):
            client.connect(server.getsockname())
        waiting.append(client)
    time.sleep(0.2)
    return server, waiting
