"""Where the lab runs: what works in each place, and how that is known.

A place is told by environment variables that its software sets, or by the operating system.
"""

import os
import platform
from collections.abc import Mapping
from typing import NamedTuple

from labkit.show.page import Page
from labkit.show.table import table


class Place(NamedTuple):
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


PLACES = (
    Place(
        "laptop or server with Linux",
        "live, on a private network or with packet sockets",
        "every lesson and every exercise, in the tests",
        system="Linux",
    ),
    Place(
        "JupyterHub",
        "live, on a private network or by the tap",
        "every lesson, in the tests, as an ordinary user",
        signs=("JUPYTERHUB_USER", "JUPYTERHUB_API_URL"),
    ),
    Place(
        "Binder",
        "live, by the tap",
        "lessons 00, 02 and 08, in the tests, on one core and in 1.5 GB; its image is not built there",
        signs=("BINDER_LAUNCH_HOST", "BINDER_REPO_URL"),
    ),
    Place("Colab", "live, by the tap", "not measured", signs=("COLAB_RELEASE_TAG", "COLAB_GPU")),
    Place(
        "VS Code",
        "live, as its machine does",
        "not measured; the kernel is the same, and pictures bring their colours along",
        signs=("VSCODE_PID", "VSCODE_CWD", "VSCODE_IPC_HOOK_CLI"),
    ),
    Place(
        "Windows",
        "live, by the tap",
        "not measured there; a lab in a Python without what only Unix has, in the tests",
        system="Windows",
    ),
    Place(
        "macOS",
        "live, by the tap",
        "not measured there; labs without packet sockets, in the tests",
        system="Darwin",
    ),
)
"""Where two have a sign, the later one is the more special: Binder is also a hub."""


def here(environment: Mapping[str, str] = os.environ, system: str = "") -> Place | None:
    """The place in which this process runs; None for one that is not in the list."""
    by_sign = [place for place in PLACES if any(environment.get(sign) for sign in place.signs)]
    by_system = [place for place in PLACES if place.system == (system or platform.system())]
    return next(reversed(by_sign or by_system), None)


def places_table() -> Page:
    """All places, with a mark at this one."""
    current = here()
    rows = [(f"{place.name}{' (here)' * (place == current)}", place.runs, place.known) for place in PLACES]
    return table("Where the lab runs", ("Place", "What runs", "How that is known"), rows)
