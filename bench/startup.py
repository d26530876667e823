"""The time a student waits: from a fresh Python to a session that was captured, decrypted and printed.

The measure is what importing scapy alone takes, because that is how a notebook about packets usually begins.
"""

from collections.abc import Iterator

from figures import AT_MOST, Figure
from processes import interleaved, python

_ROUNDS = 7
_SCAPY = "import scapy.all"
_LABKIT = "import labkit"
_SESSION = """
from labkit import Lab
with Lab() as lab:
    mail = lab.smtp()
    with lab.capture() as capture:
        lab.send(mail, "The PIN is 4921.", login=("alice", "hunter2"))
    print(capture.decrypted())
"""


def measure(_: int) -> Iterator[Figure]:
    """The first session, and the import of labkit, against the import of scapy."""
    programs = {"scapy": _SCAPY, "session": _SESSION, "labkit": _LABKIT}
    runs = interleaved({name: python("-c", code) for name, code in programs.items()}, _ROUNDS)
    if "The PIN is 4921." not in runs["session"].output:
        raise RuntimeError("The first session was not decrypted.")
    scapy = runs["scapy"].seconds
    for what, name, target in (("a session on screen", "session", 0.7), (_LABKIT, "labkit", 0.1)):
        taken = runs[name].seconds
        yield Figure(
            f"startup: {what} / {_SCAPY}",
            taken / scapy,
            AT_MOST,
            target,
            f"{taken * 1e3:.0f} ms / {scapy * 1e3:.0f} ms",
        )
