"""Capture files: what other programs write is read, what the lab writes they read too, and nothing else passes."""

import gzip
import os
import struct
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import PcapNgReader, RawPcapNgWriter, RawPcapReader, RawPcapWriter
from tcp_frames import Connection, frames
from tools import tool

from labkit.capture.frames import ETHERNET, RAW, SLL2
from labkit.capture.pcap import Frame, read_frames, write_pcapng
from labkit.capture.trace import Trace
from labkit.errors import CaptureError

NOW = 1_700_000_000_123_456_789
FRAMES = [
    frame._replace(time=NOW + number)
    for number, frame in enumerate(frames(Connection().open().say("server", b"220 hello\r\n").close().segments))
]
KEYS = f"CLIENT_RANDOM {'ab' * 32} {'cd' * 48}\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "capture"


def read(path, data=None):
    if data is not None:
        path.write_bytes(data)
    file = read_frames(path)
    return file, list(file.frames())


def in_microseconds(frames):
    return [frame._replace(time=frame.time // 1000 * 1000) for frame in frames]


# ---- what other programs write


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("nano", (False, True))
def test_pcap_of_either_byte_order_and_resolution_is_read(path, order, nano):
    with RawPcapWriter(str(path), linktype=ETHERNET, endianness=order, nano=nano) as writer:
        writer.write_header(b"")
        for frame in FRAMES:
            seconds, rest = divmod(frame.time, 10**9)
            writer.write_packet(frame.data, sec=seconds, usec=rest if nano else rest // 1000)
    file, found = read(path)
    assert found == (FRAMES if nano else in_microseconds(FRAMES))
    assert (file.problem, file.keylog, file.comment) == ("", "", "")


@pytest.mark.parametrize("kind", ("pcap", "nsecpcap", "modpcap", "pcapng"))
def test_what_editcap_converts_is_the_same_capture(path, tmp_path, kind):
    original = tmp_path / "original"
    write_pcapng(original, FRAMES)
    subprocess.run([tool("editcap"), "-F", kind, original, path], check=True)
    if kind == "modpcap":  # a format of old patched programs, with longer records
        with pytest.raises(CaptureError, match="neither pcap nor pcapng"):
            read(path)
        return
    assert read(path)[1] == (in_microseconds(FRAMES) if kind == "pcap" else FRAMES)


def test_a_snapshot_length_cuts_the_bytes_and_keeps_the_length(path, tmp_path):
    original = tmp_path / "original"
    write_pcapng(original, FRAMES)
    subprocess.run([tool("editcap"), "-s", "60", original, path], check=True)
    assert read(path)[1] == [frame._replace(data=frame.data[:60]) for frame in FRAMES]


def test_what_the_lab_saved_with_its_secrets_goes_through_editcap_whole(path, tmp_path):
    original = tmp_path / "original"
    write_pcapng(original, FRAMES, KEYS, "a comment")
    subprocess.run([tool("editcap"), original, path], check=True)
    file, found = read(path)
    assert (found, file.keylog, file.comment) == (FRAMES, KEYS, "a comment")


def test_secrets_that_editcap_puts_into_a_file_are_read(path, tmp_path):
    original, keys = tmp_path / "original", tmp_path / "keys"
    write_pcapng(original, FRAMES)
    keys.write_text(KEYS)
    subprocess.run([tool("editcap"), "--inject-secrets", f"tls,{keys}", original, path], check=True)
    file, found = read(path)
    assert (found, file.keylog) == (FRAMES, KEYS)
    assert file.secrets == {bytes.fromhex("ab" * 32): {"CLIENT_RANDOM": bytes.fromhex("cd" * 48)}}


def test_files_that_mergecap_joined_keep_the_link_type_of_each_frame(path, tmp_path):
    naked = [frame._replace(link=RAW, data=frame.data[14:], length=frame.length - 14) for frame in FRAMES]
    for name, of_one_kind in (("a", FRAMES), ("b", naked)):
        write_pcapng(tmp_path / name, of_one_kind)
    subprocess.run([tool("mergecap"), "-a", "-w", path, tmp_path / "a", tmp_path / "b"], check=True)
    assert read(path)[1] == FRAMES + naked


def test_pcapng_that_scapy_writes_is_read(path):
    with RawPcapNgWriter(str(path)) as writer:
        writer.write_header(b"")
        for frame in FRAMES:
            writer.write_packet(frame.data, sec=frame.time / 1e9)
    assert [frame.data for frame in read(path)[1]] == [frame.data for frame in FRAMES]


# ---- pcapng, block by block


class Blocks:
    """pcapng by hand, in either byte order."""

    def __init__(self, order: str) -> None:
        self.order = order

    def pack(self, layout: str, *values: int) -> bytes:
        return struct.pack(self.order + layout, *values)

    def block(self, kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return self.pack("II", kind, len(body) + 12) + body + self.pack("I", len(body) + 12)

    def option(self, code: int, value: bytes) -> bytes:
        return self.pack("HH", code, len(value)) + value + bytes(-len(value) % 4)

    def section(self, options: bytes = b"") -> bytes:
        return self.block(0x0A0D0D0A, self.pack("IHHq", 0x1A2B3C4D, 1, 0, -1) + options)

    def interface(self, link: int = ETHERNET, options: bytes = b"", limit: int = 0) -> bytes:
        return self.block(1, self.pack("HHI", link, 0, limit) + options)

    def packet(self, stamp: int, data: bytes, interface: int = 0) -> bytes:
        head = self.pack("5I", interface, stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data))
        return self.block(6, head + data + bytes(-len(data) % 4) + self.option(2, bytes(4)) + self.option(0, b""))

    def secrets(self, kind: int, text: bytes) -> bytes:
        return self.block(10, self.pack("II", kind, len(text)) + text)


ORDERS = pytest.mark.parametrize("order", "<>")
TLS, SSH = 0x544C534B, 0x5353484B


@ORDERS
def test_blocks_that_say_nothing_of_frames_are_passed_over(path, order):
    b = Blocks(order)
    others = b.block(4, bytes(8)) + b.block(5, bytes(12)) + b.block(0xBAD, b"custom") + b.block(0x80000001, b"")
    data = b.section() + others + b.interface() + others + b.packet(1_000_000, b"abc") + others
    assert read(path, data)[1] == [Frame(10**9, ETHERNET, b"abc", 3)]


@ORDERS
@pytest.mark.parametrize(
    "resolution, stamp, time",
    (
        (b"\x06", 1_500_000, 1.5),
        (b"\x09", 1_500_000_000, 1.5),
        (b"\x00", 3, 3),
        (b"\x8a", 1536, 1.5),
        (b"\x03", 7, 0.007),
    ),
)
def test_time_stamps_have_the_resolution_of_their_interface(path, order, resolution, stamp, time):
    b = Blocks(order)
    data = b.section() + b.interface(options=b.option(9, resolution) + b.option(0, b"")) + b.packet(stamp, b"abc")
    assert [frame.time for frame in read(path, data)[1]] == [int(time * 10**9)]


@ORDERS
@pytest.mark.parametrize("offset", (1_700_000_000, -3600))
def test_time_stamps_may_count_from_another_moment(path, order, offset):
    b = Blocks(order)
    data = b.section() + b.interface(options=b.option(14, b.pack("q", offset))) + b.packet(5_000_000, b"abc")
    assert [frame.time for frame in read(path, data)[1]] == [(offset + 5) * 10**9]


@ORDERS
def test_each_packet_belongs_to_its_interface(path, order):
    b = Blocks(order)
    data = b.section() + b.interface(ETHERNET) + b.interface(SLL2, b.option(9, b"\x09"))
    data += (
        b.packet(1, b"abc", interface=1) + b.packet(1, b"def", interface=0) + b.interface(RAW) + b.packet(2, b"g", 2)
    )
    assert read(path, data)[1] == [
        *(Frame(1, SLL2, b"abc", 3), Frame(1000, ETHERNET, b"def", 3), Frame(2000, RAW, b"g", 1))
    ]


def test_a_new_section_begins_anew_and_in_its_own_byte_order(path):
    little, big = Blocks("<"), Blocks(">")
    data = b"".join(
        b.section(b.option(1, name)) + b.interface(link) + b.packet(1, name)
        for b, link, name in ((little, ETHERNET, b"one"), (big, RAW, b"two"), (little, SLL2, b"three"))
    )
    file, found = read(path, data)
    assert [(frame.link, frame.data) for frame in found] == [(ETHERNET, b"one"), (RAW, b"two"), (SLL2, b"three")]
    assert file.comment == "one"


@ORDERS
def test_obsolete_packet_blocks_are_read(path, order):
    b = Blocks(order)
    old = b.block(2, b.pack("HHIIII", 0, 0xFFFF, 0, 2_000_000, 3, 9) + b"abc")
    assert read(path, b.section() + b.interface() + old)[1] == [Frame(2 * 10**9, ETHERNET, b"abc", 9)]


@ORDERS
def test_simple_packet_blocks_have_no_time_and_the_snapshot_length_of_their_interface(path, order):
    b = Blocks(order)
    whole, cut = b.block(3, b.pack("I", 5) + b"abcde"), b.block(3, b.pack("I", 1500) + b"abcdef")
    assert read(path, b.section() + b.interface() + whole)[1] == [Frame(0, ETHERNET, b"abcde", 5)]
    assert read(path, b.section() + b.interface(limit=6) + cut)[1] == [Frame(0, ETHERNET, b"abcdef", 1500)]


@ORDERS
def test_secrets_come_in_any_number_of_blocks_and_only_those_of_tls_count(path, order):
    b = Blocks(order)
    lines = [f"CLIENT_RANDOM {number:064x} {'cd' * 48}" for number in range(3)]
    data = b.section() + b.secrets(TLS, lines[0].encode()) + b.secrets(SSH, b"host key") + b.interface()
    data += b.secrets(TLS, f"{lines[1]}\n".encode()) + b.packet(1, b"abc") + b.secrets(TLS, lines[2].encode())
    assert len(read(path, data)[0].secrets) == 3
    trace = Trace.read(path)
    assert trace.keylog.split("\n") == lines and len(trace.secrets) == 3


def test_a_key_log_beside_the_file_is_added_to_the_secrets_inside(path, tmp_path):
    b = Blocks("<")
    path.write_bytes(b.section() + b.secrets(TLS, KEYS.rstrip().encode()) + b.interface() + b.packet(1, b"abc"))
    (tmp_path / "keys").write_text(KEYS.replace("ab", "ee"))
    assert len(Trace.read(path, tmp_path / "keys").secrets) == 2


def test_an_interface_of_another_kind_does_not_hide_the_others(path):
    b = Blocks("<")
    usb = b.interface(189)
    data = b.section() + usb + b.interface() + b.packet(1, FRAMES[0].data, 1) + b.packet(1, b"usb", 0)
    path.write_bytes(data)
    trace = Trace.read(path)
    assert [frame.link for frame in trace.frames] == [ETHERNET, 189] and len(trace.conversations) == 1
    assert [type(packet).__name__ for packet in trace.packets] == ["Ether", "Raw"]


# ---- what the lab writes


def test_tshark_reads_every_frame_with_its_time_to_the_nanosecond(path):
    write_pcapng(path, FRAMES, KEYS, "how it was made")
    command = [tool("tshark"), "-r", path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len"]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert said == [word for f in FRAMES for word in (f"{f.time // 10**9}.{f.time % 10**9:09}", str(f.length))]
    info = subprocess.run([tool("capinfos"), path], capture_output=True, check=True, text=True).stdout
    assert "how it was made" in info and "nanoseconds" in info


def test_scapy_reads_every_byte(path):
    write_pcapng(path, FRAMES)
    with PcapNgReader(str(path)) as reader:
        assert [bytes(packet) for packet in reader] == [frame.data for frame in FRAMES]
    with RawPcapReader(str(path)) as reader:
        assert [data for data, _ in reader] == [frame.data for frame in FRAMES]


ANY_FRAME = st.builds(
    Frame,
    st.integers(0, 2**64 - 1),
    st.sampled_from((ETHERNET, RAW, SLL2)),
    st.binary(max_size=70),
    st.integers(0, 2**32 - 1),
)


@given(st.lists(ANY_FRAME, max_size=6), st.booleans(), st.text(max_size=40))
def test_what_was_written_is_read_again(tmp_path_factory, written, secret, comment):
    path = tmp_path_factory.getbasetemp() / "written"
    keylog = KEYS if secret else ""
    write_pcapng(path, written, keylog, comment)
    file, found = read(path)
    assert (found, file.keylog, file.comment, file.problem) == (written, keylog, comment, "")


def test_a_long_comment_is_shortened(path):
    write_pcapng(path, FRAMES, comment="ü" * 60_000)
    file, found = read(path)
    assert found == FRAMES and file.comment.startswith("ü" * 32_000) and not file.problem


def test_a_trace_that_was_saved_says_how_it_was_captured(path):
    Trace(FRAMES, KEYS, how="with a net").save(path)
    trace = Trace.read(path)
    assert (trace.frames, trace.keylog, trace.how) == (FRAMES, KEYS, "with a net")


def test_where_nothing_can_be_written_the_error_says_so(tmp_path):
    for place in (tmp_path, tmp_path / "no such folder" / "x.pcapng"):
        with pytest.raises(CaptureError, match="choose a folder that exists"):
            Trace(FRAMES).save(place)


@pytest.mark.parametrize("time", (-1, 2**64))
def test_a_time_that_pcapng_cannot_hold_is_an_error(path, time):
    with pytest.raises(CaptureError, match="1970 to 2554"):
        write_pcapng(path, [FRAMES[0]._replace(time=time)])


# ---- bad files


@pytest.mark.parametrize(
    "data, said",
    (
        (b"", "is empty: a pcap or pcapng file was expected"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "neither pcap nor pcapng: it begins with 89 50 4e 47"),
        (b"220 mail.lab.test ESMTP\r\n", "neither pcap nor pcapng"),
        (b"\x1f\x8b\x08" + bytes(100), "begins like a gzip file and is damaged"),
        (gzip.compress(b"220 mail.lab.test ESMTP\r\n", mtime=0), "neither pcap nor pcapng"),
        (b"\xd4\xc3\xb2\xa1\x02\x00", "ends inside its header after 6 bytes"),
        (b"\xd4\xc3\xb2\xa1" + bytes(16) + b"\x93\x00\x00\x00", "link type 147, which the lab cannot read"),
        (Blocks("<").section() + Blocks("<").interface(148), "link type 148, which the lab cannot read"),
        (Blocks("<").section()[:8] + b"?" * 20, "a section without a byte-order mark"),
    ),
)
def test_what_is_no_capture_is_refused_in_a_sentence(path, data, said):
    with pytest.raises(CaptureError, match=said) as refused:
        read(path, data)
    assert str(path) in str(refused.value)


def test_what_cannot_be_opened_is_refused_in_a_sentence(tmp_path):
    for place in (tmp_path, tmp_path / "missing.pcap"):
        with pytest.raises(CaptureError, match=r"cannot be read .*: check the name and the permissions"):
            read(place)
    for thing in (None, 5, b"bytes"):
        with pytest.raises(CaptureError, match="given by its path"):
            read_frames(thing)
    with pytest.raises(CaptureError, match="key log"):
        Trace.read(_whole(tmp_path / "x", "pcapng"), keylog=tmp_path / "missing.txt")


@pytest.mark.parametrize("kind", ("pcap", "pcapng"))
def test_what_can_be_read_only_once_is_read(tmp_path, kind):
    with _pipe(_whole(tmp_path / "x", kind).read_bytes()) as place:
        assert read(place)[1] == FRAMES


@contextmanager
def _pipe(data):
    """A place that can be read only once, from its beginning to its end."""
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    yield Path(f"/dev/fd/{reading}")
    os.close(reading)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_what_may_not_be_read_is_refused_in_a_sentence(path):
    _whole(path, "pcapng").chmod(0)
    with pytest.raises(CaptureError, match="check the name and the permissions"):
        read(path)


def _whole(path, kind):
    if kind == "pcap":
        with RawPcapWriter(str(path), linktype=ETHERNET, nano=True) as writer:
            writer.write_header(b"")
            for frame in FRAMES:
                writer.write_packet(frame.data, sec=frame.time // 10**9, usec=frame.time % 10**9)
    else:
        write_pcapng(path, FRAMES, KEYS)
    return path


@pytest.mark.parametrize("kind", ("pcap", "pcapng"))
def test_a_file_that_is_cut_anywhere_gives_what_comes_before_and_says_so(path, kind):
    whole = _whole(path, kind).read_bytes()
    shortest = 24 if kind == "pcap" else 12
    lengths = {}
    for end in range(1, len(whole)):
        try:
            file, found = read(path, whole[:end])
        except CaptureError:
            assert end < shortest
            continue
        assert found == FRAMES[: len(found)]
        assert not file.problem or "cut or damaged after its last whole packet" in file.problem
        lengths.setdefault(len(found), []).append(not file.problem)
    assert list(lengths) == list(range(len(FRAMES)))
    for number, whole_blocks in lengths.items():
        assert sum(whole_blocks) == (3 if kind == "pcapng" and not number else 1)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("length", (0, 4, 11, 13, 15, 0x7FFFFFFF, 0xFFFFFFFF))
def test_a_length_that_cannot_be_true_ends_the_file_there(path, order, length):
    b = Blocks(order)
    good = b.section() + b.interface() + b.packet(1, b"abc")
    file, found = read(path, good + b.pack("II", 6, length) + bytes(100))
    assert [frame.data for frame in found] == [b"abc"] and file.problem
    in_pcap = b.pack("IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0, 1) + b.pack("IIII", 1, 0, 3, 3) + b"abc"
    file, found = read(path, in_pcap + b.pack("IIII", 1, 0, length or 999, 3) + b"ab")
    assert [frame.data for frame in found] == [b"abc"] and file.problem


def test_a_packet_of_an_interface_that_was_never_described_ends_the_file_there(path):
    b = Blocks("<")
    for packet in (b.packet(1, b"abc", interface=1), b.block(2, b.pack("HHIIII", 7, 0, 0, 0, 0, 0)), b.block(6, b"")):
        file, found = read(path, b.section() + b.interface() + b.packet(1, b"abc") + packet)
        assert len(found) == 1 and file.problem
    assert read(path, b.section() + b.block(3, b.pack("I", 3) + b"abc"))[1] == []


@given(st.data())
def test_no_bytes_are_too_strange(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "strange"
    start = data.draw(st.sampled_from([b"", *(Blocks(order).section() for order in "<>")]))
    if not start:
        start = data.draw(st.sampled_from([b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a"]))
    try:
        read(path, start + data.draw(st.binary(max_size=200)))
    except CaptureError as error:
        assert str(path) in str(error)
