"""An interrupt (Control-C, the stop button) at any moment is not lost, and leaves a whole lab without attackers."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from leaks import left, what_is_open
from networks import BEST, require
from thoroughly import every, examples
from tools import python

import labkit
from labkit import Lab, attacks, policies
from labkit.errors import LabError
from labkit.interrupts import uninterrupted
from labkit.network import KINDS, Interception

PATIENCE = 30.0
"""Seconds for what an interrupt has ended to be gone."""

LABKIT = str(Path(labkit.__file__).parent)
POINTS = 30
"""Moments of each action at which it is interrupted."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal for a part of a process")


class Moments:
    """Counts the lines of labkit that the main thread executes, and interrupts it before the `at`-th.

    The first line of an ``__exit__`` is not counted: an interrupt before it skips the whole method, whatever is in it.
    """

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.lines = 0

    def __enter__(self) -> "Moments":
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame, event, _):
        return self._line if frame.f_code.co_filename.startswith(LABKIT) else None

    def _line(self, frame, event, _):
        first = frame.f_code.co_name == "__exit__" and frame.f_lineno == frame.f_code.co_firstlineno + 1
        if event == "line" and not first:
            self.lines += 1
            if self.lines == self.at:
                signal.raise_signal(signal.SIGINT)
        return self._line


def _interrupted(action: Callable[[], object], at: int) -> bool:
    """Whether an interrupt before the `at`-th line of the action arrived; the action may have ended before."""
    try:
        with Moments(at):
            action()
    except KeyboardInterrupt:
        return True
    return False


def _moments(action: Callable[[], object]) -> list[int]:
    """Moments all over the action, which is carried out twice here: the first time it loads more."""
    action()
    with Moments() as moments:
        action()
    return [1 + number * moments.lines // POINTS for number in range(POINTS)]


@pytest.fixture(params=every(KINDS, once=BEST))
def lab(request):
    require(request.param)
    with Lab(request.param) as lab:
        yield lab


def test_an_attack_that_is_interrupted_while_it_starts_or_ends_leaves_the_path(lab):
    server = lab.smtp()

    def attack():
        with lab.mallory(attacks.StripCapability()):
            pass

    moments = _moments(attack)
    before = {*threading.enumerate()}
    for at in moments:
        assert _interrupted(attack, at), at
        assert not lab.network.interceptions, at
        outcome = lab.send(server, "x", policy=policies.verified)
        assert outcome, (at, outcome)
        assert {*threading.enumerate()} <= before, at


def test_a_server_that_is_interrupted_while_it_starts_can_be_started_again(lab):
    def start():
        lab.smtp(port=2525).close()

    for at in _moments(start):
        assert _interrupted(start, at), at
        assert lab.send(lab.smtp(port=2525, replace=True), "x"), at
        lab.servers.pop(("mail", 2525)).close()
        assert not lab.network.listeners, at


def test_a_capture_that_is_interrupted_leaves_nothing_that_catches(lab):
    server = lab.smtp()

    def capture():
        with lab.capture():
            pass

    moments = _moments(capture)
    before = what_is_open()
    for at in moments:
        assert _interrupted(capture, at), at
        assert not left(before, PATIENCE), at
    with lab.capture() as last:
        assert lab.send(server, "x")
    assert len(last.conversations) == 1


def test_a_lab_that_is_interrupted_while_it_is_made_or_closed_leaves_nothing(lab):
    kind = lab.network.kind

    def one():
        with Lab(kind) as other:
            other.smtp()

    moments = _moments(one)
    before = what_is_open()
    for at in moments:
        assert _interrupted(one, at), at
        assert not left(before, PATIENCE), at


RANGES = {"SSL 2.0": ("SSL 2.0",), "TLS 1.3": ("TLS 1.3",)}


def test_the_grid_of_versions_does_not_lose_an_interrupt(lab):
    server = lab.smtp()
    here = threading.get_ident()
    lab.versions(RANGES)
    arrived = []
    for tenth in range(1, 11):
        pressed = threading.Timer(tenth / 50, signal.pthread_kill, (here, signal.SIGINT))
        try:
            pressed.start()
            while not pressed.finished.is_set():
                lab.versions(RANGES)
            pressed.join()
        except KeyboardInterrupt:
            arrived.append(tenth)
        pressed.join()
    assert arrived == list(range(1, 11))
    assert lab.versions(RANGES) and lab.send(server, "x")


def test_an_attack_that_could_not_leave_says_so_at_the_next_send(lab, monkeypatch):
    server = lab.smtp()
    attack = lab.mallory(attacks.StripCapability())
    (path,) = lab.network.interceptions.values()
    monkeypatch.setattr(Interception, "close", lambda _: None)
    attack.close()
    with pytest.raises(LabError, match=r"StripCapability was cut off .* end it with lab\.mallory\.close\(\)"):
        lab.send(server, "x")
    monkeypatch.undo()
    lab.mallory.close()
    assert path.listener.socket.fileno() < 0
    assert lab.send(server, "x", policy=policies.verified)


# ---- holding one back


def test_an_interrupt_arrives_at_the_end_of_the_block_once():
    steps = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        with uninterrupted():
            steps.append("inner")
        steps.append("outer")
    assert steps == ["inner", "outer"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_in_the_block_is_raised_where_no_interrupt_arrived():
    with pytest.raises(ValueError), uninterrupted():
        raise ValueError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_interrupts_are_ignored_they_stay_so():
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, previous)


def test_another_thread_holds_nothing_back():
    seen = []

    def work():
        with uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_double_interrupts_leave_nothing(tmp_path):
    code = f"count = {examples(50)}"
    code += """
import os, signal, threading, time
from labkit import Lab, attacks
def press():
    for _ in range(2):
        time.sleep(delay)
        os.kill(os.getpid(), signal.SIGINT)
delays = [0.1 * number / count for number in range(1, count + 1)]
for delay in delays:
    pressing = threading.Thread(target=press)
    while True:
        try:
            pressing.start()
            with Lab() as lab:
                server = lab.smtp()
                with lab.mallory(attacks.StripCapability()), lab.capture():
                    while True:
                        lab.send(server, "x")
        except KeyboardInterrupt:
            break
    while pressing.is_alive():
        try:
            pressing.join()
        except KeyboardInterrupt:
            pass
lab = server = None
print([thread.name for thread in threading.enumerate()])
"""
    with python(code, tmp_path) as process:
        out, err = process.communicate(timeout=200)
    assert (out, err) == ("['MainThread']\n", "")
    with suppress(FileNotFoundError):
        assert not os.listdir(tmp_path)
