"""Every test begins as a student who has done nothing yet, with the lessons as they are shipped."""

import pytest

from labkit.exercises import keeping, lessons, unseen


@pytest.fixture(autouse=True)
def two_networks(monkeypatch: pytest.MonkeyPatch):
    """Detectors are tried on two unseen networks; in the notebook of lesson 15 (tests/notebooks) it is all ten."""
    monkeypatch.setattr(unseen, "HIDDEN", 2)


@pytest.fixture(autouse=True)
def nothing_done(monkeypatch: pytest.MonkeyPatch):
    """Nothing was tried, predicted or added, and the student is not named."""
    monkeypatch.delenv(keeping.STUDENT, raising=False)
    monkeypatch.delenv(keeping.NOTEBOOK, raising=False)
    monkeypatch.setattr(lessons, "_lessons", {})
    monkeypatch.setattr(keeping, "_called", "")
    keeping.keeper.cache_clear()
    yield
    keeping.keeper.cache_clear()
