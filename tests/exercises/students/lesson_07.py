"""Answers to lesson 07."""

from functools import cache

from lesson_captures import CLEAR, LOGIN, VERIFIED, Later, both_captured, captured, nothing_captured, outcome

from labkit import Lab, policies
from labkit.exercises import given

WRONG_NAME = {"certificate": "wrong name"}
MANDATORY = {"policy": policies.mandatory}


@cache
def _grid():
    with Lab(network="loopback") as lab:
        return lab.policies()


GRID = Later(_grid)


def _arriving(of=lambda name: name):
    grid, kind = _grid(), given("07.2")
    return [of(policy.name) for policy in policies.ALL if grid.cells[policy.name, kind].mark != "∅"]


def _stopped():
    return next(policy for policy in policies.ALL if policy.name not in _arriving())


def _spoken(implicit="implicit", explicit="explicit"):
    return {port: implicit if port in (465, 993, 995) else explicit for port in given("07.1")}


@cache
def _provider(policy, used=True, login=("alice", "hunter2"), **server):
    """A provider through which one mail was sent to a server with these settings."""
    with Lab(network="loopback", hosts=("provider",)) as lab:
        provider = lab.provider(lab.smtp(port=25, **server), policy=policy)
        if used:
            lab.send(provider, "The PIN is 4921", login=login, policy=policies.verified)
    return provider


def _always(policy):
    return lambda known, better_lost_than_leaked: policy


def _advise(known, better_lost_than_leaked, of=lambda policy: policy):
    if known:
        return of(policies.verified)
    return of(policies.mandatory if better_lost_than_leaked else policies.opportunistic)


def _without_return(known, better_lost_than_leaked):
    if known:
        policies.verified  # noqa: B018
    return policies.mandatory


class Lookalike:
    """Something that has blocks, but is no provider."""

    def __init__(self):
        self.blocks = _provider(policies.verified, **WRONG_NAME).blocks


WRONG = [
    ("07.1", "a dictionary", "b"),
    (
        "07.1",
        "465 is for submission with TLS from the first byte",
        Later(lambda: dict.fromkeys(given("07.1"), "STARTTLS")),
    ),
    ("07.1", "TLS does not start implicitly", Later(lambda: _spoken(explicit="implicit"))),
    ("07.1", "is missing", {465: "implicit"}),
    ("07.1", 'it is "explicit" or "implicit"', Later(lambda: _spoken(implicit="SSL"))),
    ("07.1", "TLS does not start", Later(lambda: _spoken("explicit", "implicit"))),
    ("07.2", "Not sent", Later(lambda: [policy.name for policy in policies.ALL]), GRID),
    ("07.2", "missing. At this server", set(), GRID),
    ("07.2", "Not sent", Later(lambda: {_stopped()}), GRID),
    ("07.2", "several things", "verified", GRID),
    ("07.2", "'encrypted' is none of what there is to choose from", {"encrypted"}, GRID),
    ("07.2", "is the grid of the lesson", {"verified"}, outcome),
    ("07.3", "There is no TLS", Later(captured, CLEAR, **LOGIN)),
    ("07.3", "is for the name that the client wanted", Later(captured, **LOGIN, **MANDATORY)),
    ("07.3", "looked at the certificate and stopped", Later(captured, WRONG_NAME, **LOGIN, **VERIFIED)),
    ("07.3", "either none was given", Later(captured, WRONG_NAME, **MANDATORY)),
    ("07.3", "No login was accepted inside TLS", Later(both_captured, (WRONG_NAME, MANDATORY), ({}, LOGIN | VERIFIED))),
    ("07.3", "No login was accepted inside TLS", Later(both_captured, (WRONG_NAME, VERIFIED), ({}, LOGIN | MANDATORY))),
    ("07.3", "the capture itself", {"verified", "implicit"}),
    ("07.3", "the capture itself", outcome),
    ("07.3", "Nothing was captured", Later(nothing_captured)),
    (
        "07.4",
        "It has relayed what it got, under the policy mandatory",
        Later(_provider, policies.mandatory, **WRONG_NAME),
    ),
    ("07.4", "does not fit", Later(_provider, policies.mandatory, starttls="off")),
    ("07.4", "relayed nothing", Later(_provider, policies.verified, used=False, **WRONG_NAME)),
    ("07.4", "a provider, made with", policies.verified),
    ("07.4", "a provider, made with", Later(lambda: _provider(policies.verified, **WRONG_NAME).blocks)),
    ("07.4", "a provider, made with", Later(Lookalike)),
    ("07.5", "known=False", _always(policies.verified)),
    ("07.5", "known=True", _always(policies.opportunistic)),
    ("07.5", "a function", policies.verified),
    ("07.5", "better_lost_than_leaked=False", lambda known, lost: policies.verified if known else policies.mandatory),
    ("07.5", "returns nothing (None), but it should be 'verified'", lambda known, lost: print(end="")),
    ("07.5", "it returns 'mandatory'", _without_return),
    ("07.5", "port 25, where there is no implicit TLS", _always("implicit")),
    ("07.5", "it returns True", lambda known, lost: known),
    ("07.5", "takes 1 positional argument", lambda known: policies.verified),
]
RIGHT = [
    ("07.1", Later(_spoken)),
    ("07.1", Later(lambda: _spoken("TLS from the first byte", "STARTTLS"))),
    ("07.1", Later(lambda: list(_spoken("Implicit TLS", "explicit TLS").values()))),
    ("07.2", Later(lambda: set(_arriving())), GRID),
    ("07.2", Later(lambda: _arriving(lambda name: getattr(policies, name))), GRID),
    ("07.2", Later(lambda: tuple(_arriving(lambda name: f"policies.{name}".upper()))), GRID),
    ("07.3", Later(captured, WRONG_NAME, **LOGIN, **MANDATORY)),
    ("07.3", Later(captured, {**WRONG_NAME, "tls": "TLS 1.2"}, **LOGIN, **MANDATORY)),
    ("07.3", Later(captured, {**WRONG_NAME, "mechanisms": "LOGIN"}, **LOGIN)),
    ("07.4", Later(_provider, policies.verified, **WRONG_NAME)),
    ("07.4", Later(_provider, policies.verified, certificate="expired")),
    ("07.4", Later(_provider, policies.verified, certificate="self-signed")),
    ("07.5", _advise),
    ("07.5", lambda known, lost: _advise(known, lost, lambda policy: policy.name)),
    ("07.5", lambda known, lost: policies.implicit if known else _advise(known, lost)),
    ("07.5", lambda known, lost: f"policies.{_advise(known, lost).name.capitalize()}"),
]
