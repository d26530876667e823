"""How many sessions a lab's servers serve: with a tap beside without one, and a thousand of them at once.

The sessions that are compared take turns, one through a tap and one not, in two labs of this process, so that a busy
moment of the machine hits both, and each goes first in turn, so that both pay for what the other leaves behind; the
figure is the median of what each turn says. Each session is what a client of the lab does: TLS after the upgrade
command, a login, one message. For the crowd every client is connected before the first of them goes on, and holds its
connection until all have logged in.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator

from figures import AT_LEAST, AT_MOST, REFERENCE, Figure

_TURNS = 300
_CROWD = 1000
_DESCRIPTORS = 3 * _CROWD
"""Two ends of every connection are in this process."""
_LIMIT = 120.0
"""Seconds for the crowd."""
_LOGIN = ("alice", "hunter2")
_PROTOCOLS = ("SMTP", "IMAP", "POP3")


def measure(_: int) -> Iterator[Figure]:
    """Sessions a second with a tap against those without, and how many of a crowd went wrong."""
    for protocol in _PROTOCOLS:
        yield _tapped(protocol)
    _allow(_DESCRIPTORS)
    for protocol in _PROTOCOLS:
        yield from _crowd(protocol)


def _tapped(protocol: str) -> Figure:
    from labkit import Lab

    with Lab() as plain, Lab(capture="tap") as tapped, tapped.capture():
        sessions = [_session(lab, protocol) for lab in (plain, tapped)]
        taken: list[list[float]] = [[], []]
        for turn in range(_TURNS):
            for number in (0, 1) if turn % 2 else (1, 0):
                act, seconds = sessions[number], taken[number]
                began = time.perf_counter()
                if not act():
                    raise RuntimeError(f"A session of {protocol} failed.")
                seconds.append(time.perf_counter() - began)
    ratio = statistics.median(without / with_tap for without, with_tap in zip(*taken, strict=True))
    without, with_tap = map(statistics.median, taken)
    absolute = f"{1 / with_tap:.0f} / {1 / without:.0f} a second (medians of {_TURNS})"
    return Figure(f"{protocol} sessions a second: with tap / without", ratio, AT_LEAST, 0.9, absolute)


def _session(lab: object, protocol: str) -> Callable[[], object]:
    """One session of one client; the mailbox holds one message."""
    smtp = lab.smtp()
    if protocol == "SMTP":
        return lambda: lab.send(smtp, "The PIN is 4921", login=_LOGIN)
    lab.send(smtp, "The PIN is 4921")
    server = {"IMAP": lab.imap, "POP3": lab.pop3}[protocol]()
    return lambda: lab.fetch(server)


def _allow(descriptors: int) -> None:
    """Raise this process's own limit of open files, as far as it may."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(descriptors, hard), hard))


# ---- the crowd

_SAID = {
    "SMTP": ((b"EHLO x\r\n", b"250 "), (b"AUTH PLAIN AGFsaWNlAGh1bnRlcjI=\r\n", b"235 "), (b"QUIT\r\n", b"221 ")),
    "IMAP": ((b"a LOGIN bob swordfish\r\n", b"a OK"), (b"b SELECT INBOX\r\n", b"b OK"), (b"c LOGOUT\r\n", b"c OK")),
    "POP3": ((b"USER bob\r\n", b"+OK"), (b"PASS swordfish\r\n", b"+OK"), (b"QUIT\r\n", b"+OK")),
}
"""What a client says -> how the last line of the answer begins."""


def _crowd(protocol: str) -> Iterator[Figure]:
    from labkit import Lab

    with Lab() as lab:
        start = {"SMTP": lab.smtp, "IMAP": lab.imap, "POP3": lab.pop3}[protocol]
        server = start(auth="always")
        began = time.perf_counter()
        results = asyncio.run(asyncio.wait_for(_all_at_once(lab, server), _LIMIT))
        seconds = time.perf_counter() - began
    failed = [error for error in results if error]
    absolute = f"{len(failed)} of {len(results)}" + (f", the first: {failed[0]!r}" if failed else "")
    yield Figure(f"{protocol}: sessions of {_CROWD} at once that failed", len(failed), AT_MOST, 0, absolute, "")
    rate = f"{_CROWD / seconds:.0f} a second"
    yield Figure(f"{protocol}: {_CROWD} sessions at once", seconds, REFERENCE, 0, rate, "s")


async def _all_at_once(lab: object, server: object) -> list[object]:
    here = asyncio.Barrier(_CROWD)
    visits = [_visit(lab, server, here) for _ in range(_CROWD)]
    return list(await asyncio.gather(*visits, return_exceptions=True))


async def _visit(lab: object, server: object, here: asyncio.Barrier) -> None:
    sock = await asyncio.to_thread(lab.alice.connect, server.host, server.port, 30)
    sock.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        await reader.readline()
        for number, (said, answer) in enumerate(_SAID[server.protocol]):
            if number in (0, 2):  # every session is open and has logged in
                await here.wait()
            writer.write(said)
            while not (line := await reader.readline()).startswith(answer):
                if not line:
                    raise ConnectionError(f"the server hung up after {said!r}")
    finally:
        writer.close()
