"""The program of the other process: the aiosmtpd that its path leads to, on a socket that it inherits.

Its settings are a line of JSON on its standard input. It writes a line of JSON for each message, and answers the client
when an empty line says that the message is in its mailbox. It ends when its input does. It runs without labkit, because
labkit's own aiosmtpd is another one.
"""

import asyncio
import base64
import json
import logging
import socket
import ssl
import sys
from collections import deque
from typing import Any

import aiosmtpd
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

# What aiosmtpd warns of belongs to its developers.
logging.getLogger("mail.log").addHandler(logging.NullHandler())
logging.getLogger("mail.log").propagate = False


STORING: "deque[asyncio.Future[None]]" = deque()
"""The messages that are on their way to a mailbox, in the order in which they were written."""


class Handler:
    """aiosmtpd's hooks."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        tls = server.transport.get_extra_info("ssl_object")
        say(
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            data=base64.b64encode(envelope.content).decode(),
            over=tls.version().replace("TLSv", "TLS ") if tls else "clear text",
            user=session.auth_data or "",
        )
        stored = asyncio.get_running_loop().create_future()
        STORING.append(stored)
        await stored
        return "250 2.0.0 Stored"


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


async def main() -> None:
    loop = asyncio.get_running_loop()
    told = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(told["certificate"])
    context.keylog_filename = told["keylog"]

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword) -> AuthResult:
        user, password = given.login.decode(), given.password.decode()
        right = told["users"].get(user) == password
        return AuthResult(success=right, handled=False, auth_data=user)

    def session() -> SMTP:
        return SMTP(
            Handler(),
            hostname=told["name"],
            ident=f"aiosmtpd {aiosmtpd.__version__}",
            tls_context=context,
            auth_require_tls=told["auth"] == "after TLS",
            authenticator=check,
            loop=loop,
        )

    listening = socket.socket(fileno=told["socket"])
    async with await loop.create_server(session, sock=listening):
        say(version=aiosmtpd.__version__)
        while await loop.run_in_executor(None, sys.stdin.readline):
            stored = STORING.popleft()
            if not stored.cancelled():  # its client has gone
                stored.set_result(None)


asyncio.run(main())
