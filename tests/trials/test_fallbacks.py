"""Who goes on in clear text when TLS is taken away, in every dialect."""

from functools import partial

import pytest

from labkit import Lab, dialects
from labkit.attacks import victims
from labkit.attacks.verdict import LEAKED, STOPPED, UNHARMED, UNKNOWN
from labkit.errors import LabError
from labkit.trials.fallbacks import HABITS, TakeTLSAway, every_fallback


@pytest.fixture(scope="module")
def found():
    return every_fallback(partial(Lab, "loopback"))


def outcomes(found, habit):
    return {one.dialect.name: one.verdict.outcome for one in found if one.habit == habit}


def test_every_dialect_has_a_client_and_every_habit_was_tried(found):
    assert len(found) == len(dialects.ALL) * len(HABITS)
    assert {one.dialect.name for one in found} == {dialect.name for dialect in dialects.ALL}
    assert all(one.library for one in found)


def test_a_client_that_takes_what_is_there_leaks_and_one_that_insists_stops(found):
    assert set(outcomes(found, "if offered").values()) == {LEAKED}
    assert set(outcomes(found, "careful").values()) == {STOPPED}


def test_of_the_libraries_that_upgrade_by_themselves_one_falls_back_and_one_stops(found):
    left_alone, taken = outcomes(found, "as it comes, not attacked"), outcomes(found, "as it comes")
    upgrading = {name for name, outcome in left_alone.items() if outcome == UNHARMED}
    assert upgrading == {"XMPP", "PostgreSQL"}
    assert set(left_alone.values()) == {LEAKED, UNHARMED}
    assert (taken["PostgreSQL"], taken["XMPP"]) == (LEAKED, STOPPED)


def test_the_attack_removes_the_offer_and_refuses_what_is_asked_all_the_same():
    with Lab("loopback") as lab:
        lab.start("ftp", auth="always")
        with lab.mallory(TakeTLSAway()) as attack:
            lab.visit("FTP, if offered")
            lab.visit("FTP, careful")
        assert "AUTH TLS" in str(attack.edits) and len(attack.edits) >= 2


def test_a_library_that_is_not_installed_is_unknown_and_says_so(monkeypatch):
    def missing(name):
        raise LabError(f"The package {name} is not installed.")

    monkeypatch.setattr(victims.programs, "library", missing)
    monkeypatch.setattr("labkit.attacks.victims.ldap.library", missing)
    every = every_fallback(partial(Lab, "loopback"), [dialects.LDAP])
    assert {one.verdict.outcome for one in every} == {UNKNOWN} and "not installed" in every[0].verdict.why


def test_the_grid_names_the_words_of_each_dialect_and_its_client(found):
    from labkit.show.fallback_grid import fallback_grid

    grid = fallback_grid(found)
    assert "PostgreSQL: SSLRequest → S, asyncpg" in grid.text and "✘ leaked" in grid.text
    assert grid.why("XMPP: starttls → <proceed/>, slixmpp", "careful").startswith("stopped")
