"""Lines that are held for a person: in what order, for how long, and what goes on in their place."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import Lab, attacks, policies
from labkit.attacks.actions import Drop, Inject, Pass, Replace
from labkit.attacks.vector import Line, Vector
from labkit.byhand.waiting import LONGEST_HOLD, ByHand
from labkit.dialects.base import CLIENT, SERVER
from labkit.dialects.smtp import SMTP
from labkit.errors import LabError, VectorFailed

PATIENCE = 60


def line(data, sender=CLIENT, title="EHLO", session=1):
    return Line(sender, "command", title, data, False, SMTP, 587, (), session)


def first(byhand):
    """The line that is to be decided next."""
    while not (waiting := byhand.waiting):
        assert byhand.news.wait(PATIENCE)
        byhand.news.clear()
    return waiting[0]


def became(held):
    """The decision that the session of a held line gets now."""
    return held.settled(time.monotonic())


def test_a_line_waits_until_it_is_decided():
    byhand = ByHand()
    held = byhand.on_line(line(b"EHLO alice\r\n"))
    assert became(held) is None and byhand.waiting == (held,) and held.line.data == b"EHLO alice\r\n"
    assert held.pass_on()
    assert became(held) == (Pass(),)
    assert not byhand.waiting and byhand.decided[0].actions == (Pass(),)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_what_is_sent_in_place_of_a_line_goes_on_to_the_byte(came, chosen):
    held = ByHand().on_line(line(came))
    held.send(chosen)
    assert became(held) == ((Pass() if chosen == came else Replace(chosen)),)


def test_what_is_added_goes_out_ahead_in_the_order_in_which_it_was_said():
    byhand = ByHand()
    held = byhand.on_line(line(b"STARTTLS\r\n"))
    assert held.say(CLIENT, b"454 later\r\n") and held.say(SERVER, b"NOOP\r\n")
    assert became(held) is None and held.said
    held.drop()
    assert became(held) == (Inject(CLIENT, b"454 later\r\n"), Inject(SERVER, b"NOOP\r\n"), Drop())
    assert not held.say(CLIENT, b"too late\r\n")
    assert len(byhand.decided[0].actions) == 3


def test_a_line_is_decided_once():
    held = ByHand().on_line(line(b"QUIT\r\n"))
    assert held.drop() and not held.pass_on() and not held.send(b"NOOP\r\n")
    assert became(held) == (Drop(),)


def test_a_session_is_told_of_a_decision_that_is_made_in_another_thread():
    held, told = ByHand().on_line(line(b"QUIT\r\n")), threading.Event()
    held.watch(told.set)
    assert not told.is_set()
    threading.Thread(target=held.drop).start()
    assert told.wait(PATIENCE) and became(held) == (Drop(),)


def test_a_line_that_is_not_decided_passes_with_what_was_added():
    byhand = ByHand(seconds=0.05)
    held = byhand.on_line(line(b"one\r\n"))
    assert held.settled(held.until - 0.01) is None and held.settled(held.until) == (Pass(),)
    assert byhand.decided[0].why == "nobody decided for 0.05 s"
    held = byhand.on_line(line(b"one\r\n"))
    held.say(SERVER, b"NOOP\r\n")
    assert held.settled(held.until) == (Inject(SERVER, b"NOOP\r\n"), Pass())


def test_the_time_of_a_line_runs_only_when_it_is_the_first():
    byhand = ByHand(seconds=PATIENCE)
    ahead, behind = byhand.on_line(line(b"one\r\n", session=1)), byhand.on_line(line(b"two\r\n", session=2))
    told = []
    behind.watch(lambda: told.append(behind.left))
    assert ahead.left <= PATIENCE and behind.left == float("inf")
    behind.hold(1)  # its time has not begun
    assert behind.left == float("inf")
    ahead.pass_on()
    assert told and told[0] <= PATIENCE
    assert byhand.waiting == (behind,) and became(behind) is None


def test_a_line_can_be_given_more_time_and_never_loses_any():
    held = ByHand(seconds=0.5).on_line(line(b"one\r\n"))
    held.hold(1000)
    longer = held.left
    assert LONGEST_HOLD - PATIENCE < longer <= LONGEST_HOLD
    held.hold(1)
    assert longer - PATIENCE < held.left <= longer


def test_lines_of_several_victims_stand_in_one_queue_in_the_order_in_which_they_came():
    byhand = ByHand()
    for number in range(1, 6):
        byhand.on_line(line(b"number %d\r\n" % number, session=number))
    assert [held.line.session for held in byhand.waiting] == [1, 2, 3, 4, 5]
    byhand.waiting[2].drop()
    assert [held.line.session for held in byhand.waiting] == [1, 2, 4, 5]


def test_a_deputy_decides_what_waits_and_what_comes():
    byhand = ByHand()
    held = byhand.on_line(line(b"STARTTLS\r\n", title="STARTTLS"))
    byhand.follow(attacks.RefuseUpgrade(), "nobody was there")
    (answer,) = became(held)
    assert answer.data.startswith(b"502 ")
    assert byhand.on_line(line(b"QUIT\r\n", title="QUIT")) == (Pass(),)
    assert [held.why for held in byhand.decided] == ["nobody was there"] * 2


def test_a_deputys_mistake_is_raised_where_the_decision_is_asked_for():
    class Mistaken(Vector):
        def on_line(self, line):
            return 1 / 0

    byhand = ByHand()
    held, other = byhand.on_line(line(b"one\r\n")), byhand.on_line(line(b"two\r\n", session=2))
    byhand.follow(Mistaken(), "nobody was there")
    for one in (held, other):
        with pytest.raises(ZeroDivisionError):
            became(one)
    assert not byhand.waiting and not byhand.decided


def test_a_session_that_ends_with_a_line_held_lets_the_next_one_come():
    byhand = ByHand()
    ahead, behind = byhand.on_line(line(b"one\r\n", session=1)), byhand.on_line(line(b"two\r\n", session=2))
    ahead.cancel()
    assert byhand.waiting == (behind,) and behind.left < float("inf")
    assert byhand.decided[0].why == "its session was over"


def test_everything_passes_when_the_attack_is_over_and_a_deputy_stays():
    byhand = ByHand()
    held = byhand.on_line(line(b"one\r\n"))
    byhand.release()
    assert became(held) == (Pass(),)
    byhand = ByHand()
    byhand.follow(attacks.SilentDrop(), "nobody was there")
    byhand.release()
    assert byhand.on_line(line(b"STARTTLS\r\n", title="STARTTLS")) == (Drop(),)


def test_only_so_much_is_remembered():
    byhand = ByHand()
    byhand.release()
    for _ in range(1500):
        byhand.on_line(line(b"flood\r\n"))
    assert len(byhand.decided) == 1000


@pytest.mark.parametrize("seconds", (0, -1, LONGEST_HOLD + 1, float("inf"), float("nan")))
def test_a_line_is_held_for_a_time_that_makes_sense(seconds):
    with pytest.raises(LabError, match="seconds"):
        ByHand(seconds)


# ---- over the wire


@pytest.fixture
def lab():
    before = {*threading.enumerate()}
    with Lab(network="loopback", capture="tap") as lab:
        yield lab
    assert {*threading.enumerate()} <= before


@contextmanager
def victim(action, *arguments, **more):
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(action, *arguments, timeout=PATIENCE, **more)


def decide(byhand, future, choices):
    """Pass all lines but those that begin as a key of `choices` says, until the victim is done; those were decided."""
    used = []
    while not future.done():
        waiting = byhand.waiting
        if not waiting:
            byhand.news.wait(0.02)
            byhand.news.clear()
            continue
        held = waiting[0]
        chosen = next((key for key in choices if held.line.data.startswith(key)), None)
        if chosen is None:
            held.pass_on()
        else:
            choices[chosen](held)
            used.append(chosen)
    return used


def without_starttls(held):
    held.send(held.line.data.replace(b"250-STARTTLS\r\n", b""))


def answered(reply):
    def decision(held):
        held.say(CLIENT, reply)
        held.drop()

    return decision


def test_an_offer_that_is_cut_out_by_hand_makes_an_opportunistic_client_leak(lab):
    mail = lab.smtp(auth="always")
    byhand = ByHand(PATIENCE)
    with lab.mallory(byhand) as mallory, victim(lab.send, mail, "The PIN is 4921", login=("alice", "hunter2")) as sent:
        assert decide(byhand, sent, {b"250-": without_starttls}) == [b"250-"]
    assert sent.result().done and mallory.verdict.outcome == "leaked"
    assert [edit.removed for edit in mallory.edits] == [(b"250-STARTTLS\r\n",)]
    assert [held.line.session for held in byhand.decided] == [1] * len(byhand.decided)


def test_an_answer_in_the_place_of_the_server_stops_a_client_that_insists_on_tls(lab):
    mail = lab.smtp()
    byhand = ByHand(PATIENCE)
    with lab.mallory(byhand) as mallory, victim(lab.send, mail, "Hi", policy=policies.mandatory) as sent:
        assert decide(byhand, sent, {b"STARTTLS": answered(b"454 Not today\r\n")}) == [b"STARTTLS"]
    assert "454 Not today" in sent.result().why and mallory.verdict.outcome == "stopped"


def test_imap_is_held_line_by_line_too(lab):
    mail = lab.imap(auth="always")
    byhand = ByHand(PATIENCE)

    def stripped(held):
        held.send(held.line.data.replace(b" STARTTLS", b"").replace(b" LOGINDISABLED", b""))

    with lab.mallory(byhand) as mallory, victim(lab.fetch, mail) as fetched:
        decide(byhand, fetched, {b"* CAPABILITY": stripped, b"* OK [CAPABILITY": stripped})
    assert fetched.result().done and mallory.verdict.outcome == "leaked"
    assert "password" in mallory.verdict.secrets


def test_what_passes_by_itself_arrives_as_it_came_and_tls_is_only_counted(lab):
    mail = lab.smtp()
    byhand = ByHand(0.01)
    with lab.mallory(byhand) as mallory:
        assert lab.send(mail, "The PIN is 4921", policy=policies.verified)
    assert mallory.verdict.outcome == "unharmed" and not mallory.edits
    assert byhand.records > 4 and byhand.decided[-1].line.kind == "go-ahead"


def test_two_victims_at_once_are_told_apart_and_neither_gets_the_lines_of_the_other(lab):
    mail = lab.smtp()
    byhand = ByHand(PATIENCE)
    with lab.mallory(byhand) as mallory, victim(lab.send, mail, "one") as one, victim(lab.send, mail, "two") as two:
        decide(byhand, one, {b"250-": without_starttls})
        decide(byhand, two, {b"250-": without_starttls})
    assert one.result() and two.result() and mallory.verdict.outcome == "leaked"
    assert {held.line.session for held in byhand.decided} == {1, 2}
    assert sorted(item.value for item in mallory.loot if item.what == "message") == ["one", "two"]


def test_a_held_line_keeps_neither_the_attack_nor_the_lab_from_closing(lab):
    mail = lab.smtp()
    byhand = ByHand(LONGEST_HOLD)
    lab.mallory(byhand)
    with victim(lab.send, mail, "Hi") as sent:
        first(byhand)
        lab.close()
        sent.result(PATIENCE)
    assert byhand.waiting == () and byhand.decided[0].why == "the attack was over"


def test_a_mistake_in_the_deputy_is_told_and_ends_only_its_session(lab):
    class Mistaken(Vector):
        def on_line(self, line):
            return 1 / 0

    mail = lab.smtp()
    byhand = ByHand(PATIENCE)
    byhand.follow(Mistaken(), "nobody was there")
    with pytest.raises(VectorFailed, match="ZeroDivisionError"), lab.mallory(byhand):
        assert not lab.send(mail, "Hi")
    assert byhand.waiting == () and lab.send(mail, "Hi")


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\n\r\n", b"\xff\xfe\x00no line at all", b"\x1b[2J<script>\r\n" * 50]
)
def test_a_victim_that_talks_rubbish_and_hangs_up_while_it_is_held_does_not_disturb_others(lab, said):
    mail = lab.smtp()
    byhand = ByHand(PATIENCE)
    with lab.mallory(byhand):
        with lab.alice.connect("mail", mail.port) as stranger:
            stranger.sendall(said)
            first(byhand)
        with victim(lab.send, mail, "Hi") as sent:
            decide(byhand, sent, {})
        assert sent.result().done
    assert {held.line.session for held in byhand.decided} == {1, 2}
