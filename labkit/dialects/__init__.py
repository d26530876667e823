"""The protocols of the lab as data. A new one is one new file here and its name in `ALL`; `add` is for run time."""

from functools import cache

from labkit.dialects.base import CLIENT, SERVER, Dialect, Phrase, Reader
from labkit.dialects.ftp import FTP
from labkit.dialects.http import HTTP
from labkit.dialects.imap import IMAP
from labkit.dialects.ldap import LDAP
from labkit.dialects.lmtp import LMTP
from labkit.dialects.managesieve import MANAGESIEVE
from labkit.dialects.nntp import NNTP
from labkit.dialects.pop3 import POP3
from labkit.dialects.postgresql import POSTGRESQL
from labkit.dialects.smtp import SMTP
from labkit.dialects.xmpp import XMPP
from labkit.errors import LabError

__all__ = [
    "ALL",
    "CLIENT",
    "FTP",
    "HTTP",
    "IMAP",
    "LDAP",
    "LMTP",
    "MANAGESIEVE",
    "NNTP",
    "POP3",
    "POSTGRESQL",
    "READ_ONLY",
    "SERVER",
    "SMTP",
    "XMPP",
    "Dialect",
    "Phrase",
    "Reader",
    "add",
    "for_port",
    "named",
    "recognise",
]

ALL: list[Dialect] = [SMTP, IMAP, POP3, LMTP, MANAGESIEVE, FTP, NNTP, XMPP, LDAP, POSTGRESQL]
READ_ONLY: tuple[Dialect, ...] = (HTTP,)
"""Dialects that are only read in captures: without an upgrade, and without a server or client of the lab."""


def named(name: str) -> Dialect:
    """The dialect of that name, in any case. Raises `LabError` for one that the lab does not speak."""
    for dialect in ALL:
        if dialect.name.lower() == str(name).lower():
            return dialect
    raise LabError(f"The lab does not speak {name!r}: it speaks {', '.join(dialect.name for dialect in ALL)}.")


def add(dialect: Dialect) -> None:
    """Make a dialect known for as long as this process runs. Raises `LabError` for a name that is taken."""
    if dialect.name.lower() in {known.name.lower() for known in ALL}:
        raise LabError(f"The lab speaks {dialect.name} already: give the new dialect another name.")
    ALL.append(dialect)
    for_port.cache_clear()


@cache
def for_port(port: int) -> Dialect | None:
    """The dialect whose registered or customary port this is."""
    return next((one for one in ALL if port in one.explicit_ports + one.implicit_ports), None)


def recognise(server: bytes, client: bytes = b"", port: int = 0) -> Dialect | None:
    """The dialect of a conversation that begins with these bytes of the server and of the client.

    If the bytes do not decide it, the server's `port` does.
    """
    usual = for_port(port)
    if usual is not None and usual.recognises(server, client):
        return usual
    return next((dialect for dialect in (*ALL, *READ_ONLY) if dialect.recognises(server, client)), usual)


def inside_tls_at(port: int) -> Dialect | None:
    """The dialect that is usually inside TLS on this port, for a session that cannot be decrypted."""
    return next((one for one in (*ALL, *READ_ONLY) if port in one.implicit_ports), None)
