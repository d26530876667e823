"""Attacks on STARTTLS: vectors that decide, an interceptor that carries the decisions out, and the verdict.

``attacks.StripCapability()`` is a vector for ``lab.mallory(…)``, ``attacks.HideTLSA()`` one for ``lab.spoof(…)``; `ALL`
is the catalogue. To write one, derive from
`Vector` and return actions: `Pass`, `Replace`, `Drop`, `Answer`, `Inject`, `Delay`, `TakeOverTLS`, `Close`, `Begin`,
or `Later` for a decision that is still pending.
"""

from labkit.attacks import catalogue, victims
from labkit.attacks.actions import Answer, Begin, Close, Delay, Drop, Inject, Later, Pass, Replace, TakeOverTLS
from labkit.attacks.catalogue import ALL, NOT_RUN, vector
from labkit.attacks.vector import Line, Opening, Record, Vector
from labkit.attacks.vectors.identity import MisIssued
from labkit.attacks.vectors.publication import PublicationVector, Together

globals().update({kind.__name__: kind for kind in ALL})

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
    "PublicationVector",
    "Record",
    "Replace",
    "TakeOverTLS",
    "Together",
    "Vector",
    "catalogue",
    "vector",
    "victims",
    *(kind.__name__ for kind in ALL),
]
