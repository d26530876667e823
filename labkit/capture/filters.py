"""Which of the frames that a packet socket sees belong in a capture, and in what form.

On the machine's own loopback interface they are those of the lab's servers, under their nominal ports; a LAN of the
lab's own carries nothing but what belongs to it. What is in the frames is not known here.
"""

from collections.abc import Collection, Mapping, Sequence

from labkit.capture.headers import renumber

# Numbers of <linux/if_packet.h> and <linux/if_arp.h>, and operations of bpf(4) with Linux's own extensions.
_PACKET_OUTGOING, _ARPHRD_LOOPBACK = 4, 772
_LOAD_HALF, _LOAD_BYTE, _LOAD_WORD, _IF_EQUAL, _RETURN = 0x28, 0x30, 0x20, 0x15, 0x06
_KIND_OF_PACKET, _KIND_OF_HARDWARE = 0xFFFFF000 + 4, 0xFFFFF000 + 28

FilterProgram = tuple[tuple[int, int, int, int], ...]
"""A filter for the kernel (classic BPF): (operation, jump if true, jump if false, operand) each."""
FrameOrigin = tuple[str, int, int, int, bytes]
"""(interface, protocol, kind of packet, kind of hardware, address) as packet(7) gives it."""


class ServersOnLoopback:
    """TCP and UDP over IPv4 to and from the lab's listeners, those that open and close meanwhile included.

    `nominal` is real port -> nominal port of those that are open, `opened` the list to which all others are added.
    """

    said = "shown with the nominal ports and with the checksums that belong to them"
    program: FilterProgram = (
        (_LOAD_HALF, 0, 0, 12),
        (_IF_EQUAL, 0, 8, 0x0800),  # IPv4
        (_LOAD_BYTE, 0, 0, 23),
        (_IF_EQUAL, 1, 0, 6),  # TCP
        (_IF_EQUAL, 0, 5, 17),  # UDP
        (_LOAD_WORD, 0, 0, _KIND_OF_HARDWARE),
        (_IF_EQUAL, 0, 2, _ARPHRD_LOOPBACK),
        (_LOAD_WORD, 0, 0, _KIND_OF_PACKET),
        (_IF_EQUAL, 1, 0, _PACKET_OUTGOING),
        (_RETURN, 0, 0, 0x40000),
        (_RETURN, 0, 0, 0),
    )
    """Loopback shows every frame twice, on its way out and in; one of them is enough."""

    def __init__(self, nominal: Mapping[int, int], opened: Sequence[tuple[int, int]]) -> None:
        self._seen = len(opened)
        self._opened = opened
        self._ports = dict(nominal)

    def __call__(self, frame: bytes, origin: FrameOrigin) -> bytes | None:
        """The frame as the capture shows it, or None."""
        if len(self._opened) > self._seen:
            self._ports.update(self._opened[self._seen :])
            self._seen = len(self._opened)
        if origin[2] == _PACKET_OUTGOING and origin[3] == _ARPHRD_LOOPBACK:
            return None  # came before the filter was in place
        return renumber(frame, self._ports)


class EverythingOnCables:
    """Every frame that was seen on one of these interfaces; others show copies."""

    said = "exactly as they were"
    program: FilterProgram = ()

    def __init__(self, cables: Collection[str]) -> None:
        self._cables = cables

    def __call__(self, frame: bytes, origin: FrameOrigin) -> bytes | None:
        """The frame, or None."""
        return frame if origin[0] in self._cables else None


FrameFilter = ServersOnLoopback | EverythingOnCables
