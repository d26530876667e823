"""Answers to lesson 14."""

from functools import cache

from lesson_captures import Later, in_the_clear, nothing_captured, outcome

from labkit import Lab, attacks
from labkit.attacks.vector import Vector
from labkit.exercises import given
from labkit.exercises.lessons.lesson_14 import _CARRIED


def _letters(carried):
    return [letter for letter, claim in given("14.1").items() if (claim in _CARRIED) is carried]


def _share(of, policy=True):
    found = given("14.2")
    return 100 * sum(getattr(o, of) for o in found if o.policy is policy) / sum(getattr(o, of) for o in found)


KEYS = ("unit", "counted", "population", "citation")


def _alike(*keys):
    return lambda one, other: all(getattr(one, key) == getattr(other, key) for key in keys)


def _by_dictionary(one, other):
    return {key: one._asdict()[key] for key in KEYS} == {key: other._asdict()[key] for key in KEYS}


@cache
def _attack(vector=attacks.StripCapability, habit="if offered", protocol=None):
    with Lab("loopback") as lab:
        protocol = protocol or given("14.4")
        lab.start(protocol, auth="always")
        with lab.mallory(vector()) as attack:
            if habit:
                lab.visit(f"{protocol}, {habit}")
        _ = attack.victim_side, attack.verdict
    return attack


def _made(*arguments, **named):
    return Later(lambda: _attack(*arguments, **named))


@cache
def _under_way():
    lab = Lab("loopback")
    lab.start("LMTP", auth="always")
    return lab.mallory(attacks.StripCapability())


@cache
def _ftp(victim, **settings):
    with Lab("loopback") as lab:
        lab.start("ftp", **settings)
        with lab.capture() as capture:
            lab.visit(f"FTP, {victim}")
    return capture


def _captured(*arguments, **named):
    return Later(lambda: _ftp(*arguments, **named))


def _go_on(mode, answer):
    if answer == b"S":
        return "TLS"
    return "clear" if (mode, answer) == ("prefer", b"N") else "stop"


def _by_table(mode, answer):
    return {b"S": "tls", b"N": "clear" if mode == "prefer" else "stop"}.get(answer, "stop")


WRONG = [
    ("14.1", "missing", Later(lambda: _letters(True)[1:])),
    ("14.1", "does not belong there", Later(lambda: list("ABCDE"))),
    ("14.1", "does not belong there", Later(lambda: {*_letters(True), _letters(False)[0]})),
    ("14.1", "several things", "A"),
    ("14.1", "none of what there is to choose from", {"F"}),
    ("14.2", "That is the share of the domains", Later(lambda: _share("domains"))),
    ("14.2", "without a policy", Later(lambda: _share("messages", False))),
    ("14.2", "give it in percent", Later(lambda: _share("messages") / 100)),
    ("14.2", "the share of the providers", 50),
    ("14.2", "The answer is a number", "most of it"),
    ("14.3", "figures of two populations", _alike("unit", "counted", "citation")),
    ("14.3", "figures of two populations", lambda one, other: True),
    ("14.3", "each counts something else", _alike("unit", "population", "citation")),
    ("14.3", "figures of two authors", _alike("unit", "counted", "population")),
    ("14.3", "a share and a number", _alike("counted", "population", "citation")),
    ("14.3", "read in two places", _alike(*KEYS, "grade", "read_in")),
    ("14.3", "two figures of one survey", _alike(*KEYS, "date")),
    ("14.3", "a function", True),
    ("14.4", "The answer is the attack itself", outcome),
    ("14.4", "your protocol is", _made(protocol="POP3")),
    ("14.4", "mallory changed nothing", _made(Vector)),
    ("14.4", "The verdict is: stopped", _made(attacks.RefuseUpgrade, "careful")),
    ("14.4", "No client came by", _made(habit="")),
    ("14.4", "still under way", Later(_under_way)),
    ("14.5", "the capture itself", "half"),
    ("14.5", "Nothing was captured", Later(nothing_captured)),
    ("14.5", "Nobody spoke FTP", in_the_clear),
    ("14.5", "The file cannot be read", _captured("careful")),
    ("14.5", "did not upgrade", _captured("as it comes", auth="always")),
    ("14.6", "but `prefer` is the mode that goes on", lambda mode, answer: "TLS" if answer == b"S" else "stop"),
    ("14.6", "TLS was required", lambda mode, answer: "TLS" if answer == b"S" else "clear"),
    ("14.6", "CVE-2021-23222", lambda mode, answer: "TLS" if answer[:1] == b"S" else _go_on(mode, answer)),
    ("14.6", "wants to verify", lambda mode, answer: "clear" if mode != "require" and answer == b"N" else
        _go_on(mode, answer)),
    ("14.6", "stops with KeyError", lambda mode, answer: {b"S": "TLS"}[answer]),
    ("14.6", "it should be 'stop'", lambda mode, answer: "error" if answer == b"N" and mode != "prefer" else
        _go_on(mode, answer)),
    ("14.6", "a function", "TLS"),
]  # fmt: skip
RIGHT = [
    ("14.1", Later(lambda: _letters(True))),
    ("14.1", Later(lambda: set(_letters(True)))),
    ("14.1", Later(lambda: tuple(letter.lower() for letter in _letters(True)))),
    ("14.2", Later(lambda: _share("messages"))),
    ("14.2", Later(lambda: round(_share("messages")))),
    ("14.2", Later(lambda: round(_share("messages"), 1))),
    ("14.3", _alike(*KEYS)),
    ("14.3", _by_dictionary),
    ("14.3", lambda one, other: "yes" if one.measure == other.measure and one.unit == other.unit else ""),
    ("14.4", _made()),
    ("14.4", _made(attacks.RefuseUpgrade, "without looking")),
    ("14.4", _made(attacks.RefuseUpgrade, "tries again")),
    ("14.5", _captured("careful (half protected)")),
    ("14.5", Later(lambda: _ftp("careful (half protected)").decrypted())),
    ("14.5", _captured("careful (half protected)", starttls="required")),
    ("14.6", _go_on),
    ("14.6", _by_table),
    ("14.6", lambda mode, answer: _go_on(mode, answer).upper()),
]
