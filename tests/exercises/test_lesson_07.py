"""Wrong answers to lesson 07 are told what is wrong with them; right ones pass."""

import pytest

from labkit import Lab, check, policies


def _provider(policy, **server):
    """A provider through which one mail was sent to a server with these settings."""
    with Lab(hosts=("provider",)) as lab:
        provider = lab.provider(lab.smtp(port=25, **server), policy=policy)
        lab.send(provider, "The PIN is 4921", login=("alice", "hunter2"), policy=policies.verified)
    return provider


def test_a_block_event_has_the_reason_that_was_asked_for():
    wrong_name = {"certificate": "wrong name"}
    assert "right" in check("07.4", _provider(policies.verified, **wrong_name)).text
    assert "blocked nothing yet" in check("07.4", _provider(policies.mandatory, **wrong_name)).text
    assert "does not fit" in check("07.4", _provider(policies.mandatory, starttls="off")).text
    assert "a provider" in check("07.4", policies.verified).text


def _always(policy):
    return lambda known, better_lost_than_leaked: policy


@pytest.mark.parametrize(
    ("number", "answer", "told"),
    [
        ("07.1", "b", "right"),
        ("07.1", "a", "587"),
        ("07.1", "c", "cannot guess"),
        ("07.1", 465, "Choose one"),
        ("07.2", {"mandatory", "verified", "implicit"}, "right"),
        ("07.2", {"verified", "implicit"}, "Look at its row"),
        ("07.2", {"opportunistic", "mandatory", "verified", "implicit"}, "without TLS"),
        ("07.3", {"verified", "implicit"}, "right"),
        ("07.3", {"mandatory", "verified", "implicit"}, "wrong name"),
        ("07.3", "verified", "several things"),
        ("07.5", _always(policies.verified), "known=False"),
        ("07.5", _always(policies.opportunistic), "known=True"),
        ("07.5", policies.verified, "a function"),
        (
            "07.5",
            lambda known, lost: policies.verified if known else policies.mandatory,
            "better_lost_than_leaked=False",
        ),
    ],
)
def test_what_is_said_of_an_answer(number, answer, told):
    assert told in check(number, answer).text
