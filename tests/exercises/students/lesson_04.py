"""Answers to lesson 04."""

from lesson_captures import CLEAR, VERIFIED, Later, both_captured, captured, nothing_captured, outcome

from labkit.exercises import given
from labkit.trials.channel import ALL

OLD = ("TLS 1.1",)
EXPIRED = {"tls": OLD, "certificate": "expired"}
OLD_MAIL = Later(captured, {"tls": OLD}, tls=OLD, **VERIFIED)
HONEST = Later(captured, {"tls": ("TLS 1.0", "TLS 1.3")}, tls=OLD, **VERIFIED)


def _common():
    client, server = given("04.1")
    return [version for version in client if version in server]


def _only(side):
    versions = given("04.1")
    return next(version for version in versions[side] if version not in versions[1 - side])


FORBIDDEN = {"SSL 2.0": 6176, "SSL 3.0": 7568, "TLS 1.0": 8996, "TLS 1.1": 8996}


def _rfcs(form=lambda rfc: rfc):
    return {name: form(FORBIDDEN[old[0]]) for name, old in given("04.2").items() if old[0] in FORBIDDEN}


def _random():
    return next(event.data for event in HONEST().dialogue.events if event.title == "ServerHello")[6:38]


def _newest(client, server):
    common = [version for version in ALL if version in client and version in server]
    return common[-1] if common else None


def _of_ends(client, server):
    lowest = max(ALL.index(client[0]), ALL.index(server[0]))
    highest = min(ALL.index(client[-1]), ALL.index(server[-1]))
    return ALL[highest] if lowest <= highest else None


def _without_return(client, server):
    common = [version for version in ALL if version in client and version in server]
    common[-1:]


WRONG = [
    ("04.1", "but also a newer one", Later(lambda: _common()[0])),
    ("04.1", "The server does not know", Later(_only, 0)),
    ("04.1", "The client does not know", Later(_only, 1)),
    ("04.1", "not the name of a version", "the newest"),
    ("04.1", "name of a version in quotes", 1.2),
    ("04.2", "a dictionary", 7568),
    ("04.2", "is missing", {}),
    ("04.2", "RFC 8446 is TLS 1.3", Later(lambda: dict.fromkeys(_rfcs(), 8446))),
    ("04.2", "no RFC forbids that", Later(lambda: dict.fromkeys(given("04.2"), 8996) | _rfcs())),
    ("04.2", "There is no server 'mail'", {"mail": 7568}),
    ("04.2", "is not the RFC that forbids it", Later(lambda: dict.fromkeys(_rfcs(), "SSL"))),
    ("04.3", "something else", Later(captured, **VERIFIED)),
    ("04.3", "No version was agreed", Later(captured, {"tls": OLD}, **VERIFIED)),
    ("04.3", "No version was agreed", Later(captured, CLEAR)),
    ("04.3", "the capture itself", outcome),
    ("04.3", "Nothing was captured", Later(nothing_captured)),
    ("04.3", "was a mail sent", Later(captured, EXPIRED, tls=OLD, **VERIFIED)),
    ("04.3", "was a mail sent", Later(both_captured, (EXPIRED, {"tls": OLD, **VERIFIED}), ({}, VERIFIED))),
    ("04.4", "first part of the answer is your capture", b"DOWNGRD\x00"),
    ("04.4", "Now the eight bytes", HONEST),
    ("04.4", "stands for TLS 1.2", HONEST, b"DOWNGRD\x01"),
    ("04.4", "only the first 7", HONEST, b"DOWNGRD"),
    ("04.4", "last eight", HONEST, Later(_random)),
    ("04.4", "marked nothing", OLD_MAIL, b"DOWNGRD\x00"),
    ("04.4", "offered something else", Later(captured, **VERIFIED), b"DOWNGRD\x00"),
    ("04.4", "No version was agreed", Later(captured, CLEAR), b"DOWNGRD\x00"),
    ("04.4", "but elsewhere", HONEST, Later(lambda: _random()[:8])),
    ("04.4", "take the last eight bytes", HONEST, 0),
    ("04.4", "take the last eight bytes", HONEST, [68, "O", 1000]),
    ("04.5", "a function", "TLS 1.2"),
    ("04.5", "IndexError", lambda client, server: [version for version in client if version in server][-1]),
    ("04.5", "should be", lambda client, server: ([v for v in ALL if v in client and v in server] or [None])[0]),
    ("04.5", "should be", _of_ends),
    ("04.5", "returns nothing", _without_return),
    ("04.5", "should be", lambda client, server: ([v for v in client if v in server] or [None])[-1]),
    ("04.5", "should be", lambda client, server: "TLS 1.2"),
]
RIGHT = [
    ("04.1", Later(lambda: _common()[-1])),
    ("04.1", Later(lambda: _common()[-1].lower().replace(" ", "v") + "\n")),
    ("04.1", Later(lambda: _common()[-1].replace(" ", "").encode())),
    ("04.2", Later(_rfcs)),
    ("04.2", Later(_rfcs, lambda rfc: f"RFC {rfc}")),
    ("04.2", Later(_rfcs, str)),
    ("04.2", Later(lambda: dict.fromkeys(given("04.2")) | _rfcs(lambda rfc: f"rfc{rfc}"))),
    ("04.3", OLD_MAIL),
    ("04.3", Later(captured, {"tls": ("TLS 1.0", "TLS 1.1")}, tls=OLD)),
    ("04.3", Later(captured, {"tls": ("TLS 1.0", "TLS 1.3")}, tls=("TLS 1.0", "TLS 1.1"))),
    ("04.4", HONEST, b"DOWNGRD\x00"),
    ("04.4", HONEST, "DOWNGRD\x00"),
    ("04.4", HONEST, "44 4F 57 4E 47 52 44 00"),
    ("04.4", HONEST, Later(lambda: bytearray(_random()[-8:]))),
    ("04.4", HONEST, Later(lambda: list(_random()[-8:]))),
    ("04.5", _newest),
    ("04.5", lambda client, server: max(set(client) & set(server), default=None)),
    ("04.5", lambda client, server: next((v for v in reversed(ALL) if {v} <= {*client} & {*server}), None)),
    ("04.5", lambda client, server: (_newest(client, server) or "").lower() or None),
]
