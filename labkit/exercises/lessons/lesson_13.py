"""What it costs: round trips, computing, and what of both can be had back."""

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.exercises.checkers import members, number, same, shown
from labkit.exercises.drawn import Draw
from labkit.exercises.functions import Call, tried_on
from labkit.exercises.keeping import draw
from labkit.exercises.question import Exercise, Lesson, Prediction
from labkit.trials.way import IMPLICIT, STARTTLS, Way, way

# ---- 13.1: counting

_COUNTED = (
    "clear, login",
    "STARTTLS, TLS 1.2, message",
    "STARTTLS, TLS 1.3, login",
    "STARTTLS, TLS 1.2, resumed",
    "implicit, TLS 1.3, login, message",
    "implicit, TLS 1.2, login",
    "implicit, TLS 1.3, message, pipelined",
)


def _some_ways(of: Draw) -> list[str]:
    """Draws four ways, at least one of each kind."""
    kinds = [[words for words in _COUNTED if words.startswith(kind)] for kind in (STARTTLS, IMPLICIT)]
    return of.shuffled("13.1", [name for ways in kinds for name in of.some(f"13.1 {ways[0]}", ways, 2)])


def _counts(answer: object) -> str:
    wanted = {words: way(words).trips for words in _some_ways(draw())}
    if not isinstance(answer, Mapping):
        return f"The answer is a dictionary, {{way: round trips}}, and yours is {shown(answer)}."
    for words, trips in wanted.items():
        if words not in answer:
            return f"There is no {words!r} in it."
        if not same(answer[words], trips):
            return _miscounted(way(words), answer[words])
    return ""


def _miscounted(way: Way, counted: object) -> str:
    """What is said of a wrong count of one way."""
    if isinstance(counted, str | bytes):
        return f"{way.name}: {number(way.trips)(counted)}"
    forgotten = way.trips - counted if isinstance(counted, int) else 0
    said = f"{way.name}: not {shown(counted)}. "
    if forgotten == 1 and way.starts == STARTTLS:
        return said + "One is missing. Did you count TCP's own, and the second EHLO?"
    if forgotten == 1:
        return said + "One is missing. Did you count TCP's own, and the greeting?"
    if forgotten == -1 and way.resumed:
        return said + "One too many: a resumed handshake of TLS 1.2 takes one round trip, not two."
    if forgotten == -1 and way.starts == IMPLICIT and way.version == "TLS 1.2":
        return said + "One too many: the greeting comes together with the server's Finished."
    if forgotten == -2 and way.pipelined:
        return said + "Two too many: MAIL, RCPT and DATA go out together."
    return said + "Write its steps down, one below the other, and how often the client waits in each."


# ---- 13.2: reading a measurement


def _measured(of: Draw) -> dict[int, int]:
    """Milliseconds of a round trip -> milliseconds of a session, as measured values."""
    trips, computing = of.number("13.2 trips", 5, 12), of.number("13.2 computing", 31, 89)
    return {rtt: trips * rtt + computing + of.number(f"13.2 {rtt}", 0, 2) for rtt in (20, 50, 100, 200)}


def _trips_read(answer: object) -> str:
    of = draw()
    trips, computing = of.number("13.2 trips", 5, 12), of.number("13.2 computing", 31, 89)
    times = _measured(of)
    intercept = "Those are the milliseconds that are there at any distance: the intercept. The slope is wanted."
    mistakes: dict[float, str] = {
        **dict.fromkeys(range(computing, computing + 3), intercept),
        times[200]: "Those are milliseconds. How much longer does a session get when a round trip does?",
    }
    if isinstance(answer, float) and any(abs(answer - times[rtt] / rtt) < 0.005 for rtt in times):
        return (
            f"{answer:.2f} is a time divided by its round trip. What takes time at any distance is still in it: look "
            "at how much is added from one line to the next."
        )
    return number(trips, tolerance=0.2, mistakes=mistakes)(answer)


# ---- 13.3: counting in a capture, as a function


_TALKS = {
    "a session in the clear": "cWcWcW",
    "one in which the server sends twice in a row": "cWcWsscWs",
    "one in which the client sends three times in a row": "cWcWcccWcW",
    "one in which segments cross": "cWcWcscscWs",
    "a session without a segment": "",
}
"""What alice sees at her own interface, in order: c, a segment of hers; W, one of the server for which she has waited;
s, one of the server that comes just after the segment before it."""


def _seen_by_alice() -> Iterator[Call]:
    dice = secrets.SystemRandom()
    for called, talk in _TALKS.items():
        trip, now, segments = dice.choice((0.05, 0.1, 0.2)), 0.0, []
        for sign in talk:
            now += trip + 0.004 if sign == "W" else 0.002
            segments.append((round(now, 3), "client" if sign == "c" else "server"))
        turns = sum(talk.count(pair) for pair in ("cW", "cs"))
        yield Call((segments, trip), talk.count("W"), called, _mistaken(talk, turns))


def _mistaken(talk: str, turns: int) -> dict[Any, str]:
    waits = talk.count("W")
    mistakes = {
        len(talk): "That is the number of segments.",
        talk.count("W") + talk.count("s"): "Those are the segments of the server: some come without a wait.",
        turns: "A segment of the server that comes just behind one of alice's was under way already: it is no answer.",
    }
    return {wrong: why for wrong, why in mistakes.items() if wrong != waits}


# ---- 13.4: what may be sent without waiting

_MAY = {
    "MAIL, RCPT, DATA": "RFC 2920 §3.1 names it: DATA may be the last of a group.",
    "MAIL, RCPT, RCPT, DATA": "Any number of RCPT may stand in a group.",
    "RSET, MAIL, RCPT": "All three may stand anywhere in a group (RFC 2920 §3.1).",
    "end of a message, MAIL, RCPT, DATA": "The text of a message may be the first of a group (RFC 2920 §3.1).",
}
_MAY_NOT = {
    "STARTTLS, EHLO": "Behind STARTTLS the next byte is TLS's, and only after the go-ahead (RFC 3207 §4).",
    "DATA, the message": "The server may refuse DATA: the text has to wait for its 354 (RFC 5321 §4.1.1.4).",
    "EHLO, MAIL, RCPT": "EHLO may only be the last of a group, and its answer says whether there is PIPELINING at all.",
    "AUTH, MAIL": "A command of another extension may only be the last of a group, unless that says otherwise.",
}


def _groups(of: Draw) -> list[str]:
    """Groups of commands, some of which may go out together."""
    return of.shuffled("13.4", [*of.some("13.4 may", list(_MAY), 2), *of.some("13.4 not", list(_MAY_NOT), 3)])


def _together(answer: object) -> str:
    groups = _groups(draw())
    right = [group for group in groups if group in _MAY]
    return members(right, missing=_MAY, extra=_MAY_NOT, of=groups)(answer)


# ---- 13.5: many messages


def _newsletter(of: Draw) -> dict[str, Any]:
    """So many messages, over a round trip of so many milliseconds, each in a connection of its own."""
    return {
        "messages": 100 * of.number("13.5 messages", 3, 20),
        "round trip, ms": 10 * of.number("13.5 trip", 2, 15),
        "way": of.one("13.5 way", ("STARTTLS, TLS 1.3, login, message", "STARTTLS, TLS 1.2, login, message")),
    }


def _saved(answer: object) -> str:
    given = _newsletter(draw())
    count, trip, one = given["messages"], given["round trip, ms"] / 1000, way(given["way"])
    opening = one.trips - 4
    right = (count - 1) * opening * trip
    mistakes = {
        round(count * one.trips * trip, 2): "That is how long it takes with a connection for each message.",
        round((opening + 4 * count) * trip, 2): "That is how long it takes over one connection. How much is saved?",
        round((count - 1) * one.trips * trip, 2): "MAIL, RCPT, DATA and the text are still needed for each message.",
        round((count - 1) * (opening - 1) * trip, 2): "One is missing in each connection: TCP's own, or the login?",
        round(right * 1000, 2): "Those are milliseconds; the answer is in seconds.",
    }
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        for wrong, why in mistakes.items():
            if abs(answer - wrong) < 0.005 < abs(right - wrong):
                return why
        if abs(answer - count * opening * trip) < 0.005:
            return "Nearly: the first connection has to be opened all the same."
    return number(right, tolerance=0.01)(answer)


# ---- 13.6: a better way

_MOST = 11


def _better(answer: object) -> str:
    if not hasattr(answer, "capture") or not hasattr(answer, "picture"):
        return f"The answer is what `lab.cost(...)` returns, and yours is {shown(answer)}."
    said = [_short_of(cost.way, cost.counted) for cost in answer.values()]
    return "" if "" in said else said[0]


def _named(messages: int) -> str:
    return ("no message", "a message")[messages] if messages < 2 else f"{messages} messages"


def _short_of(way: Way, counted: int | None) -> str:
    """What this way lacks of what is asked for, or an empty text."""
    if not way.version:
        return f"{way.name!r} is in the clear: the password and three messages can be read."
    if not way.login:
        return f"{way.name!r} does not log in: a submission server would refuse it."
    if way.messages != 3:
        return f"{way.name!r} hands over {_named(way.messages)}, not three."
    if counted is None:
        return f"The capture does not show how many round trips {way.name!r} took: measure it again."
    if counted > _MOST:
        return f"{way.name!r} took {counted} round trips, as the capture shows: {_MOST} are enough."
    return ""


LESSON = Lesson(
    "13",
    "What it costs",
    Prediction(
        "alice's server is 100 milliseconds away and back. Her program connects with TLS 1.3, and waits until it may "
        "begin with the mail. How much later is that with STARTTLS on port 587 than with implicit TLS on port 465?",
        {
            "a": "not measurably: the cryptography takes the time, and it is the same",
            "b": "100 milliseconds, for the command STARTTLS",
            "c": "200 milliseconds",
            "d": "600 milliseconds: everything is done twice",
        },
        right="c",
        because=(
            "Six round trips against four. STARTTLS is one more, and because everything before it is forgotten (RFC "
            "3207 §4.2), the second EHLO is another. The cryptography takes a few milliseconds, here as there."
        ),
        wrong={
            "a": "It is the same, and it takes a few milliseconds. What takes longer is that the client has to wait.",
            "b": "The command is one. After the handshake the client has to say something once more.",
            "d": "Only the EHLO is said twice. TCP, the greeting and the handshake come once in both.",
        },
    ),
    (
        Exercise(
            "13.1",
            "How many round trips does each of these ways take, up to the last answer?",
            _counts,
            given=_some_ways,
            hints=(
                "Begin with 1 for TCP, 1 for the greeting and 1 for the EHLO.",
                "STARTTLS costs the command, the handshake (TLS 1.3: 1, TLS 1.2: 2, resumed: 1) and a second EHLO.",
                "On an implicit port the greeting of TLS 1.2 comes with the handshake. A login is 1. A message is "
                "MAIL, RCPT, DATA and the text; pipelined, the first three are 1.",
            ),
            solution=(
                "from labkit.trials.way import way\n"
                '\nways = given("13.1")\n'
                "counts = {words: way(words).trips for words in ways}"
            ),
            because="No clock is needed for that: the protocols say who has to wait for whom.",
        ),
        Exercise(
            "13.2",
            "How many round trips does this session have?",
            _trips_read,
            given=_measured,
            hints=(
                "What takes time at any distance is in all of the lines alike.",
                "From one line to another, divide what is added to the session by what is added to the round trip.",
            ),
            solution='times = given("13.2")\ntrips = (times[200] - times[20]) / (200 - 20)',
            because="The slope counts round trips; the intercept is what no better line would make faster.",
        ),
        Exercise(
            "13.3",
            "Count how often alice waits for a round trip, in the segments that she has seen.",
            tried_on(_seen_by_alice),
            hints=(
                "She has waited when a segment of the server comes much later than the segment before it.",
                "`zip(segments, segments[1:])` gives each segment and the one behind it.",
                "Much later is more than half a round trip. A segment of the server that comes at once is no answer.",
            ),
            solution=(
                "def waits(segments, trip):\n"
                "    pairs = zip(segments, segments[1:])\n"
                '    late = [b for a, b in pairs if b[1] == "server" and b[0] - a[0] > trip / 2]\n'
                "    return len(late)"
            ),
            because=(
                "Segments are not round trips: several go out at once, and some cross. What counts is what waited for "
                "what."
            ),
        ),
        Exercise(
            "13.4",
            "Which of these may a client send without waiting in between, when the server offers PIPELINING?",
            _together,
            given=_groups,
            hints=(
                "EHLO, DATA, and every command of another extension may only be the last of a group (RFC 2920 §3.1).",
                "Whatever changes who may say what has to be answered before anything else is said.",
            ),
            solution=(
                'groups = given("13.4")\n'
                'last = ("STARTTLS,", "DATA,", "EHLO,", "AUTH,")\n'
                "together = {group for group in groups if not group.startswith(last)}"
            ),
            because=(
                "A second EHLO that is sent along with STARTTLS would be the attack of notebook 10: a command from "
                "before TLS that is carried out after it. The round trip is the price of safety."
            ),
        ),
        Exercise(
            "13.5",
            "How many seconds of waiting are saved by sending them all over one connection?",
            _saved,
            given=_newsletter,
            hints=(
                "A message is four round trips in any case: MAIL, RCPT, DATA, and the text.",
                "Everything else of the way is the opening: it is saved for every message but the first.",
            ),
            solution=(
                "from labkit.trials.way import way\n"
                '\nletter = given("13.5")\n'
                'opening = way(letter["way"]).trips - 4\n'
                'saved = (letter["messages"] - 1) * opening * letter["round trip, ms"] / 1000'
            ),
            because=(
                "TLS costs something for each connection, not for each message. When Postfix users found bulk mail "
                "slow with TLS, connections were no longer reused."
            ),
        ),
        Exercise(
            "13.6",
            "Find a way that logs in inside TLS, hands over three messages, and takes at most eleven round trips.",
            _better,
            hints=(
                "Four round trips until the EHLO that counts, one for the login: six are left for three messages.",
                '`lab.cost` takes words: `lab.cost("…, login, 3 messages, …", [0, 0.1])`.',
            ),
            solution='better = lab.cost("implicit, TLS 1.3, login, 3 messages, pipelined", [0, 0.1])',
            because="Implicit TLS saves two round trips, pipelining two for each message, one connection all the rest.",
        ),
    ),
)
