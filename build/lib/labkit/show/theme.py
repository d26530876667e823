"""The colours and the style sheet of the lab, read from ``style.css``, which says how they are chosen.

HTML and SVG write ``var(--lk-name)``; matplotlib takes a value from `COLOURS`.
"""

import re
from importlib.resources import files
from typing import NamedTuple

_SHEET = (files("labkit.show") / "style.css").read_text("utf-8")
_ROLE = re.compile(r"--lk-([\w-]+):[^;]*?light-dark\((#\w{6}), (#\w{6})\)")
_SPARE = re.compile(r"/\*.*?\*/|\n\s*|(?<=[{},:;]) +| +(?=[{}])", re.DOTALL)


class Shade(NamedTuple):
    """One role's colour on light and on dark paper, as #rrggbb."""

    light: str
    dark: str


COLOURS: dict[str, Shade] = {role: Shade(light, dark) for role, light, dark in _ROLE.findall(_SHEET)}
"""The name of a role -> its colours."""

STYLE = _SPARE.sub("", _SHEET)
"""The style sheet on one line, for there is one in every output."""


def variable(role: str) -> str:
    """The CSS that paints in a role's colour, with the light one for readers that know no variables."""
    return f"var(--lk-{role},{COLOURS[role].light})"
