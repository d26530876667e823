"""A lab that nothing refers to is closed by the garbage collector, in any thread: also in those that it closes."""

import gc
import os
import sys
import threading
import time
from contextlib import suppress

import pytest
from leaks import left, what_is_open
from networks import require
from thoroughly import every

from labkit import Lab, attacks
from labkit.errors import LabError
from labkit.network import Host

PATIENCE = 60.0
"""Seconds in which a thread collects, and the lab ends; it takes one or two."""


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("labkit")}


class Collector:
    """Collects the garbage in the thread of this name, as soon as that one calls a function."""

    def __init__(self) -> None:
        self.wanted = ""
        self.collected = threading.Event()

    def __call__(self, *_: object) -> None:
        if self.wanted and threading.current_thread().name == self.wanted:
            self.wanted = ""
            gc.collect()
            self.collected.set()


def _abandoned(network: str, method: str) -> Host:
    """A host of a lab that is in a circle of references, with an attack and a capture under way."""
    lab = Lab(network, capture=method)
    lab.me = lab
    lab.smtp()
    lab.capturing = lab.capture()
    lab.capturing.__enter__()
    lab.attacking = lab.mallory(attacks.StripCapability())
    lab.client = lab.alice.connect("mail", 587, timeout=30)
    lab.client.recv(100)
    return lab.alice


def _names(network: str, method: str, others: set[threading.Thread]) -> list[str]:
    """The threads of such a lab, beside those of others that are open in this process."""
    host = _abandoned(network, method)
    names = sorted({thread.name for thread in _threads() - others})
    host.network.close()
    del host
    gc.collect()
    return names


@pytest.fixture
def collector(monkeypatch):
    collector = Collector()
    noise = []
    monkeypatch.setattr(threading, "excepthook", lambda failure: noise.append(failure.exc_value))
    monkeypatch.setattr(sys, "unraisablehook", lambda failure: noise.append(failure.exc_value))
    threading.settrace(collector)
    yield collector
    threading.settrace(None)
    gc.enable()
    assert not noise


@pytest.mark.parametrize("method", every(("auto", "tap"), once=("auto",)))
@pytest.mark.parametrize("network", ("loopback", "namespace"))
def test_whichever_thread_of_a_lab_collects_it_the_lab_ends(network, method, collector):
    require(network)
    others = _threads()
    names = _names(network, method, others)
    assert {"labkit loop"} | ({"labkit sniffer"} if method == "auto" and os.geteuid() == 0 else set()) <= set(names)
    before = what_is_open()
    for name in names:
        gc.collect()
        gc.disable()
        host = _abandoned(network, method)
        wake = host.network.loop.events.call_soon_threadsafe
        collector.wanted = name
        deadline = time.monotonic() + PATIENCE
        while not collector.collected.wait(0.05):
            assert time.monotonic() < deadline, f"{name} does nothing"
            with suppress(RuntimeError):  # the loop has ended
                wake(lambda: None)
            _come_by(host)
        while _threads() - others:
            assert time.monotonic() < deadline, (name, _threads() - others)
            time.sleep(0.05)
        del host, wake
        gc.enable()
        gc.collect()
        collector.collected.clear()
        assert not left(before), name


def _come_by(host) -> None:
    """Let a client come by; the lab may be gone already."""
    with suppress(LabError), host.connect("mail", 587, timeout=1):
        pass
