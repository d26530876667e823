"""The captures that come with the lab, for machines that cannot capture, and to start from a file: see data/README.md.

They lie in the folder data (`labkit.shipped`). How they are made is data/record.py.
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
    """What recordings there are."""
    return sorted(path.stem for path in FOLDER.glob(f"*{_ENDING}"))
