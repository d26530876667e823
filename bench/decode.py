"""How fast a large capture is decoded beside tshark and scapy, and what memory that takes.

Every side is a process of its own, timed from start to end (the two in Python are `sides`). tshark prints SMTP
commands, reply codes and the sizes of messages, and of TLS the types of handshake messages, the changes of cipher and
the alerts, and must find as many of each as we do. By the clock we may use several processes (`labkit.decode.shares`);
the CPU seconds are those of one, on one processor. scapy only dissects, because it does not follow STARTTLS into the
ciphertext: with its TLS layer, which is the figure that has a target, and for comparison TCP/IP headers alone. It does
so for a sample; its time is scaled by the number of packets.
"""

import json
from collections.abc import Iterator
from statistics import median

from figures import AT_LEAST, AT_MOST, REFERENCE, Figure
from processes import cpu_seconds, interleaved, python, run
from sessions import recorded

_ROUNDS = 3
_FEWER = 5
"""How many times fewer sessions the capture has that memory is compared with."""
_FIELDS = {
    "commands": "smtp.command_line",
    "replies": "smtp.response.code",
    "messages": "smtp.data.reassembled.length",
    "handshake": "tls.handshake.type",
    "changes": "tls.change_cipher_spec",
    "alerts": "tls.alert_message.desc",
}
"""What is counted -> tshark's name for it."""


def measure(sessions: int) -> Iterator[Figure]:
    """Time against tshark and scapy, and the peak of memory against that for a smaller capture."""
    path = recorded(sessions)
    commands = {side: python("bench/sides.py", side, path) for side in ("ours", "TLS", "headers")}
    runs = interleaved({"tshark": _tshark(path), **commands}, _ROUNDS)
    found, packets = json.loads(runs["ours"].output), runs["tshark"].output.count("\n")
    _same(found["counts"], _counted(runs["tshark"].output))
    ours, tshark = runs["ours"].seconds, runs["tshark"].seconds
    size = f"{sessions:,} sessions, {packets:,} packets, {found['events']:,} events"
    yield Figure("decode: tshark's time / ours", tshark / ours, AT_LEAST, 5, f"{tshark:.2f} s / {ours:.2f} s ({size})")
    yield _of_one_process(path)
    for layers, bound in (("TLS", AT_LEAST), ("headers", REFERENCE)):
        sample = json.loads(runs[layers].output)
        scapy = sample["seconds"] * packets / sample["packets"]
        absolute = f"{scapy:.0f} s / {ours:.2f} s (scaled from {sample['packets']:,} packets)"
        yield Figure(f"decode: scapy's time, {layers} / ours", scapy / ours, bound, 50, absolute)
    yield _memory(sessions, found["peak"])


def _of_one_process(path: str) -> Figure:
    sides = {"tshark": _tshark(path), "ours": python("bench/sides.py", "ours", path)}
    taken: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(_ROUNDS):
        for side, command in sides.items():
            taken[side].append(cpu_seconds(command))
    tshark, ours = median(taken["tshark"]), median(taken["ours"])
    absolute = f"{tshark:.2f} s / {ours:.2f} s of CPU"
    return Figure("decode: tshark's CPU / ours in one process", tshark / ours, AT_LEAST, 5, absolute)


def _memory(sessions: int, peak: int) -> Figure:
    fewer = sessions // _FEWER
    smaller = json.loads(run(python("bench/sides.py", "ours", recorded(fewer))).output)["peak"]
    absolute = f"{peak / 1e6:.1f} MB / {smaller / 1e6:.1f} MB"
    return Figure(f"decode: peak memory for {sessions:,} sessions / {fewer:,}", peak / smaller, AT_MOST, 1.25, absolute)


def _tshark(path: str) -> list[str]:
    fields = ("frame.number", "frame.time_epoch", "tcp.stream", *_FIELDS.values())
    return ["tshark", "-n", "-r", path, "-T", "fields", *(word for field in fields for word in ("-e", field))]


def _counted(output: str) -> dict[str, int]:
    rows = [line.split("\t")[-len(_FIELDS) :] for line in output.splitlines()]
    columns = zip(_FIELDS, zip(*rows, strict=True), strict=True)
    return {name: sum(len(cell.split(",")) for cell in column if cell) for name, column in columns}


def _same(ours: dict[str, int], tshark: dict[str, int]) -> None:
    if ours != tshark:
        raise RuntimeError(f"The two did not find the same: {ours} here, {tshark} in tshark.")
