"""Prints the oldest version of each package that pyproject.toml allows, as constraints for pip.

The libraries of the lab, its protocols and its site are held to them; what only the tests need is not.
"""

import re
import tomllib
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_BOUND = re.compile(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)(?:,[^;]*)?(;.*)?")


def oldest(project: dict) -> list[str]:
    """``name==version`` for each requirement that has a lower bound, with its marker."""
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["protocols"], *extras.get("site", ())]
    found = map(_BOUND.fullmatch, asked)
    return [f"{match[1]}=={match[2]}{match[3] or ''}" for match in found if match]


if __name__ == "__main__":
    print(*oldest(tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]), sep="\n")
