"""Small live sessions that exercises are about: each in a lab of its own on loopback, which is closed when it is over.

Passwords may be drawn, so the accounts of the lab are an argument: user -> password, besides its usual ones.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from labkit.lab import Lab
from labkit.mail.postoffice import USERS, PostOffice

if TYPE_CHECKING:
    from labkit.attack import Attack
    from labkit.attacks import Vector
    from labkit.show.capture import Capture

CLEAR = {"starttls": "off", "auth": "always"}
"""Settings of a server without TLS that takes a login all the same."""


@contextmanager
def lab_with(users: Mapping[str, str] | None = None) -> "Iterator[Lab]":
    """A lab in which these users have an account, too."""
    with Lab(network="loopback") as lab:
        lab.post = PostOffice({**USERS, **(users or {})})
        yield lab


def mailed(text: str = "See you at nine.", server: Mapping[str, Any] | None = None, **send: Any) -> "Capture":
    """A capture of one mail to an SMTP server with these settings. The login in `send` is one that the server knows."""
    login = send.get("login")
    with lab_with(dict([login]) if login else None) as lab:
        mail = lab.smtp(**(server or {}))
        with lab.capture() as capture:
            lab.send(mail, text, **send)
    return capture


def fetched(protocol: str, login: tuple[str, str], server: Mapping[str, Any] | None = None, **fetch: Any) -> "Capture":
    """A capture in which an empty mailbox is read over ``imap`` or ``pop3``."""
    with lab_with(dict([login])) as lab:
        mail = getattr(lab, protocol)(**(server or {}))
        with lab.capture() as capture:
            lab.fetch(mail, login=login, **fetch)
    return capture


def attacked(
    vector: "Vector", text: str = "See you at nine.", server: Mapping[str, Any] | None = None, **send: Any
) -> "Attack":
    """An attack, which is over, on one mail to an SMTP server with these settings."""
    with lab_with() as lab:
        mail = lab.smtp(**(server or {}))
        with lab.mallory(vector) as attack:
            lab.send(mail, text, **send)
        _ = attack.victim_side, attack.server_side
    return attack
