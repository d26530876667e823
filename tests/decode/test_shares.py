"""A long capture is decoded by several processes: nothing is lost or doubled, the order stays, no process does."""

import gc
import os
import signal
import subprocess
import sys
import time
import weakref
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tcp_frames import CLIENT, Connection, frames

from labkit import Lab
from labkit.capture.frames import Share
from labkit.capture.pcap import read_frames, write_pcapng
from labkit.capture.reassembly import conversations
from labkit.decode import shares
from labkit.decode.event import TLS
from labkit.decode.file import dialogues
from labkit.decode.shares import told
from labkit.errors import CaptureError, LabError

LETTER = "This line is one of very many.\n" * 4000
SESSIONS = 40

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> Path:
    """Sessions with long letters, some of them open at the same time, two of them never closed."""
    path = tmp_path_factory.mktemp("long") / "long.pcapng"
    with Lab() as lab, lab.capture() as capture:
        mail = lab.smtp()
        open_yet = [lab.alice.connect(mail.host, mail.port, timeout=30) for _ in range(2)]
        for number in range(SESSIONS):
            assert lab.send(mail, LETTER, tls=("TLS 1.2",) if number % 2 else ("TLS 1.3",))
    for sock in open_yet:
        sock.close()
    capture.save(path)
    assert path.stat().st_size > shares._LONG
    return path


def said(_, dialogue):
    return dialogue.client, [(event.frame, event.title, event.data) for event in dialogue.events]


@pytest.mark.parametrize("processes", (1, 2, 3))
def test_all_is_told_in_the_order_of_one_process(long, monkeypatch, processes):
    alone = [said(None, dialogue) for dialogue in dialogues(read_frames(long), {})]
    assert len(alone) == SESSIONS + 2
    monkeypatch.setattr(shares, "_parts", lambda _: processes)
    assert list(told(read_frames(long), {}, said)) == alone


def tls_streams(_, dialogue):
    return [weakref.ref(event.origin) for event in dialogue.events if event.layer == TLS]


def test_what_is_decoded_is_freed_without_the_garbage_collector(long, monkeypatch):
    monkeypatch.setattr(shares, "_parts", lambda _: 1)
    before = gc.get_threshold()
    gc.disable()
    try:
        streams = [stream for some in told(read_frames(long), {}, tls_streams) for stream in some]
    finally:
        gc.enable()
    assert streams and not any(stream() for stream in streams) and gc.get_threshold() == before


def process_of(_, dialogue):
    return os.getpid()


def test_several_processes_share_the_work(long, monkeypatch):
    monkeypatch.setattr(shares, "_parts", lambda _: 2)
    done = Counter(told(read_frames(long), {}, process_of))
    assert len(done) == 2 and os.getpid() not in done and min(done.values()) > SESSIONS / 4


def test_a_short_file_is_not_worth_another_process(tmp_path):
    write_pcapng(tmp_path / "short.pcapng", frames(Connection().open().say(CLIENT, b"EHLO x\r\n").close().segments))
    assert list(told(read_frames(tmp_path / "short.pcapng"), {}, process_of)) == [os.getpid()]


@given(st.lists(st.tuples(st.integers(1, 0xFFFF), st.integers(1, 0xFFFF)), max_size=20, unique=True), st.integers(1, 4))
def test_each_conversation_is_in_one_part_and_so_are_both_of_its_directions(ports, parts):
    taken = [Connection(port, to).open().say(CLIENT, b"x").segments for port, to in ports if port != to]
    captured = frames(seg for segments in taken for seg in segments)
    found = Counter(str(one) for number in range(parts) for one in conversations(captured, Share(number, parts)))
    assert found == Counter(map(str, conversations(captured)))


# ---- what goes wrong


def test_what_is_wrong_with_the_end_of_the_file_is_known_afterwards(long, tmp_path, monkeypatch):
    monkeypatch.setattr(shares, "_parts", lambda _: 2)
    (tmp_path / "cut.pcapng").write_bytes(long.read_bytes()[:-9])
    file = read_frames(tmp_path / "cut.pcapng")
    assert len(list(told(file, {}, process_of))) == SESSIONS + 2 and "cut or damaged" in file.problem


def test_what_is_no_capture_is_refused_however_long_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(shares, "_parts", lambda _: 2)
    (tmp_path / "text").write_bytes(b"Dear Bob, this is no capture. " * 200_000)
    with pytest.raises(CaptureError, match="neither pcap nor pcapng"):
        list(told(read_frames(tmp_path / "text"), {}, process_of))


def died(_, dialogue):
    os._exit(9)


def test_a_process_that_dies_is_missed(long, monkeypatch):
    monkeypatch.setattr(shares, "_parts", lambda _: 2)
    with pytest.raises(LabError, match="ended before it was done"):
        list(told(read_frames(long), {}, died))


def test_no_process_is_left_when_the_rest_is_not_read(long, monkeypatch):
    monkeypatch.setattr(shares, "_parts", lambda _: 2)
    answers = told(read_frames(long), {}, process_of)
    pid = next(answers)
    answers.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


WAITING = """
import os, sys, time
from labkit.capture.pcap import read_frames
from labkit.decode import shares

shares._BATCH = 1

def slow(file, dialogue):
    time.sleep(0.2)
    return os.getpid()

if __name__ == "__main__":
    shares._parts = lambda file: 2
    for pid in shares.told(read_frames(sys.argv[1]), {}, slow):
        print(pid, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("how", (signal.SIGINT, signal.SIGKILL))
def test_no_process_is_left_when_the_first_is_interrupted_or_killed(long, tmp_path, how):
    (tmp_path / "waiting.py").write_text(WAITING)
    command = [sys.executable, str(tmp_path / "waiting.py"), str(long)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        pids = {int(process.stdout.readline()) for _ in range(6)}
        process.send_signal(how)
        process.stdout.close()
        process.wait(60)
    assert len(pids) == 2 and process.returncode in (-how, 130)
    deadline = time.monotonic() + 60
    while alive := [pid for pid in pids if _runs(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
