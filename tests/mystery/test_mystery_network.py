"""Mystery networks: drawn from a seed, recorded live, with a key that tshark finds right."""

import zlib
from base64 import b64encode
from dataclasses import replace
from fractions import Fraction

import pytest
from capstones import alike, contradictions, disagreements, streams
from hypothesis import given
from hypothesis import strategies as st
from tools import tool

from labkit import Lab, policies
from labkit.attacks import catalogue
from labkit.attacks.verdict import DECEIVED, LEAKED
from labkit.decode.dialogue import read
from labkit.errors import LabError
from labkit.exercises import grade, investigation
from labkit.mystery import kept
from labkit.mystery import key as keys
from labkit.mystery.kinds import BY_WORD, DEFENCES, IMPLICIT, KINDS, MANDATORY, RELAYING, VERIFIED
from labkit.mystery.plan import LARGEST, SMALLEST, draw
from labkit.mystery.scoring import NotSessions, Score, compared, sessions_named

SIZE = 40


@pytest.fixture(scope="module")
def lab():
    with Lab(network="loopback") as lab:
        yield lab


@pytest.fixture(scope="module")
def networks(lab):
    return [lab.mystery_network("first", SIZE), lab.mystery_network(2, SIZE)]


def test_tshark_finds_every_key_right_and_no_secrets_in_the_file(networks, tmp_path):
    tool("tshark")
    for network in networks:
        assert disagreements(network, network.save(tmp_path / "network.pcapng")) == []


def test_tshark_finds_a_key_wrong_that_names_another_attack_host_or_leak(networks, tmp_path, monkeypatch):
    tool("tshark")
    network = networks[0]
    read_by_tshark = streams(network.save(tmp_path / "network.pcapng"))
    leaks = {"password": "nothing", "nothing": "password", "message": "nothing"}
    for number, incident in enumerate(network.key.incidents):
        others = [one for one in network.key.incidents if one.kind != incident.kind and one.server != incident.server]
        for wrong in (
            replace(incident, leaked=leaks[incident.leaked]),
            replace(incident, attacker=incident.victim),
            *(replace(incident, victim=one.victim) for one in others[:1] if one.victim != incident.victim),
            *(replace(incident, server=one.server) for one in others[:1]),
        ):
            told = [*network.key.incidents[:number], wrong, *network.key.incidents[number + 1 :]]
            monkeypatch.setattr(network.key, "incidents", tuple(told))
            assert contradictions(network, read_by_tshark), wrong
            monkeypatch.undo()


def test_every_kind_of_attack_happens_in_every_network_and_every_attack_has_changed_something(networks):
    for network in networks:
        assert {incident.kind for incident in network.key.incidents} == set(BY_WORD)
        assert all(incident.changed and incident.sessions for incident in network.key.incidents)


def test_what_leaked_in_the_clear_stands_in_the_victims_own_frames_and_nothing_else_of_the_accounts(networks):
    for network in networks:
        for incident in network.key.incidents:
            said = b"".join(
                network.capture.conversations[number].stream(sender)
                for number in incident.sessions
                for sender in ("client", "server")
            )
            person = next((one for one in network.key.plan.people if one.name == incident.victim), None)
            others = [one for one in network.key.plan.people if one is not person]
            assert not [one for one in others if one.password.encode() in said]


def test_the_same_seed_draws_the_same_and_another_seed_another_network(networks):
    plans = [draw(seed, SIZE) for seed in range(200)]
    assert len({plan.visits for plan in plans}) == len({plan.people for plan in plans}) == 200
    assert draw(7, SIZE) == plans[7] == draw("7", SIZE) and draw(7, SIZE + 1).visits != plans[7].visits
    assert alike(networks[0]) != alike(networks[1])


@given(
    st.one_of(st.text(), st.integers(), st.binary(), st.just(10**5000), st.just("\ud800")), st.integers(SMALLEST, 400)
)
def test_a_plan_can_be_drawn_from_any_word_or_number(seed, size):
    plan = draw(seed, size)
    assert len(plan.visits) == plan.size == size
    assert len({person.password for person in plan.people}) == len(plan.people) == len({p.pin for p in plan.people})
    assert len(set(plan.hosts)) == len(plan.hosts)
    under = [visit for visit in plan.visits if visit.kind]
    assert {visit.kind for visit in under} == set(BY_WORD) and {visit.attacker for visit in under} <= set(
        plan.attackers
    )
    assert not [visit for visit in under if visit.client == visit.attacker]
    for visit in under:  # peace at the same place, to compare it with
        same = [one for one in plan.visits if (one.house, one.protocol) == (visit.house, visit.protocol)]
        peace = [one for one in same if not one.kind and one.manner in ("verified", "known")]
        assert len(peace) > sum(one.kind == visit.kind for one in same) * (visit.kind == "forged certificate")


class Unprintable:
    def __repr__(self):
        raise ValueError


@pytest.mark.parametrize("seed", [None, 1.5, True, [], {}, object(), Fraction(1, 2), Unprintable(), Lab])
def test_a_seed_that_is_none_is_told_in_one_sentence(lab, seed):
    with pytest.raises(LabError, match=r"^A seed is a word or a whole number, for example 'ada' or 7, not .+\.$"):
        lab.mystery_network(seed)


@pytest.mark.parametrize("size", [SMALLEST - 1, LARGEST + 1, -5, 0, "many", 50.0, None, True, 10**30])
def test_a_size_that_makes_no_sense_is_told_in_one_sentence(lab, size):
    with pytest.raises(LabError, match=r"^A mystery network has 25 to 2,000 visits, not .+\.$"):
        lab.mystery_network("ada", size)


def test_a_policy_that_is_none_is_told_before_anything_runs(lab):
    with pytest.raises(LabError, match="A policy is one of"):
        lab.mystery_network("ada", SIZE, policy="implicit")


def test_each_attack_is_one_of_the_catalogue_and_each_defence_has_a_name():
    for kind in KINDS:
        assert all(catalogue.vector(number) for number in kind.vectors) and set(kind.defences) <= set(DEFENCES)


def test_the_defences_of_the_key_stop_what_they_are_said_to_stop(lab):
    """Each policy on the same network: no attack that it is said to stop gains anything any more."""
    said = {MANDATORY: policies.mandatory, VERIFIED: policies.verified, IMPLICIT: policies.implicit}
    for defence, policy in said.items():
        network = lab.mystery_network("defended", SMALLEST, policy=policy)
        under = [record for record in network.happened.records if record.visit.kind in BY_WORD]
        under = [record for record in under if record.visit.protocol != RELAYING]
        gained = {record.visit.kind for record in under if record.verdict.outcome in (LEAKED, DECEIVED)}
        assert not {kind for kind in gained if defence in BY_WORD[kind].defences}
        if defence != IMPLICIT:  # it is the only one that stops all
            assert gained


def test_a_recording_that_does_not_hold_what_happened_gives_no_key(networks, monkeypatch):
    network = networks[0]
    monkeypatch.setattr(keys, "visible", lambda dialogue: [])
    with pytest.raises(LabError, match="record it again"):
        keys.Key(network.key.plan, network.happened)


# ---- scores


def test_a_detector_is_scored_by_the_sessions_that_it_names_in_whatever_form(networks):
    network = networks[0]
    key, capture = network.key, network.capture
    everything = [number for one in key.incidents for number in one.sessions]
    perfect = Score(len(key.incidents), 0, 0)
    for named in (
        [capture.dialogues[number] for number in everything],
        {capture.conversations[number].began for number in everything},
        (read(capture.conversations[number]) for number in everything),
        tuple(capture.conversations[number] for number in everything),
        [capture.dialogues[number].events[-1] for number in everything],
        [capture.dialogues[number] for one in key.incidents for number in one.onward],
    ):
        assert compared(network, named).score == perfect
    assert (perfect.precision, perfect.recall) == (1.0, 1.0)


def test_a_score_counts_what_was_missed_and_what_is_false(networks):
    network = networks[0]
    everything = compared(network, network.capture.dialogues)
    assert everything.score.recall == 1.0 and everything.score.precision < 0.5 and not everything.missed
    nothing = compared(network, [])
    assert nothing.score == Score(0, len(network.key.incidents), 0) and nothing.score.precision == 1.0
    assert nothing.score.plus(everything.score).recall == 0.5


@pytest.mark.parametrize("named", [None, 7, "all", {}, [True], [0], [10**9], [None], ["1"], [b"\1"], [[1]]])
def test_what_names_no_sessions_is_told(networks, named):
    with pytest.raises(NotSessions):
        sessions_named(networks[0], named)


# ---- points


def points(network, findings, monkeypatch):
    monkeypatch.setattr(investigation, "about_network", lambda network: "")  # it is no student's
    return grade("15.2", findings, network)


def finding(incident, **changes):
    right = {part: getattr(incident, part) for part in ("victim", "attacker", "leaked")}
    named = {"frame": incident.frames[0], "attack": incident.kind, "defence": incident.defences[0]}
    return right | named | changes


def test_findings_earn_points_part_by_part_and_a_half_of_them_half_of_the_points(networks, monkeypatch):
    network = networks[0]
    right = [finding(one) for one in network.key.incidents]
    whole = points(network, right, monkeypatch)
    assert (whole.points, whole.of) == (12, 12) and len(whole.parts) == 6
    assert points(network, right[: len(right) // 2], monkeypatch).points == 6
    blamed = points(network, [each | {"attacker": each["victim"]} for each in right], monkeypatch)
    assert {part.name: part.points for part in blamed.parts}["attacker"] == 0 and blamed.points == 10


def test_guessing_every_frame_and_every_word_earns_next_to_nothing(networks, monkeypatch):
    network = networks[0]
    starts = [one.began for one in network.capture.conversations]
    guesses = [finding(network.key.incidents[0], frame=frame, attack=word) for frame in starts for word in BY_WORD]
    assert points(network, guesses, monkeypatch).points < 1.5
    assert points(network, [], monkeypatch).points == 0


# ---- in files


def test_a_network_that_is_kept_is_read_again_with_the_same_frames_and_the_same_key(lab, tmp_path):
    first = lab.mystery_network("kept/../network", SIZE, folder=tmp_path)
    again = lab.mystery_network("kept/../network", SIZE, folder=str(tmp_path))
    assert first.path == again.path and first.path.parent == tmp_path
    assert again.capture.frames == first.capture.frames and again.capture.names == first.capture.names
    assert again.key.incidents == first.key.incidents and repr(again.key) == repr(first.key)
    assert len(list(tmp_path.iterdir())) == 2
    assert disagreements(again, again.path) == []
    for incident in first.key.incidents:
        for secret in incident.secrets:
            assert secret.encode() not in again.path.with_suffix(".key.json").read_bytes()


def test_files_that_do_not_belong_to_a_network_are_told_in_a_sentence(lab, networks, tmp_path):
    kept.write(networks[0].happened, networks[0].key.plan, path := kept.place(tmp_path, networks[0].key.plan))
    beside = path.with_suffix(".key.json")
    whole = beside.read_bytes()
    for damaged in (b"", whole[:-20], b"{}", whole[::-1], b64encode(zlib.compress(b"[]"))):
        beside.write_bytes(damaged)
        with pytest.raises(LabError, match="is damaged"):
            lab.mystery_network("first", SIZE, folder=tmp_path)
    beside.unlink()
    with pytest.raises(LabError, match="cannot be read"):
        lab.mystery_network("first", SIZE, folder=tmp_path)
    beside.write_bytes(whole)
    with pytest.raises(LabError, match="another version"):
        kept.read(draw("second", SIZE), path)
    path.write_bytes(b"no capture")
    with pytest.raises(LabError):
        lab.mystery_network("first", SIZE, folder=tmp_path)


@pytest.mark.parametrize("folder", ["/nowhere/at/all", 7, __file__])
def test_a_folder_that_is_none_is_told(lab, folder):
    with pytest.raises(LabError, match="a folder that exists"):
        lab.mystery_network("ada", SIZE, folder=folder)


def test_a_network_under_a_policy_is_not_kept(lab, tmp_path):
    with pytest.raises(LabError, match="is not kept"):
        lab.mystery_network("ada", SIZE, policy=policies.verified, folder=tmp_path)
