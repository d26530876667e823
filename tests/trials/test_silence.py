"""A wait that ran out counts only when no thread was at work: else the attempt is repeated, and at last called
unknown."""

import threading
import time
from functools import partial
from types import SimpleNamespace

import pytest
from thoroughly import every

from labkit import Lab, attacks, policies
from labkit.attacks.silence import Watch
from labkit.attacks.verdict import LEAKED, STOPPED, UNKNOWN, Verdict
from labkit.network.loop import Loop
from labkit.trials import attacks as trials

LOOPBACK = partial(Lab, "loopback")
LIMIT = 0.8


@pytest.fixture
def loop():
    loop = Loop()
    yield loop
    loop.close()


def session(*times):
    """A session in which something was said at these times."""
    wire = SimpleNamespace(said=[(at, number, "client", "data", b"x", 1) for number, at in enumerate(times)])
    return SimpleNamespace(legs=[SimpleNamespace(wire=wire)])


def waited(loop, client, whole=False):
    """Whether the wait of a client, which has said something first, ran out in silence."""
    watch = Watch(loop)
    said = time.time_ns()
    client()
    watch.stop()
    return watch.in_silence([session(said)], LIMIT, whole)


@pytest.mark.parametrize("whole", (False, True))
def test_a_client_that_sleeps_while_nothing_happens_waits_in_silence(loop, whole):
    # Where other programs keep the loop from looking often enough, silence is not believed, and the attempt repeated.
    assert any(waited(loop, lambda: time.sleep(LIMIT + 0.1), whole) for _ in range(20))


@pytest.mark.parametrize("whole", (False, True))
def test_a_client_that_was_still_at_work_did_not_wait(loop, whole):
    def busy():
        until = time.monotonic() + LIMIT + 0.1
        while time.monotonic() < until:
            sum(range(1000))

    assert not waited(loop, busy, whole)


def test_a_loop_that_was_still_at_work_was_no_silence(loop):
    def client():
        loop.events.call_soon_threadsafe(time.sleep, LIMIT + 0.2)
        time.sleep(LIMIT + 0.1)

    assert not waited(loop, client)


def test_what_ended_before_its_time_needs_no_silence(loop):
    watch = Watch(loop)
    watch.stop()
    assert watch.in_silence([session(time.time_ns())], 60, whole=False)


def test_what_took_long_but_went_on_needs_no_silence(loop):
    watch, began = Watch(loop), time.time_ns()
    time.sleep(1.2 * LIMIT)
    watch.stop()
    said = range(began, time.time_ns(), int(LIMIT / 10 * 1e9))
    assert watch.in_silence([session(*said)], LIMIT, whole=False)


def attempts(monkeypatch, *found):
    """The verdict on one cell when the attempts end so: (outcome, whether in silence)."""
    left = list(found)
    tried = []

    def attempt(self, lab, servers, client, patience):
        outcome, in_silence = left.pop(0)
        tried.append(patience)
        return Verdict(outcome, "so it was"), in_silence

    monkeypatch.setattr(trials._Row, "_attempt", attempt)
    matrix = trials.every_attack(LOOPBACK, [attacks.StripCapability], [policies.verified], ["SMTP"])
    return matrix[0].verdict, tried


def test_an_attempt_without_silence_is_repeated_with_more_patience(monkeypatch):
    verdict, tried = attempts(monkeypatch, (STOPPED, False), (LEAKED, True))
    assert verdict.outcome == LEAKED and tried == list(trials.PATIENCE[:2])


def test_what_comes_out_twice_is_believed(monkeypatch):
    verdict, tried = attempts(monkeypatch, (STOPPED, False), (STOPPED, False))
    assert verdict.outcome == STOPPED and len(tried) == 2


def test_where_no_patience_is_enough_the_verdict_is_unknown_with_the_reason(monkeypatch):
    verdict, _ = attempts(monkeypatch, (STOPPED, False), (LEAKED, False), (STOPPED, False))
    assert verdict.outcome == UNKNOWN and "the machine was busy" in verdict.why


TRIED = (attacks.SilentDrop, attacks.BreakHandshake, attacks.BlockImplicit, attacks.CommandInjection)


@pytest.mark.parametrize("kind", every(TRIED, once=TRIED[:1]))
def test_under_load_the_verdicts_are_those_of_a_machine_that_has_nothing_else_to_do(kind):
    def outcomes():
        matrix = trials.every_attack(LOOPBACK, [kind], [policies.opportunistic, policies.verified])
        return {cell[:3]: (cell.verdict.outcome, cell.verdict.secrets) for cell in matrix}

    calm, over = outcomes(), threading.Event()
    busy = [threading.Thread(target=lambda: [sum(range(5000)) for _ in iter(over.is_set, True)]) for _ in range(3)]
    for thread in busy:
        thread.start()
    try:
        assert outcomes() == calm
    finally:
        over.set()
        for thread in busy:
            thread.join()
