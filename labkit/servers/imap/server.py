"""An IMAP4rev1 server: every command of RFC 3501, and ID, IDLE, UIDPLUS, UNSELECT, SASL-IR and LITERAL+.

The latter are in RFC 2971, 2177, 4315, 3691, 4959 and 7888. STARTTLS and LOGINDISABLED are in RFC 3501 §6.2.1, TLS
from the first byte is RFC 8314 §3.2. Flags are the five that RFC 3501 defines; keywords of a client's own are not kept.
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
