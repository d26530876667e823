"""Where the lab runs: what works in each place, and how that is known. A place is recognised by environment variables
that its software sets, or by the operating system.
"""

import os
import platform
from collections.abc import Mapping
from typing import NamedTuple

from labkit.show.page import Page
from labkit.show.table import table


class Platform(NamedTuple):
    """One place in which a learner may open the notebooks."""

    name: str
    runs: str
    """``live`` where real servers and clients run, ``recordings`` where they cannot; and how sessions are captured."""
    known: str
    """What was measured, and what was not."""
    signs: tuple[str, ...] = ()
    """Environment variables, one of which is set there."""
    system: str = ""
    """What `platform.system` says there, where no sign is set."""


PLATFORMS = (
    Platform(
        "laptop or server with Linux",
        "live, on a private network or with packet sockets",
        "every lesson and every exercise, in the tests",
        system="Linux",
    ),
    Platform(
        "JupyterHub",
        "live, on a private network or by the tap",
        "every lesson, in the tests, as an ordinary user",
        signs=("JUPYTERHUB_USER", "JUPYTERHUB_API_URL"),
    ),
    Platform(
        "Binder",
        "live, by the tap",
        "lessons 00, 02 and 08, in the tests, on one core and in 1.5 GB; its image is not built there",
        signs=("BINDER_LAUNCH_HOST", "BINDER_REPO_URL"),
    ),
    Platform("Colab", "live, by the tap", "not measured", signs=("COLAB_RELEASE_TAG", "COLAB_GPU")),
    Platform(
        "VS Code",
        "live, as its machine does",
        "not measured; the kernel is the same, and pictures bring their colours along",
        signs=("VSCODE_PID", "VSCODE_CWD", "VSCODE_IPC_HOOK_CLI"),
    ),
    Platform(
        "Windows",
        "live, by the tap",
        "not measured there; a lab in a Python without what only Unix has, in the tests",
        system="Windows",
    ),
    Platform(
        "macOS",
        "live, by the tap",
        "not measured there; labs without packet sockets, in the tests",
        system="Darwin",
    ),
)
"""If the signs of two are set, the later one is meant: Binder is also a hub."""


def here(environment: Mapping[str, str] = os.environ, system: str = "") -> Platform | None:
    """The place in which this process runs; None for one that is not in the list."""
    by_sign = [found for found in PLATFORMS if any(environment.get(sign) for sign in found.signs)]
    by_system = [found for found in PLATFORMS if found.system == (system or platform.system())]
    return next(reversed(by_sign or by_system), None)


def platforms_table() -> Page:
    """All platforms, with a mark at this one."""
    current = here()
    rows = [(f"{found.name}{' (here)' * (found == current)}", found.runs, found.known) for found in PLATFORMS]
    return table("Where the lab runs", ("Platform", "What runs", "How that is known"), rows)
