"""Capture files: pcap and pcapng read as a stream, pcapng written with the TLS secrets inside.

pcap is draft-ietf-opsawg-pcap, pcapng draft-ietf-opsawg-pcapng; the Decryption Secrets Block (its §4.7) is why
Wireshark opens our files decrypted. What the frames mean does not belong here, and how files are opened is `stored`.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from math import gcd
from pathlib import Path
from typing import BinaryIO, NamedTuple

from labkit.capture.encapsulation import known
from labkit.capture.frames import ALL, ETHERNET, IPV4_ON_ETHERNET, TCP, Share
from labkit.capture.passed_over import PassedOver
from labkit.capture.pcapng_blocks import (
    COMMENT,
    IF_TSOFFSET,
    IF_TSRESOL,
    INTERFACE,
    OLD_PACKET,
    PACKET,
    SECRETS,
    SECTION,
    SIMPLE_PACKET,
    TLS_KEY_LOG,
    interface_block,
    options,
    packet_block,
    secrets_block,
    section_block,
)
from labkit.capture.stored import DAMAGED_GZIP, Stored
from labkit.errors import CaptureError
from labkit.replacing import replacing
from labkit.trust.keylog import Secrets, decoded, merge, parse, plain

_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""Magic number as stored -> (byte order, nanoseconds in a unit of the time stamp's fraction)."""
_SECTION_MARK = SECTION.to_bytes(4)
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_HEAD = {order: struct.Struct(order + "II").unpack_from for order in _ORDERS.values()}
_PACKET_HEAD = {order: struct.Struct(order + "7I").unpack_from for order in _ORDERS.values()}
_SECOND = 1_000_000_000
_SMALLEST, _SMALLEST_PACKET, _SMALLEST_SEGMENT, _LARGEST = 12, 32, 32 + 54, 64 << 20
"""Bytes: no block (of a packet, or of one with a TCP segment on Ethernet) is smaller, and none of a real capture is
larger; a damaged length field is."""
_AHEAD = 256 << 10
"""Bytes that are read at once."""


class Frame(NamedTuple):
    """One captured frame."""

    time: int
    """Nanoseconds since 1970 (UTC)."""
    link: int
    """The link type of its interface, as pcap numbers it."""
    data: bytes
    length: int
    """Bytes on the wire; more than ``len(data)`` when the capture cut the frame."""


FrameRecord = tuple[int, int, bytes, int]
"""The fields of a `Frame` as a plain tuple, which is cheaper: there are many, and most are read once."""
Batch = list[FrameRecord | None]
"""Records that were read together, so that the generator is resumed once for all of them."""


class _Clock(NamedTuple):
    """The unit and offset of an interface's time stamps."""

    factor: int
    divisor: int
    offset: int

    def nanoseconds(self, stamp: int) -> int:
        """Since 1970."""
        return stamp * self.factor // self.divisor + self.offset


_NANOSECONDS = _Clock(1, 1, 0)


@dataclass
class CaptureFile:
    """A capture file, read as its frames are consumed; secrets and problems are known as far as it has been read.

    Nothing of the frames is kept, so that a file of any size can be decoded (`labkit.decode.file`).
    """

    stored: Stored
    secrets: Secrets = field(default_factory=dict)
    """The TLS secrets in the part that was read, which usually stand before the packets."""
    comment: str = ""
    problem: str = ""
    """What is wrong with the end of the file, in a sentence; empty if nothing is."""
    _keylogs: list[str] = field(default_factory=list)
    _interfaces: list[tuple[int, "_Clock | None"]] = field(default_factory=list)
    """(link type, clock) of each interface; None for nanoseconds since 1970."""
    _limit: int = 0
    """Bytes after which the first interface cuts its frames; 0 when it does not."""
    _links: set[int] = field(default_factory=set)
    passed_over: PassedOver = field(default_factory=PassedOver)
    """The frames in which no TCP segment was found, once `reassembly.conversations` has read them."""

    @property
    def path(self) -> Path:
        """Where it is; ``-`` for standard input."""
        return self.stored.path

    @property
    def name(self) -> str:
        """What it is called at the beginning of a sentence."""
        return self.stored.name

    @property
    def keylog(self) -> str:
        """The same secrets in the NSS key log format, as the file has them."""
        return "".join(self._keylogs)

    def frames(self) -> Iterator[Frame]:
        """The frames in the order of the file. Raises `CaptureError` for what is not a capture."""
        return map(Frame._make, self.records())

    def records(self, part: Share = ALL) -> Iterator[FrameRecord | None]:
        """The same as plain tuples; with `part`, None for most of the frames that belong to another part."""
        return chain.from_iterable(self._batches(part))

    def again(self) -> "CaptureFile":
        """The same file, to be read once more from its beginning."""
        return CaptureFile(self.stored)

    def later_secrets(self) -> Secrets:
        """The secrets of the whole file, those after the packets included. Raises `CaptureError`."""
        whole = self.again()
        with self.stored.open() as file:
            if file.read(4) == _SECTION_MARK:
                whole._secrets_alone(file)
        return whole.secrets

    def _batches(self, share: Share) -> Iterator[Batch]:
        self.comment = self.problem = ""
        self.passed_over.clear()
        self._keylogs.clear()
        self._links.clear()
        with self.stored.open() as file:
            yield from self._read(file, share)

    def _read(self, file: BinaryIO, part: Share) -> Iterator[Batch]:
        try:
            magic = file.read(4)
        except DAMAGED_GZIP as error:
            raise CaptureError(
                f"{self.name} begins like a gzip file and is damaged: copy it again, or compress it anew."
            ) from error
        if not magic:
            raise CaptureError(f"{self.name} is empty: a pcap or pcapng file was expected. Was the capture saved?")
        if magic in _PCAP:
            yield from self._pcap(file, *_PCAP[magic])
        elif magic == _SECTION_MARK:
            yield from self._pcapng(file, magic, part)
            if self._links and not any(map(known, self._links)):
                raise self._foreign(self._links)
        else:
            raise CaptureError(
                f"{self.name} is neither pcap nor pcapng: it begins with {magic.hex(' ')}. "
                "Save the capture in one of these formats."
            )

    def _pcap(self, file: BinaryIO, order: str, unit: int) -> Iterator[Batch]:
        header = file.read(20)
        if len(header) < 20:
            raise CaptureError(
                f"{self.name} ends inside its header after {len(header) + 4} bytes: capture or copy it again."
            )
        link = struct.unpack(order + "I", header[16:])[0] & 0xFFFF
        if not known(link):
            raise self._foreign({link})
        record = struct.Struct(order + "IIII")
        try:
            while head := file.read(16):
                if len(head) < 16:
                    return self._cut()
                seconds, fraction, held, length = record.unpack(head)
                data = file.read(held) if held <= _LARGEST else b""
                if len(data) < held:
                    return self._cut()
                yield [(seconds * _SECOND + fraction * unit, link, data, length)]
        except DAMAGED_GZIP:
            self._cut()

    def _pcapng(self, file: BinaryIO, read: bytes, part: Share) -> Iterator[Batch]:
        at, order = 0, "<"
        try:
            while True:
                if len(read) - at < _SMALLEST:
                    read, at = read[at:] + file.read(_AHEAD), 0
                    if not read:
                        return
                if read.startswith(_SECTION_MARK, at):
                    order = self._order(read[at + 8 : at + 12])
                kind, total = _HEAD[order](read, at)
                end = at + (total + 3 & ~3)
                if end > len(read) and total <= _LARGEST:
                    read, at, end = read[at:] + file.read(_AHEAD + total), 0, end - at
                if total < (_SMALLEST_PACKET if kind == PACKET else _SMALLEST) or end > len(read):
                    return self._cut()
                if kind == PACKET:
                    packets, at = self._packets(read, at, order, part)
                    if not packets:
                        return self._cut()  # its interface was not described
                    yield packets
                    del packets  # before the next are read
                    continue
                if record := _BLOCKS.get(kind, CaptureFile._other)(self, order, read[at + 8 : end]):
                    yield [record]
                at = end
        except (struct.error, IndexError, *DAMAGED_GZIP):
            self._cut()

    def _secrets_alone(self, file: BinaryIO) -> None:
        """Read the secrets of a pcapng file, and pass over its packets."""
        order = "<"
        file.seek(0)
        try:
            while len(head := file.read(12)) == 12:
                if head.startswith(_SECTION_MARK):
                    order = self._order(head[8:12])
                kind, total = _HEAD[order](head)
                size = (total + 3 & ~3) - len(head)
                if size < 0 or total > _LARGEST:
                    return
                if kind == SECRETS:
                    self._key_log(order, head[8:] + file.read(size))
                else:
                    file.seek(size, 1)
        except (struct.error, IndexError, CaptureError, *DAMAGED_GZIP):
            return  # `records` tells what is wrong with the file

    def _packets(self, read: bytes, at: int, order: str, part: Share) -> tuple[Batch, int]:
        """The packets from `at` to the next block that is no packet or incomplete, and that block's offset."""
        unpack, interfaces = _PACKET_HEAD[order], self._interfaces
        shared, elsewhere = part is not ALL, part.elsewhere
        packets: Batch = []
        described, size, last = len(interfaces), len(read), len(read) - _SMALLEST_PACKET
        while at <= last:
            kind, total, interface, high, low, held, length = unpack(read, at)
            begin, end = at + 28, at + (total + 3 & ~3)
            if kind != PACKET or end > size or total < _SMALLEST_PACKET or interface >= described:
                break
            at = end
            link, clock = interfaces[interface]
            if (
                shared
                and total >= _SMALLEST_SEGMENT
                and link == ETHERNET
                and read[begin + 12 : begin + 15] == IPV4_ON_ETHERNET
                and read[begin + 23] == TCP
                and not read[begin + 20] & 0x3F  # no fragment, whose ports stand elsewhere or nowhere
                and not read[begin + 21]
                and elsewhere[read[begin + 35] + read[begin + 37]]
            ):
                packets.append(None)
                continue
            room = total - _SMALLEST_PACKET
            data = read[begin : begin + (held if held < room else room)]
            time = high << 32 | low
            packets.append((clock.nanoseconds(time) if clock else time, link, data, length))
        return packets, at

    def _order(self, mark: bytes) -> str:
        """The byte order of a new section."""
        if mark not in _ORDERS:
            raise CaptureError(
                f"{self.name} has a section without a byte-order mark: it is damaged; capture or copy it again."
            )
        self._interfaces = []
        return _ORDERS[mark]

    # What a block holds, without its first eight bytes; the last four are its length once more.

    def _section(self, order: str, body: bytes) -> None:
        found = options(order, body[16:-4])
        self.comment = self.comment or found.get(COMMENT, b"").decode("utf-8", "replace")

    def _interface(self, order: str, body: bytes) -> None:
        link, limit = struct.unpack_from(order + "H2xI", body)
        self._links.add(link)
        if not self._interfaces:
            self._limit = limit
        found = options(order, body[8:-4])
        resolution = found.get(IF_TSRESOL, b"\x06")[0]
        units = (2 if resolution & 0x80 else 10) ** (resolution & 0x7F)
        common = gcd(_SECOND, units)
        offset = struct.unpack(order + "q", found.get(IF_TSOFFSET, bytes(8)))[0]
        clock = _Clock(_SECOND // common, units // common, offset * _SECOND)
        self._interfaces.append((link, None if clock == _NANOSECONDS else clock))

    def _old_packet(self, order: str, body: bytes) -> FrameRecord:
        interface, _, high, low, held, length = struct.unpack_from(order + "HHIIII", body)
        return self._frame(interface, high << 32 | low, body[20:-4][:held], length)

    def _simple_packet(self, order: str, body: bytes) -> FrameRecord:
        length = struct.unpack_from(order + "I", body)[0]
        return self._frame(0, 0, body[4:-4][: min(length, self._limit or length)], length)

    def _key_log(self, order: str, body: bytes) -> None:
        kind, length = struct.unpack_from(order + "II", body)
        if kind == TLS_KEY_LOG:
            text = decoded(bytes(memoryview(body)[8:-4][:length]))
            del body  # it is large when there are many sessions, and so are the secrets
            if self._keylogs and not self._keylogs[-1].endswith("\n"):
                self._keylogs.append("\n")
            self._keylogs.append(text)
            merge(self.secrets, parse(text))

    def _other(self, order: str, body: bytes) -> None:
        """A block of a kind that says nothing about frames."""

    def _frame(self, interface: int, stamp: int, data: bytes, length: int) -> FrameRecord:
        link, clock = self._interfaces[interface]
        return clock.nanoseconds(stamp) if clock else stamp, link, data, length

    def _foreign(self, links: set[int]) -> CaptureError:
        return CaptureError(
            f"{self.name} holds frames of link type {', '.join(map(str, sorted(links)))}, which the lab cannot read: "
            "capture on Ethernet, loopback, a Linux 'any' interface or raw IP."
        )

    def _cut(self) -> None:
        self.problem = f"{self.name} is cut or damaged after its last whole packet; what comes before is complete."


_BLOCKS = {
    SECTION: CaptureFile._section,
    INTERFACE: CaptureFile._interface,
    OLD_PACKET: CaptureFile._old_packet,
    SIMPLE_PACKET: CaptureFile._simple_packet,
    SECRETS: CaptureFile._key_log,
}


def read_frames(path: str | Path) -> CaptureFile:
    """A capture file, not opened before its `frames` are taken; ``-`` is standard input. gzip is undone.

    Raises `CaptureError` for anything but a path.
    """
    try:
        return CaptureFile(Stored(Path(path)))
    except TypeError as error:
        raise CaptureError(f"A capture file is given by its path, 'like/this.pcapng', not as {path!r}.") from error


def write_pcapng(path: str | Path, frames: Iterable[Frame], keylog: str = "", comment: str = "") -> None:
    """Write frames to the nanosecond, with the TLS secrets before the first. Raises `CaptureError` if it cannot."""
    try:
        with replacing(path) as file:
            file.write(section_block(comment))
            file.writelines(_frame_blocks(frames, secrets_block(plain(keylog))))
    except OSError as error:
        raise CaptureError(
            f"The capture cannot be written to {path} ({error.strerror}): choose a folder that exists and is yours."
        ) from error
    except struct.error as error:
        raise CaptureError(
            f"The capture cannot be written to {path}: a frame in it has a time that no clock of 1970 to 2554 shows; "
            "its file was damaged, so capture or copy it again."
        ) from error


def _frame_blocks(frames: Iterable[Frame], secrets: bytes) -> Iterator[bytes]:
    """The blocks of frames, each link type's interface before its first frame, and the secrets."""
    links: dict[int, int] = {}
    for frame in frames:
        if frame.link not in links:
            links[frame.link] = len(links)
            yield interface_block(frame.link)
            yield secrets  # after the first interface, where editcap expects one
            secrets = b""
        yield packet_block(links[frame.link], frame.time, frame.data, frame.length)
    yield secrets
