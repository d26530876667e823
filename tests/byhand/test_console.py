"""You are Mallory: with a person who clicks, and without one."""

import re
import subprocess
import sys
import threading

import ipywidgets
import nbformat
import pytest
from kernels import client
from leaks import left, what_is_open

from labkit import Lab, attacks, policies, you_are_mallory
from labkit.errors import LabError
from labkit.exercises import grade, lessons
from labkit.exercises.missions import password_read

PATIENCE = 30
LOGIN = ("alice", "hunter2")


@pytest.fixture
def lab():
    before = set(threading.enumerate())
    with Lab(network="loopback", capture="tap") as lab:
        yield lab
    assert set(threading.enumerate()) <= before


# ---- without a person


def test_without_a_person_who_can_click_the_script_decides_and_all_is_over_at_once(lab):
    mail = lab.smtp(auth="always")
    before = what_is_open()
    console = you_are_mallory(lab).run(lab.send, mail, "The PIN is 4921", login=LOGIN)
    assert console.outcome.password == "clear text" and console.verdict.outcome == "leaked"
    assert "password" in console.loot.secrets
    assert [edit.removed for edit in console.edits] == [(b"250-STARTTLS\r\n",)]
    assert len(console.sides.differences) == 1
    assert "so StripCapability decided" in repr(console) and "≠ removed “250-STARTTLS”" in repr(console)
    assert not left(before)


def test_the_same_script_serves_imap(lab):
    console = you_are_mallory(lab, script=attacks.LureIntoLogin()).run(lab.fetch, lab.imap(auth="after TLS"))
    assert console.verdict.outcome == "leaked" and "password" in console.verdict.secrets


def test_another_script_decides_another_end(lab):
    console = you_are_mallory(lab, script=attacks.RefuseUpgrade())
    console.run(lab.send, lab.smtp(), "Hi", policy=policies.mandatory)
    assert console.verdict.outcome == "stopped" and "502" in console.outcome.why


def test_a_script_may_look_at_tls_and_at_connections_too(lab):
    console = you_are_mallory(lab, script=attacks.BreakHandshake()).run(lab.send, lab.smtp(), "Hi")
    assert console.outcome.done is False and console.edits


def test_a_second_run_is_an_attack_of_its_own(lab):
    mail = lab.smtp(auth="always")
    console = you_are_mallory(lab)
    assert console.run(lab.send, mail, "one", login=LOGIN).verdict.outcome == "leaked"
    assert console.run(lab.send, mail, "two", login=LOGIN, policy=policies.verified).verdict.outcome == "stopped"
    assert "message" not in {item.what for item in console.loot}


def test_a_victim_that_cannot_even_begin_says_so_and_leaves_no_attacker_on_the_path(lab):
    mail = lab.smtp()
    console = you_are_mallory(lab)
    with pytest.raises(TypeError, match="text"):
        console.run(lab.send, mail)
    with pytest.raises(LabError, match="login"):
        console.run(lab.send, mail, "Hi", login="alice")
    assert not lab.mallory.attack.under_way and lab.send(mail, "Hi")


def test_an_interrupt_ends_the_attack(lab):
    def interrupted():
        raise KeyboardInterrupt

    lab.smtp()
    with pytest.raises(KeyboardInterrupt):
        you_are_mallory(lab).run(interrupted)
    assert not lab.mallory.attack.under_way and not lab.network.interceptions


def test_before_a_victim_came_by_and_without_a_server_a_sentence_says_what_to_do(lab):
    console = you_are_mallory(lab)
    assert "console.run(lab.send, mail" in repr(console) and "console.run" in console._repr_html_()
    for result in ("outcome", "verdict", "loot", "edits", "sides"):
        with pytest.raises(LabError, match="Nobody has come by yet"):
            getattr(console, result)
    with pytest.raises(LabError, match="start a server first"):
        console.run(lab.send, None, "Hi")


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"seconds": 1000}, {"script": "drop STARTTLS"}])
def test_a_console_of_no_use_is_refused(lab, wrong):
    with pytest.raises(LabError):
        you_are_mallory(lab, **wrong)


NOTEBOOK = (
    "from labkit import Lab, you_are_mallory\nlab = Lab()\nmail = lab.smtp(auth='always')",
    "console = you_are_mallory(lab)\nconsole",
    "console.run(lab.send, mail, 'The PIN is 4921', login=('alice', 'hunter2'))",
    "console.verdict",
    "lab.close()",
)


def test_a_notebook_that_is_run_from_top_to_bottom_shows_what_the_script_did_and_no_widget():
    cells = [nbformat.v4.new_code_cell(source) for source in NOTEBOOK]
    notebook = client(nbformat.v4.new_notebook(cells=cells), PATIENCE).execute()
    first, ran, verdict = (notebook.cells[at].outputs[0].data for at in (1, 2, 3))
    assert set(first) == set(ran) == {"text/html", "text/plain"}
    assert "so StripCapability decided" in ran["text/html"] and "leaked (password" in ran["text/html"]
    assert verdict["text/plain"].startswith("leaked (password")


# ---- with a person


class Person:
    """Sees the widgets of a console, and clicks."""

    def __init__(self, console):
        self.console = console
        self.box = console._desk.box

    def _widgets(self, within=None):
        for child in (within or self.box).children:
            yield child
            if isinstance(child, ipywidgets.Box):
                yield from self._widgets(child)

    def named(self, description):
        return next(one for one in self._widgets() if getattr(one, "description", "").startswith(description))

    def reads(self):
        html = " ".join(one.value for one in self._widgets() if isinstance(one, ipywidgets.HTML))
        return re.sub(r"<style>.*?</style>|<[^>]+>", " ", html)

    def until(self, words):
        """Wait until these words are to be read."""
        changed = threading.Event()
        parts = [one for one in self._widgets() if isinstance(one, ipywidgets.HTML)]
        for part in parts:
            part.observe(lambda _: changed.set(), "value")
        while words not in self.reads():
            assert changed.wait(PATIENCE), self.reads()
            changed.clear()
        for part in parts:
            part.unobserve_all("value")

    def writes(self, text, field, *words):
        """Write into a field; what a browser does with its links is done here."""
        for one in (field, *words):
            self.named(one).set_trait("value" if one == field else "written", text)

    def click(self, word):
        self.named(word).click()


@pytest.fixture
def at_the_notebook(monkeypatch):
    """A person sits in front of the notebook."""
    monkeypatch.setattr("labkit.byhand.console.attended", lambda: True)
    monkeypatch.setattr("labkit.byhand.console.when_hurried", lambda then: None)


@pytest.fixture
def person(lab, at_the_notebook):
    mail = lab.smtp(auth="always")
    seen = Person(you_are_mallory(lab, seconds=PATIENCE).run(lab.send, mail, "The PIN is 4921", login=LOGIN))
    seen.until("mail → alice, greeting 220")
    return seen


def test_results_are_not_there_before_the_end_and_say_so(person):
    for result in ("outcome", "verdict", "loot", "edits", "sides"):
        seen = getattr(person.console, result)
        assert "Still under way. Held: mail → alice, greeting 220" in repr(seen) and not seen
    with pytest.raises(LabError, match=r"There is no ladder yet\. Still under way"):
        _ = person.console.sides.ladder
    person.click("End the attack")
    person.until("alice says")
    assert person.console.verdict.outcome in ("unharmed", "stopped", "broken")


@pytest.mark.parametrize("network", ("loopback", "auto"))
def test_when_the_attack_is_ended_a_victim_may_finish(at_the_notebook, network):
    with Lab(network) as lab:
        console = you_are_mallory(lab).run(lab.send, lab.smtp(auth="always"), "Hi", login=LOGIN, policy=policies.none)
        person = Person(console)
        person.until("mail → alice, greeting 220")
        person.click("End the attack")
        person.until("alice says: Sent")
        assert console.outcome.done and not lab.network.interceptions


def test_a_victim_has_the_patience_that_a_person_needs(lab, at_the_notebook):
    lab.smtp()
    given = {}
    you_are_mallory(lab).run(lambda timeout=5: given.update(timeout=timeout)).outcome  # noqa: B018
    assert given == {"timeout": 600}
    you_are_mallory(lab).run(lambda timeout=5: given.update(timeout=timeout), timeout=7).outcome  # noqa: B018
    assert given == {"timeout": 7}


def test_an_edit_a_line_of_ones_own_and_a_drop_do_what_they_say(person):
    person.click("Pass it on")
    person.until("alice → mail, command EHLO")
    person.click("Pass it on")
    person.until("mail → alice, reply 250")
    person.click("Pass it on")
    person.until("alice → mail, command STARTTLS")
    person.click("Say it to alice")
    person.until("Write a line of your own first.")
    person.writes("454 4.7.0 Not today", "A line of your own", "Say it to alice", "Say it to mail")
    person.click("Say it to alice")
    person.until("alice will be told: “454 4.7.0 Not today”")
    person.click("Drop it")
    person.until("alice → mail, command AUTH")
    assert person.named("The line").value == "AUTH PLAIN AGFsaWNlAGh1bnRlcjI="
    person.writes("QUIT", "The line", "Send what I wrote")
    person.click("Send what I wrote")
    person.until("mail → alice, reply 221")
    person.click("Pass all from now on")
    person.until("alice says")
    assert person.console.outcome.done is False
    changes = [(edit.title, edit.after, edit.back) for edit in person.console.edits]
    assert changes == [("STARTTLS", b"", b"454 4.7.0 Not today\r\n"), ("AUTH", b"QUIT\r\n", b"")]


def test_a_text_that_was_not_changed_goes_on_as_it_came(person):
    person.writes(person.named("The line").value, "The line", "Send what I wrote")
    person.click("Send what I wrote")
    person.until("alice → mail, command EHLO")
    person.click("Pass all from now on")
    person.until("alice says")
    assert not person.console.edits and person.console.verdict.outcome == "unharmed"


def test_two_victims_are_on_one_console(lab, at_the_notebook):
    mail = lab.smtp(auth="always")
    console = you_are_mallory(lab, seconds=PATIENCE)
    console.run(lab.send, mail, "one", policy=policies.none)
    console.run(lab.send, mail, "two", policy=policies.none)
    person = Person(console)
    person.until("Behind it: 1 more.")
    person.click("Pass all from now on")
    person.until("alice says")
    assert sorted(item.value for item in console.loot if item.what == "message") == ["one", "two"]


def test_a_line_that_passed_by_itself_takes_no_click_with_it(lab, at_the_notebook):
    console = you_are_mallory(lab, seconds=0.5).run(lab.send, lab.smtp(), "Hi", policy=policies.none)
    person = Person(console)
    person.until("alice → mail, command EHLO")
    person.click("Drop it")
    person.until("The line before had just passed by itself.")
    person.click("Pass all from now on")
    person.until("alice says")
    assert console.outcome.done and not console.edits


def test_a_victim_that_fails_is_shown_and_raised_when_its_outcome_is_read(lab, at_the_notebook):
    console = you_are_mallory(lab).run(lab.send, lab.smtp(), "Hi", login="alice")
    person = Person(console)
    person.until("alice says: LabError(")
    with pytest.raises(LabError, match="A login is a pair"):
        _ = console.outcome


def test_a_person_who_goes_on_at_once_leaves_it_to_the_script(lab, at_the_notebook, monkeypatch):
    hurried = []
    monkeypatch.setattr("labkit.byhand.console.when_hurried", hurried.append)
    console = you_are_mallory(lab).run(lab.send, lab.smtp(auth="always"), "The PIN is 4921", login=LOGIN)
    hurried[0]()
    assert console.verdict.outcome == "leaked" and console.outcome.done
    assert "before the next cell began, so StripCapability decided" in repr(console)


def test_a_person_who_has_decided_something_is_not_in_a_hurry(person):
    person.click("Pass it on")
    person.until("alice → mail, command EHLO")
    person.console.let_script_decide("Too early")
    assert not person.console.verdict
    person.click("End the attack")


def test_the_solution_of_a_mission_is_right_also_where_a_person_checks_it_in_the_same_cell(lab, at_the_notebook):
    names = {"lab": lab, "mail": lab.smtp(auth="always"), "attacks": attacks, "you_are_mallory": you_are_mallory}
    names |= {"pin": "The PIN is 4921", "alice": LOGIN, "friendly": policies.opportunistic}
    for number, name in (("08.6", "read"), ("08.7", "refused"), ("08.8", "kept")):
        exec(lessons.exercise(number).solution, names)
        assert grade(number, names[name]).points == 1, names[name]


def test_a_mission_that_waits_for_a_person_says_so_and_goes_on_waiting(person):
    assert "Then check it in a cell of its own." in password_read(person.console)
    assert person.console._encounter.held_up


def test_a_new_attack_and_the_end_of_the_lab_let_go_of_what_is_held(lab, person):
    with lab.mallory(attacks.Vector()):
        assert person.console.verdict.outcome
    console = person.console.run(lab.send, next(iter(lab.servers.values())), "Hi")
    person.until("Held: mail → alice, greeting 220")
    lab.close()
    assert console.verdict.outcome and "the attack was over" in repr(console)


def test_a_process_that_ends_with_a_line_held_ends_at_once():
    program = """
from unittest.mock import patch
from labkit import Lab, you_are_mallory
patch("labkit.byhand.console.attended", lambda: True).start()
patch("labkit.byhand.console.when_hurried", lambda then: None).start()
lab = Lab(network="loopback", capture="tap")
console = you_are_mallory(lab, seconds=60).run(lab.send, lab.smtp(), "Hi")
while not console._encounter.byhand.waiting:
    console._encounter.byhand.news.wait(1)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_button_that_does_nothing_now_says_so_and_keeps_the_focus_of_the_keyboard(person):
    words = ("Pass it on", "Send what I wrote", "Drop it", "More time", "Say it to")
    person.until("Held: ")
    person.click("Drop it")
    person.until("Nothing is held")
    assert not [word for word in words if person.named(word).disabled]
    person.click("Pass it on")
    person.until("Nothing is held right now.")
    person.click("End the attack")


def test_behind_a_line_that_was_dropped_one_can_still_speak(person):
    person.click("Drop it")
    person.until("You dropped the last line, so alice waits for an answer, for up to 600 s from then")
    person.writes("220 mallory at your service", "A line of your own", "Say it to alice", "Say it to mail")
    person.click("Say it to alice")
    person.until("alice → mail, command EHLO")
    person.until("alice was told: “220 mallory at your service”")
    person.click("Pass all from now on")
    person.until("alice says")
    said = [(edit.title, edit.before[:4], edit.after) for edit in person.console.edits]
    assert said == [("220", b"220 ", b""), ("220", b"220 ", b"220 mallory at your service\r\n")]
    greeting = person.console.sides.differences[0]
    assert "mallory at your service" in greeting.left.text and person.console.outcome.done
