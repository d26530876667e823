"""``make fuzz``: a million captures and dialogues with changed bytes, or as many as are asked for.

Says the seed of each failure, and goes on. Exit status 1 when there was one.
"""

import argparse
import sys
import traceback

import fuzzing
from tqdm import tqdm


def main() -> int:
    """Try the seeds that were asked for."""
    parser = argparse.ArgumentParser(prog='make fuzz ARGS="…"', description=__doc__.split("\n", 1)[0])
    parser.add_argument("count", nargs="?", type=int, default=1_000_000, help="how many seeds (1,000,000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--captures", type=int, default=20, help="one capture among so many dialogues (20)")
    asked = parser.parse_args()
    failed = 0
    for seed in tqdm(range(asked.first, asked.first + asked.count), unit="mutation"):
        kind = fuzzing.capture if seed % asked.captures == 0 else fuzzing.dialogue
        try:
            kind(seed)
        except Exception:
            failed += 1
            print(f"\nSeed {seed}, {kind.__name__}:\n{traceback.format_exc()}", file=sys.stderr)
    print(f"{asked.count:,} tried, {failed:,} failed.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
