"""Policies against servers, as a grid: sent protected, sent exposed, or not sent. How: `trials.policies`."""

from collections.abc import Mapping

from labkit.clients.outcome import CLEAR, Outcome
from labkit.show.grid import Cell, Grid


def policy_grid(outcomes: Mapping[tuple[str, str], Outcome], protocol: str) -> Grid:
    """The grid of these attempts: (policy, kind of server) -> what became of it."""
    return Grid(
        f"What becomes of a mail under each policy at each server: {len(outcomes)} live attempts, {protocol}.",
        ("policy", "server"),
        {names: _cell(outcome) for names, outcome in outcomes.items()},
        {
            "✔": "through, and only to the right server",
            "!": "through, encrypted, but to whoever answered",
            "✘": "through, in clear text",
            "∅": "not through",
        },
    )


def _cell(outcome: Outcome) -> Cell:
    if not outcome:
        return Cell("∅", "stopped", "soft", repr(outcome))
    if outcome.how == CLEAR:
        return Cell("✘", "in the clear", "wrong", repr(outcome))
    if outcome.verified:
        return Cell("✔", "verified TLS", "right", repr(outcome))
    return Cell("!", "TLS, unverified", "clear", repr(outcome))
