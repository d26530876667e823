"""Clients are accepted as they come; when there is no socket for one, accepting is tried again after a pause."""

import errno
import socket
import threading
import time

import pytest

from labkit.network.entrance import BREATH, Entrance
from labkit.network.loop import Loop


class Listening(socket.socket):
    """A listening socket that cannot accept `failing` times, as if no descriptor were left; knows when it was tried."""

    def __init__(self) -> None:
        super().__init__()
        self.bind(("127.0.0.1", 0))
        self.listen()
        self.failing = 0
        self.tries: list[float] = []

    def accept(self):
        self.tries.append(time.monotonic())
        if self.failing:
            self.failing -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


@pytest.fixture
def loop():
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def listening():
    with Listening() as sock:
        yield sock


def test_each_who_waits_is_let_in(loop, listening):
    came = threading.Semaphore(0)

    def welcome(sock, _):
        sock.close()
        came.release()

    entrance = Entrance(loop.events, listening, 2, welcome, lambda _: None)
    clients = [socket.create_connection(listening.getsockname(), 60) for _ in range(5)]
    assert all(came.acquire(timeout=60) for _ in clients)
    for client in clients:
        client.close()
    loop.call(entrance.close)


def test_without_a_socket_for_one_there_is_a_pause(loop, listening):
    came, told = threading.Event(), []
    listening.failing = 1
    entrance = Entrance(loop.events, listening, 8, lambda sock, _: (sock.close(), came.set()), told.append)
    with socket.create_connection(listening.getsockname(), 60):
        assert came.wait(60)
    loop.call(entrance.close)
    first, second = listening.tries[:2]
    assert second - first >= 0.9 * BREATH and [error.errno for error in told] == [errno.EMFILE]


def test_what_is_closed_during_the_pause_stays_closed(loop, listening):
    listening.failing, told = 1 << 20, threading.Event()
    entrance = Entrance(loop.events, listening, 8, lambda *_: None, lambda _: told.set())
    with socket.create_connection(listening.getsockname(), 60):
        assert told.wait(60)
        loop.call(entrance.close)
        tries = len(listening.tries)
        time.sleep(1.5 * BREATH)
    assert len(listening.tries) == tries
