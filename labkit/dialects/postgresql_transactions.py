"""Which changes of a PostgreSQL conversation do not last: rolled back, or in a transaction that is never committed.

ReadyForQuery tells whether a transaction is open, CommandComplete which command has ended (Frontend/Backend Protocol
3.0, "Message Formats").
"""

import re
from collections.abc import Iterable

_BEGINS = ("BEGIN", "START TRANSACTION")
_KEEPS = ("COMMIT", "PREPARE TRANSACTION")
_CHANGES_NOTHING = (
    *("SELECT", "FETCH", "MOVE", "SHOW", "SET", "RESET", "EXPLAIN", "LOCK TABLE", "DECLARE CURSOR", "CLOSE CURSOR"),
    *("PREPARE", "DEALLOCATE", "DEALLOCATE ALL", "SAVEPOINT", "RELEASE"),
)
"""Tags of CommandComplete, without numbers."""
_TAG = re.compile(rb"[A-Z ]*[A-Z]")
_IDLE = b"I"


def undone(replies: Iterable[tuple[str, bytes]]) -> set[int]:
    """Of the server's replies, as title and bytes, those that report such a change; by their number from 0.

    ROLLBACK TO SAVEPOINT has the tag ROLLBACK, and is taken for a return to the last savepoint.
    """
    found: set[int] = set()
    changes: list[int] = []
    savepoints: list[int] = []  # how many changes there were at each
    is_open = brings_rows = False
    tag = ""
    for number, (title, data) in enumerate(replies):
        if title == "CopyInResponse":
            brings_rows = True
        elif title == "ReadyForQuery":
            if data[5:6] == _IDLE:
                found.update(changes if is_open else ())  # it has ended, and not with COMMIT
                changes, savepoints = [], []
            is_open = data[5:6] != _IDLE
        elif title == "CommandComplete":
            read = _TAG.match(data, 5)
            tag = read[0].decode() if read else ""
            is_open = is_open or tag in _BEGINS
            if tag in _KEEPS:
                changes, savepoints = [], []
            elif tag == "ROLLBACK":
                start = savepoints[-1] if savepoints else 0
                found.update(changes[start:])
                del changes[start:]
            elif tag == "SAVEPOINT":
                savepoints.append(len(changes))
            elif tag == "RELEASE":
                del savepoints[-1:]
            elif tag not in (*_BEGINS, *_CHANGES_NOTHING) and (tag != "COPY" or brings_rows):
                changes.append(number)
            brings_rows = False
    return found | set(changes if is_open else ())
