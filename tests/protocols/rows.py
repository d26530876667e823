"""The protocols beyond SMTP, IMAP and POP3 that run live: one row for each."""

from typing import NamedTuple


class Row(NamedTuple):
    """The facts of a protocol that the tests of all protocols need."""

    name: str
    """The name of its dialect."""
    openssl: tuple[str, ...] = ()
    """Its name behind ``openssl s_client -starttls``, and further options; empty where openssl does not know it."""
    implicit: bool = True
    """Whether it has a port with implicit TLS."""
    tshark: str = ""
    """tshark's name for it; empty where tshark does not know it."""
    alpn: tuple[str, ...] = ()
    """Options of openssl where TLS comes first."""
    stripped: str = "N1"
    """The number of the attack that takes the offer of TLS away."""
    refusal_ends: bool = False
    """Whether a refused upgrade ends the conversation, so that even a careless client goes no further on it."""
    keeps_buffer: bool = True
    """Whether its server has the quirk ``keeps the buffer``."""


ROWS: tuple[Row, ...] = (
    Row("LMTP", ("lmtp",), implicit=False, tshark="smtp"),
    Row("ManageSieve", ("sieve",), implicit=False),
    Row("FTP", ("ftp",), tshark="ftp"),
    Row("NNTP", ("nntp",), tshark="nntp"),
    Row("XMPP", ("xmpp", "-xmpphost", "mail.lab.test"), tshark="xmpp", refusal_ends=True),
    Row("LDAP", ("ldap",), tshark="ldap"),
    Row("PostgreSQL", ("postgres",), tshark="pgsql", alpn=("-alpn", "postgresql"), stripped="N2"),
)
NAMES = tuple(row.name for row in ROWS)
