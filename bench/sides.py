"""The two programs in Python whose decoding is compared: ``sides.py ours FILE``, ``sides.py TLS|headers FILE``.

Ours is what the command ``decode`` does: it reads the file as a stream and makes every event of every dialogue, with
its title and its bytes, decrypted with the secrets inside the file, in as many processes as it chooses.
scapy's, with or without its TLS layer, dissects the first packets and prints how long that took without its start.
"""

import json
import os
import re
import resource
import sys
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labkit.capture.pcap import CaptureFile
    from labkit.decode.event import Dialogue

_SAMPLE = 3000
"""Packets that scapy dissects."""
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
"""In proc(5): the most memory that this process had; getrusage(2) counts what was there before exec(2) as well."""
_COUNTED = {
    "command": "commands",
    "greeting": "replies",
    "reply": "replies",
    "go-ahead": "replies",
    "message": "messages",
    "handshake": "handshake",
    "change-cipher-spec": "changes",
    "alert": "alerts",
}
"""The kind of an event -> what tshark counts it as."""


def ours(path: str) -> dict[str, object]:
    """Decode all, and count what tshark counts too."""
    from labkit.capture.pcap import read_frames
    from labkit.decode.shares import told

    stories: Counter[str] = Counter()
    processes = {os.getpid()}
    for process, story in told(read_frames(path), {}, _story):
        stories[story] += 1
        processes.add(process)
    counts: Counter[str] = Counter()
    for story, times in stories.items():
        for kind in story.split():
            counts[_COUNTED.get(kind, "other")] += times
    return {
        "events": counts.total(),
        "counts": {name: counts[name] for name in _COUNTED.values()},
        "peak": _peak(len(processes) - 1),
    }


def _story(_: "CaptureFile", dialogue: "Dialogue") -> tuple[int, str]:
    """The process that decoded it, and the kinds of its events."""
    if dialogue.session is None or not dialogue.session.opened:
        raise SystemExit(f"The session of {dialogue.client} was not decrypted: {dialogue.session}")
    return os.getpid(), " ".join([event.kind for event in dialogue.events])


def _peak(others: int) -> int:
    """The most bytes of memory that this process had, and so many others that it started and that have ended."""
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * others
    status = Path("/proc/self/status")
    if status.exists():
        return (int(_PEAK.search(status.read_text())[1]) + most) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + most


def headers(path: str) -> dict[str, object]:
    """Ethernet, IP and TCP, with scapy."""
    import logging

    from scapy.all import PcapReader

    logging.getLogger("scapy").setLevel(logging.ERROR)
    with PcapReader(path) as packets:
        next(packets)  # what stands before the first packet is read once
        began = time.perf_counter()
        read = sum(1 for _ in islice(packets, _SAMPLE))
        return {"packets": read, "seconds": time.perf_counter() - began}


def tls(path: str) -> dict[str, object]:
    """The same, and TLS where TCP's payload is that."""
    from scapy.layers.inet import TCP
    from scapy.layers.tls.record import TLS
    from scapy.packet import bind_layers

    bind_layers(TCP, TLS, sport=587)
    bind_layers(TCP, TLS, dport=587)
    return headers(path)


if __name__ == "__main__":
    print(json.dumps({"ours": ours, "TLS": tls, "headers": headers}[sys.argv[1]](sys.argv[2])))
