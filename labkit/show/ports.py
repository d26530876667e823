"""The well-known ports of mail and their history, as data: what is spoken there, who registered it, what blocks it.

Registrations are those of IANA's Service Name and Transport Protocol Port Number Registry (RFC 6335), as of 2026. Where
a server of the lab listens is said by the server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import wrap

from labkit.errors import LabError
from labkit.show import html
from labkit.show.page import Page
from labkit.show.table import Column, build, in_columns

EXPLICIT = "explicit"
IMPLICIT = "implicit"


@dataclass(frozen=True)
class Port:
    """One port."""

    number: int
    service: str
    """Its name in IANA's registry as a mail port; empty where it has none."""
    protocol: str
    """What is spoken there: ``SMTP``, ``IMAP`` or ``POP3``."""
    tls: str
    """How TLS starts there: `EXPLICIT`, after an upgrade command that may never come, or `IMPLICIT`."""
    use: str
    """Which programs use it, and for what."""
    registered: str
    """Who registered it, and when."""
    history: str
    """How it came to be what it is."""
    blocked: str
    """What may stand between a client and this port."""
    sources: tuple[str, ...]
    """Where all this is written."""


ALL = (
    Port(
        25,
        "smtp",
        "SMTP",
        EXPLICIT,
        "Relay: a mail server hands a message to the recipient's mail server.",
        "Jon Postel, with SMTP itself (RFC 788, 1981; RFC 821, 1982).",
        "STARTTLS came in 1999 (RFC 2487, now RFC 3207). There is no implicit port for relay, because an MX record has "
        "no place for a port number. RFC 3207 §4 forbids a publicly known server to insist on STARTTLS here.",
        "Most access providers and clouds block it for their customers, because machines that were taken over used it "
        "to send spam directly.",
        ("RFC 5321 §4.5.4.2", "RFC 3207 §4", "RFC 8314 §7.3", "RFC 5068"),
    ),
    Port(
        587,
        "submission",
        "SMTP",
        EXPLICIT,
        "Submission: a user's program hands a message to the user's own provider, after a login.",
        "Randall Gellens, with RFC 2476 (December 1998).",
        "It parts submission from relay, so that a provider can ask for a login here and take mail from strangers on "
        "25. STARTTLS is usual, and the login is usually not offered without it. Since 2018 implicit TLS on 465 "
        "is preferred.",
        "Rarely anything: RFC 5068 tells access providers not to block it.",
        ("RFC 6409", "RFC 5068", "RFC 8314 §3.3"),
    ),
    Port(
        465,
        "submissions",
        "SMTP",
        IMPLICIT,
        "Submission inside TLS from the first byte.",
        "As smtps in 1997, revoked in 1998; as urd, a directory for multicast, afterwards; as submissions by RFC 8314, "
        "in the registry since December 2017.",
        "smtps was to be relay over SSL, which cannot work without a port in MX records, and STARTTLS seemed to make "
        "it needless. Programs went on using 465 for submission all the same. RFC 8314 made that the recommended way; "
        "the registry lists urd beside it.",
        "Rarely anything.",
        ("RFC 8314 §3.3", "RFC 8314 §7.3"),
    ),
    Port(
        2525,
        "",
        "SMTP",
        EXPLICIT,
        "Submission by habit: some providers take mail here where 25 and 587 are blocked.",
        "Nobody for mail: in the registry 2525 is ms-v-worlds, a research project of Microsoft.",
        "No RFC names it. It is easy to remember, and above 1023, so that a server needs no privilege to listen.",
        "Rarely anything, which is why it is used.",
        ("IANA registry, 2525",),
    ),
    Port(
        143,
        "imap",
        "IMAP",
        EXPLICIT,
        "Access: a user's program reads and sorts the mail that stays on the server.",
        "Mark Crispin, with IMAP2 (RFC 1064, 1988).",
        "STARTTLS and LOGINDISABLED came in 1999 (RFC 2595). That RFC advised against a second port for TLS; "
        "RFC 8314 advises for it.",
        "Firewalls that only let TLS out.",
        ("RFC 9051", "RFC 2595 §3", "RFC 8314 §3.2"),
    ),
    Port(
        993,
        "imaps",
        "IMAP",
        IMPLICIT,
        "Access inside TLS from the first byte.",
        "Christopher Allen in the 1990s, for IMAP over SSL; RFC 8314 (2018) took the registration over.",
        "Discouraged by RFC 2595 §7 in 1999 in favour of STARTTLS, used nevertheless, and preferred since RFC 8314.",
        "Rarely anything.",
        ("RFC 2595 §7", "RFC 8314 §3.2"),
    ),
    Port(
        110,
        "pop3",
        "POP3",
        EXPLICIT,
        "Access: a user's program takes the mail from the server.",
        "Marshall Rose, with POP3 (RFC 1081, 1988).",
        "STLS came in 1999 (RFC 2595).",
        "Firewalls that only let TLS out.",
        ("RFC 1939", "RFC 2595 §4", "RFC 8314 §3.1"),
    ),
    Port(
        995,
        "pop3s",
        "POP3",
        IMPLICIT,
        "Access inside TLS from the first byte.",
        "Gordon Mangione in the 1990s, for POP3 over SSL; RFC 8314 (2018) took the registration over.",
        "Discouraged by RFC 2595 §7 in 1999 in favour of STLS, used nevertheless, and preferred since RFC 8314.",
        "Rarely anything.",
        ("RFC 2595 §7", "RFC 8314 §3.1"),
    ),
)
"""The ports that mail programs ask for."""

_COLUMNS = (Column("port", heads=True), Column("name"), Column("spoken"), Column("TLS"), Column("used for"))


def port(number: int) -> Port:
    """The entry of that port. Raises `LabError` for one that is not a port of mail."""
    for known in ALL:
        if known.number == number:
            return known
    raise LabError(f"{number!r} is no port of mail: there are {', '.join(str(known.number) for known in ALL)}.")


def table(*numbers: int) -> Page:
    """A table of these ports, or of all. Raises `LabError` for one that is not a port of mail."""
    chosen = [port(number) for number in numbers] or ALL
    lines = in_columns([[str(column.name) for column in _COLUMNS], *map(_row, chosen)])
    return Page(partial(_body, chosen), "\n".join(["The ports of mail", *lines, *map(_story, chosen)]))


def _row(known: Port) -> tuple[str, ...]:
    return str(known.number), known.service or "none", known.protocol, known.tls, known.use


def _more(known: Port) -> dict[str, str]:
    return {
        "registered": known.registered,
        "history": known.history,
        "blocked by": known.blocked,
        "sources": ", ".join(known.sources),
    }


def _body(chosen: Sequence[Port]) -> html.Node:
    return build(_COLUMNS, map(_row, chosen), "The ports of mail"), [_folded(known) for known in chosen]


def _folded(known: Port) -> html.Node:
    said = [html.div[html.b[name], ": ", words] for name, words in _more(known).items()]
    return html.details[
        html.summary[f"{known.number} {known.service or 'none'}: who registered it, and what came of it"],
        html.div("lk-inside")[said],
    ]


def _story(known: Port) -> str:
    said = (f"{name}: {words}" for name, words in _more(known).items())
    parts = [wrap(one, 100, initial_indent="  ", subsequent_indent="    ") for one in said]
    return "\n".join([f"port {known.number}", *(line for part in parts for line in part)])
