"""One direction of a TLS session: its records, its present keys, and its incomplete handshake message.

Plain state with no decisions; those are made in `connection_state`, which sees both directions.
"""

from labkit.decode.event import CLIENT, SERVER
from labkit.decode.tls.macs import Opener
from labkit.decode.tls.protection import Opener13
from labkit.decode.tls.records import Cutter
from labkit.decode.tls.registry import HANDSHAKES

LARGEST_UNKNOWN = 256 << 10
"""The most bytes of a handshake message of unknown type; one of a known type may have 16 MiB."""

EARLY, HANDSHAKE, APPLICATION = range(3)
LABELS = {
    CLIENT: ("CLIENT_EARLY_TRAFFIC_SECRET", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0"),
    SERVER: ("", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"),
}
"""The key log's names (RFC 9850 §2.2) of the secrets of TLS 1.3, by sender and epoch."""


class Direction:
    """The state of one side's records."""

    __slots__ = (
        "changed",
        "cutter",
        "early",
        "epoch",
        "finishing",
        "fragment",
        "garbled",
        "lost",
        "opened",
        "opener",
        "sealed",
        "sender",
        "wire",
    )

    def __init__(self, sender: str) -> None:
        self.sender = sender
        self.cutter = Cutter()
        self.wire = 0
        """Bytes of whole records since the last message."""
        self.changed = False
        """Whether a ChangeCipherSpec was sent."""
        self.finishing = False
        """Whether its ChangeCipherSpec was the last record, so that Finished comes next (RFC 5246 §7.1)."""
        self.epoch = HANDSHAKE
        self.opener: Opener | None = None
        """Decrypts the next protected record; None before the first one."""
        self.early: list[Opener13] = []
        """Decrypted the early data."""
        self.opened = 0
        """Protected records opened so far."""
        self.sealed = ""
        """Why nothing more can be decrypted, in a sentence; empty while it can."""
        self.lost = False
        """Whether bytes of this direction are missing."""
        self.fragment = bytearray()
        self.garbled = False
        """Whether its handshake messages can no longer be separated."""

    def enter(self, epoch: int) -> None:
        """From the next protected record on, other keys are in use."""
        self.epoch = epoch
        self.opener = None

    def messages(self, content: bytes) -> list[bytes]:
        """The handshake messages that this content of a record completes; none once `garbled`."""
        if self.fragment or self.garbled:
            self.fragment += content
            content = self._whole()
        found: list[bytes] = []
        position, size = 0, len(content)
        while size - position >= 4:
            end = position + 4 + (content[position + 1] << 16 | content[position + 2] << 8 | content[position + 3])
            if end > size:
                self.garbled = end - position > LARGEST_UNKNOWN and content[position] not in HANDSHAKES
                break
            found.append(content[position:end])
            position = end
        if position < size:
            self.fragment += content[position:]
        return found

    def _whole(self) -> bytes:
        """The fragment if it holds a complete message; otherwise empty, and the fragment is kept."""
        size = 4 + int.from_bytes(self.fragment[1:4])
        if self.garbled or len(self.fragment) < 4:
            return b""
        self.garbled = size > LARGEST_UNKNOWN and self.fragment[0] not in HANDSHAKES
        return self.take_fragment() if len(self.fragment) >= size and not self.garbled else b""

    def take_fragment(self) -> bytes:
        """Return the incomplete message and forget it."""
        fragment = bytes(self.fragment)
        self.fragment.clear()
        return fragment
