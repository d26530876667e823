"""What `make test` tries once and `make thorough` with everything: lessons, students, networks; and more examples of
properties (conftest.py)."""

from collections.abc import Collection, Iterable

import pytest
from hypothesis import settings


def every(values: Iterable[object], once: Collection[object]) -> list[object]:
    """The values, as parameters of a test; those that are not in `once` are left to `make thorough`."""
    return [one if one in once else pytest.param(one, marks=pytest.mark.thorough) for one in values]


OF_ITSELF = 100
"""Examples of a property that hypothesis tries of itself."""


def examples(most: int) -> int:
    """How often something is tried: `most` times in `make thorough`, three of ten times in `make test`."""
    return most * settings().max_examples // OF_ITSELF
