"""Answers to lesson 13."""

from functools import cache
from itertools import pairwise

from lesson_captures import Later, outcome

from labkit import Lab
from labkit.exercises import given
from labkit.trials.way import way


def _counted(change=0, of="", leave_out=False, form=dict):
    """The right counts of 13.1, but for those of the first way that begins with `of`."""

    def made():
        counts = {words: way(words).trips for words in given("13.1")}
        which = next((words for words in counts if of and words.startswith(of)), "")
        if which and leave_out:
            del counts[which]
        elif which:
            counts[which] += change
        return form(counts)

    return Later(made)


def _trips():
    times = given("13.2")
    return round((times[200] - times[20]) / 180)


def _clocked(segments, trip):
    count, before = 0, 0.0
    for seconds, sender in segments:
        count += sender == "server" and seconds - before > 0.8 * trip
        before = seconds
    return count


def _by_last_of_client(segments, trip):
    last, count = None, 0
    for seconds, sender in segments:
        if sender == "client":
            last = seconds
        elif last is not None and seconds - last >= trip:
            count, last = count + 1, None
    return count


def _turns(segments, trip):
    senders = [sender for _, sender in segments]
    return sum(pair == ("client", "server") for pair in pairwise(senders))


def _together():
    return [group for group in given("13.4") if not group.startswith(("STARTTLS,", "DATA,", "EHLO,", "AUTH,"))]


def _not_together(verb):
    return Later(lambda: {*_together(), next((group for group in given("13.4") if group.startswith(verb)), verb)})


def _newsletter(seconds):
    def made():
        letter = given("13.5")
        return seconds(letter["messages"], way(letter["way"]).trips, letter["round trip, ms"] / 1000)

    return Later(made)


@cache
def _cost(*ways):
    with Lab("loopback") as lab:
        return lab.cost(ways, [0, 0.04])


def _costs(*ways):
    return Later(lambda: _cost(*ways))


BEST = "implicit, TLS 1.3, login, 3 messages, pipelined"

WRONG = [
    ("13.1", "a dictionary", 6),
    ("13.1", "There is no", _counted(of="STARTTLS", leave_out=True)),
    ("13.1", "One is missing. Did you count TCP's own, and the second EHLO?", _counted(-1, "STARTTLS")),
    ("13.1", "One is missing. Did you count TCP's own, and the greeting?", _counted(-1, "implicit")),
    ("13.1", "Write its steps down", _counted(3, "implicit")),
    ("13.1", "a number, and yours is 'many'", _counted(form=lambda counts: dict.fromkeys(counts, "many"))),
    ("13.1", "write it without the quotes", _counted(form=lambda counts: {one: str(n) for one, n in counts.items()})),
    ("13.2", "the intercept", Later(lambda: given("13.2")[200] - 200 * _trips())),
    ("13.2", "Those are milliseconds", Later(lambda: given("13.2")[200])),
    ("13.2", "a time divided by its round trip", Later(lambda: given("13.2")[20] / 20)),
    ("13.2", "too high", Later(lambda: _trips() + 0.4)),
    ("13.2", "too low", 1),
    ("13.2", "a number", "seven"),
    ("13.3", "some come without a wait", lambda segments, trip: sum(who == "server" for _, who in segments)),
    ("13.3", "the number of segments", lambda segments, trip: len(segments)),
    ("13.3", "it is no answer", _turns),
    ("13.3", "stops with", lambda segments, trip: segments["client"]),
    ("13.3", "a function", 3),
    ("13.4", "does not belong there", Later(lambda: set(given("13.4")))),
    ("13.4", "missing", Later(lambda: set(_together()[1:]))),
    ("13.4", "none of what there is to choose from: '", Later(lambda: {*_together(), "QUIT"})),
    ("13.4", "several things", "MAIL"),
    ("13.5", "with a connection for each message", _newsletter(lambda n, one, trip: n * one * trip)),
    ("13.5", "How much is saved?", _newsletter(lambda n, one, trip: (one - 4 + 4 * n) * trip)),
    ("13.5", "are still needed for each message", _newsletter(lambda n, one, trip: (n - 1) * one * trip)),
    ("13.5", "the first connection", _newsletter(lambda n, one, trip: n * (one - 4) * trip)),
    ("13.5", "TCP's own, or the login?", _newsletter(lambda n, one, trip: (n - 1) * (one - 5) * trip)),
    ("13.5", "in seconds", _newsletter(lambda n, one, trip: 1000 * (n - 1) * (one - 4) * trip)),
    ("13.5", "a number", "much"),
    ("13.6", "what `lab.cost(...)` returns", outcome),
    ("13.6", "what `lab.cost(...)` returns", Later(lambda: _cost(BEST)[BEST])),
    ("13.6", "in the clear", _costs("clear, login, 3 messages, pipelined")),
    ("13.6", "does not log in", _costs("implicit, TLS 1.3, 3 messages, pipelined")),
    ("13.6", "hands over a message, not three", _costs("implicit, TLS 1.3, login, message, pipelined")),
    ("13.6", "11 are enough", _costs("STARTTLS, TLS 1.3, login, 3 messages, pipelined")),
    ("13.6", "11 are enough", _costs("implicit, TLS 1.3, login, 3 messages")),
]
RIGHT = [
    ("13.1", _counted()),
    ("13.1", _counted(form=lambda counts: {words: float(trips) for words, trips in counts.items()})),
    ("13.1", _counted(form=lambda counts: {**counts, "clear": 3})),
    ("13.2", Later(_trips)),
    ("13.2", Later(lambda: (given("13.2")[200] - given("13.2")[20]) / 180)),
    ("13.2", Later(lambda: (given("13.2")[200] - given("13.2")[100]) / 100)),
    ("13.3", _clocked),
    ("13.3", _by_last_of_client),
    ("13.3", lambda segments, trip: float(_clocked(segments, trip))),
    ("13.4", Later(lambda: set(_together()))),
    ("13.4", Later(_together)),
    ("13.4", Later(lambda: tuple(group.lower() for group in _together()))),
    ("13.5", _newsletter(lambda n, one, trip: (n - 1) * (one - 4) * trip)),
    ("13.5", _newsletter(lambda n, one, trip: round((n - 1) * (one - 4) * trip, 2))),
    ("13.5", _newsletter(lambda n, one, trip: n * one * trip - (one - 4 + 4 * n) * trip)),
    ("13.6", _costs(BEST)),
    ("13.6", _costs("implicit, TLS 1.2, login, 3 messages, pipelined")),
    ("13.6", _costs("clear", BEST)),
]
