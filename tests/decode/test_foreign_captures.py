"""What is read in captures that other programs made: scapy over any link, dumpcap of a session of openssl."""

import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from live import opened, said, session, told
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import CookedLinuxV2, Ether, Loopback
from scapy.packet import Raw
from scapy.utils import wrpcap, wrpcapng
from tools import tool

from labkit import Lab, read_capture
from labkit.capture.encapsulation import segment
from labkit.capture.frames import ETHERNET
from labkit.decode.event import CLIENT, SERVER


@pytest.mark.parametrize("ip", (4, 6))
@pytest.mark.parametrize("link", ("Ethernet", "null", "cooked v2", "raw"))
@pytest.mark.parametrize("tls", ("TLS 1.2", "TLS 1.3"))
def test_a_session_is_the_same_over_any_link_and_either_ip(tmp_path, tls, link, ip):
    whole = session(tls=tls)
    heads = {
        "Ethernet": lambda: Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02"),
        "null": lambda: Loopback(type={4: 2, 6: 30}[ip]),
        "cooked v2": CookedLinuxV2,
        "raw": None,
    }
    names = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}[ip]
    layer = {4: IP, 6: IPv6}[ip]
    packets = []
    for frame in whole.frames:
        seg = segment(ETHERNET, frame.data)
        source, target = names if seg.target[1] == 587 else reversed(names)
        tcp = TCP(sport=seg.source[1], dport=seg.target[1], seq=seg.seq, ack=seg.ack, flags=seg.flags)
        packet = layer(src=source, dst=target) / tcp / Raw(seg.payload)
        packets.append(heads[link]() / packet if heads[link] else packet)
    path, keylog = tmp_path / "by_scapy", tmp_path / "keys.txt"
    (wrpcapng if link == "Ethernet" else wrpcap)(str(path), packets)
    keylog.write_text(whole.keylog)
    dialogue = opened(read_capture(path, keylog))
    assert told(dialogue) == told(opened(whole)) and dialogue.session == opened(whole).session
    assert (dialogue.client.host, dialogue.server) == (names[0], (names[1], 587))


@contextmanager
def dumpcap(path: Path, port: int, *options: str):
    """A capture by Wireshark's own program; skipped for a user whom it does not allow to capture."""
    command = [tool("dumpcap"), "-q", "-f", f"tcp port {port}", "-w", str(path), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        first = running.stderr.readline()
        while first and "File:" not in first and "permission" not in first.lower():
            first = running.stderr.readline()
        if "File:" not in first:
            pytest.skip("dumpcap may not capture here")
        time.sleep(0.3)
        try:
            yield
            _settled(path)
        finally:
            running.terminate()
            running.stderr.read()


def _settled(path: Path) -> None:
    """Wait until the file has not grown for a while."""
    limit, size, quiet = time.monotonic() + 60, -1, 0
    while quiet < 5 and time.monotonic() < limit:
        before, size = size, path.stat().st_size
        quiet = quiet + 1 if size == before else 0
        time.sleep(0.1)


@pytest.mark.parametrize("options", (("-i", "lo"), ("-i", "any", "-y", "LINUX_SLL2"), ("-i", "lo", "-P")))
@pytest.mark.parametrize("started", ("explicit", "implicit"))
def test_what_dumpcap_captured_of_openssl_is_opened_with_openssls_key_log(tmp_path, started, options):
    path, keylog = tmp_path / "by_dumpcap", tmp_path / "keys.txt"
    with Lab(network="loopback") as lab:
        ip, port = lab.smtp(implicit=started == "implicit").address
        how = ["-starttls", "smtp"] if started == "explicit" else []
        command = [tool("openssl"), "s_client", "-connect", f"{ip}:{port}", "-crlf", "-ign_eof", "-keylogfile", keylog]
        with dumpcap(path, port, *options):
            done = lab.alice.run([*command, *how], input=b"EHLO openssl.lab.test\nQUIT\n")
    assert b"221 Bye" in done.stdout
    dialogue = opened(read_capture(path, keylog))
    assert dialogue.dialect.name == "SMTP"  # by its greeting: no dialect has this port
    assert (dialogue.session.started, dialogue.session.version, dialogue.session.opened) == (started, "TLS 1.3", True)
    assert (CLIENT, "EHLO openssl.lab.test") in said(dialogue) and said(dialogue)[-1] == (SERVER, "221 Bye")
    assert not [event for event in dialogue.events if event.kind in ("unknown", "injected", "gap")]
