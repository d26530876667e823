"""One JupyterLab and one Chromium for all tests of this folder: their start takes as long as a lesson.

They run in one process, and both are gone before any other test: Playwright keeps an event loop running in the thread.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from in_chromium.in_jupyterlab import Lab, browser, server


@pytest.fixture(scope="package")
def lab(jupyter_of_its_own: Path) -> Iterator[Lab]:
    """JupyterLab on a copy of the lessons."""
    with server(jupyter_of_its_own) as (url, token), browser(url, token) as page:
        yield page
