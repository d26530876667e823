"""The capture that is decoded: real STARTTLS sessions of the lab, each with its own keys, recorded for this run.

Half of them speak TLS 1.2 and half TLS 1.3; each logs in and sends one message. As a program: ``sessions.py FILE
COUNT`` records, in a process of its own.
"""

import sys
import tempfile
from functools import cache
from pathlib import Path

from processes import python, run

_VERSIONS = ("TLS 1.2", "TLS 1.3")


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


def _record(path: str, count: int) -> None:
    from labkit import Lab

    with Lab() as lab:
        mail = lab.smtp()
        with lab.capture() as capture:
            for number in range(count):
                version = _VERSIONS[number % len(_VERSIONS)]
                sent = lab.send(mail, f"The PIN is {number:04}.", login=("alice", "hunter2"), tls=(version,))
                if not sent:
                    raise SystemExit(f"Session {number}: {sent}")
        capture.save(path)


if __name__ == "__main__":
    _record(sys.argv[1], int(sys.argv[2]))
