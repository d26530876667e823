"""Programs that nobody here wrote, for tests to compare the lab with."""

import os
import shutil

import pytest


def tool(name: str) -> str:
    """The path of a program; without it the test fails where CI is ``true`` and is skipped elsewhere."""
    path = shutil.which(name)
    if path is None:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"{name} is not installed: .ci/run installs it.")
    return path
