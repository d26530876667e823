"""``make endurance``: labs, signals and restarts in numbers that would take too long in ``make test``.

Five hundred labs on each network in one process, 64 processes that end by a signal at chosen moments, sixty restarts of
a notebook's kernel. After each, what is left is counted. Exit status 1 when anything is left.
"""

import argparse
import gc
import itertools
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL

import psutil
from jupyter_client.manager import start_new_kernel
from tools import python
from tqdm import tqdm

from labkit import Lab, attacks, policies
from labkit.errors import NetworkUnavailable

NETWORKS = ("loopback", "namespace")
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL")
LIMIT = 60.0
"""Seconds for one process to begin, to end, or to answer."""
WORKING = """
from labkit import Lab, attacks, policies
print("begins", flush=True)
while True:
    with Lab({network!r}) as lab:
        server = lab.smtp()
        with lab.mallory(attacks.StripCapability()), lab.capture():
            lab.send(server, "x", policy=policies.opportunistic)
"""
IN_A_KERNEL = """
from labkit import Lab, attacks
lab = Lab()
server = lab.smtp()
capture = lab.capture().__enter__()
mallory = lab.mallory(attacks.StripCapability()).__enter__()
lab.send(server, "x")
"""


def main() -> int:
    """Try what was asked for, and say what is left behind."""
    parser = argparse.ArgumentParser(prog='make endurance ARGS="…"', description=__doc__.split("\n", 1)[0])
    parser.add_argument("--labs", type=int, default=500, help="on each network (500)")
    parser.add_argument("--signals", type=int, default=64, help="processes that a signal ends (64)")
    parser.add_argument("--restarts", type=int, default=60, help="of a kernel (60)")
    asked = parser.parse_args()
    tqdm.monitor_interval = 0  # its thread would be counted
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        left = [*_labs(asked.labs), *_signals(asked.signals), *_restarts(asked.restarts)]
    print("\n".join(left) or "Nothing is left behind.")
    return int(bool(left))


def _labs(count: int) -> Iterator[str]:
    """What one process holds more after so many labs than after one, for each network."""
    for network in NETWORKS:
        try:
            _use(network)
        except NetworkUnavailable as refusal:
            print(f"{network} is not tried: {refusal}", file=sys.stderr)
            continue
        before = _held()
        for _ in tqdm(range(count), desc=network, unit="lab"):
            _use(network)
        yield from _more(f"{count} labs on {network}", before, _held())


def _use(network: str) -> None:
    with Lab(network) as lab:
        server = lab.smtp()
        with lab.capture() as capture, lab.mallory(attacks.StripCapability()):
            lab.send(server, "x", policy=policies.verified)
        if not capture.conversations:
            raise RuntimeError(f"Nothing was captured on {network}.")


def _held() -> dict[str, int]:
    """How many of each this process holds."""
    gc.collect()
    process = psutil.Process()
    return {
        "threads": threading.active_count(),
        "descriptors": process.num_fds(),
        "processes": len(process.children(recursive=True)),
        "temporary files": len(os.listdir(tempfile.gettempdir())),
    }


def _more(what: str, before: dict[str, int], after: dict[str, int]) -> Iterator[str]:
    return (f"{what}: {after[name]} {name}, {before[name]} before" for name in before if after[name] > before[name])


def _signals(count: int) -> Iterator[str]:
    """What is left of processes that a signal ends while labs are made, used and closed in them."""
    ways = itertools.cycle(itertools.product(NETWORKS, SIGNALS))
    for number, (network, name) in zip(tqdm(range(count), unit="signal"), ways, strict=False):
        with tempfile.TemporaryDirectory() as folder, python(WORKING.format(network=network), Path(folder)) as process:
            process.stdout.readline()
            time.sleep(0.02 * number)
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(getattr(signal, name))
            process.communicate(timeout=LIMIT)
            yield from _remains(f"{name} after {20 * number} ms on {network}", children, Path(folder))


def _restarts(count: int) -> Iterator[str]:
    """What is left of a kernel's lab, capture and attack after each restart."""
    with tempfile.TemporaryDirectory() as folder:
        manager, client = start_new_kernel(env={**os.environ, "TMPDIR": folder}, stderr=DEVNULL)
        try:
            for number in tqdm(range(count), unit="restart"):
                reply = client.execute_interactive(IN_A_KERNEL, timeout=LIMIT, output_hook=lambda _: None)
                if reply["content"]["status"] != "ok":
                    raise RuntimeError(f"A kernel could not use a lab: {reply['content']}")
                children = psutil.Process(manager.provisioner.pid).children(recursive=True)
                manager.restart_kernel(now=number % 2 == 0)
                client.wait_for_ready(timeout=LIMIT)
                yield from _remains(f"restart {number + 1}", children, Path(folder))
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def _remains(what: str, children: list[psutil.Process], folder: Path) -> Iterator[str]:
    """Processes and files that outlive what started them."""
    alive = psutil.wait_procs(children, timeout=LIMIT)[1]
    if alive:
        yield f"{what}: {len(alive)} processes"
    if files := os.listdir(folder):
        yield f"{what}: {', '.join(sorted(files))}"


if __name__ == "__main__":
    sys.exit(main())
