"""Catching the lab's own frames with a packet socket of Linux (packet(7)), each with the kernel's own time.

Which frames are kept is decided by `filters`, as far as possible inside the kernel (classic BPF, bpf(4)). What a
capture is made of is `recording`.
"""

import array
import contextlib
import os
import select
import socket
import struct
import threading
import time

from labkit.capture.encapsulation import segment
from labkit.capture.filters import FilterProgram, FrameFilter
from labkit.capture.frames import ETHERNET, FIN, RST, SYN
from labkit.capture.pcap import Frame
from labkit.errors import CannotSniff

# Numbers of <asm-generic/socket.h> and <linux/if_packet.h> that Python's socket module does not name.
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 26, 33, 35
_SOL_PACKET, _PACKET_STATISTICS = 263, 6

_BUFFER = 64 << 20
"""Bytes that the kernel may hold for us while this process is busy."""
_LARGEST = 1 << 18
"""Bytes of the largest frame; loopback's are at most 64 KiB unless its MTU was raised."""
_TIME = struct.Struct("@ll")
_PATIENCE = 30.0
"""Seconds that `stop` waits for the thread beyond the settling. It needs milliseconds, on a busy machine seconds; what
it has not taken by then is missing."""

_End = tuple[bytes, int]


class Sniffer:
    """Frames from a packet socket, caught in a thread from construction to `stop`; owns the socket and closes it.

    `frame_filter` says which frames are kept, `where` in the words of a sentence what the socket watches. Raises
    `CannotSniff` where the socket cannot be set up.
    """

    def __init__(self, sock: socket.socket, frame_filter: FrameFilter, where: str) -> None:
        self.frames: list[Frame] = []
        self.drops = 0
        """Frames that the kernel had no room for; known after `stop`."""
        self._socket = sock
        self._filter = frame_filter
        self._where = where
        self._open: dict[tuple[_End, ...], set[_End]] = {}
        """The two ends of each open connection -> those that have sent their FIN."""
        self._buffer = bytearray(_LARGEST)
        self._deadline = 0.0
        self._maker = os.getpid()
        try:
            _prepare(sock, frame_filter.program)
        except OSError as error:
            sock.close()
            raise CannotSniff(f"The packet socket cannot be set up ({error.strerror}): use the tap instead.") from error
        with contextlib.ExitStack() as undo:
            undo.enter_context(sock)
            self._alarm, self._bell = socket.socketpair()
            undo.enter_context(self._alarm)
            undo.enter_context(self._bell)
            self._thread = threading.Thread(target=self._run, name="labkit sniffer", daemon=True)
            self._thread.start()
            undo.pop_all()

    @property
    def how(self) -> str:
        """One sentence on how the frames were caught."""
        lost = f"; the kernel had no room for {self.drops} frames, which are missing" if self.drops else ""
        return (
            f"Captured with a packet socket (AF_PACKET) {self._where}: "
            f"real frames with the kernel's times, {self._filter.said}{lost}."
        )

    def stop(self, settle: float) -> None:
        """End when every connection has ended, after `settle` seconds at most; all that was sent before is caught.

        In a forked process, which shares the sockets, it does nothing.
        """
        if os.getpid() != self._maker:
            return
        self._deadline = time.monotonic() + settle
        self._bell.send(b".")
        try:
            if threading.current_thread() is not self._thread:  # the garbage collector may end a capture in this thread
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
        with contextlib.suppress(OSError, ValueError):  # the interface went down, or `stop` has closed the sockets
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
                frame = self._filter(bytes(memoryview(self._buffer)[:size]), origin)
                if frame is not None:
                    self.frames.append(Frame(_time(ancillary), ETHERNET, frame, len(frame)))
                    self._follow(frame)

    def _follow(self, frame: bytes) -> None:
        """Keep the account of open connections."""
        seg = segment(ETHERNET, frame)
        if seg is None:
            return
        ends = tuple(sorted((seg.source, seg.target)))
        if seg.flags & RST:
            self._open.pop(ends, None)
        elif seg.flags & FIN:
            self._open.setdefault(ends, set()).add(seg.source)
        elif seg.flags & SYN or seg.payload:
            self._open.setdefault(ends, set())
        elif len(self._open.get(ends, ())) == 2:
            del self._open[ends]


def _prepare(sock: socket.socket, program: FilterProgram) -> None:
    if program:
        code = array.array("B", b"".join(struct.pack("HBBI", *instruction) for instruction in program))
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), code.buffer_info()[0]))
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
