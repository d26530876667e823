"""aiosmtplib: `start_tls` is True for TLS or nothing, and None, which is its default, for TLS if it is offered."""

import asyncio
import ssl
import sys
from email import message_from_file

import aiosmtplib

word, scheme, host, port, user, password, authority = sys.argv[1:]
implicit = scheme == "smtps"
asyncio.run(
    aiosmtplib.send(
        message_from_file(sys.stdin),
        hostname=host,
        port=int(port),
        username=user,
        password=password,
        use_tls=implicit,
        start_tls=False if implicit else {"required": True, "default": None}[word],
        tls_context=ssl.create_default_context(cafile=authority),
        timeout=5,
    )
)
