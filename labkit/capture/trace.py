"""A trace: the frames of one capture, the secrets that open it, and what is needed to read it again.

How frames are caught is `sniffer` and `tap`; what they say is `labkit.decode`.
"""

from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Self

from labkit.capture.conversation import Conversation
from labkit.capture.passed_over import Datagram, PassedOver
from labkit.capture.pcap import Frame, read_frames, write_pcapng
from labkit.capture.reassembly import conversations
from labkit.trust.keylog import Secrets, parse
from labkit.trust.keylog import read as read_keylog

if TYPE_CHECKING:
    from scapy.plist import PacketList


class Trace:
    """Frames that were captured together, in order."""

    path: Path | None = None
    """The file that it was read from."""
    _passed_over = PassedOver()
    """Replaced when the conversations are read."""

    def __init__(
        self, frames: list[Frame] | None = None, keylog: str = "", names: dict[str, str] | None = None, how: str = ""
    ) -> None:
        self.frames = frames if frames is not None else []
        self.keylog = keylog
        """The TLS secrets in the NSS key log format."""
        self.names = names if names is not None else {}
        """``ip:port`` or ``ip`` -> what that end is called."""
        self.how = how
        """One sentence on how it was captured, or what is wrong with the file that it came from."""

    def fill(self, frames: list[Frame], keylog: str, names: dict[str, str], how: str) -> None:
        """Replace the contents; values that were computed from the earlier ones are computed again when needed."""
        self.frames, self.keylog, self.names, self.how = frames, keylog, names, how
        for name in [name for name in vars(self) if isinstance(getattr(type(self), name, None), cached_property)]:
            del vars(self)[name]

    @cached_property
    def conversations(self) -> list[Conversation]:
        """The TCP conversations, in the order of their beginning."""
        self._passed_over = PassedOver()
        return sorted(conversations(self.frames, passed_over=self._passed_over), key=attrgetter("began"))

    @property
    def passed_over(self) -> str:
        """One sentence on the frames that may hold a conversation that the lab cannot read; empty without them."""
        return self._counted.hidden

    @property
    def datagrams(self) -> list[Datagram]:
        """The datagrams to and from a name server (UDP port 53)."""
        return self._counted.datagrams

    @property
    def _counted(self) -> PassedOver:
        """What was passed over, which is known once the conversations are."""
        _ = self.conversations
        return self._passed_over

    @cached_property
    def secrets(self) -> Secrets:
        """The TLS secrets by client random and label."""
        return parse(self.keylog)

    @property
    def packets(self) -> "PacketList":
        """The frames as scapy packets. Loads scapy, and dissects anew on each call."""
        from scapy.config import conf
        from scapy.layers import inet, inet6, l2  # noqa: F401 (their import registers the link types)
        from scapy.packet import Raw
        from scapy.plist import PacketList

        packets = []
        for frame in self.frames:
            packet = conf.l2types.get(frame.link, Raw)(frame.data)
            packet.time = frame.time / 1e9
            packets.append(packet)
        return PacketList(packets, name="capture")

    def save(self, path: str | Path) -> None:
        """Write a pcapng file with the TLS secrets inside, so that Wireshark decrypts it. Raises `CaptureError`."""
        write_pcapng(path, self.frames, self.keylog, self.how)

    @classmethod
    def read(cls, path: str | Path, keylog: str | Path | None = None) -> Self:
        """The trace in a pcap or pcapng file; `keylog` is a key log file for a capture without secrets inside.

        Raises `CaptureError` for what is not a capture or cannot be read.
        """
        file = read_frames(path)
        frames = list(file.frames())
        secrets = file.keylog if keylog is None else f"{file.keylog}\n{read_keylog(keylog)}"
        trace = cls(frames, secrets, how=file.problem or file.comment)
        trace.path = file.path
        return trace
