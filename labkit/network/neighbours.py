"""The user whose process is at the other end of a loopback connection, where several share a machine (sock_diag(7)).

A loopback address is open to every user of the machine. The lab's passwords are printed in the lessons, so its servers
take connections from the lab's own user, and from root, who may do anything. Only Linux names the user. Programs that
accept their connections themselves, an adopted one or an older aiosmtpd, take all.
"""

import os
import socket
import struct
import sys
from ipaddress import ip_address

from labkit.network.checks import is_loopback

_DIAG, _BY_FAMILY = 4, 20
"""NETLINK_SOCK_DIAG and SOCK_DIAG_BY_FAMILY of <linux/sock_diag.h>."""
_REQUEST = struct.Struct("=IHHII BBBxI")
"""nlmsghdr, and inet_diag_req_v2 up to the addresses: family, protocol, extensions, states."""
_ANSWER = struct.Struct("=IHHII BBxx 48x 3I I")
"""nlmsghdr, and inet_diag_msg up to the user: family, state; the last number is the user."""
_ADDRESSES = struct.Struct("!HH16s16s")
_ANY_INTERFACE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_ONE, _ALL_STATES, _GONE = 1, 0xFFFFFFFF, 6
"""NLM_F_REQUEST, every state of TCP, and TCP_TIME_WAIT, in which the kernel no longer knows the user."""
_LONGEST = 512


def is_stranger(sock: socket.socket) -> bool:
    """Whether an accepted connection was opened by another user of this machine.

    False where that cannot be known: on other systems, for a client that has gone, and for one that is on no loopback
    address. False for root, too, as the lab's user or as the client.
    """
    if sys.platform != "linux" or os.getuid() == 0:
        return False
    try:
        near, far = sock.getsockname()[:2], sock.getpeername()[:2]
        if not is_loopback(far[0]):
            return False
        user = _user(sock.family, far, near)
    except OSError:
        return False
    return user not in (None, 0, os.getuid())


def _user(family: int, near: tuple[str, int], far: tuple[str, int]) -> int | None:
    """The user whose socket is at `near` and connected to `far`; None where it has gone. Raises `OSError`."""
    addresses = (ip_address(host).packed.ljust(16, b"\0") for host, _ in (near, far))
    end = _ADDRESSES.pack(near[1], far[1], *addresses) + _ANY_INTERFACE
    head = (_REQUEST.size + len(end), _BY_FAMILY, _ONE, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _DIAG) as asking:
        asking.settimeout(1.0)
        asking.send(_REQUEST.pack(*head, family, socket.IPPROTO_TCP, 0, _ALL_STATES) + end)
        answer = asking.recv(_LONGEST)
    if len(answer) < _ANSWER.size:  # an error: there is no such socket
        return None
    _, kind, _, _, _, _, state, *_, user = _ANSWER.unpack_from(answer)
    return user if kind == _BY_FAMILY and state != _GONE else None
