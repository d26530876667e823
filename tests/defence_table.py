"""What should become of a message, row by row, in the order of `COLUMNS`: RFC 3207, 7671, 7672, 8460, 8461, 8689."""

from labkit.trials.threats import COLUMNS

TABLE = """
1    safe     safe     safe     safe     safe     safe     safe     safe
2    leaked   held     held     leaked   held     held     held     safe
3    leaked   held     held     leaked   held     held     held     safe
4    leaked   held     held     leaked   held     held     held     held
5    theft    theft    held     theft    held     held     held     held
6    theft    theft    held     theft    held     held     held     held
7    theft    theft    theft    theft    theft    theft    held     theft
8    theft    theft    theft    theft    held     held     held     -
8b   -        -        -        -        -        -        theft    -
9    -        -        -        -        -        -        held     -
10   -        -        -        leaked   held     leaked   held     -
11   -        -        -        leaked   held     leaked   held     -
12   -        -        -        leaked   held     leaked   held     -
12b  -        -        -        leaked   held     leaked   held     -
13   leaked   held     held     leaked   leaked   leaked   held     -
14   theft    theft    theft    theft    theft    theft    held     -
15   injected injected injected injected injected injected injected safe
16   injected injected injected injected injected injected injected safe
17   injected injected injected injected injected injected injected safe
18   held     held     held     held     held     held     held     held
19   leaked   held     held     leaked   held     held     held     -
20   safe     safe     safe     held     held     held     safe     -
21   leaked   leaked   leaked   leaked   leaked   leaked   leaked   leaked
22   safe     safe     held     safe     held     held     safe     held
22b  -        -        -        -        -        -        held     -
23   safe     safe     safe     safe     safe     safe     held     -
"""


def expected() -> dict[tuple[str, str], str]:
    """(number of the row, name of the column) -> what should become of the message."""
    found = {}
    for line in TABLE.strip().splitlines():
        number, *outcomes = line.split()
        for column, outcome in zip(COLUMNS, outcomes, strict=True):
            if outcome != "-":
                found[number, column.name] = outcome
    return found
