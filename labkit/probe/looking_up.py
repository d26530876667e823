"""How to look up what a domain publishes: in the lab its own name server answers, outside the first one of the system
(resolv.conf(5)), and every answer is validated from the root's keys on.
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from labkit.defences.mta_sts import NoPolicy
from labkit.defences.nameserver import asking
from labkit.defences.policyhost import fetching
from labkit.defences.resolver import Resolver
from labkit.errors import LabError
from labkit.network.outside import Outside, is_address

_RESOLV = "/etc/resolv.conf"
_PATIENCE = 3.0
"""Seconds for each question, and for a policy."""
ROOT_KEYS = (
    "20326 8 2 e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d",
    "38696 8 2 683d2d0acb8c9b712a1948b27f741219298d0a450d612c483af444a4c0fb2b16",
)
"""The trust anchors of the root zone (https://data.iana.org/root-anchors/): DS records, SHA-256."""


@dataclass(frozen=True)
class Publication:
    """How to look up what a domain publishes."""

    resolver: Resolver
    fetch: Callable[[str], bytes]
    """Gets the body of a domain's policy; raises `labkit.defences.mta_sts.NoPolicy`."""
    clock: Callable[[], float]


def public() -> Publication:
    """How to look up what is published outside the lab. Raises `LabError` where this machine has no name server."""
    reach = Outside()
    resolver = Resolver(asking(reach, _name_server(), _PATIENCE), {".": "\n".join(ROOT_KEYS)})
    fetch = fetching(reach, ssl.create_default_context(), partial(address_of, resolver), _PATIENCE)
    return Publication(resolver, fetch, time.time)


def name_servers(text: str) -> list[str]:
    """The addresses after ``nameserver`` in a resolv.conf(5)."""
    lines = (line.split() for line in text.splitlines())
    named = (words[1].partition("%")[0] for words in lines if len(words) > 1 and words[0] == "nameserver")
    return [address for address in named if is_address(address)]


def _name_server() -> str:
    try:
        with open(_RESOLV, encoding="utf-8", errors="replace") as file:
            found = name_servers(file.read())
    except OSError:
        found = []
    if not found:
        raise LabError(f"This machine names no name server in {_RESOLV}: add one, or leave the domain out.")
    return found[0]


def address_of(resolver: Resolver, name: str) -> str:
    """An address of a policy host. Raises `NoPolicy`."""
    for kind in ("A", "AAAA"):
        answer = resolver.resolve(name, kind)
        if answer:
            return str(answer.records[0])
    raise NoPolicy(f"the address of {name} cannot be had: {answer.why}", "sts-policy-fetch-error")
