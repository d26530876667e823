"""What every test shares: where a tool is, and patience for property tests."""

import os
import shutil

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
