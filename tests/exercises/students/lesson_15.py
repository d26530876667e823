"""Answers to lesson 15: all but the policies and the detectors are about one network, that of the tests' student."""

import itertools
from functools import cache

from lesson_captures import Later

from labkit import Lab, policies
from labkit.clients.policies import EXPLICIT, GO_ON, IMPLICIT, STOP, Policy
from labkit.exercises import given, lessons
from labkit.exercises.unseen import fresh

SIZE = 48
TOGETHER = True
"""The answers share a network, and ten others for the detectors."""


@cache
def _recorded(seed):
    with Lab(network="loopback") as lab:
        return lab.mystery_network(seed, SIZE)


def network():
    return _recorded(given("15.1"))


NETWORK = Later(network)


@cache
def _of_another():
    return fresh()


def key():
    return network().key


def _about(number, words, answer, *more):
    """A row about the student's network; `answer` may be a function that makes it."""
    about = more[0] if more else NETWORK
    return number, words, Later(answer) if callable(answer) else answer, about


@cache
def _by_the_solution(number, name):
    """The variable of this name after the solution of an exercise has run."""
    namespace = {"network": network(), "policies": policies}
    exec(lessons.exercise(number).solution, namespace)
    return namespace[name]


def _named(incident, **changes):
    """The right finding for an incident, with these changes."""
    right = {
        "frame": incident.frames[0],
        "attack": incident.kind,
        "victim": incident.victim,
        "attacker": incident.attacker,
        "leaked": incident.leaked,
        "defence": incident.defences[0],
    }
    return right | changes


def _all(**changes):
    return [_named(incident, **changes) for incident in key().incidents]


def _first(**changes):
    return [_named(key().incidents[0], **changes)]


def _other(part):
    """Another host than the one that is right."""
    right = getattr(key().incidents[0], part)
    return next(name for name in network().programs if name != right)


def _peaceful():
    """The first frame of a session that was not attacked."""
    conversations = network().capture.conversations
    return next(one.began for number, one in enumerate(conversations) if key().attack_on(number) is None)


def _question():
    """The first frame that is a question to the name server."""
    known = key().session_at
    return next(number for number in range(1, len(network().capture.frames)) if number not in known)


def _leak(*wanted):
    return next(incident for incident in key().incidents if incident.leaked in wanted)


def _by_address():
    addresses = {name: address for address, name in network().capture.names.items()}
    return [
        finding | {"victim": addresses[finding["victim"]], "attacker": addresses[finding["attacker"]].upper()}
        for finding in _all()
    ]


def _differently():
    """The findings in other forms that count: the attack by its number, the last frame, upper case, all defences."""
    return tuple(
        _named(
            incident,
            frame=incident.frames[1],
            attack=incident.vector.lower(),
            victim=incident.victim.upper(),
            leaked=[incident.leaked],
            defence=set(incident.defences),
        )
        for incident in key().incidents
    )


def _victim_unharmed():
    """The right victims, and one whose password did not leak."""
    return {*key().robbed, next(each.victim for each in key().incidents if each.victim not in key().robbed)}


def _attacker():
    return {*key().robbed, key().incidents[0].attacker}


def _offers():
    return next(name for name in network().servers if name not in key().never_offer)


# ---- detectors


def _everything(capture):
    return capture.dialogues


def _nothing(capture):
    return []


def _clear(capture):
    """Takes every session without TLS for attacked, also where a server never had any."""
    return [talk for talk in capture.dialogues if talk.session is None]


def _only_injections(capture):
    return [talk for talk in capture.dialogues if any(event.kind == "injected" for event in talk.events)]


def _raises(capture):
    return capture.talks


def _hangs(capture):
    while True:
        pass


def _forgets(capture):
    found = [talk for talk in capture.dialogues if talk.session]
    found.reverse()


def _endless(capture):
    return (0 for _ in itertools.repeat(None))


class _Waits:
    """Never gives the first of its members."""

    def __iter__(self):
        while True:
            pass


def _detector():
    return _by_the_solution("15.5", "detector")


def _by_frames():
    detector = _detector()
    return lambda capture: {talk.events[0].frame for talk in detector(capture)}


def _by_events():
    detector = _detector()
    return lambda capture: (talk.events[-1] for talk in detector(capture))


# ---- written findings


def _text(words=150, frame=True, hosts=True, attacker=True):
    one = key().incidents[0]
    parts = [
        f"It begins with frame {one.frames[0]}." if frame else "It begins early.",
        f"There {one.victim} talks to {one.server}." if hosts else "There two hosts talk.",
        f"On the path was {one.attacker}." if attacker else "Something was on the path.",
    ]
    return " ".join(parts) + " and so on" * ((words - 15) // 3)


WRONG = [
    _about("15.1", "does not belong there. It offers TLS to some", lambda: {_offers()}),
    _about("15.1", "does not belong there", lambda: set(network().servers)),
    _about("15.1", "nothing in it yet", set()),
    _about("15.1", "does not belong there", lambda: {"mallory"}),
    _about("15.1", "several things in brackets", lambda: key().never_offer[0]),
    _about("15.1", "you gave", lambda: set(key().never_offer), 7),
    _about("15.1", "is the network", lambda: set(key().never_offer), Later(_of_another)),
    _about("15.2", "a list of dictionaries", "mallory"),
    _about("15.2", "0 of 8 kinds are found", []),
    _about("15.2", "1 of 8 kinds are found", _first),
    _about("15.2", "Finding 1: It is a dictionary", [17]),
    _about("15.2", "says nothing of 'attack' and 'victim'", [{"frame": 1}]),
    _about("15.2", "which went as these two wanted", lambda: _first(frame=_peaceful())),
    _about("15.2", "is the number of a frame, from 1", lambda: _first(frame="the first")),
    _about("15.2", "is the number of a frame, from 1", lambda: _first(frame=True)),
    _about("15.2", "belongs to no session: it is a question to the name server", lambda: _first(frame=_question())),
    _about("15.2", "is the number of a frame, from 1", lambda: _first(frame=10**9)),
    _about("15.2", "'attack' is one of", lambda: _first(attack="magic")),
    _about("15.2", "attacked, but not so", lambda: [
        *_first(attack="offer removed"), *(_named(each, attack="offer mangled") for each in key().incidents)]),
    _about("15.2", "The victim is not", lambda: _first(victim=_other("victim"))),
    _about("15.2", "the name of a host of this network", lambda: _first(victim="santa")),
    _about("15.2", "The attacker is not", lambda: _first(attacker=_other("attacker"))),
    _about("15.2", "'leaked' is one of", lambda: _first(leaked="everything")),
    _about("15.2", "Something did leak", lambda: [_named(_leak("password", "message"), leaked="nothing")]),
    _about("15.2", "did not leak", lambda: [_named(_leak("nothing"), leaked="password")]),
    _about("15.2", "would not have stopped it", lambda: [
        _named(each, defence="no second try with less") for each in key().incidents if each.vector != "C6"]),
    _about("15.2", "'defence' is one of", lambda: _first(defence="a longer password")),
    _about("15.2", "'defence' is empty", lambda: _first(defence=[])),
    _about("15.3", "missing", lambda: set(list(key().robbed)[1:])),
    _about("15.3", "the password was not read in it", _victim_unharmed),
    _about("15.3", "No attacker has read that password", _attacker),
    _about("15.3", "does not belong there", lambda: set(network().programs)),
    _about("15.3", "several things in brackets", lambda: key().robbed[0]),
    ("15.4", "still the victim of", policies.opportunistic),
    ("15.4", "still the victim of", policies.mandatory),
    ("15.4", "still the victim of", policies.verified),
    ("15.4", "still the victim of", Policy("half", IMPLICIT, STOP, verify=False)),
    ("15.4", "still the victim of", Policy("soft", EXPLICIT, GO_ON, verify=True)),
    ("15.4", "still the victim of", policies.none),
    ("15.4", "a policy, one of", "TLS"),
    ("15.4", "a policy, one of", Policy),
    ("15.5", "a function, given by its name", "detector"),
    ("15.5", "precision 0.", _everything),
    ("15.5", "recall 0.00", _nothing),
    ("15.5", "precision 0.", _clear),
    ("15.5", "precision 1.00, recall 0.25", _only_injections),
    ("15.5", "stops with AttributeError", _raises),
    ("15.5", "a loop that never ends", _hangs),
    ("15.5", "names something that is no session", _endless),
    ("15.5", "a loop that never ends", lambda capture: _Waits()),
    ("15.5", "returns nothing (None)", _forgets),
    ("15.5", "it returns a str", lambda capture: "all of them"),
    ("15.5", "names something that is no session", lambda capture: [True]),
    ("15.5", "names something that is no session", lambda capture: [object()]),
    ("15.5", "stops with TypeError", list),
    _about("15.6", "is text", 7),
    _about("15.6", "and yours has 5", "Somebody read a password there."),
    _about("15.6", "and yours has 9", lambda: _text(900)),
    _about("15.6", "cites no frame of an attacked session", lambda: _text(frame=False)),
    _about("15.6", "does not name the victim and the server", lambda: _text(hosts=False)),
    _about("15.6", "does not say who the attacker was", lambda: _text(attacker=False)),
]  # fmt: skip
RIGHT = [
    ("15.1", Later(lambda: set(key().never_offer)), NETWORK),
    ("15.1", Later(lambda: [name.upper() for name in key().never_offer]), NETWORK),
    ("15.1", Later(_by_the_solution, "15.1", "never"), NETWORK),
    ("15.2", Later(_by_the_solution, "15.2", "findings"), NETWORK),
    ("15.2", Later(_all), NETWORK),
    ("15.2", Later(_by_address), NETWORK),
    ("15.2", Later(_differently), NETWORK),
    ("15.3", Later(_by_the_solution, "15.3", "robbed"), NETWORK),
    ("15.3", Later(lambda: list(key().robbed)), NETWORK),
    ("15.3", Later(lambda: tuple(name.upper() for name in key().robbed)), NETWORK),
    ("15.4", policies.implicit),
    ("15.4", Policy("mine", IMPLICIT, STOP, verify=True)),
    ("15.4", Policy("named otherwise", IMPLICIT, GO_ON, verify=True)),
    ("15.5", Later(_detector)),
    ("15.5", Later(_by_frames)),
    ("15.5", Later(_by_events)),
    ("15.6", Later(_by_the_solution, "15.6", "report"), NETWORK),
    ("15.6", Later(_text), NETWORK),
    ("15.6", Later(lambda: _text(400)), NETWORK),
]
