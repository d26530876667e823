"""Every test begins as a student who has done nothing yet, with the lessons as they are shipped."""

import pytest

from labkit.exercises import keeping, lessons


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
