"""Attacks on STARTTLS: vectors that say what to do, an interceptor that does it, and the verdict on what came of it.

``attacks.StripCapability()`` is a vector for ``lab.mallory(…)``; `ALL` is the catalogue. To write one, derive from
`Vector` and return actions: `Pass`, `Replace`, `Drop`, `Answer`, `Inject`, `Delay`, `TakeOverTLS`, `Close`, `Begin`,
or `Later` for a decision that is not made yet.
"""

from importlib import import_module
from typing import Any

from labkit.attacks import catalogue, victims
from labkit.attacks.actions import Answer, Begin, Close, Delay, Drop, Inject, Later, Pass, Replace, TakeOverTLS
from labkit.attacks.catalogue import ALL, NOT_RUN, vector
from labkit.attacks.vector import Line, Opening, Record, Vector
from labkit.attacks.vectors.identity import MisIssued

PUBLICATION = (
    "DropSignatures",
    "ForgeMX",
    "ForgeTLSA",
    "HideTLSA",
    "DenyTLSA",
    "BlockPolicyRecord",
    "BlockPolicyHost",
    "OwnPolicyHost",
    "RedirectPolicy",
    "PlantPolicy",
    "HideReports",
    "PublicationVector",
    "Together",
)
"""Attacks on what a domain publishes, for ``lab.spoof(…)``: they load when they are asked for, because of the DNS."""

globals().update({kind.__name__: kind for kind in ALL})


def __getattr__(name: str) -> Any:
    if name not in PUBLICATION:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.vectors.publication"), name)


__all__ = [
    "ALL",
    "NOT_RUN",
    "Answer",
    "Begin",
    "Close",
    "Delay",
    "Drop",
    "Inject",
    "Later",
    "Line",
    "MisIssued",
    "Opening",
    "Pass",
    "Record",
    "Replace",
    "TakeOverTLS",
    "Vector",
    "catalogue",
    "vector",
    "victims",
    *(kind.__name__ for kind in ALL),
    *PUBLICATION,
]
