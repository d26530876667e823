"""Every test begins as a student who has done nothing yet, with the lessons as they are shipped."""

import pytest

from labkit.exercises import lessons, record


@pytest.fixture(autouse=True)
def nothing_done(monkeypatch: pytest.MonkeyPatch):
    """Nothing was tried or predicted, and nothing added."""
    monkeypatch.setattr(record, "exercises", {})
    monkeypatch.setattr(record, "predictions", {})
    monkeypatch.setattr(lessons, "_lessons", {})
