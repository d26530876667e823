"""ARP on a LAN (RFC 826): the questions and the claims to an address, neither of which is authenticated.

A claim is contradicted where one address is claimed by two machines, and the claiming machine claims a second address:
that is what poisoning looks like to a host that only listens.
"""

import socket
from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from labkit.capture.frames import ETHERNET
from labkit.capture.pcap import Frame

QUESTION, ANSWER = "question", "answer"
BROADCAST = "ff:ff:ff:ff:ff:ff"

_TYPE = b"\x08\x06"
_ARP = Struct("!6s6s2sHHBBH6s4s6s4s").unpack_from
_KINDS = {1: QUESTION, 2: ANSWER}
_OVER_ETHERNET = (1, 0x0800, 6, 4)
"""Hardware, protocol, and the bytes of their addresses: Ethernet and IPv4."""


class Claim(NamedTuple):
    """One ARP packet; a question, too, states an address of its sender, which receivers believe."""

    time: float
    """Seconds since 1970 (UTC)."""
    frame: int
    """The number of its frame in the capture, from 1."""
    source: str
    """The hardware address that the frame came from."""
    target: str
    """The hardware address that it went to; `BROADCAST` for a broadcast."""
    kind: str
    """`QUESTION` or `ANSWER`."""
    hardware: str
    """The hardware address that `ip` is said to have."""
    ip: str
    """The IP address that the sender has, or claims."""
    about: str
    """The IP address that the question or the answer is about."""


def claims(frames: Iterable[Frame]) -> list[Claim]:
    """The ARP packets in these frames, in order; what is cut or is about other protocols is passed over."""
    numbered = ((number, frame) for number, frame in enumerate(frames, 1) if frame.link == ETHERNET)
    return [_claim(number, frame) for number, frame in numbered if _is_arp(frame.data)]


def contradicted(found: Iterable[Claim]) -> set[Claim]:
    """The claims that contradict an earlier one."""
    found = list(found)
    pairs = {(claim.ip, claim.hardware) for claim in found}
    machines, addresses = ([pair[side] for pair in pairs] for side in (0, 1))
    return {claim for claim in found if machines.count(claim.ip) > 1 and addresses.count(claim.hardware) > 1}


def _is_arp(data: bytes) -> bool:
    if data[12:14] != _TYPE or len(data) < 42:
        return False
    *_, hardware, protocol, long, short, kind, _, _, _, _ = _ARP(data)
    return (hardware, protocol, long, short) == _OVER_ETHERNET and kind in _KINDS


def _claim(number: int, frame: Frame) -> Claim:
    target, source, _, _, _, _, _, kind, hardware, ip, _, about = _ARP(frame.data)
    said = hardware.hex(":"), socket.inet_ntoa(ip), socket.inet_ntoa(about)
    return Claim(frame.time / 1e9, number, source.hex(":"), target.hex(":"), _KINDS[kind], *said)
