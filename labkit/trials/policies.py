"""Every policy at every kind of server: one live attempt for each, and its outcome.

The kinds differ in what a server offers and in how good its certificate is, as servers outside do. The caller
starts the servers and makes the attempts.
"""

from collections.abc import Callable, Mapping
from typing import Any

from labkit.clients.outcome import Outcome
from labkit.clients.policies import ALL, Policy

SERVERS: Mapping[str, Mapping[str, Any]] = {
    "STARTTLS, good certificate": {},
    "STARTTLS, wrong name": {"certificate": "wrong name"},
    "STARTTLS, self-signed": {"certificate": "self-signed"},
    "STARTTLS required": {"starttls": "required"},
    "no TLS": {"starttls": "off"},
    "implicit TLS": {"implicit": True},
}
"""What a server is called -> the settings of `Lab.smtp`, `Lab.imap` and `Lab.pop3` that make it so."""

PATIENCE = 1.0
"""Seconds for an attempt: a client in clear text and a server that waits for TLS wait for each other."""


def every_policy(
    start: Callable[..., Any], attempt: Callable[[Any, Policy], Outcome]
) -> dict[tuple[str, str], Outcome]:
    """(name of the policy, kind of server) -> the outcome of the attempt.

    `start` makes a server with settings, `attempt` lets a client with a policy use it.
    """
    found = {}
    for kind, settings in SERVERS.items():
        server = start(**settings)
        for policy in ALL:
            found[policy.name, kind] = attempt(server, policy)
        server.close()
    return found
