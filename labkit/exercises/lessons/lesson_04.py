"""Which version: who picks it, which are forbidden, and why an attacker cannot talk two programs down."""

import re
import secrets
from collections.abc import Iterator, Mapping

from labkit.attacks.vectors.identity import offers_tls13
from labkit.exercises.captures import NOTHING, capture_that, sessions
from labkit.exercises.checkers import as_text, shown
from labkit.exercises.drawn import Draw
from labkit.exercises.functions import Call, tried_on
from labkit.exercises.keeping import draw
from labkit.exercises.question import Exercise, Lesson, Prediction
from labkit.show.capture import Capture
from labkit.trials.channel import ALL


def _two_ranges(of: Draw) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The versions of a client and of a server, of which neither knows all that the other does."""
    low, high = of.number("04.1 low", 0, 2), of.number("04.1 high", 3, 4)
    ranges = ALL[low : high + 1], ALL[low + 1 : 6]
    return ranges if of.number("04.1 sides", 0, 1) else (ranges[1], ranges[0])


def _version_named(answer: object) -> str:
    """The version that is meant by ``TLSv1.2``, ``tls 1.2`` or ``1.2``; empty for none."""
    said = re.sub(r"[\s_]|(?<=[a-z])v", "", (as_text(answer) or "").lower())
    alike = {name.lower().replace(" ", ""): name for name in ALL}
    return alike.get(said) or alike.get(f"tls{said}") or ""


def _agreed(answer: object) -> str:
    client, server = _two_ranges(draw())
    common = [version for version in ALL if version in client and version in server]
    if as_text(answer) is None:
        return f'The answer is the name of a version in quotes, like "TLS 1.0", and yours is {shown(answer)}.'
    version = _version_named(answer)
    if version == common[-1]:
        return ""
    if version in common:
        return f"They have {version} in common, but also a newer one."
    for side, versions in (("client", client), ("server", server)):
        if version and version not in versions:
            return f"The {side} does not know {version}."
    return f"{shown(answer)} is not the name of a version: they are {', '.join(ALL)}."


_FORBIDDEN_BY = {"SSL 2.0": 6176, "SSL 3.0": 7568, "TLS 1.0": 8996, "TLS 1.1": 8996}
_ABOUT = {
    6176: "RFC 6176 is about SSL 2.0",
    7568: "RFC 7568 is about SSL 3.0",
    8996: "RFC 8996 is about TLS 1.0 and 1.1",
    6101: "RFC 6101 describes SSL 3.0, as history, and forbids nothing",
    7507: "RFC 7507 is about the second try with an older version",
    9325: "RFC 9325 recommends what to use; look for the one that forbids",
    5246: "RFC 5246 is TLS 1.2",
    8446: "RFC 8446 is TLS 1.3",
}


def _servers(of: Draw) -> dict[str, tuple[str, ...]]:
    """Five mail servers and the versions that they speak; two are as they should be."""
    lowest = [0, 1, of.number("04.2", 2, 3), 4, 5]
    names = of.some("04.2 names", ("mx1", "mx2", "mx3", "mx4", "mx5", "mx6", "mx7"), 5)
    found = {name: ALL[low : max(low + 1, 5 + low % 2)] for name, low in zip(names, lowest, strict=True)}
    return {name: found[name] for name in sorted(names)}


def _number_of(answer: object) -> object:
    """7568 for itself and for ``RFC 7568``; None for everything else."""
    said = re.fullmatch(r"(?:rfc)?\s*(\d{4})", (as_text(answer) or str(answer)).lower())
    return int(said[1]) if said else None


def _rfcs(answer: object) -> str:
    if not isinstance(answer, Mapping):
        return f'The answer is a dictionary, like {{"mx1": 1234, …}}, and yours is {shown(answer)}.'
    servers = _servers(draw())
    if strange := [name for name in answer if name not in servers]:
        return f"There is no server {shown(strange[0])}: there are {', '.join(servers)}."
    for name, versions in servers.items():
        wanted, given = _FORBIDDEN_BY.get(versions[0]), _number_of(answer.get(name))
        if wanted is None and answer.get(name) is not None:
            return f"{name} speaks nothing older than {versions[0]}, and no RFC forbids that."
        if wanted is not None and name not in answer:
            return f"{name} is missing: which is the oldest version that it speaks, and may it be spoken?"
        if given != wanted:
            about = _ABOUT.get(given, f"{shown(answer[name])} is not the RFC that forbids it")
            return f"{name} still speaks {versions[0]}: {about}. The table has a row for each version."
    return ""


def _worked(capture: Capture) -> bool:
    """Whether the client said something inside TLS 1.1; what, the lab cannot open before TLS 1.2."""
    old = (one for one in capture.dialogues if one.session and one.session.version == "TLS 1.1")
    events = (event for dialogue in old for event in dialogue.events)
    return any(event.encrypted and event.sender == "client" and event.kind == "application-data" for event in events)


def _mark(answer: object, mark: object = ...) -> str:
    if not isinstance(answer, Capture):
        return f"The first part of the answer is your capture of such a session, and yours is {shown(answer)}."
    if not answer.conversations:
        return NOTHING
    events = [event for dialogue in answer.dialogues for event in dialogue.events]
    client, server = (
        next((e.data for e in events if e.title == title), b"") for title in ("ClientHello", "ServerHello")
    )
    if not server:
        return "No version was agreed on in this capture: do both sides speak TLS 1.1?"
    if client[4:6] != b"\x03\x02" or offers_tls13(client):
        return 'The client of this capture offered something else than TLS 1.1: `lab.send` takes `tls=("TLS 1.1",)`.'
    right = server[30:38]
    if not right.startswith(b"DOWNGRD"):
        return 'This server marked nothing: it has to know TLS 1.3 as well, `tls=("TLS 1.0", "TLS 1.3")`.'
    if mark is None or mark is ...:
        return "The capture is right. Now the eight bytes: the last ones of the server's random."
    return "" if _as_bytes(mark) == right else _not_the_mark(mark, server)


def _as_bytes(mark: object) -> bytes:
    """Bytes, also when they are written as text, in hexadecimal digits or as a list of numbers."""
    if isinstance(mark, str):
        digits = re.sub(r"[\s:]", "", mark)
        return (
            bytes.fromhex(digits) if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", digits) else mark.encode("latin-1", "replace")
        )
    numbers = mark if isinstance(mark, bytes | bytearray | memoryview | list | tuple) else ()
    try:
        return bytes(numbers)
    except (TypeError, ValueError):
        return b""


def _not_the_mark(mark: object, server: bytes) -> str:
    data = _as_bytes(mark)
    if data == server[6:38]:
        return "That is the whole random of 32 bytes: the mark is in its last eight."
    if data == b"DOWNGRD\x01":
        return "That mark stands for TLS 1.2. Which one is in your own capture?"
    if data and server[30:38].startswith(data):
        return f"These are only the first {len(data)} of the eight bytes."
    if data and data in server:
        return "These bytes are in the ServerHello, but elsewhere: the random stands at the bytes 6 to 37."
    return f"The mark in your capture is not {shown(mark)}: take the last eight bytes of the server's random."


def _ranges() -> Iterator[Call]:
    fixed = (
        (ALL[2:], ALL[1:5]),
        (ALL[4:], ALL[4:]),
        (ALL[5:], ALL[1:4]),
        (ALL[:1], ALL[:2]),
        (tuple(reversed(ALL[2:5])), ALL[3:]),
        (("TLS 1.0", "TLS 1.3"), ("TLS 1.1", "TLS 1.2")),
        (("SSL 3.0", "TLS 1.2"), ("SSL 3.0", "TLS 1.1", "TLS 1.3")),
        ((), ALL),
    )
    some = [(_some_versions(), _some_versions()) for _ in range(30)]
    for client, server in (*fixed, *some):
        newest = max((ALL.index(version) for version in client if version in server), default=None)
        called = f"{_listed(client)} and {_listed(server)}"
        yield Call((list(client), list(server)), None if newest is None else ALL[newest], called)


def _some_versions() -> tuple[str, ...]:
    dice = secrets.SystemRandom()
    return tuple(dice.sample(ALL, dice.randint(1, 4)))


def _listed(versions: tuple[str, ...]) -> str:
    return f"[{', '.join(versions)}]"


LESSON = Lesson(
    "04",
    "Which version?",
    Prediction(
        "A client offers TLS 1.0 to 1.3, and the server knows TLS 1.0 to 1.2. Who decides, and what will be spoken?",
        {
            "a": "the client decides: TLS 1.3",
            "b": "the server decides: TLS 1.2",
            "c": "the weaker one wins: TLS 1.0",
            "d": "they do not understand each other",
        },
        right="b",
        because="The client sets the limits with its offer, and the server picks the newest that both know.",
        wrong={
            "a": "The client only offers. It cannot insist on what the server does not know.",
            "c": "They could meet at TLS 1.0, and an attacker would like it. But the server takes the newest that "
            "both know.",
            "d": "They have three versions in common, and one is enough.",
        },
    ),
    (
        Exercise(
            "04.1",
            "Which version will these two agree on?",
            _agreed,
            given=_two_ranges,
            hints=("Write down both lists and mark what is in both.", "Of those that are in both, it is the newest."),
            solution="agreed = [version for version in client if version in server][-1]",
            because="The newest version that both know wins.",
        ),
        Exercise(
            "04.2",
            "Which of these servers go against a standard, and which RFC forbids the oldest version that they speak?",
            _rfcs,
            given=_servers,
            hints=(
                "The first version of each server is its oldest. Is it forbidden, or deprecated?",
                "The table in this notebook has a row for each version, with its RFC. TLS 1.2 and 1.3 are forbidden "
                "by none.",
            ),
            solution=(
                'forbidden = {"SSL 2.0": 6176, "SSL 3.0": 7568, "TLS 1.0": 8996, "TLS 1.1": 8996}\n'
                "rfcs = {name: forbidden[old[0]] for name, old in servers.items() if old[0] in forbidden}"
            ),
            because="A server is as old-fashioned as the oldest version that it agrees to.",
        ),
        Exercise(
            "04.3",
            "Capture a mail over TLS 1.1.",
            capture_that(
                (
                    lambda capture: any(session.version for session in sessions(capture)),
                    "No version was agreed on in this capture: do both sides speak TLS 1.1?",
                ),
                (
                    lambda capture: any(session.version == "TLS 1.1" for session in sessions(capture)),
                    'They agreed on something else: `lab.smtp` and `lab.send` both take `tls=("TLS 1.1",)`.',
                ),
                (_worked, "They agreed on TLS 1.1, but the client said nothing inside TLS: was a mail sent?"),
            ),
            hints=(
                'The server takes `tls=("TLS 1.1",)`, and the client does not offer it unless it is asked to.',
                'Inside `with lab.capture() as deprecated:` comes `lab.send(server, "…", tls=("TLS 1.1",))`.',
            ),
            solution=(
                'server = lab.smtp(tls=("TLS 1.1",), replace=True)\n'
                "with lab.capture() as deprecated:\n"
                '    lab.send(server, "Hello from 2006", policy=policies.verified, tls=("TLS 1.1",))'
            ),
            because="Both had to be asked: neither offers a deprecated version by itself (RFC 8996).",
        ),
        Exercise(
            "04.4",
            "Which eight bytes does a server of TLS 1.3 write into its random when it is asked for TLS 1.1?",
            _mark,
            hints=(
                'The server takes `tls=("TLS 1.0", "TLS 1.3")`, which stands for all four; the client `tls=("TLS '
                '1.1",)`.',
                "The random stands at the bytes 6 to 37 of the ServerHello, so the mark is `event.data[30:38]`.",
            ),
            solution=(
                'server = lab.smtp(tls=("TLS 1.0", "TLS 1.3"), replace=True)\n'
                "with lab.capture() as honest:\n"
                '    lab.send(server, "Hello", policy=policies.verified, tls=("TLS 1.1",))\n'
                'hello = next(event for event in honest.dialogue.events if event.title == "ServerHello")\n'
                "mark = hello.data[30:38]"
            ),
            because="The number says how far down it went. Only a client that offered more takes it for an alarm.",
        ),
        Exercise(
            "04.5",
            "Write the rule of the matrix as a function.",
            tried_on(_ranges),
            hints=(
                "`ALL` has every version, oldest first. Which of them are in both lists?",
                "`common = [version for version in ALL if version in client and version in server]`, and its last.",
                "Mind the case in which `common` is empty: `common[-1] if common else None`.",
            ),
            solution=(
                "def agree(client, server):\n"
                "    common = [version for version in ALL if version in client and version in server]\n"
                "    return common[-1] if common else None"
            ),
            because="Sixty-four live sessions, and one line of Python that predicts them all.",
        ),
    ),
)
