"""A domain says which authorities may issue for it, and an authority that asks obeys (RFC 8659)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zones import World

from labkit.defences.caa import issuing, permits
from labkit.defences.resource_records import CAA
from labkit.errors import LabError

OURS = "ca.lab.test"


@pytest.mark.parametrize(
    "records, allowed, wild_allowed",
    (
        ((), True, True),
        ((CAA(0, "issue", OURS),), True, True),
        ((CAA(0, "ISSUE", "CA.lab.test; account=7"),), True, True),
        ((CAA(0, "issue", "other.test"),), False, False),
        ((CAA(0, "issue", ";"),), False, False),
        ((CAA(0, "issue", "%%%%%"),), False, False),
        ((CAA(0, "issue", ""),), False, False),
        ((CAA(0, "issue", ";"), CAA(0, "issue", OURS)), True, True),
        ((CAA(0, "issuewild", OURS), CAA(0, "issue", ";")), False, True),
        ((CAA(0, "issuewild", "other.test"),), True, False),
        ((CAA(0, "iodef", "mailto:a@b"),), True, True),
        ((CAA(0, "later", "x"),), True, True),
        ((CAA(128, "later", "x"), CAA(0, "issue", OURS)), False, False),
        ((CAA(128, "issue", OURS),), True, True),
        ((CAA(1, "later", "x"),), True, True),
    ),
)
def test_who_may_issue(records, allowed, wild_allowed):
    assert (permits(records, OURS) == "") == allowed
    assert (permits(records, OURS, wildcard=True) == "") == wild_allowed


@given(st.lists(st.builds(CAA, st.integers(0, 255), st.sampled_from(("issue", "issuewild")), st.text()), min_size=1))
def test_a_domain_that_names_others_in_any_words_does_not_allow_us(records):
    for wildcard in (False, True):
        named = [each for each in records if each.tag == "issue" or wildcard]
        if named and not any("lab" in each.value for each in records):
            assert permits(records, OURS, wildcard)


def test_the_closest_domain_with_records_counts():
    world = World()
    world.bob.put("@", "CAA", '0 issue "other.test"')
    assert "the domain allows other.test, not ca.lab.test" in issuing("mail.bob.test", OURS, world.resolve)
    world.bob.put("mail", "CAA", f'0 issue "{OURS}"')
    assert issuing("mail.bob.test", OURS, world.resolve) == ""
    assert issuing("*.bob.test", OURS, world.resolve) != ""


def test_an_answer_that_failed_forbids():
    def silent(_):
        raise LabError("dns did not answer within 1 s.")

    resolve = lambda name, type: World().resolve(name, type, silent)  # noqa: E731
    assert "cannot be known" in issuing("mail.bob.test", OURS, resolve)
