"""A capture as on a real network: mail in clear, after STARTTLS and inside TLS, among traffic that is no mail at all.

Each kind of session takes place once in the lab; its real bytes are then written many times, each time from another
client and in segments that fit an Ethernet. Around them: connections that only say hello, web pages, name queries over
UDP, and ARP. As a program: ``mixed.py FILE`` writes the capture, in a process of its own.
"""

import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count, islice
from pathlib import Path
from random import Random
from struct import Struct
from typing import TYPE_CHECKING

from processes import python, run

if TYPE_CHECKING:
    from labkit import Lab
    from labkit.capture.frames import Segment

_LETTER = "\n".join(
    f"This is line {number:03} of a letter: the meeting is at noon, bring the plans." for number in range(60)
)
_LARGE = "\n".join(
    f"{number:05},{number * 7919 % 100_003:06},{number * 104_729 % 99_991:05},measured" for number in range(11_000)
)
"""A message of some 300 kilobytes."""
_LOGIN = ("alice", "hunter2")
_COPIES, _COPIES_OF_LARGE, _SHORT, _PAGES, _QUERIES, _ARP = 50, 8, 2500, 150, 8000, 4000
"""How often each kind of session is written, and of how much else the capture consists."""
_SEGMENT = 1448
"""Bytes of payload in an Ethernet frame, with TCP's time stamps (RFC 9293 §3.7.1)."""
_DURATION = 900
"""Seconds over which the connections begin."""
_HEADERS = Struct("!12xHBxHHHBBH4s4sHHHH").pack
_ETHERTYPE_IPV4, _UDP, _DNS = 0x0800, 17, 53

Timed = tuple[int, bytes]
"""Nanoseconds, and an Ethernet frame."""


@cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="labkit-bench-")


@cache
def recorded() -> str:
    """The path of the capture, made on first use."""
    path = str(Path(_folder().name) / "mixed.pcapng")
    print("Recording a mixed capture …", file=sys.stderr)
    run(python(__file__, path))
    return path


# ---- sessions of the lab


def _sessions() -> Iterator[Callable[["Lab"], object]]:
    """One of each kind: in clear, after an upgrade with both versions of TLS, and inside TLS from the first byte."""
    from labkit import policies

    for settings in ({"starttls": "off", "auth": "always"}, {"tls": "TLS 1.2"}, {"tls": "TLS 1.3"}, {"implicit": True}):
        policy = (
            policies.none
            if "starttls" in settings
            else policies.implicit
            if "implicit" in settings
            else policies.verified
        )
        yield lambda lab, s=settings, p=policy: lab.send(lab.smtp(**s), _LETTER, login=_LOGIN, policy=p)
        yield lambda lab, s=settings, p=policy: lab.fetch(lab.imap(**s), policy=p)
        yield lambda lab, s=settings, p=policy: lab.fetch(lab.pop3(**s), policy=p)


def _large_sessions() -> Iterator[Callable[["Lab"], object]]:
    """The same with a message of 300 kilobytes."""
    from labkit import policies

    plain = {"starttls": "off", "auth": "always"}
    yield lambda lab: lab.send(lab.smtp(**plain), _LARGE, login=_LOGIN, policy=policies.none)
    yield lambda lab: lab.fetch(lab.imap(**plain), policy=policies.none)
    yield lambda lab: lab.fetch(lab.pop3(**plain), policy=policies.none)
    yield lambda lab: lab.send(lab.smtp(tls="TLS 1.3"), _LARGE, login=_LOGIN, policy=policies.verified)


def _record(session: Callable[["Lab"], object], letter: str) -> tuple[list["Segment"], str]:
    """The segments of one session, from the client's SYN on, and its secrets; `letter` has come before."""
    from labkit import Lab
    from labkit.capture.encapsulation import segment
    from labkit.capture.frames import ACK, SYN

    with Lab() as lab:
        before = lab.smtp()
        lab.send(before, letter)
        before.close()
        with lab.capture() as capture:
            if not (outcome := session(lab)):
                raise SystemExit(f"A session of the mixed capture: {outcome}")
        found = [one for frame in capture.frames if (one := segment(frame.link, frame.data))]
        asked = next(one for one in found if one.flags & (SYN | ACK) == SYN)
        both = {asked.source, asked.target}
        return [one for one in found if {one.source, one.target} == both], capture.keylog


def _copy(segments: list["Segment"], client: tuple[bytes, int], start: int) -> Iterator[Timed]:
    """The same session from another client, in small segments, a tenth of a millisecond apart.

    What is said in clear differs in a word of each line, or one wrapped line could be kept for all copies.
    """
    from labkit.capture.frames import SYN, ends
    from labkit.capture.headers import build

    first = next(one.source for one in segments if one.flags & SYN)
    time = count(start, 100_000)
    word = b"%04d" % (start % 10_000)
    for segment in segments:
        one = segment._replace(payload=segment.payload.replace(b"noon", word).replace(b"line", word))
        both = ends(client, one.target) if one.source == first else ends(one.source, client)
        for at in range(0, len(one.payload) or 1, _SEGMENT):
            part = one._replace(ends=both, seq=(one.seq + at) & 0xFFFFFFFF, payload=one.payload[at : at + _SEGMENT])
            when = next(time)
            yield when, build(part, when // 100_000)


# ---- what is around them


def _hello_and_goodbye(server: tuple[bytes, int]) -> list["Segment"]:
    """A connection that asks for nothing: most of those that a mail server on the Internet sees."""
    said = [(False, b"220 mail.line.example ESMTP\r\n"), (True, b"EHLO scanner.line.example\r\n"),
            (False, b"250-mail.line.example\r\n250-SIZE 33554432\r\n250-STARTTLS\r\n250 HELP\r\n"),
            (True, b"QUIT\r\n"), (False, b"221 Bye\r\n")]  # fmt: skip
    return _connection(server, said)


def _web_page(server: tuple[bytes, int], dice: Random) -> list["Segment"]:
    size = dice.randrange(2_000, 120_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % size
    asked = b"GET /pictures/%d.png HTTP/1.1\r\nHost: www.example\r\nAccept: */*\r\n\r\n" % size
    return _connection(server, [(True, asked), (False, head + dice.randbytes(size))])


def _connection(server: tuple[bytes, int], said: list[tuple[bool, bytes]]) -> list["Segment"]:
    """A whole TCP connection; ``(True, …)`` is said by the client."""
    from labkit.capture.frames import ACK, FIN, PSH, SYN, Segment, ends

    client = (bytes(4), 0)
    names = {True: ends(client, server), False: ends(server, client)}
    next_one = {True: 1, False: 1}
    segments = [Segment(names[True], 0, 0, SYN, b""), Segment(names[False], 0, 1, SYN | ACK, b"")]
    segments.append(Segment(names[True], 1, 1, ACK, b""))
    for by, data in said:
        segments.append(Segment(names[by], next_one[by], next_one[not by], PSH | ACK, data))
        next_one[by] += len(data)
        segments.append(Segment(names[not by], next_one[not by], next_one[by], ACK, b""))
    for by in (True, False):
        segments.append(Segment(names[by], next_one[by], next_one[not by], FIN | ACK, b""))
        next_one[by] += 1
    return [*segments, Segment(names[True], next_one[True], next_one[False], ACK, b"")]


def _query(number: int, client: bytes) -> bytes:
    """A DNS query for an A record (RFC 1035 §4.1) in an Ethernet frame."""
    name = b"".join(len(label).to_bytes() + label for label in (b"host%d" % number, b"example")) + b"\0"
    message = number.to_bytes(2) + b"\x01\0\0\x01\0\0\0\0\0\0" + name + b"\0\x01\0\x01"
    length = 8 + len(message)
    server = socket.inet_aton("192.0.2.53")
    head = _HEADERS(_ETHERTYPE_IPV4, 0x45, 20 + length, number, 0, 64, _UDP, 0, client, server, 40_000, _DNS, length, 0)
    return head + message


def _who_has(number: int) -> bytes:
    """An ARP request (RFC 826)."""
    sender = b"\x02\0\0\0" + number.to_bytes(2)
    asked = (
        b"\x08\x06\0\x01\x08\0\x06\x04\0\x01" + sender + b"\x0a\x02" + number.to_bytes(2) + bytes(6) + b"\xc0\0\x02\x02"
    )
    return b"\xff" * 6 + sender + asked


# ---- the file


def _flows(dice: Random) -> Iterator[tuple[list["Segment"], int]]:
    """Connections, and how often each is written."""
    scanned = _hello_and_goodbye((socket.inet_aton("192.0.2.25"), 25))
    yield scanned, _SHORT
    for _ in range(_PAGES):
        yield _web_page((socket.inet_aton("192.0.2.80"), 80), dice), 1


def _write(path: str) -> None:
    from labkit.capture.frames import ETHERNET
    from labkit.capture.pcap import Frame, write_pcapng

    dice = Random(3207)
    clients = ((bytes((10, *divmod(number, 256), 7)), 32_768 + number % 28_000) for number in count())
    flows, secrets = list(_flows(dice)), []
    for sessions, letter, copies in ((_sessions(), _LETTER, _COPIES), (_large_sessions(), _LARGE, _COPIES_OF_LARGE)):
        for session in sessions:
            segments, keylog = _record(session, letter)
            flows.append((segments, copies))
            secrets.append(keylog)
    frames: list[Timed] = []
    for segments, copies in flows:
        for client in islice(clients, copies):
            frames += _copy(segments, client, dice.randrange(_DURATION * 10**9))
    others = [_query(number % 65_536, bytes((10, 1, 2, number % 250))) for number in range(_QUERIES)]
    others += [_who_has(number) for number in range(_ARP)]
    frames += [(dice.randrange(_DURATION * 10**9), frame) for frame in others]
    frames.sort(key=lambda timed: timed[0])
    write_pcapng(path, (Frame(1_700_000_000 * 10**9 + t, ETHERNET, d, len(d)) for t, d in frames), "".join(secrets))


if __name__ == "__main__":
    _write(sys.argv[1])
