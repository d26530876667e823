"""Where the files lie that come with the lab: in its checkout, or where an installed wheel has put them.

A wheel brings the folder data as ``share/labkit/data``, below the prefix of the installation (pyproject.toml).
"""

import sysconfig
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def folder(name: str) -> Path:
    """The folder of that name; it need not exist."""
    if (_ROOT / "pyproject.toml").exists():
        return _ROOT / name
    places = [Path(prefix) / "share" / "labkit" / name for prefix in _prefixes()]
    return next(filter(Path.is_dir, places), places[0])


def _prefixes() -> list[str]:
    """Where data of packages are installed, of the environment and of the user."""
    schemes = (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"))
    return [sysconfig.get_path("data", scheme) for scheme in schemes]
