"""Addresses of the hosts in the lab's own DNS, the same on every network: 192.0.2.0/24, for documentation (RFC 5737).

On a LAN they are the hosts' own; on loopback they stand for them, as a nominal port stands for a real one.
"""

import itertools

NUMBERS = {"alice": 10, "mail": 25, "dns": 53, "mallory": 66, "www": 80}
"""The last number of the addresses of a host; another one gets a number from 81 on."""


def numbered(hosts: tuple[str, ...]) -> dict[str, int]:
    """Host name -> the last number of its address."""
    free = itertools.count(max(NUMBERS.values()) + 1)
    return {name: NUMBERS.get(name) or next(free) for name in hosts}


def address(number: int) -> str:
    """The address with this last number."""
    return f"192.0.2.{number}"
