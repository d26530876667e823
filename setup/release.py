"""Says whether a tag can be released, and prints what is new in that version: ``python setup/release.py v0.2.0``."""

import re
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_VERSIONS = {"labkit/__init__.py": r'^__version__ = "(.+)"$', "CITATION.cff": r"^version: (.+)$"}
"""Where the version stands besides the changelog."""


def news(tag: str, root: Path = _ROOT) -> str:
    """What the changelog says of the version with that tag. Raises ValueError where a file has another version."""
    for file, line in _VERSIONS.items():
        found = re.search(line, (root / file).read_text("utf-8"), re.MULTILINE)
        if found is None or tag != f"v{found[1]}":
            has = found[1] if found else "none"
            raise ValueError(f"The tag {tag} is not that of {file}, whose version is {has}: change one of them.")
    _, head, rest = (root / "CHANGELOG.md").read_text("utf-8").partition(f"\n## {tag[1:]}\n")
    if not head:
        raise ValueError(f"CHANGELOG.md has no part on {tag[1:]}: write what has changed.")
    return rest.partition("\n## ")[0].strip()


if __name__ == "__main__":
    try:
        print(news(sys.argv[1]))
    except ValueError as error:
        sys.exit(f"release: {error}")
