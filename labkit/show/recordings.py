"""The captures that are shipped with the lab, for machines that cannot capture: see data/README.md.

They are in the folder data (`labkit.shipped`); data/record.py makes them.
"""

from typing import TYPE_CHECKING

from labkit.errors import LabError
from labkit.shipped import shipped
from labkit.show.capture import read_capture

if TYPE_CHECKING:
    from labkit.show.capture import Capture

FOLDER = shipped("data")
_ENDING = ".pcapng"


def recorded(name: str) -> "Capture":
    """The recording of that name, for example ``starttls_tls13``, with the secrets of its sessions.

    Raises `LabError` for one that does not exist; the error names those that do.
    """
    known = names()
    if not known:
        raise LabError(
            f"The recordings are not in {FOLDER}: install labkit again, from its wheel or in the folder of the lab."
        )
    wanted = str(name).removesuffix(_ENDING)
    if wanted not in known:
        raise LabError(f"There is no recording {name!r}: there are {', '.join(known)}.")
    return read_capture(FOLDER / f"{wanted}{_ENDING}")


def names() -> list[str]:
    """The names of all recordings."""
    return sorted(path.stem for path in FOLDER.glob(f"*{_ENDING}"))
