"""A STARTTLS laboratory: real servers, real clients and real captures, in one Python process.

What a learner imports is listed in `_HOMES`. Each name is loaded from its room on first use, so
``import labkit`` costs milliseconds and a lesson pays only for what it touches.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "doctor": "labkit.checkup",
    "Lab": "labkit.lab",
    "Capture": "labkit.show.capture",
    "read_capture": "labkit.show.capture",
    "compare": "labkit.show.comparison",
    "side_by_side": "labkit.show.comparison",
    "entropy_curve": "labkit.show.comparison",
    "buffer": "labkit.show.segment",
    "command": "labkit.show.command",
    "dialect_table": "labkit.show.dialects",
    "step_table": "labkit.show.dialects",
    "arp_table": "labkit.show.arp_table",
    "attack_table": "labkit.show.attack_grid",
    "recorded": "labkit.show.recordings",
    "published": "labkit.show.published",
    "policies": "labkit.clients.policies",
    "ports": "labkit.show.ports",
    "attacks": "labkit.attacks",
    "you_are_mallory": "labkit.byhand.console",
    "check": "labkit.exercises",
    "grade": "labkit.exercises",
    "given": "labkit.exercises",
    "hint": "labkit.exercises",
    "solution": "labkit.exercises",
    "progress": "labkit.exercises",
    "predict": "labkit.exercises",
    "recall": "labkit.exercises",
    "series": "labkit.exercises.series",
}

__all__ = list(_HOMES)
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}; it offers {', '.join(_HOMES)}")
    home = import_module(_HOMES[name])
    value = getattr(home, name, home)  # a function or a class of that name, or the module itself
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOMES)
