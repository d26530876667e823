"""Wrong answers to lesson 08 are told what is wrong with them; right ones pass."""

import pytest

from labkit import Lab, attacks, check, policies


def _attack(vector, policy, visits=True):
    with Lab() as lab:
        mail = lab.smtp(auth="always")
        with lab.mallory(vector) as attack:
            if visits:
                lab.send(mail, "The PIN is 4921", login=("alice", "hunter2"), policy=policy)
    return attack


def test_a_client_survives_by_stopping():
    refuse = attacks.RefuseUpgrade
    assert "right" in check("08.3", _attack(refuse(), policies.mandatory)).text
    assert "She read the password" in check("08.3", _attack(refuse(), policies.opportunistic)).text
    assert "the question is about" in check("08.3", _attack(attacks.StripCapability(), policies.mandatory)).text
    assert "Nobody came by" in check("08.3", _attack(refuse(), policies.mandatory, visits=False)).text
    assert "The answer is the attack" in (told := check("08.3", "stopped").text)
    assert "not 'stopped'." in told


class Excuse(attacks.Vector):
    """Says what it was told to say."""

    reply = b"454 4.7.0 TLS not available\r\n"

    def on_line(self, line):
        return attacks.Answer(self.reply) if line.title == "STARTTLS" else None


class Lazy(attacks.Vector):
    """Lets everything pass."""


class Eager(attacks.Vector):
    """Answers everything."""

    def on_line(self, line):
        return attacks.Answer(b"454 4.7.0 TLS not available\r\n")


class Deaf(Excuse):
    """Drops the command instead of answering it."""

    def on_line(self, line):
        return attacks.Drop() if line.title == "STARTTLS" else None


def _passing(self, line):
    return (attacks.Answer(self.reply),) if line.title == "STARTTLS" else attacks.Pass()


def _offers(side):
    return any("250-STARTTLS" in event.text for event in side.dialogue.events)


@pytest.mark.parametrize(
    ("number", "answer", "told"),
    [
        ("08.1", "250-STARTTLS", "right"),
        ("08.1", "STARTTLS", "reply code in front"),
        ("08.1", b"250-STARTTLS", "text in quotes"),
        ("08.1", "250-SIZE", "It is not"),
        ("08.2", 'ABCD1 LOGIN bob "swordfish"', "right"),
        ("08.2", "swordfish", "That is the password"),
        ("08.2", "AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", "alice's login"),
        ("08.2", "bob", "Look for the item"),
        ("08.2", 4921, "a line of text"),
        ("08.4", Excuse, "right"),
        ("08.4", Excuse(), "right"),
        ("08.4", Lazy, "lets `STARTTLS` pass"),
        ("08.4", Eager, "should pass"),
        ("08.4", Deaf, "attacks.Answer"),
        ("08.4", type("Short", (Excuse,), {"reply": Excuse.reply.rstrip()}), "but for its end"),
        ("08.4", "454", "a class"),
        ("08.4", type("Passing", (Excuse,), {"on_line": _passing}), "right"),
        ("08.4", type("Wordy", (Excuse,), {"reply": "454 4.7.0 TLS not available\r\n"}), "put a `b`"),
        ("08.4", type("Broken", (Excuse,), {"on_line": lambda self, line: 1 / 0}), "on the line '220 mail.lab.test"),
        ("08.5", lambda victim, server: _offers(server) and not _offers(victim), "right"),
        ("08.5", lambda victim, server: True, "only listened"),
        ("08.5", lambda victim, server: not _offers(victim), "never offered"),
        ("08.5", lambda victim, server: False, "was removed"),
        ("08.5", lambda victim, server: _offers(server) and not victim.dialogue.session, "did not want TLS"),
    ],
)
def test_what_is_said_of_an_answer(number, answer, told):
    assert told in check(number, answer).text
