"""The settings of a server of the lab: the same for every protocol."""

from dataclasses import dataclass, fields
from typing import Any

from labkit.errors import LabError
from labkit.servers.quirks import KEEPS_OFFER
from labkit.trust.contexts import CURRENT, versions

STARTTLS = ("offered", "off", "required")
AUTH = ("after TLS", "always", "none")
MECHANISMS = ("PLAIN", "LOGIN")
RELAY = ("after login", "always")


@dataclass(frozen=True)
class Settings:
    """What a server does. Raises `LabError` for an invalid value."""

    port: int
    starttls: str = "offered"
    """One of `STARTTLS`; ``required`` means that little else is answered before it."""
    implicit: bool = False
    """TLS before the first byte of the protocol; STARTTLS is then not offered."""
    auth: str = "after TLS"
    """When logging in is possible: one of `AUTH`."""
    mechanisms: tuple[str, ...] | None = None
    """SASL mechanisms among which a client may choose, in a protocol whose server has several; None is all of them."""
    tls: tuple[str, ...] = CURRENT
    ciphers: str | None = None
    requiretls: bool = False
    """Whether an SMTP server offers REQUIRETLS inside TLS (RFC 8689 §2)."""
    relay: str = "after login"
    """When an SMTP server takes mail for other domains than its own: one of `RELAY`; ``always`` is an open relay."""
    pipelining: bool = False
    """Whether an SMTP server offers PIPELINING (RFC 2920 §3)."""
    quirks: tuple[str, ...] = ()
    """Names from `labkit.servers.quirks`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tls", versions(self.tls))
        if isinstance(self.mechanisms, str):  # one alone needs no tuple, as with `tls`
            object.__setattr__(self, "mechanisms", (self.mechanisms,))
        _one_of("starttls", self.starttls, STARTTLS)
        _one_of("auth", self.auth, AUTH)
        _one_of("relay", self.relay, RELAY)
        for mechanism in self.mechanisms or ():
            _one_of("mechanisms", mechanism, MECHANISMS)

    def login_now(self, encrypted: bool) -> bool:
        """Whether a connection in this state may log in."""
        return self.auth == "always" or (self.auth == "after TLS" and encrypted)

    def tls_first(self, encrypted: bool) -> bool:
        """Whether TLS is required now, so that little else than STARTTLS is answered."""
        return self.starttls == "required" and not encrypted

    def upgrade_now(self, encrypted: bool) -> bool:
        """Whether STARTTLS is offered to a connection in this state."""
        return self.starttls != "off" and not encrypted

    def lists_upgrade(self, encrypted: bool) -> bool:
        """Whether STARTTLS is in the list of capabilities in this state."""
        kept = encrypted and not self.implicit and KEEPS_OFFER in self.quirks
        return self.upgrade_now(encrypted) or (self.starttls != "off" and kept)


def settings(port: int, **given: Any) -> Settings:
    """Settings from keyword arguments. Raises `LabError` for one that does not exist and for an invalid value."""
    known = [field.name for field in fields(Settings)][1:]
    if unknown := given.keys() - set(known):
        others = "port, certificate, host, name and replace"
        raise LabError(f"A server has no setting {min(unknown)!r}: it has {', '.join(known)}, {others}.")
    return Settings(port, **given)


def _one_of(name: str, value: str, possible: tuple[str, ...]) -> None:
    if value not in possible:
        raise LabError(f"{name} cannot be {value!r}: use {' or '.join(map(repr, possible))}.")
