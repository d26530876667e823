"""Fetching mail: one attempt, with the client of the protocol that a server speaks: `imap` or `pop3`."""

import ssl
from functools import partial

from labkit.clients.attempt import TIMEOUT, Attempt, check_login
from labkit.clients.imap import IMAPClient
from labkit.clients.outcome import Fetched
from labkit.clients.policies import Policy
from labkit.clients.pop3 import POP3Client
from labkit.network import Host
from labkit.trust.certificates import SERVER_NAME

CLIENTS = {"IMAP": IMAPClient, "POP3": POP3Client}
"""Protocol of a server -> the client that fetches from it."""


def fetch(
    protocol: str,
    host: Host,
    at: str,
    port: int,
    policy: Policy,
    context: ssl.SSLContext,
    login: tuple[str, str],
    timeout: float = TIMEOUT,
    name: str = SERVER_NAME,
) -> Fetched:
    """Fetch all mail in the inbox of a user from the server at `at` (host name, nominal port), and say what happened.

    `protocol` is one of `CLIENTS`, `login` is (user, password), `timeout` the seconds for the whole attempt, `name` the
    name that the certificate is compared with. Raises `OutsideTheLab` for an address that is not the lab's and
    `LabError` for arguments that cannot be put on the wire.
    """
    check_login(login)
    attempt = Attempt(host, policy, context, timeout, name)
    client = CLIENTS[protocol](attempt)
    return attempt.run(client, Fetched, partial(client.read_inbox, at, port, login))
