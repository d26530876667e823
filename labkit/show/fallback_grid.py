"""Every dialect and what its client does without TLS, as a grid. How it was tried is `labkit.trials.fallbacks`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labkit.show.attack_grid import verdict_cell, verdict_legend
from labkit.show.grid import Grid

if TYPE_CHECKING:
    from labkit.trials.fallbacks import Fallback


def fallback_grid(fallbacks: "Sequence[Fallback]") -> Grid:
    """The grid of these clients: a row for each dialect with its words and its client library, a column a habit."""
    return Grid(
        f"Every dialect, and its client, when TLS is taken away: {len(fallbacks)} live sessions.",
        ("dialect, upgrade → go-ahead, client", "habit"),
        {(_row(one), one.habit): verdict_cell(one.verdict) for one in fallbacks},
        verdict_legend(one.verdict for one in fallbacks),
    )


def _row(one: "Fallback") -> str:
    words = one.dialect
    return f"{words.name}: {words.upgrade} → {words.go_ahead}, {one.library}"
