"""The private LAN: one network namespace for each host, and a switch that joins them (bridge, and cables of veth(4)).

Made over rtnetlink, by a process that is root of a user namespace and has one thread. Later requests, for a socket, a
detour or a slow link, are carried out here too; they come through `main`.
"""

import contextlib
import errno
import os
import socket
import time

from pyroute2.netlink import nlmsg
from rtnetlink import Rtnetlink, address, bridge, cable, discipline, link, local_route, neighbour, netem, port_rule
from syscalls import NETWORK, enter, fill_in_checksums, unshare
from wire import Wire

INTERFACE = "eth0"
"""The name of each host's interface."""
_SWITCH = "lan"
_LOOPBACK = "lo"
_PATIENCE, _PAUSE = 5.0, 0.001
"""Seconds."""
_DETOUR = 100
"""Our routing table and the priority of its rules: before the main table, after the host's own addresses."""
_SETTINGS = {
    "ipv6/conf/all/disable_ipv6": "1",
    "ipv6/conf/default/disable_ipv6": "1",
    "ipv4/igmp_link_local_mcast_reports": "0",
    "ipv4/ip_forward": "1",
    "ipv4/ip_unprivileged_port_start": "0",
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
}
"""Only what the lab sends is on the LAN: no IPv6, and no IGMP of a router. A host that gets on the path
hands on what is not meant for it, and announces no shorter way (ICMP redirect, RFC 1122 §3.2.2.2). Any user may
listen on any port (ip(7))."""


class Lan:
    """`hosts` is name -> {"address": IPv4, "mac": MAC}, `prefix` the bits of the network. Raises `OSError`."""

    def __init__(self, hosts: dict[str, dict[str, str]], prefix: int) -> None:
        self.wires: dict[str, Wire] = {}
        """Host -> the wire that delays its frames, where the kernel cannot."""
        self._slow: dict[str, tuple[str, str, str]] = {}
        """Host with a second cable -> its names, as `_names` returns them."""
        self.namespaces = {_SWITCH: _namespace()} | {name: _new_namespace() for name in hosts}
        """Host, or the switch -> this process's descriptor of its network namespace."""
        self._routes: dict[str, Rtnetlink] = {}
        ip = self._routing(_SWITCH)
        ip.add(bridge(_SWITCH))
        switch = ip.index(_SWITCH)
        for name, host in hosts.items():
            end = {"IFLA_ADDRESS": host["mac"], "IFLA_NET_NS_FD": self.namespaces[name]}
            ip.add(cable(name, switch, INTERFACE, end))
        for name, host in hosts.items():
            _bring_up(self._routing(name), host["address"], prefix)
        _until_forwarding(ip, *hosts)

    def socket(self, host: str, family: int, kind: int, protocol: int) -> socket.socket:
        """A new socket on a host or on the switch."""
        self._inside(host)
        return socket.socket(family, kind, protocol)

    def detour(self, host: str, server: str, port: int, transport: str) -> None:
        """Have `host` take for itself what reaches it for this address and port of another one, ``TCP`` or ``UDP``."""
        ip = self._routing(host)
        ip.replace(local_route(_DETOUR, ip.index(_LOOPBACK)))
        ip.add(_rule(server, port, transport))

    def straight(self, host: str, server: str, port: int, transport: str) -> None:
        """Undo a detour."""
        self._routing(host).remove(_rule(server, port, transport))

    def neighbour(self, host: str, address: str, mac: str) -> None:
        """Write into a host's neighbour table that this IP address is at `mac`; without `mac`, remove the entry."""
        ip = self._routing(host)
        entry = neighbour(ip.index(INTERFACE), address, mac)
        if mac:
            ip.replace(entry)
        else:
            ip.remove(entry)

    def link(self, host: str, delay: float, loss: float) -> tuple[str, str]:
        """Let every frame between a host and the switch take `delay` seconds more, and be lost with probability `loss`.

        Says what does it, ``netem`` (tc-netem(8)), ``relay`` where this kernel has no netem, or an empty text for none;
        and the name of the cable's end at the switch.
        """
        ip = self._routing(_SWITCH)
        if host in self._slow:
            self._shorten(ip, host)
        if not delay and not loss:
            return "", host
        near, far, joint = self._lengthen(ip, host)
        if _delayed(ip, (host, far), delay, loss):
            _join(ip, joint, (host, far))
            _until_forwarding(ip, near, host, far)
            return "netem", near
        try:
            self.wires[host] = Wire(host, far, delay, loss)
        except OSError:  # no packet socket either
            self._shorten(ip, host)
            raise
        _until_forwarding(ip, near)
        return "relay", near

    def _lengthen(self, ip: Rtnetlink, host: str) -> tuple[str, str, str]:
        """Take a host off the switch and put a second cable there.

        Returns the names of its end at the switch, of its free end, and of the bridge that may join that to the host.
        """
        near, far, joint = self._slow[host] = _names(list(self.namespaces).index(host))
        ip.change(link(host, IFLA_MASTER=0))
        ip.add(cable(near, ip.index(_SWITCH), far))
        ip.change(link(far))
        return near, far, joint

    def _shorten(self, ip: Rtnetlink, host: str) -> None:
        near, _, joint = self._slow.pop(host)
        if wire := self.wires.pop(host, None):
            wire.close()
        elif ip.has(joint):
            ip.remove(link(joint))
            ip.remove(discipline(ip.index(host)))
        ip.remove(link(near))
        ip.change(link(host, IFLA_MASTER=ip.index(_SWITCH)))
        _until_forwarding(ip, host)

    def _inside(self, name: str) -> None:
        enter(self.namespaces[name], NETWORK)

    def _routing(self, name: str) -> Rtnetlink:
        """Step into the namespace of a host or of the switch; rtnetlink there."""
        self._inside(name)
        if name not in self._routes:
            self._routes[name] = Rtnetlink()
        return self._routes[name]


def _namespace() -> int:
    """A descriptor of this process's network namespace, with our settings in it."""
    for setting, value in _SETTINGS.items():
        # Without IPv6 in the kernel there is nothing to set; in some containers nothing may be.
        with contextlib.suppress(OSError), open(f"/proc/sys/net/{setting}", "w", encoding="ascii") as file:
            file.write(value)
    return os.open("/proc/self/ns/net", os.O_RDONLY)


def _new_namespace() -> int:
    unshare(NETWORK)
    return _namespace()


def _names(number: int) -> tuple[str, str, str]:
    """Interfaces that no host can bear the name of, and short enough for the kernel (IFNAMSIZ of <linux/if.h>)."""
    return f"near.{number}", f"far.{number}", f"joint.{number}"


def _bring_up(ip: Rtnetlink, ip_address: str, prefix: int) -> None:
    ip.add(address(ip.index(INTERFACE), ip_address, prefix))
    for name in (_LOOPBACK, INTERFACE):
        ip.change(link(name))
    # A real card would fill in the checksums; a virtual one does not, and a capture would show incomplete ones.
    fill_in_checksums(INTERFACE)


def _until_forwarding(ip: Rtnetlink, *ports: str) -> None:
    """Wait until these ports of a bridge are on: the kernel does it in its own time, and drops frames until then."""
    deadline = time.monotonic() + _PATIENCE
    for port in ports:
        while not ip.forwards(port):
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "the ports of the switch do not come up")
            time.sleep(_PAUSE)


def _rule(server: str, port: int, transport: str) -> nlmsg:
    protocol = socket.IPPROTO_TCP if transport == "TCP" else socket.IPPROTO_UDP
    return port_rule(INTERFACE, server, protocol, port, _DETOUR)


def _delayed(ip: Rtnetlink, ends: tuple[str, ...], delay: float, loss: float) -> bool:
    """Have the kernel delay and lose what leaves at these ends; False when it cannot."""
    try:
        for end in ends:
            ip.add(netem(ip.index(end), delay, loss))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EOPNOTSUPP):
            raise
        return False
    return True


def _join(ip: Rtnetlink, name: str, ends: tuple[str, ...]) -> None:
    ip.add(bridge(name))
    for end in ends:
        ip.change(link(end, IFLA_MASTER=ip.index(name)))
