"""Captures and dialogues with bytes changed at random: what every one of them must survive.

`mutated` changes the payloads of a recorded session, or the bytes of a recording itself; `survives` reads the result in
every way that a learner has. A seed is a number, so a failure can be tried again: ``make fuzz ARGS="--first 4711 1"``.
"""

import random
import tempfile
from functools import cache
from pathlib import Path

from labkit.capture.conversation import CLIENT, SERVER, Conversation, Endpoint
from labkit.decode.dialogue import read
from labkit.decode.privacy import visible
from labkit.dialects import ALL
from labkit.errors import LabError
from labkit.show.capture import read_capture
from labkit.show.recordings import FOLDER

_WORDS = [
    b"STARTTLS\r\n",
    b"220 ready\r\n",
    b"250-STARTTLS\r\n",
    b".\r\n",
    b"{10}\r\n",
    b"+OK\r\n",
    b"* OK [",
    b"a1 OK\r\n",
    b"<starttls/>",
    b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    b"\x30\x84\x7f\xff\xff\xff",
    b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
    b"=?utf-8?b?AAAA?=",
    b"Subject: =?x?q?=00?=\r\n",
    b"\x00",
    b"\xff\xfe",
    b"A" * 5000,
]
"""What tends to lead a parser astray."""


@cache
def _recordings() -> list[bytes]:
    return [path.read_bytes() for path in sorted(FOLDER.glob("*.pcapng"))]


@cache
def _spoken() -> list[list[tuple[str, bytes]]]:
    """What was said in each recording: (sender, payload)."""
    found = []
    for path in sorted(FOLDER.glob("*.pcapng")):
        for conversation in read_capture(path).conversations:
            found.append([(chunk.sender, chunk.data) for chunk in conversation.chunks if chunk.data])
    return found


def _changed(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    match chance.randrange(5):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + chance.choice(_WORDS) + data[at:]
        case 2:
            return data[:at] + chance.randbytes(chance.randrange(1, 9)) + data[at + 1 :]
        case 3:
            return data[at:] + data[:at]
        case _:
            flipped = bytes([data[at] ^ (1 << chance.randrange(8))]) if at < len(data) else b""
            return data[:at] + flipped + data[at + 1 :]


def dialogue(seed: int) -> None:
    """Read a session whose payloads were changed, on a port of any dialect. Raises what is wrong with the reading."""
    chance = random.Random(seed)
    said = list(chance.choice(_spoken()))
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(said))
        sender, data = said[at]
        said[at] = (chance.choice((sender, CLIENT, SERVER)), _changed(data, chance))
    if chance.random() < 0.3:
        chance.shuffle(said)
    ports = [port for one in ALL for port in one.explicit_ports + one.implicit_ports] + [1234]
    conversation = Conversation(Endpoint("192.0.2.10", 40000), Endpoint("192.0.2.25", chance.choice(ports)))
    for number, (sender, data) in enumerate(said, 1):
        conversation.said.append((number, number, sender, "data", data, len(data)))
    found = read(conversation)
    lists = found.dialect and found.dialect.writes and found.dialect.writes.capabilities
    for event in found.events:
        assert event.meaning and event.lines is not None and event.fields is not None
        if lists and (listed := lists.find(event.data)) is not None:
            lists.replace(event.data, listed)
    visible(found)


def capture(seed: int) -> None:
    """Read a recording whose bytes were changed, and show it. Raises what is wrong with the reading."""
    chance = random.Random(seed)
    data = chance.choice(_recordings())
    for _ in range(chance.randrange(1, 4)):
        data = _changed(data, chance)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutated.pcapng"
        path.write_bytes(data)
        try:
            read = read_capture(path)
            str(read), repr(read)
            for one in read.dialogues:
                visible(one)
        except LabError as error:
            assert str(error).endswith((".", ")")), str(error)
