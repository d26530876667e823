"""An IMAP4rev1 server (RFC 3501) over the lab's mailboxes; `server` says what of IMAP it speaks.

`session` reads commands and answers them, `commands` and `selected` say what each does, `syntax` how one is read,
`responses` how an answer is written. `fetch`, `search`, `structure` and `mime` handle messages and no connection.
"""

from labkit.servers.imap.server import IMAPServer as SERVER

__all__ = ["SERVER"]
