"""Answers to lesson 08."""

from lesson_captures import Later, attacked, attacked_reader, looked_at, outcome

from labkit import Lab, attacks, policies, you_are_mallory
from labkit.exercises import given

SIDES = Later(given, "08.1")


def _gone():
    victim, server = (
        next(event.text for event in side.dialogue.events if event.title == "250").splitlines() for side in SIDES()
    )
    return next(line for line in server if line not in victim)


def _stolen(**how):
    return Later(attacked_reader, attacks.StripCapability(), **how)


def _refused(**how):
    return Later(attacked, attacks.RefuseUpgrade(), **how)


def _by_hand():
    """An attack on alice's mail and on bob's program, which fetches it."""
    with Lab(network="loopback") as lab:
        mail, imap = lab.smtp(auth="always"), lab.imap(auth="always")
        with lab.mallory(attacks.StripCapability()) as attack:
            lab.send(mail, "The PIN is 4921")
            lab.fetch(imap)
        looked_at(attack)
    return attack


def _by_a_program(password):
    """An attack on a program of bob's that is not the lab's: it logs in with two lines."""
    with Lab(network="loopback") as lab:
        imap = lab.imap(auth="always")
        with (
            lab.mallory(attacks.StripCapability(), at=imap) as attack,
            lab.alice.connect("mail", imap.port) as wire,
            wire.makefile("rb") as replies,
        ):
            for said in (b"a CAPABILITY\r\n", f"b LOGIN bob {password}\r\n".encode(), b"c LOGOUT\r\n"):
                wire.sendall(said)
                while (line := replies.readline()) and not line.startswith(said[:1]):
                    pass
        looked_at(attack)
    return attack


EXCUSE = b"454 4.7.0 TLS not available\r\n"


class Excuse(attacks.Vector):
    """Answers STARTTLS as the exercise asks."""

    def on_line(self, line):
        return attacks.Answer(EXCUSE) if line.title == "STARTTLS" else None


def excuse(on_line):
    """A vector with another `on_line`."""
    return type("Other", (Excuse,), {"on_line": on_line})


def saying(reply):
    """A vector that answers STARTTLS with this reply."""
    return excuse(lambda self, line: attacks.Answer(reply) if line.title == "STARTTLS" else None)


def _hanging(self, line):
    while True:
        pass


def _offers(side):
    said = [event.text for event in side.dialogue.events if event.sender == "server" and not event.encrypted]
    return any(line[:3] == "250" and line[4:] == "STARTTLS" for text in said for line in text.splitlines())


def _with_a_hyphen(side):
    return any("250-STARTTLS" in event.text for event in side.dialogue.events if event.sender == "server")


def _anywhere(side):
    return any("250-STARTTLS" in event.text for event in side.dialogue.events)


def _upgraded(side):
    return side.dialogue.session is not None


def _wants(side):
    """Whether the client asked for TLS, or none was offered: right for the cases of the exercise, wrong in general."""
    return not _offers(side) or any(event.title == "STARTTLS" for event in side.dialogue.events)


def _tagged(self, line):
    return (attacks.Answer(EXCUSE),) if line.title == "STARTTLS" else attacks.Pass()


def _played(script, policy=policies.opportunistic):
    """The console of an attack in which a script decided about each line."""
    with Lab(network="loopback") as lab:
        console = you_are_mallory(lab, script=script)
        console.run(lab.send, lab.smtp(auth="always"), "The PIN is 4921", login=("alice", "hunter2"), policy=policy)
        looked_at(console.attack)
    return console


def _never_played():
    with Lab(network="loopback") as lab:
        return you_are_mallory(lab)


def played(*how, **more):
    return Later(_played, *how, **more)


class Strip(attacks.StripCapability):
    """A student's own subclass."""


class Swallow(Strip):
    """Keeps the mail from the server, and answers it with these replies."""

    def __init__(self, *said):
        self.said = said

    def on_line(self, line):
        if line.title == "DATA":
            return attacks.Answer(b"354 Go on\r\n")
        if line.kind == "message":
            return tuple(attacks.Answer(each) for each in self.said) or attacks.Pass()
        return super().on_line(line)


class Emptied(Strip):
    """Replaces the mail with another one."""

    def on_line(self, line):
        return attacks.Replace(b"Subject: nothing\r\n\r\n.\r\n") if line.kind == "message" else super().on_line(line)


KEPT = Swallow(b"250 2.0.0 Ok\r\n")

WRONG = [
    ("08.1", "the first attack of the lesson", "STARTTLS", SIDES),
    ("08.1", "Both sides have that line", "250-STARTTLS", SIDES),
    ("08.1", "has a reply code in front", Later(lambda: _gone()[4:]), SIDES),
    ("08.1", "line by line", "250-TURN", SIDES),
    ("08.1", "text in quotes", 250, SIDES),
    ("08.1", "the pair of captures", "250-SIZE", Later(lambda: SIDES()[0])),
    ("08.2", "the attack itself", 'ABCD1 LOGIN bob "swordfish"'),
    ("08.2", "the attack itself", "swordfish"),
    ("08.2", "the attack itself", outcome),
    ("08.2", "the question is about IMAP", Later(attacked, attacks.StripCapability())),
    ("08.2", "the question is about `attacks.StripCapability()`", Later(attacked_reader, attacks.RefuseUpgrade())),
    ("08.2", "She read no password. The verdict is: stopped", _stolen(policy=policies.mandatory)),
    ("08.2", "She has read something, but not bob's password", _stolen(login=("alice", "hunter2"))),
    ("08.2", "never wanted TLS", _stolen(policy=policies.none)),
    ("08.2", "the server refused it", _stolen(login=("bob", "hunter2"))),
    ("08.2", "the server refused it", Later(_by_a_program, "hunter2")),
    ("08.2", "No client came by", Later(attacked, attacks.StripCapability(), visits=False)),
    ("08.2", "The verdict is: stopped", _stolen(server={"auth": "after TLS"})),
    ("08.3", "She read the password", _refused(policy=policies.opportunistic)),
    ("08.3", "She never got to refuse", _refused(policy=policies.none)),
    ("08.3", "the question is about", Later(attacked, attacks.StripCapability(), policies.mandatory)),
    ("08.3", "No client came by", _refused(policy=policies.mandatory, visits=False)),
    ("08.3", "the attack itself", "stopped"),
    ("08.3", "the attack itself", Later(lambda: _refused(policy=policies.mandatory)().verdict)),
    ("08.3", "She read the message", _refused(login=None)),
    ("08.4", "put a `return` in front", excuse(lambda self, line: None)),
    ("08.4", "should pass", excuse(lambda self, line: attacks.Answer(EXCUSE))),
    (
        "08.4",
        "should pass",
        excuse(lambda self, line: attacks.Answer(EXCUSE) if "STARTTLS" in line.text else None),
    ),
    ("08.4", "attacks.Answer", excuse(lambda self, line: attacks.Drop() if line.title == "STARTTLS" else None)),
    ("08.4", "but for its end", saying(EXCUSE.rstrip())),
    ("08.4", "put a `b`", saying("454 4.7.0 TLS not available\r\n")),
    ("08.4", "a class", "454"),
    ("08.4", "a class", _offers),
    ("08.4", "stops with ZeroDivisionError", excuse(lambda self, line: 1 / 0)),
    ("08.4", "a loop that never ends", excuse(_hanging)),
    ("08.4", "it should answer", saying(b"502 no\r\n")),
    ("08.5", "only listened", lambda victim, server: True),
    ("08.5", "never offered", lambda victim, server: not _offers(victim)),
    ("08.5", "was removed", lambda victim, server: False),
    ("08.5", "did not want TLS", lambda victim, server: _offers(server) and not victim.dialogue.session),
    ("08.5", "speaks of 250-STARTTLS", lambda victim, server: _anywhere(server) and not _anywhere(victim)),
    ("08.5", "refused it later", lambda victim, server: _offers(server) and not _upgraded(victim) and _wants(victim)),
    ("08.5", "the last line of the list", lambda victim, server: _with_a_hyphen(server) and not _with_a_hyphen(victim)),
    ("08.5", "a function", {"stripped": True}),
    ("08.5", "returns nothing", lambda victim, server: print(end="")),
    ("08.6", "the console on which you have won", "hunter2"),
    ("08.6", "the console on which you have won", Later(lambda: _played(Strip()).verdict)),
    ("08.6", "The lab's own script has decided", played(attacks.StripCapability())),
    ("08.6", "The verdict is: stopped", played(Strip(), policies.mandatory)),
    ("08.6", "You have not read the password", played(attacks.Vector())),
    ("08.6", "never wanted TLS", played(Strip(), policies.none)),
    ("08.6", "No client has come by", Later(_never_played)),
    ("08.7", "did not hear the answer to `EHLO` as mail gave it", played(Strip())),
    ("08.7", "did not hear the answer to `EHLO` as mail gave it", played(attacks.Mangle())),
    ("08.7", "You have not read the password", played(attacks.RefuseUpgrade(), policies.verified)),
    ("08.7", "The lab's own script has decided", played(attacks.StripCapability())),
    ("08.7", "the console on which you have won", attacks.RefuseUpgrade),
    ("08.8", "so is bob", played(Strip())),
    ("08.8", "so is bob", played(Emptied())),
    ("08.8", "alice knows that it failed", played(Swallow(b"554 5.7.1 No\r\n"))),
    ("08.8", "alice has not sent her mail in the clear", played(KEPT, policies.verified)),
    ("08.8", "alice has not sent her mail in the clear", played(attacks.Vector())),
    ("08.8", "the console on which you have won", outcome),
]
RIGHT = [
    ("08.1", Later(_gone), SIDES),
    ("08.1", Later(lambda: f"{_gone()}\r\n".encode()), SIDES),
    ("08.1", Later(lambda: _gone().replace("-", " ", 1)), SIDES),
    ("08.2", _stolen()),
    ("08.2", _stolen(policy=policies.opportunistic, server={"auth": "always", "tls": "TLS 1.2"})),
    ("08.2", Later(_by_hand)),
    ("08.2", Later(_by_a_program, "swordfish")),
    ("08.3", _refused(policy=policies.mandatory)),
    ("08.3", _refused(policy=policies.verified)),
    ("08.3", _refused(policy=policies.mandatory, login=None)),
    ("08.4", Excuse),
    ("08.4", Excuse()),
    ("08.4", excuse(_tagged)),
    ("08.5", lambda victim, server: _offers(server) and not _offers(victim)),
    ("08.5", lambda victim, server: int(_offers(server)) > _offers(victim)),
    ("08.5", lambda victim, server: True if [_offers(victim), _offers(server)] == [False, True] else None),
    ("08.6", played(Strip())),
    ("08.6", played(attacks.RefuseUpgrade())),
    ("08.6", played(attacks.Mangle())),
    ("08.7", played(attacks.RefuseUpgrade())),
    ("08.7", played(saying(b"502 5.5.1 No\r\n")())),
    ("08.7", played(Excuse())),
    ("08.8", played(KEPT)),
    ("08.8", played(Swallow(b"250 ok\r\n"))),
    ("08.8", played(Swallow(b"250-2.0.0 Thank you\r\n250 It has arrived\r\n"))),
]
