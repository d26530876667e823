"""Catching the lab's own frames with a packet socket of Linux (packet(7)), each with the kernel's own time.

A filter in the kernel (classic BPF, bpf(4) and Linux's networking/filter) lets only TCP through, and only one of the
two copies that loopback shows of each frame. Frames to and from the lab's listeners are kept, with the nominal ports in
them. IPv4 only, as the lab's network is. What a capture is made of is `recording`.
"""

import array
import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Mapping

from labkit.capture.frames import ETHERNET, FIN, RST, SYN, segment
from labkit.capture.headers import renumber
from labkit.capture.pcap import Frame
from labkit.errors import CannotSniff

# Numbers of <asm-generic/socket.h>, <linux/if_packet.h> and <linux/if_arp.h> that Python's socket module does not name.
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 26, 33, 35
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_PACKET_OUTGOING, _ARPHRD_LOOPBACK = 4, 772

_LOAD_HALF, _LOAD_BYTE, _LOAD_WORD, _IF_EQUAL, _RETURN = 0x28, 0x30, 0x20, 0x15, 0x06
_KIND_OF_PACKET, _KIND_OF_HARDWARE = 0xFFFFF000 + 4, 0xFFFFF000 + 28
_FILTER = (
    (_LOAD_HALF, 0, 0, 12),
    (_IF_EQUAL, 0, 7, 0x0800),  # IPv4
    (_LOAD_BYTE, 0, 0, 23),
    (_IF_EQUAL, 0, 5, 6),  # TCP
    (_LOAD_WORD, 0, 0, _KIND_OF_HARDWARE),
    (_IF_EQUAL, 0, 2, _ARPHRD_LOOPBACK),
    (_LOAD_WORD, 0, 0, _KIND_OF_PACKET),
    (_IF_EQUAL, 1, 0, _PACKET_OUTGOING),
    (_RETURN, 0, 0, 0x40000),
    (_RETURN, 0, 0, 0),
)
"""(operation, jump if true, jump if false, operand)."""

_BUFFER = 64 << 20
"""Bytes that the kernel may hold for us while this process is busy."""
_LARGEST = 1 << 18
"""Bytes of the largest frame; loopback's are at most 64 KiB unless somebody tuned it."""
_TIME = struct.Struct("@ll")
_PATIENCE = 2.0
"""Seconds that `stop` waits for the thread beyond the settling; it needs milliseconds."""

_End = tuple[bytes, int]


class Sniffer:
    """Frames from a packet socket, caught in a thread from construction to `stop`; owns the socket and closes it."""

    def __init__(self, sock: socket.socket, nominal: Mapping[int, int]) -> None:
        self.frames: list[Frame] = []
        self.drops = 0
        """Frames that the kernel had no room for; known after `stop`."""
        self.interface: str = sock.getsockname()[0]
        self._socket = sock
        self._nominal = nominal
        self._ports: dict[int, int] = {}
        self._open: dict[tuple[_End, ...], set[_End]] = {}
        """The two ends of each open connection -> those that have sent their FIN."""
        self._buffer = bytearray(_LARGEST)
        self._deadline = 0.0
        try:
            _prepare(sock)
        except OSError as error:
            sock.close()
            raise CannotSniff(f"The packet socket cannot be set up ({error.strerror}): use the tap instead.") from error
        self._alarm, self._bell = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="labkit sniffer", daemon=True)
        self._thread.start()

    @property
    def how(self) -> str:
        """One sentence on how the frames were caught."""
        lost = f"; the kernel had no room for {self.drops} frames, which are missing" if self.drops else ""
        return (
            f"Captured with a packet socket (AF_PACKET) on the interface {self.interface}: "
            "real frames with the kernel's times, "
            f"shown with the nominal ports and with the checksums that belong to them{lost}."
        )

    def stop(self, settle: float) -> None:
        """End when every connection has ended, after `settle` seconds at most; all that was sent before is caught."""
        self._deadline = time.monotonic() + settle
        self._bell.send(b".")
        try:
            self._thread.join(settle + _PATIENCE)
        finally:
            with contextlib.suppress(OSError):
                self.drops = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1]
            for sock in (self._socket, self._alarm, self._bell):
                sock.close()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._alarm, select.POLLIN)
        with contextlib.suppress(OSError):  # the interface went down, or an impatient `stop` closed the socket
            while not self._deadline:
                poll.poll()
                self._drain()
            poll.unregister(self._alarm)
            self._drain()
            while self._open and (left := self._deadline - time.monotonic()) > 0:
                poll.poll(left * 1000)
                self._drain()

    def _drain(self) -> None:
        """Take every frame that waits in the kernel."""
        with contextlib.suppress(BlockingIOError):
            while True:
                size, ancillary, _, origin = self._socket.recvmsg_into([self._buffer], 64)
                self._ports.update(self._nominal)  # a server that has just closed is still ours
                if origin[2] == _PACKET_OUTGOING and origin[3] == _ARPHRD_LOOPBACK:
                    continue  # came before the filter was in place
                frame = renumber(bytes(memoryview(self._buffer)[:size]), self._ports)
                if frame is not None:
                    self.frames.append(Frame(_time(ancillary), ETHERNET, frame, len(frame)))
                    self._follow(frame)

    def _follow(self, frame: bytes) -> None:
        """Keep the account of open connections."""
        seg = segment(ETHERNET, frame)
        if seg is None:
            return
        source = seg.source, seg.source_port
        ends = tuple(sorted((source, (seg.target, seg.target_port))))
        if seg.flags & RST:
            self._open.pop(ends, None)
        elif seg.flags & FIN:
            self._open.setdefault(ends, set()).add(source)
        elif seg.flags & SYN or seg.payload:
            self._open.setdefault(ends, set())
        elif len(self._open.get(ends, ())) == 2:
            del self._open[ends]


def _prepare(sock: socket.socket) -> None:
    code = array.array("B", b"".join(struct.pack("HBBI", *instruction) for instruction in _FILTER))
    program = struct.pack("HP", len(_FILTER), code.buffer_info()[0])
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    sock.setblocking(False)


def _time(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIME.unpack(data)
            return seconds * 1_000_000_000 + nanoseconds
    return time.time_ns()
