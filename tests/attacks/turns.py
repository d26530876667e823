"""Conversations that were never held: their lines, and the dialogue that is read from them."""

from itertools import groupby

from labkit.capture.conversation import Conversation, Endpoint
from labkit.decode.dialogue import read
from labkit.dialects import CLIENT, SERVER

SIDES = {"C: ": CLIENT, "S: ": SERVER}


def said(text):
    """Pairs of side and bytes, of lines that begin with ``C: `` or ``S: ``."""
    lines = [(SIDES[line[:3]], line[3:].encode() + b"\r\n") for line in text.strip("\n").split("\n")]
    return [(side, b"".join(data for _, data in run)) for side, run in groupby(lines, lambda line: line[0])]


def conversation(port, turns):
    """The dialogue of these turns with a server on this port."""
    ends = Endpoint("192.0.2.1", 50000), Endpoint("192.0.2.2", port)
    chunks = [(number, number, side, "data", data, len(data)) for number, (side, data) in enumerate(turns, 1)]
    return read(Conversation(*ends, [(0, 0, CLIENT, "syn", b"", 0), *chunks]))
