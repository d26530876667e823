"""The capture that is decoded: real STARTTLS sessions of the lab, each with its own keys, recorded for this run.

Half of them speak TLS 1.2 and half TLS 1.3; each logs in and sends a letter of ten kilobytes. As a program:
``sessions.py FILE COUNT`` records, in a process of its own.
"""

import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from processes import python, run

if TYPE_CHECKING:
    from labkit import Lab

_VERSIONS = ("TLS 1.2", "TLS 1.3")
_LETTER = "\n".join(
    f"This is line {number:03} of a letter that alice in the lab has really sent to bob." for number in range(140)
)


@cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="labkit-bench-")


@cache
def recorded(count: int) -> str:
    """The path of a capture of `count` sessions with its secrets inside, recorded on first use."""
    path = str(Path(_folder().name) / f"{count}.pcapng")
    print(f"Recording {count:,} STARTTLS sessions, some ten milliseconds each …", file=sys.stderr)
    run(python(__file__, path, str(count)))
    return path


def _lab() -> "Lab":
    """A lab on a LAN with frames of its own where this machine allows that, otherwise on loopback."""
    from labkit import Lab
    from labkit.errors import NetworkUnavailable

    try:
        return Lab(network="namespace")
    except NetworkUnavailable:
        return Lab()


def _record(path: str, count: int) -> None:
    with _lab() as lab:
        mail = lab.smtp()
        with lab.capture() as capture:
            for number in range(count):
                version = _VERSIONS[number % len(_VERSIONS)]
                sent = lab.send(mail, _LETTER, login=("alice", "hunter2"), tls=(version,))
                if not sent:
                    raise SystemExit(f"Session {number}: {sent}")
        capture.save(path)


if __name__ == "__main__":
    _record(sys.argv[1], int(sys.argv[2]))
