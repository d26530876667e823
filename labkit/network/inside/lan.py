"""The private LAN: one network namespace for each host, and a switch that joins them (bridge, and cables of veth(4)).

Made with pyroute2, by a process that is root of a user namespace and has one thread. What is asked of the LAN later, a
socket, a detour, a slow link, is here too; requests come through `main`.
"""

import contextlib
import errno
import os
import socket
import time

from pyroute2.ethtool.ioctl import IoctlEthtool
from pyroute2.iproute import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from syscalls import NETWORK, enter, unshare
from wire import Wire

INTERFACE = "eth0"
"""The name of each host's interface."""
_SWITCH = "lan"
_LOOPBACK = 1
"""The index of `lo`, the first interface of every network namespace."""
_ROOT = 0xFFFFFFFF
"""TC_H_ROOT of <linux/pkt_sched.h>."""
_FORWARDING = 3
"""BR_STATE_FORWARDING of <linux/if_bridge.h>."""
_PATIENCE, _PAUSE = 5.0, 0.001
"""Seconds."""
_DETOUR = 100
"""Our routing table and the priority of its rules: before the main table, behind the host's own addresses."""
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
        """Host with a second cable -> the names that `_names` gives for it."""
        self.namespaces = {_SWITCH: _namespace()} | {name: _new_namespace() for name in hosts}
        """Host, or the switch -> this process's descriptor of its network namespace."""
        self._routes: dict[str, IPRoute] = {}
        ip = self._routing(_SWITCH)
        ip.link("add", ifname=_SWITCH, kind="bridge")
        ip.link("set", index=_index(ip, _SWITCH), state="up")
        for name, host in hosts.items():
            end = {"ifname": INTERFACE, "address": host["mac"], "net_ns_fd": self.namespaces[name]}
            ip.link("add", ifname=name, kind="veth", peer=end)
            ip.link("set", index=_index(ip, name), master=_index(ip, _SWITCH), state="up")
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
        ip.route("replace", table=_DETOUR, type="local", scope="host", dst="0.0.0.0/0", oif=_LOOPBACK)
        ip.rule("add", **_rule(server, port, transport))

    def straight(self, host: str, server: str, port: int, transport: str) -> None:
        """Take a detour back."""
        self._routing(host).rule("del", **_rule(server, port, transport))

    def neighbour(self, host: str, address: str, mac: str) -> None:
        """Write into a host's neighbour table that this IP address is at `mac`; without `mac`, remove the entry."""
        ip = self._routing(host)
        entry = {"dst": address, "ifindex": _index(ip, INTERFACE)}
        if mac:
            ip.neigh("replace", **entry, lladdr=mac, state="permanent")
        else:
            ip.neigh("del", **entry)

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
        if _netem(ip, (host, far), delay, loss):
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

    def _lengthen(self, ip: IPRoute, host: str) -> tuple[str, str, str]:
        """Take a host off the switch and put a second cable there.

        Gives the names of its end at the switch, of its free end, and of what may join that to the host.
        """
        near, far, joint = self._slow[host] = _names(list(self.namespaces).index(host))
        ip.link("set", index=_index(ip, host), master=0)
        ip.link("add", ifname=near, kind="veth", peer={"ifname": far})
        ip.link("set", index=_index(ip, near), master=_index(ip, _SWITCH), state="up")
        ip.link("set", index=_index(ip, far), state="up")
        return near, far, joint

    def _shorten(self, ip: IPRoute, host: str) -> None:
        near, _, joint = self._slow.pop(host)
        if wire := self.wires.pop(host, None):
            wire.close()
        elif bridges := ip.link_lookup(ifname=joint):
            ip.link("del", index=bridges[0])
            ip.tc("del", index=_index(ip, host), parent=_ROOT)
        ip.link("del", index=_index(ip, near))
        ip.link("set", index=_index(ip, host), master=_index(ip, _SWITCH))
        _until_forwarding(ip, host)

    def _inside(self, name: str) -> None:
        enter(self.namespaces[name], NETWORK)

    def _routing(self, name: str) -> IPRoute:
        """Step into the namespace of a host or of the switch; rtnetlink there, which is slow to open and so kept."""
        self._inside(name)
        if name not in self._routes:
            self._routes[name] = IPRoute()
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


def _index(ip: IPRoute, name: str) -> int:
    return ip.link_lookup(ifname=name)[0]


def _bring_up(ip: IPRoute, address: str, prefix: int) -> None:
    ip.addr("add", index=_index(ip, INTERFACE), address=address, prefixlen=prefix)
    for index in (_LOOPBACK, _index(ip, INTERFACE)):
        ip.link("set", index=index, state="up")
    # A real card would fill in the checksums; a virtual one does not, and a capture would show them half done.
    card = IoctlEthtool(INTERFACE)
    features = card.get_features()
    features["tx-checksum-ip-generic"] = False
    card.set_features(features)
    card.close()


def _until_forwarding(ip: IPRoute, *ports: str) -> None:
    """Wait until these ports of a bridge are on: the kernel does it in its own time, and drops frames until then."""
    deadline = time.monotonic() + _PATIENCE
    for index in [_index(ip, port) for port in ports]:
        while ip.get_links(index)[0].get(("linkinfo", "slave_data", "state")) != _FORWARDING:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "the ports of the switch do not come up")
            time.sleep(_PAUSE)


def _rule(server: str, port: int, transport: str) -> dict[str, object]:
    protocol = socket.IPPROTO_TCP if transport == "TCP" else socket.IPPROTO_UDP
    what = {"dst": server, "dst_len": 32, "ip_proto": protocol, "dport_range": f"{port}:{port}"}
    return {"table": _DETOUR, "priority": _DETOUR, "iifname": INTERFACE, **what}


def _netem(ip: IPRoute, ends: tuple[str, ...], delay: float, loss: float) -> bool:
    """Have the kernel delay and lose what leaves at these ends; False when it cannot."""
    try:
        for end in ends:
            ip.tc("add", "netem", index=_index(ip, end), delay=round(delay * 1e6), loss=loss * 100)
    except NetlinkError as error:
        if error.code not in (errno.ENOENT, errno.EOPNOTSUPP):
            raise
        return False
    return True


def _join(ip: IPRoute, name: str, ends: tuple[str, ...]) -> None:
    ip.link("add", ifname=name, kind="bridge")
    for end in ends:
        ip.link("set", index=_index(ip, end), master=_index(ip, name))
    ip.link("set", index=_index(ip, name), state="up")
