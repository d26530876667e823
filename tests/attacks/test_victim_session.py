"""Plays: alice says, mail answers, and what each of them receives is what the vector decided; no socket, no thread."""

import ssl
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plays import AUTHORITY, Peer, Play

from labkit import attacks
from labkit.attacks import (
    Answer,
    Begin,
    Close,
    Delay,
    Drop,
    Inject,
    Later,
    Pass,
    Replace,
    TakeOverTLS,
    Vector,
)
from labkit.attacks.engine.session_commands import HangUp, Reset
from labkit.attacks.engine.session_state import IDLE_LIMIT
from labkit.attacks.engine.victim_session import CONNECT_LIMIT
from labkit.dialects import ALL
from labkit.dialects.base import CLIENT, SERVER
from labkit.errors import LabError
from labkit.trust.contexts import client_context, server_context

GREETING = b"220 mail.lab.test ESMTP\r\n"
OFFER = b"250-mail.lab.test\r\n250-STARTTLS\r\n250 HELP\r\n"
GO = b"220 Go\r\n"
HELLO = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03" + bytes(range(32)) + b"\x00\x00\x02\x13\x01\x01\x00"
"""The least ClientHello: a random, no session, one suite, no compression (RFC 8446 §4.1.2)."""


class On(Vector):
    """Does the same to every line that holds a text."""

    def __init__(self, text, *actions):
        self._text, self._actions = text, actions

    def on_line(self, line):
        return self._actions if self._text in line.data else None


class Undecided(Later):
    """A decision that a test makes."""

    def __init__(self):
        self.actions, self.cancelled = None, False
        self._changed = lambda: None

    def decide(self, *actions):
        self.actions = actions
        self._changed()

    def settled(self, now):
        return (Pass(),) if now >= self.until else self.actions

    def watch(self, changed):
        self._changed = changed

    def cancel(self):
        self.cancelled = True


class Asking(Vector):
    """Leaves every line that holds a text undecided."""

    def __init__(self, text=b"", seconds=None):
        self._text, self._until, self.asked = text, seconds, []

    def on_line(self, line):
        if self._text not in line.data:
            return None
        self.asked.append(Undecided())
        if self._until:
            self.asked[-1].until = self._until
        return self.asked[-1]


def test_stripping_is_a_play_in_six_lines():
    play = Play(attacks.StripCapability())
    play.mail_says(GREETING)
    assert play.alice_receives() == GREETING
    play.alice_says(b"EHLO alice\r\n")
    assert play.mail_receives() == b"EHLO alice\r\n"
    play.mail_says(OFFER)
    assert play.alice_receives() == b"250-mail.lab.test\r\n250 HELP\r\n"
    assert [edit.removed for edit in play.edits] == [(b"250-STARTTLS\r\n",)]


class Seen(On):
    """Keeps the lines that it is shown."""

    def __init__(self, *how):
        super().__init__(*how)
        self.lines = []

    def on_line(self, line):
        self.lines.append(line)
        return super().on_line(line)


@pytest.mark.parametrize("end", (CLIENT, SERVER))
def test_behind_a_line_that_was_dropped_more_can_be_said_to_either_end_until_the_session_is_over(end):
    vector = Seen(b"EHLO", Drop())
    play = Play(vector)
    play.mail_says(GREETING)
    play.alice_says(b"EHLO alice\r\n")
    assert play.alice_receives() == GREETING and play.mail_receives() == b""
    play.passes(30)
    play.mallory_adds(vector.lines[-1], Inject(end, b"250 hello\r\n"))
    assert (play.alice_receives(), play.mail_receives()) == (
        (b"250 hello\r\n", b"") if end == CLIENT else (b"", b"250 hello\r\n")
    )
    assert [(one.before, one.back, one.after) for one in play.edits[1:]] == [
        (b"EHLO alice\r\n", *((b"250 hello\r\n", b"") if end == CLIENT else (b"", b"250 hello\r\n")))
    ]
    play.alice_says(b"MAIL FROM:<alice@lab.test>\r\n")
    assert play.mail_receives() == b"MAIL FROM:<alice@lab.test>\r\n"
    play.session.stop()
    play.mallory_adds(vector.lines[-1], Inject(end, b"too late\r\n"))
    assert play.alice_receives() == play.mail_receives() == b""


@given(st.lists(st.tuples(st.sampled_from((CLIENT, SERVER)), st.binary(min_size=1, max_size=80)), max_size=12))
def test_what_is_not_touched_arrives_byte_for_byte_in_whatever_pieces(said):
    play = Play(Vector())
    for end, data in said:
        (play.alice_says if end == CLIENT else play.mail_says)(data)
    play.alice_says(b"")
    play.mail_says(b"")
    assert play.mail_receives() == b"".join(data for end, data in said if end == CLIENT)
    assert play.alice_receives() == b"".join(data for end, data in said if end == SERVER)
    assert sorted(play.finished) == [CLIENT, SERVER] and play.end is HangUp


def test_nothing_is_read_before_the_server_is_reached():
    play = Play(Vector(), server=False)
    assert play.connecting and not play.session.wants(CLIENT) and not play.session.wants(SERVER)
    play.alice_says(b"EHLO x\r\n")  # it was on its way
    play.connected()
    assert play.mail_receives() == b"EHLO x\r\n" and play.session.wants(CLIENT) and play.session.wants(SERVER)


def test_a_server_that_cannot_be_reached_ends_the_session_with_its_reason():
    play = Play(Vector(), server=False)
    play.unreachable("Nothing listens on port 587 of mail")
    assert play.end is HangUp and play.session.problem == "Nothing listens on port 587 of mail"


def test_a_delay_holds_up_both_directions_and_nothing_sleeps():
    play = Play(On(b"EHLO", Delay(5), Pass()))
    play.mail_says(GREETING)
    play.alice_receives()
    play.alice_says(b"EHLO x\r\nNOOP\r\n")
    play.mail_says(b"421 bye\r\n")
    play.passes(4.9)
    assert play.mail_receives() == b"" and play.alice_receives() == b"" and not play.session.wants(CLIENT)
    play.passes(0.2)
    assert play.mail_receives() == b"EHLO x\r\nNOOP\r\n" and play.alice_receives() == b"421 bye\r\n"


def test_what_was_said_before_a_delay_goes_out_before_it():
    play = Play(On(b"EHLO", Answer(b"250-\r\n"), Delay(3), Inject(CLIENT, b"250 \r\n")))
    play.alice_says(b"EHLO x\r\n")
    assert play.alice_receives() == b"250-\r\n"
    play.passes(3)
    assert play.alice_receives() == b"250 \r\n"


def test_a_line_waits_for_its_decision_and_the_others_queue_behind_it():
    vector = Asking(b"MAIL")
    play = Play(vector)
    play.alice_says(b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")
    play.mail_says(GREETING)
    assert play.mail_receives() == b"EHLO x\r\n" and play.alice_receives() == b"" and not play.session.wants(CLIENT)
    play.passes(100)
    vector.asked[0].decide(Replace(b"MAIL FROM:<mallory@b>\r\n"))
    assert play.mail_receives() == b"MAIL FROM:<mallory@b>\r\nRCPT TO:<c@d>\r\n" and play.alice_receives() == GREETING
    assert [edit.title for edit in play.edits] == ["MAIL"]


def test_a_decision_that_never_comes_is_asked_for_when_its_time_is_up():
    play = Play(Asking(b"MAIL", seconds=1010.0))
    play.alice_says(b"MAIL FROM:<a@b>\r\n")
    play.passes(9.9)
    assert play.mail_receives() == b""
    play.passes(0.2)
    assert play.mail_receives() == b"MAIL FROM:<a@b>\r\n"


def test_a_session_that_ends_cancels_what_is_pending():
    vector = Asking(b"MAIL")
    play = Play(vector)
    play.alice_says(b"MAIL FROM:<a@b>\r\n")
    play.lost(SERVER)
    assert vector.asked[0].cancelled and play.end is Reset
    vector.asked[0].decide(Pass())
    assert play.mail_receives() == b""


@pytest.mark.parametrize("port", (443, 993, 143))
def test_the_server_is_spoken_to_before_the_victim_is_heard(port):
    class First(Vector):
        def on_open(self, opening):
            return Begin(b"a STARTTLS\r\n")

    play = Play(First(), 143)
    play.alice_says(HELLO)
    assert play.mail_receives() == b"" and not play.session.wants(CLIENT) and play.session.wants(SERVER)
    play.mail_says(b"* OK rea")
    play.mail_says(b"dy\r\n")
    assert play.mail_receives() == b"a STARTTLS\r\n"
    play.mail_says(b"a OK go\r\n")
    assert play.mail_receives() == HELLO and play.alice_receives() == b""
    play.mail_says(HELLO)
    assert play.alice_receives() == HELLO


@pytest.mark.parametrize("said", ((), (b"* OK ready\r\n",)))
def test_a_server_that_does_not_answer_first_words_is_not_waited_for_without_end(said):
    class First(Vector):
        def on_open(self, opening):
            return Begin(b"a NOOP\r\n")

    play = Play(First(), 143)
    for data in said:
        play.mail_says(data)
    play.passes(CONNECT_LIMIT)
    assert play.end is Reset and play.session.problem == "the server gave no answer"


def test_closing_comes_behind_what_was_said_and_both_ends_may_still_finish():
    play = Play(On(b"EHLO", Close(), Answer(b"421 gone\r\n")))
    play.alice_says(b"EHLO x\r\nNOOP\r\n")
    assert play.alice_receives() == b"421 gone\r\n" and play.mail_receives() == b"" and play.end is None
    assert sorted(play.finished) == [CLIENT, SERVER]
    play.alice_says(b"QUIT\r\n")
    assert play.mail_receives() == b""
    play.alice_says(b"")
    play.mail_says(b"")
    assert play.end is HangUp


def test_a_closed_session_does_not_wait_for_ends_that_stay():
    play = Play(On(b"EHLO", Close()))
    play.alice_says(b"EHLO x\r\n")
    play.passes(6)
    assert play.end is HangUp


def test_what_a_victim_says_behind_the_end_is_read_and_goes_no_further():
    play = Play(attacks.BreakHandshake())
    play.alice_says(b"STARTTLS\r\n")
    play.mail_says(GREETING + GO)
    play.alice_says(HELLO)
    play.mail_receives()
    play.alice_says(b"AUTH PLAIN AGFsaWNlAGh1bnRlcjI=\r\n")
    assert play.mail_receives() == b""
    assert play.session.legs[0].wire.stream(CLIENT).endswith(b"AUTH PLAIN AGFsaWNlAGh1bnRlcjI=\r\n")


def test_a_broken_off_connection_says_what_was_decided_first():
    play = Play(On(b"EHLO", Answer(b"421 gone\r\n"), Close(reset=True)))
    play.alice_says(b"EHLO x\r\n")
    assert play.alice_receives() == b"421 gone\r\n" and play.end is Reset
    assert play.session.problem == "the attacker broke the connection off"


def test_a_connection_that_is_refused_at_the_door_never_reaches_the_server():
    play = Play(attacks.BlockImplicit(), 465)
    assert not play.connecting and play.end is Reset


def test_silence_has_an_end_and_speech_puts_it_off():
    play = Play(Vector())
    play.passes(IDLE_LIMIT - 1)
    play.mail_says(GREETING)
    play.passes(IDLE_LIMIT - 1)
    assert play.end is None
    play.passes(2)
    assert play.end is HangUp


def test_a_victim_that_breaks_off_is_not_waited_for_but_what_it_said_reaches_the_server():
    play = Play(Vector())
    play.alice_says(b"EHLO x\r\nMAI")
    play.lost(CLIENT)
    assert play.mail_receives() == b"EHLO x\r\n" and SERVER in play.finished and play.end is None
    play.mail_says(b"250 late\r\n")
    assert play.alice_receives() == b""
    play.passes(6)
    assert play.end is HangUp


def test_a_phrase_that_was_not_finished_is_shown_and_passed_on():
    seen = []

    class Watching(Vector):
        def on_line(self, line):
            seen.append((line.kind, line.title, line.data))

    play = Play(Watching())
    play.alice_says(b"MAIL FROM")
    play.alice_says(b"")
    assert seen == [("unknown", "unfinished", b"MAIL FROM")] and play.mail_receives() == b"MAIL FROM"
    assert play.finished == [SERVER]


def test_behind_the_go_ahead_records_are_shown_and_no_lines():
    seen = []

    class Watching(Vector):
        def on_line(self, line):
            seen.append(line.title)

        def on_record(self, record):
            seen.append(record.kind)
            return Replace(record.data[:-1] + b"!") if record.sender == CLIENT else None

    play = Play(Watching())
    play.mail_says(GREETING)
    play.alice_says(b"STARTTLS\r\n")
    play.mail_says(GO)
    play.mail_receives()
    play.alice_says(HELLO[:4])
    assert play.mail_receives() == b""
    play.alice_says(HELLO[4:])
    assert play.mail_receives() == HELLO[:-1] + b"!" and seen == ["220", "STARTTLS", "220", 22]


def test_the_attackers_own_tls_is_a_play_too():
    seen = []

    class Reading(attacks.FullInterception):
        def on_line(self, line):
            seen.append((line.inside, line.title))
            return super().on_line(line)

    play = Play(Reading())
    alice = Peer(client_context(AUTHORITY, verify=False))
    mail = Peer(server_context(AUTHORITY.certificate()), server_side=True)
    play.mail_says(GREETING)
    play.alice_says(b"STARTTLS\r\n")
    play.mail_says(GO)
    assert play.alice_receives() == GREETING + GO
    upgrade, her_hello = play.mail_receives().split(b"\r\n", 1)
    assert upgrade == b"STARTTLS"
    play.mail_says(mail.shakes(her_hello))
    play.alice_says(alice.shakes())
    play.alice_says(alice.shakes(play.alice_receives()))
    play.alice_says(alice.says(b"AUTH PLAIN AGFsaWNlAGh1bnRlcjI=\r\n"))
    assert mail.receives(play.mail_receives()) == b"AUTH PLAIN AGFsaWNlAGh1bnRlcjI=\r\n"
    assert seen[-1] == (True, "AUTH")


def test_a_victim_that_refuses_the_certificate_ends_the_session_with_the_reason():
    play = Play(attacks.UnknownRoot())
    alice = Peer(client_context(AUTHORITY, verify=True))
    play.alice_says(b"STARTTLS\r\n")
    play.mail_says(GREETING + GO)
    play.alice_receives()
    play.alice_says(alice.shakes())
    with pytest.raises(ssl.SSLCertVerificationError):
        alice.shakes(play.alice_receives())
    play.alice_says(alice._outgoing.read())
    assert play.session.problem == "TLS with the victim failed: tlsv1 alert unknown ca"
    assert CLIENT in play.finished and SERVER in play.finished


@pytest.mark.parametrize("held", (False, True))
def test_a_mistake_ends_the_session_with_the_line_and_the_reason(held):
    class Mistaken(Later):
        def settled(self, now):
            return 1 / 0

        def watch(self, changed):
            changed()

    class Wrong(Vector):
        def on_line(self, line):
            return Mistaken() if held else 1 / 0

    play = Play(Wrong())
    play.alice_says(b"EHLO x\r\n")
    assert "Wrong failed in on_line on the line b'EHLO x" in str(play.session.failure)
    assert "ZeroDivisionError" in play.session.problem and play.mail_receives() == b""
    assert sorted(play.finished) == [CLIENT, SERVER]


def test_a_certificate_that_does_not_exist_ends_the_session_with_a_sentence():
    play = Play(On(b"STARTTLS", TakeOverTLS("of gold")))
    play.alice_says(b"STARTTLS\r\n")
    assert "of gold" in play.session.problem and play.end is Reset


@given(st.data())
def test_whatever_happens_in_whatever_order_a_session_ends_and_says_why_or_nothing(data):
    """Events of every kind in any order, for any vector: nothing is raised, and silence always ends it."""
    vector = data.draw(st.sampled_from(attacks.catalogue.on_conversations(attacks.ALL)))()
    port = data.draw(st.sampled_from([one.explicit_ports[0] for one in ALL if vector.applies_to(one)]))
    play = Play(vector, port, server=False)
    said = st.sampled_from(
        (GREETING, OFFER, GO, b"STARTTLS\r\n", b"EHLO x\r\n", b"a1 STARTTLS\r\n", HELLO, b"", b"\xff")
    )
    steps = st.lists(st.tuples(st.sampled_from("acmlpt"), said), max_size=12)
    for what, text in data.draw(steps):
        if play.end:
            break
        match what:
            case "c" if play.connecting:
                play.connecting = False
                play.connected()
            case "a":
                play.alice_says(text)
            case "m" if len(play.session.legs) == 2:
                play.mail_says(text)
            case "l":
                play.lost(SERVER if text else CLIENT)
            case "p":
                play.passes(1)
    play.passes(3 * IDLE_LIMIT)
    assert play.end is not None and play.session.wake_at == float("inf")


# ---- what a vector's class may have


@pytest.mark.parametrize(
    ("body", "name"),
    (
        ({"dialects": ("IMAP",)}, "dialects"),
        ({"protocol": "SMTP"}, "protocol"),
        ({"mark": ("X",)}, "mark"),
        ({"on_lines": lambda self, line: None}, "on_lines"),
    ),
)
def test_an_attribute_that_means_nothing_is_refused_when_the_class_is_made(body, name):
    with pytest.raises(LabError, match=rf"Misspelt\.{name} (means nothing|is never called).*(protocols|on_line)"):
        type("Misspelt", (Vector,), body)


@pytest.mark.parametrize(
    ("attribute", "value", "says"),
    (
        ("protocols", ("GOPHER",), "names 'GOPHER': there are .*SMTP"),
        ("protocols", ("smtp",), "names 'smtp': there are .*SMTP"),
        ("protocols", "SMTP", r"write \('SMTP',\)"),
        ("needs", ("oldr",), "names 'oldr': there are .*older"),
        ("needs", "older", r"write \('older',\)"),
        ("marks", "X-MALLORY", r"write \('X-MALLORY',\)"),
        ("marks", ["X"], r"is a tuple of texts, not \['X'\]"),
        ("marks", (1,), "is a tuple of texts"),
        ("injects", "yes", "is True or False, not 'yes'"),
        ("facade", True, "is a whole number, not True"),
        ("server", ("quirks",), "is a dictionary"),
        ("server", {"quirk": ("keeps the buffer",)}, "means nothing.*no setting 'quirk'"),
        ("server", {"auth": "sometimes"}, "means nothing.*auth cannot be 'sometimes'"),
        ("id", 5, "is a text, not 5"),
        ("on_line", "STARTTLS", "is a method, not 'STARTTLS'"),
    ),
)
def test_a_value_that_means_nothing_is_refused_when_the_class_is_made(attribute, value, says):
    with pytest.raises(LabError, match=rf"Misspelt\.{attribute} .*{says}"):
        type("Misspelt", (Vector,), {attribute: value})


@pytest.mark.parametrize(
    ("body", "says"),
    (
        ({"protocols": ("SMTP",)}, "protocols means nothing: .* id, source"),
        ({"on_line": lambda self, line: None}, "on_line is never called: .* on_answer, on_proof, on_policy"),
        ({"id": 5}, "id is a text, not 5"),
    ),
)
def test_so_is_one_of_an_attack_on_what_a_domain_publishes(body, says):
    with pytest.raises(LabError, match=rf"Misspelt\.{says}"):
        type("Misspelt", (attacks.HideTLSA,), body)


def test_what_a_vector_may_have_is_not_refused():
    class Fine(Vector):
        """Has all of it."""

        protocols = ("SMTP",)
        words: str = "of its own"
        _private = 3

        def __init__(self, number=1):
            self.number = number

        @property
        def double(self):
            return 2 * self.number

        @staticmethod
        def helper():
            return Drop()

    class Derived(Fine):
        words = "changed"
        id = "Z1"

    assert Derived().words == "changed" and Derived(2).double == 4


def test_no_thread_is_started_for_a_play():
    before = {*threading.enumerate()}
    for _ in range(50):
        Play(attacks.StripCapability()).mail_says(GREETING)
    assert {*threading.enumerate()} <= before
