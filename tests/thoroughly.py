"""Parameters of which `make test` tries a few and `make thorough` all, and how many examples of a property they try.

The numbers of examples are in the profiles of hypothesis in conftest.py.
"""

from collections.abc import Collection, Iterable

import pytest
from hypothesis import settings


def every(values: Iterable[object], once: Collection[object]) -> list[object]:
    """The values, as parameters of a test; those that are not in `once` are left to `make thorough`."""
    return [one if one in once else pytest.param(one, marks=pytest.mark.thorough) for one in values]


_DEFAULT = 100
"""Examples of a property that hypothesis tries by default, and `make thorough`, too."""


def examples(most: int) -> int:
    """How often something is tried: `most` times in `make thorough`, three of ten times in `make test`."""
    return most * settings().max_examples // _DEFAULT
