"""Requests to the kernel about the interfaces, addresses and routes of one network namespace (rtnetlink(7)).

pyroute2 writes and reads the messages. They are sent from here, because pyroute2's own sockets load asyncio and TLS,
which takes longer than all else that this process does.
"""

import errno
import os
import socket
import struct

from pyroute2.netlink import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    NLM_F_REQUEST,
    NLMSG_ERROR,
    nlmsg,
)
from pyroute2.netlink.rtnl import (
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
    RTM_NEWQDISC,
    RTM_NEWROUTE,
    RTM_NEWRULE,
    TC_H_ROOT,
    rt_proto,
    rt_scope,
    rt_type,
)
from pyroute2.netlink.rtnl.fibmsg import FR_ACT_TO_TBL, fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import IFF_UP, ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import NUD_PERMANENT, ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

_NEW = {
    "ifinfmsg": RTM_NEWLINK,
    "ifaddrmsg": RTM_NEWADDR,
    "rtmsg": RTM_NEWROUTE,
    "ndmsg": RTM_NEWNEIGH,
    "fibmsg": RTM_NEWRULE,
    "tcmsg": RTM_NEWQDISC,
}
"""pyroute2's class of a message -> the type that makes what it describes."""
_DELETE, _GET = 1, 2
"""What is added to that type to remove it and to ask for it."""
_HEADER, _ERROR = struct.Struct("=IHHII"), struct.Struct("=i")
"""nlmsghdr and the beginning of nlmsgerr (netlink(7))."""
_STATE = ("IFLA_LINKINFO", "IFLA_INFO_SLAVE_DATA", "IFLA_BRPORT_STATE")
"""Where the message of an interface tells the state of a port of a bridge."""
_FORWARDING = 3
"""BR_STATE_FORWARDING of <linux/if_bridge.h>."""
_LARGEST = 1 << 16
_PATIENCE = 5.0
"""Seconds for an answer; the kernel gives it before the request returns."""


def link(name: str, **attributes: object) -> ifinfmsg:
    """An interface that is up; `attributes` are the kernel's (IFLA_…)."""
    return _message(ifinfmsg, {"IFLA_IFNAME": name, **attributes}, flags=IFF_UP, change=IFF_UP)


def bridge(name: str) -> ifinfmsg:
    """A switch."""
    return link(name, IFLA_LINKINFO={"attrs": [("IFLA_INFO_KIND", "bridge")]})


def cable(name: str, switch: int, end: str, attributes: dict[str, object] | None = None) -> ifinfmsg:
    """A cable of veth(4): one end is a port of the switch with this index, the other an interface, still down."""
    peer = {"attrs": [("IFLA_IFNAME", end), *(attributes or {}).items()]}
    veth = [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", peer)]})]
    return link(name, IFLA_MASTER=switch, IFLA_LINKINFO={"attrs": veth})


def address(interface: int, ip: str, prefix: int) -> ifaddrmsg:
    """An IPv4 address of the interface with this index, in a network with this many bits."""
    attributes = {"IFA_LOCAL": ip, "IFA_ADDRESS": ip}
    return _message(ifaddrmsg, attributes, family=socket.AF_INET, prefixlen=prefix, index=interface)


def neighbour(interface: int, ip: str, mac: str) -> ndmsg:
    """The entry of the neighbour table that says which `mac` has this IPv4 address, for good."""
    attributes = {"NDA_DST": ip, "NDA_LLADDR": mac} if mac else {"NDA_DST": ip}
    return _message(ndmsg, attributes, family=socket.AF_INET, ifindex=interface, state=NUD_PERMANENT)


def local_route(table: int, loopback: int) -> rtmsg:
    """A route by which every IPv4 address is this host's own; `loopback` is the index of its interface ``lo``."""
    kind = {"type": rt_type["local"], "scope": rt_scope["host"], "proto": rt_proto["static"]}
    return _message(rtmsg, {"RTA_OIF": loopback}, family=socket.AF_INET, table=table, **kind)


def port_rule(interface: str, ip: str, protocol: int, port: int, table: int) -> fibmsg:
    """A rule, with the priority of the table's number: what comes in here for this address and port asks this table."""
    attributes = {
        "FRA_IIFNAME": interface,
        "FRA_DST": ip,
        "FRA_IP_PROTO": protocol,
        "FRA_DPORT_RANGE": f"{port}:{port}",
        "FRA_PRIORITY": table,
    }
    return _message(fibmsg, attributes, family=socket.AF_INET, dst_len=32, table=table, action=FR_ACT_TO_TBL)


def discipline(interface: int, **attributes: object) -> nlmsg:
    """How frames leave at the interface with this index (tc(8)); `attributes` are the kernel's (TCA_…)."""
    from pyroute2.netlink.rtnl.tcmsg import tcmsg

    return _message(tcmsg, attributes, index=interface, parent=TC_H_ROOT)


def netem(interface: int, delay: float, loss: float) -> nlmsg:
    """Frames leave `delay` seconds later, or not at all with probability `loss` (tc-netem(8))."""
    from pyroute2.netlink.rtnl.tcmsg.sched_netem import get_parameters

    options = get_parameters({"delay": round(delay * 1e6), "loss": loss * 100})
    return discipline(interface, TCA_KIND="netem", TCA_OPTIONS=options)


def _message(kind: type[nlmsg], attributes: dict[str, object], **fields: int) -> nlmsg:
    made = kind()
    made.update(fields)
    made["attrs"] = list(attributes.items())
    return made


class Rtnetlink:
    """In the network namespace that this process is in at the time of construction.

    Every method raises `OSError` with the kernel's error number.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.settimeout(_PATIENCE)

    def add(self, asked: nlmsg) -> None:
        """Make what is not there yet."""
        self._ask(asked, 0, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)

    def replace(self, asked: nlmsg) -> None:
        """Make it, or change what is there."""
        self._ask(asked, 0, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE)

    def change(self, asked: nlmsg) -> None:
        """Change what is there."""
        self._ask(asked, 0, NLM_F_ACK)

    def remove(self, asked: nlmsg) -> None:
        """Take it away."""
        self._ask(asked, _DELETE, NLM_F_ACK)

    def index(self, name: str) -> int:
        """The number of the interface of this name."""
        return self._interface(name)["index"]

    def has(self, name: str) -> bool:
        """Whether there is an interface of this name."""
        try:
            self._interface(name)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return False
        return True

    def forwards(self, port: str) -> bool:
        """Whether this port of a bridge is on."""
        return self._interface(port).get_nested(*_STATE) == _FORWARDING

    def _interface(self, name: str) -> ifinfmsg:
        found = ifinfmsg(self._ask(_message(ifinfmsg, {"IFLA_IFNAME": name}), _GET, 0))
        found.decode()
        return found

    def _ask(self, asked: nlmsg, step: int, flags: int) -> bytes:
        """Send a request; the one message that answers it."""
        asked["header"] = {"type": _NEW[type(asked).__name__] + step, "flags": NLM_F_REQUEST | flags}
        asked.encode()
        self._socket.send(asked.data)
        answer = self._socket.recv(_LARGEST)
        if _HEADER.unpack_from(answer)[1] == NLMSG_ERROR:
            (error,) = _ERROR.unpack_from(answer, _HEADER.size)
            if error:
                raise OSError(-error, os.strerror(-error))
        return answer
