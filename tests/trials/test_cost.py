"""What ways to a server cost: predicted, counted in the capture, and measured; and tshark counts the same."""

import statistics
import subprocess
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thoroughly import every
from tools import tool

from labkit import Lab
from labkit.decode.round_trips import round_trips
from labkit.errors import LabError, NetworkUnavailable
from labkit.network import KINDS
from labkit.trials.cost import WAYS, chosen
from labkit.trials.way import way

MORE = (
    "STARTTLS, TLS 1.2, resumed",
    "STARTTLS, TLS 1.3, resumed",
    "implicit, TLS 1.2, resumed",
    "STARTTLS, TLS 1.2, login",
    "clear, message",
    "implicit, TLS 1.3, login, message, pipelined",
    "implicit, TLS 1.3, 3 messages",
)
_WORDS = (
    "clear",
    "STARTTLS",
    "implicit",
    "TLS 1.2",
    "TLS 1.3",
    "resumed",
    "login",
    "message",
    "7 messages",
    "pipelined",
)
PREDICTED = {
    "clear": 3,
    "implicit, TLS 1.3": 4,
    "implicit, TLS 1.2": 4,
    "STARTTLS, TLS 1.3": 6,
    "STARTTLS, TLS 1.2": 7,
    "STARTTLS, TLS 1.2, resumed": 6,
    "STARTTLS, TLS 1.3, resumed": 6,
    "implicit, TLS 1.2, resumed": 4,
    "STARTTLS, TLS 1.2, login": 8,
    "clear, message": 7,
    "implicit, TLS 1.3, login, message, pipelined": 7,
    "implicit, TLS 1.3, 3 messages": 16,
}


@pytest.fixture(scope="module", params=every(sorted(KINDS), once=("loopback",)))
def costs(request):
    """Every way, on every network; the usual ones at the usual distances."""
    try:
        lab = Lab(request.param)
    except NetworkUnavailable as refusal:
        pytest.skip(str(refusal))
    with lab:
        return lab.cost(), lab.cost(MORE, [0, 0.1])


def test_the_round_trips_are_those_that_the_protocols_ask_for(costs):
    for found in costs:
        for name, cost in found.items():
            assert cost.predicted == PREDICTED[name]
            assert cost.counted == cost.predicted, repr(cost)


def test_no_session_is_faster_than_its_round_trips_and_what_is_left_is_computing(costs):
    for found in costs:
        for cost in found.values():
            assert all(seconds >= delay * cost.predicted - 0.002 for delay, seconds in cost.times.items())
            assert 0 < cost.work < 1


FAR = (0.1, 0.4, 0.8)
"""Seconds of a round trip: so many that other work on the machine adds little to the time of a session."""


def _slope(times):
    """The round trips of a session, from its times: seconds of a round trip -> seconds of the session."""
    far = {delay: seconds for delay, seconds in times.items() if delay}
    return statistics.linear_regression(list(far), list(far.values())).slope


def test_the_slopes_are_the_round_trips(costs, request):
    """Other work can only make a session longer: on a busy machine the shortest of several sessions counts."""
    times = {name: cost.times for name, cost in costs[0].items()}
    for _ in range(12):
        slopes = {name: _slope(each) for name, each in times.items()}
        if all(abs(slope - PREDICTED[name]) <= 0.3 for name, slope in slopes.items()):
            return
        with Lab(request.node.callspec.params["costs"]) as lab:
            times = {
                name: {delay: min(seconds, times[name].get(delay, seconds)) for delay, seconds in cost.times.items()}
                for name, cost in lab.cost(delays=FAR).items()
            }
    pytest.fail(f"the slopes are {slopes}")


def test_tshark_counts_the_same_round_trips_in_the_same_capture(costs, tmp_path):
    """Counted from the last answer back to the SYN: each frame waited for one of the other side."""
    for found in costs:
        found.capture.save(tmp_path / "cost.pcapng")
        wanted = ("tcp.stream", "tcp.srcport", "tcp.len", "tcp.seq", "tcp.ack", "tcp.flags.fin", "tcp.flags.syn")
        said = subprocess.run(
            [tool("tshark"), "-r", str(tmp_path / "cost.pcapng"), "-T", "fields", *(f"-e{name}" for name in wanted)],
            capture_output=True,
            text=True,
            timeout=120,
        )
        streams = defaultdict(list)
        for line in said.stdout.splitlines():
            stream, port, *numbers = line.replace("True", "1").replace("False", "0").split("\t")
            size, seq, ack, fin, syn = (int(number or 0) for number in numbers)
            streams[stream].append((port, size, seq, ack, fin, syn))
        ours = {(str(each.client[1]), str(each.server[1])): each.count for each in round_trips(found.capture.frames)}
        theirs = {(rows[0][0], rows[1][0]): _waited(rows, rows[0][0]) for rows in streams.values()}
        assert theirs == ours


def _waited(frames, client):
    """How often the client has waited for the server in these frames, by tshark's relative sequence numbers."""
    end = min((seq + size for port, size, seq, _, fin, _ in frames if port == client and fin), default=1 << 40)
    answers = [frame for frame in frames if frame[0] != client and frame[1] and frame[3] <= end]
    at, waits = max(answers, key=lambda frame: frame[2]), 0
    while True:
        asked = _carried(frames, client, at[3] - 1)
        waits += 1
        if asked[5]:  # the SYN; the server's first words have waited for the third segment, too
            return waits + bool(at[1])
        at = _carried(frames, next(port for port, *_ in frames if port != client), asked[3] - 1)


def _carried(frames, port, byte):
    """The first frame from this port that carried the byte with this sequence number; SYN and FIN have one, too."""
    return next(
        frame for frame in frames if frame[0] == port and frame[2] <= byte < frame[2] + frame[1] + frame[4] + frame[5]
    )


def test_tls_1_3_saves_nothing_on_an_implicit_port_because_the_server_speaks_first(costs):
    new, old = ({step.name: step.trips for step in way(f"implicit, TLS 1.{n}").steps} for n in (3, 2))
    assert (new["TLS"], new["greeting"]) == (1, 1) and (old["TLS"], old["greeting"]) == (2, 0)
    assert costs[0]["implicit, TLS 1.3"].counted == costs[0]["implicit, TLS 1.2"].counted


def test_the_picture_its_words_and_the_table_hold_the_same_numbers(costs):
    found = costs[0]
    for name, cost in found.items():
        for told in (found.picture.words, found.html, repr(found)):
            assert name in told and f"{cost.slope:.2f}" in told
    assert found["starttls , tls 1.2"] is found["STARTTLS, TLS 1.2"]
    assert "(RFC 3207 §4.2)" in repr(found.why("STARTTLS, TLS 1.3"))
    with pytest.raises(LabError, match="was not run: there are 'clear'"):
        found["clear, login"]


@pytest.mark.parametrize(
    "words",
    [
        "",
        "tls",
        "clear, TLS 1.3",
        "clear, resumed",
        "STARTTLS, implicit",
        "STARTTLS, STARTTLS",
        "implicit, pipelined",
        "STARTTLS, TLS 1.1",
        "STARTTLS, TLS 1.2, TLS 1.3",
        "clear, 0 messages",
        "clear, 101 messages",
        "login",
        5,
        None,
        "clear, message, 2 messages",
    ],
)
def test_words_that_describe_no_way_are_told_in_one_sentence(words):
    with pytest.raises(LabError, match=r"[Ww]ay") as told:
        way(words)
    assert "\n" not in str(told.value)


@given(st.lists(st.sampled_from(_WORDS) | st.text(max_size=12), max_size=6).map(",".join))
def test_any_words_are_a_way_or_told_to_be_none(words):
    try:
        found = way(words)
    except LabError:
        return
    assert way(found.name) == found and found.trips == sum(step.trips for step in found.steps) >= 3


@pytest.mark.parametrize(
    "delays",
    [
        [],
        [0.1],
        [0.1, 0.1],
        [0, 0.001],
        [-0.1, 0.1],
        [0, 3],
        [0, float("nan")],
        ["0", 0.1],
        0.1,
        "0.1",
        [0, None],
        [0, 1e-9],
        [0, float("inf")],
        [True, 0],
        list(range(9)),
    ],
)
def test_delays_through_which_no_line_goes_are_told_in_one_sentence(delays):
    with pytest.raises(LabError, match=r"^A (line|delay)"):
        chosen(None, delays)


def test_too_many_ways_or_none_or_what_are_no_words():
    for ways in ([], [f"clear, {n} messages" for n in range(2, 20)], 5):
        with pytest.raises(LabError):
            chosen(ways, None)
    assert [way.name for way in chosen(None, None)[0]] == list(WAYS)
    assert [way.name for way in chosen("a message, clear", None)[0]] == ["clear, message"]


def test_a_session_that_fails_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setattr("labkit.trials.timed._LOGIN", ("alice", "wrong"))
    with Lab("loopback") as lab, pytest.raises(LabError, match=r"A session \(clear, login\) .* failed: .*535"):
        lab.cost("clear, login", [0, 0.02])


def test_a_lab_that_is_closed_measures_nothing():
    lab = Lab("loopback")
    lab.close()
    with pytest.raises(LabError, match="closed"):
        lab.cost()
