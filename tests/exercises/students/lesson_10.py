"""Answers to lesson 10."""

from dataclasses import replace
from functools import cache

from lesson_captures import Later, open_lab, outcome

from labkit import attacks, policies
from labkit.exercises import given

BROKEN = {"quirks": ("keeps the buffer",)}
STOP_IT = ("a server that", "implicit TLS")
OWN = ("peer", "host", "certificate")


def _command():
    sides = [{event.text for event in side.dialogue.events if event.sender == "client"} for side in given("10.1")]
    return next(text for text in sides[1] - sides[0] if text.startswith(("VRFY", "NOOP", "EXPN")))


def _stops():
    return [measure for measure in given("10.2") if measure.startswith(STOP_IT)]


@cache
def _attack(visits=True, **server):
    pop3 = open_lab().pop3(**server, replace=True)
    with open_lab().mallory(attacks.CommandInjection(), at=pop3) as attack:
        if visits:
            open_lab().fetch(pop3, policy=policies.verified)
    return attack


def _bad():
    return _attack(**BROKEN).verdict


def _good():
    return _attack().verdict


def _on_imap(vector, **settings):
    imap = open_lab().imap(**settings, replace=True)
    with open_lab().mallory(vector, at=imap) as attack:
        open_lab().fetch(imap, policy=policies.verified)
    return attack


def _by_imap():
    return _on_imap(attacks.CommandInjection(), **BROKEN).verdict


def _pair(*makers):
    return Later(lambda: tuple(make() for make in makers))


def _kept(session):
    return {key: session[key] for key in OWN}


def _emptied(session):
    return {key: value if key in OWN else None for key, value in session.items()}


def _in_place(session):
    for key in set(session) - set(OWN):
        del session[key]
    return session


def _without(*keys):
    return lambda session: {key: value for key, value in session.items() if key not in keys}


WRONG = [
    ("10.1", "alice's own", "STARTTLS"),
    ("10.1", "the first attack of the lesson", "VRFY mallory"),
    ("10.1", "only its first word", Later(lambda: _command().split()[0])),
    ("10.1", "alice says that herself", "EHLO alice.lab.test"),
    ("10.1", "on the server's side alone", "QUIT"),
    ("10.1", "text in quotes", 250),
    ("10.2", "does not belong there", Later(lambda: given("10.2"))),
    ("10.2", "missing", set()),
    ("10.2", "none of what there is to choose from", {"the server"}),
    ("10.2", "several things", "implicit TLS"),
    ("10.2", "does not belong there", Later(lambda: {next(m for m in given("10.2") if m not in _stops())})),
    ("10.3", "wrong order", _pair(_good, _bad)),
    ("10.3", "does not make the mistake", _pair(_good, _good)),
    ("10.3", "without the mistake", _pair(_bad, _bad)),
    ("10.3", "not from a POP3 server", Later(lambda: (replace(_bad(), evidence=("252 x",)), _good()))),
    ("10.3", "not from a POP3 server", _pair(_by_imap, _good)),
    ("10.3", "the question is about POP3", Later(lambda: (_attack(**BROKEN), _on_imap(attacks.CommandInjection())))),
    ("10.3", "the question is about `attacks.CommandInjection()`", Later(
        lambda: (_attack(**BROKEN), _on_imap(attacks.ResponseInjection())))),
    ("10.3", "a pair of verdicts", Later(_bad)),
    ("10.3", "a pair of verdicts", ("deceived", "unharmed")),
    ("10.3", "No client came by in the second attack", Later(lambda: (_bad(), _attack(visits=False).verdict))),
    ("10.3", "a pair of verdicts", outcome),
    ("10.4", "should return a dictionary", lambda session: b""),
    ("10.4", "it has lost 'peer'", lambda session: {}),
    ("10.4", "it keeps 'buffer': what is in there came in the clear", lambda session: session),
    ("10.4", "a login before TLS may be mallory's", _without("buffer", "greeted_as")),
    ("10.4", "must be discarded", _without("buffer", "user", "sender", "recipients")),
    ("10.4", "a mail that was begun", _without("buffer", "user", "greeted_as")),
    ("10.4", "it has lost 'certificate'", lambda session: {"peer": session["peer"], "host": session["host"]}),
    ("10.4", "also where it looks like TLS", lambda session: _kept(session) | {
        "buffer": session["buffer"] if session["buffer"].startswith(b"\x16") else b""}),
    ("10.4", "it returns nothing", lambda session: session.clear()),
    ("10.4", "a function", {}),
    ("10.4", "stops with KeyError", lambda session: session["nothing"]),
]  # fmt: skip
RIGHT = [
    ("10.1", Later(_command)),
    ("10.1", Later(lambda: f"{_command()}\r\n".encode())),
    ("10.1", Later(lambda: _command().lower())),
    ("10.2", Later(_stops)),
    ("10.2", Later(lambda: set(_stops()))),
    ("10.2", Later(lambda: tuple(measure.upper() for measure in _stops()))),
    ("10.3", _pair(_bad, _good)),
    ("10.3", Later(lambda: [_bad(), _good()])),
    ("10.3", Later(lambda: (_attack(**BROKEN), _attack()))),
    ("10.4", _kept),
    ("10.4", _emptied),
    ("10.4", _in_place),
    ("10.4", lambda session: _kept(session) | {"buffer": b"", "user": None}),
]
