"""Live sessions for answers that are captures or attacks, each made once, when it is first needed."""

from functools import cache

from labkit import Lab, policies


class Later:
    """An argument of `check` that is made when a test needs it, for the student of that test."""

    def __init__(self, make, *arguments, **named):
        self._make = cache(lambda: make(*arguments, **named))

    def __call__(self):
        return self._make()


@cache
def nothing_captured():
    """A capture without a frame."""
    with Lab(network="loopback") as lab, lab.capture() as capture:
        pass
    return capture


def captured(server=None, text="The PIN is 4921", **send):
    """A capture in which one mail is sent to a server with these settings."""
    with Lab(network="loopback") as lab:
        mail = lab.smtp(**(server or {}))
        with lab.capture() as capture:
            lab.send(mail, text, **send)
    return capture


def both_captured(one, other):
    """One capture of two mails to two servers; each argument is (settings of the server, arguments of `send`)."""
    with Lab(network="loopback") as lab:
        servers = lab.smtp(**one[0]), lab.smtp(port=25, **other[0])
        with lab.capture() as capture:
            for server, (_, send) in zip(servers, (one, other), strict=True):
                lab.send(server, "The PIN is 4921", **send)
    return capture


def fetched(protocol, server=None, **fetch):
    """A capture in which bob's mailbox, with one mail in it, is read over ``imap`` or ``pop3``."""
    with Lab(network="loopback") as lab:
        lab.send(lab.smtp(), "The PIN is 4921")
        reader = getattr(lab, protocol)(**(server or {}))
        with lab.capture() as capture:
            lab.fetch(reader, **fetch)
    return capture


def attacked(vector, policy=None, visits=True, server=None, login=("alice", "hunter2")):
    """An attack on one mail to an SMTP server that takes logins in the clear."""
    with Lab(network="loopback") as lab:
        mail = lab.smtp(auth="always", **(server or {}))
        with lab.mallory(vector) as attack:
            if visits:
                lab.send(mail, "The PIN is 4921", login=login, policy=policy)
        looked_at(attack)
    return attack


def attacked_reader(vector, policy=None, protocol="imap", server=None, login=("bob", "swordfish")):
    """An attack on bob's program, which reads his mail."""
    with Lab(network="loopback") as lab:
        reader = getattr(lab, protocol)(**(server or {"auth": "always"}))
        with lab.mallory(vector) as attack:
            lab.fetch(reader, login=login, policy=policy)
        looked_at(attack)
    return attack


def looked_at(attack):
    """Ask for both sides and the verdict while the lab is open; they are kept."""
    return attack.victim_side, attack.server_side, attack.verdict


@cache
def open_lab():
    """A lab that stays open until the tests end, for verdicts: they are judged with the secrets of the lab."""
    return Lab(network="loopback")


CLEAR = {"starttls": "off", "auth": "always"}
LOGIN = {"login": ("alice", "hunter2")}
BOB = {"login": ("bob", "swordfish")}
VERIFIED = {"policy": policies.verified}
MANDATORY = {"policy": policies.mandatory}
NONE = {"policy": policies.none}
IMPLICIT = {"policy": policies.implicit}

in_the_clear = Later(captured, CLEAR)
with_starttls = Later(captured, **LOGIN, **VERIFIED)


def _outcome():
    with Lab(network="loopback") as lab:
        return lab.send(lab.smtp(), "The PIN is 4921")


outcome = Later(_outcome)
