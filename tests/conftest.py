"""What every test shares: where a tool is, a place for progress that is not the user's, and patience for property
tests."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("labkit", deadline=None)
settings.load_profile("labkit")


def tool(name: str) -> str:
    """The path of a program that nobody here wrote; without it the test fails where CI is ``true`` and is skipped
    elsewhere.
    """
    path = shutil.which(name)
    if path is None:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"{name} is not installed: .ci/run installs it.")
    return path


@pytest.fixture(autouse=True)
def labkit_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where `labkit.exercises` keeps what was answered during this test."""
    home = tmp_path / "labkit-home"
    monkeypatch.setenv("LABKIT_HOME", str(home))
    return home
