"""A few thousand captures and dialogues with changed bytes; ``make fuzz`` tries a million."""

import fuzzing
import pytest

SEEDS = [range(first, first + 250) for first in range(0, 3000, 250)]


@pytest.mark.parametrize("seeds", SEEDS, ids=lambda seeds: str(seeds.start))
def test_a_dialogue_with_changed_bytes_is_read_without_an_error(seeds):
    for seed in seeds:
        fuzzing.dialogue(seed)


@pytest.mark.parametrize(
    "seeds", [range(first, first + 50) for first in range(0, 300, 50)], ids=lambda seeds: str(seeds.start)
)
def test_a_capture_with_changed_bytes_is_read_or_refused_in_a_sentence(seeds):
    for seed in seeds:
        fuzzing.capture(seed)
