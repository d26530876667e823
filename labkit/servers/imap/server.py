"""An IMAP4rev1 server (RFC 3501), with UIDPLUS (RFC 4315), SASL-IR (RFC 4959) and LITERAL+ (RFC 7888).

STARTTLS and LOGINDISABLED are in RFC 3501 §6.2.1, TLS from the first byte is RFC 8314 §3.2. Flags are the five that
RFC 3501 defines; a client's own keywords are not kept. RENAME, subscriptions (LSUB, SUBSCRIBE, UNSUBSCRIBE), the rarer
keys of SEARCH and HEADER.FIELDS.NOT are refused: no program needs them to read mail.
"""

import asyncio
from typing import ClassVar

from labkit.servers.imap.commands import COMMANDS
from labkit.servers.imap.session import IMAPSession
from labkit.servers.quirks import MAIL, PREAUTH
from labkit.servers.server import Note, Server


class IMAPServer(Server):
    """A running server."""

    protocol = "IMAP"
    ports: ClassVar = {False: 143, True: 993}
    quirks = (*MAIL, PREAUTH)

    def _session(self, note: Note) -> asyncio.Protocol:
        return IMAPSession(self, note, COMMANDS)
