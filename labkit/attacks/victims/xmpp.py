"""slixmpp as a victim: sends a message. Whether it goes on without TLS is three switches of the library."""

import asyncio
import logging
import ssl
from functools import partial
from typing import Any

from labkit.attacks.victims.async_program import AsyncProgram
from labkit.attacks.victims.programs import LOGIN, TEXT, library


class XMPPProgram(AsyncProgram):
    """slixmpp: sends a message."""

    errors = (OSError, ValueError)

    def _start(self, port: int) -> Any:
        logging.getLogger("slixmpp").setLevel(logging.CRITICAL)
        self._port, self._stream = port, None
        if self._implicit is not None:
            self._log_in(self._implicit, enable_direct_tls=True)
        return self

    def _end(self) -> None:
        if self._stream is not None:
            self.await_(self._leave)

    async def _leave(self) -> None:
        try:
            await self._stream.disconnect(wait=1.0)
        finally:
            await _ended(self._stream)

    def offers_tls(self) -> bool:
        """False: slixmpp looks by itself, and upgrades if that is offered."""
        return False

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        """slixmpp upgrades and logs in at once."""
        self._log_in(context or ssl._create_unverified_context(), enable_starttls=True)

    def log_in(self) -> None:
        if self._stream is None:
            self._log_in(ssl._create_unverified_context(), enable_starttls=True, enable_plaintext=True)

    def log_in_by_default(self) -> None:
        """With slixmpp's own switches, but no direct TLS, for which it asks the DNS where to connect (XEP-0368)."""
        self._stream = self.await_(partial(self._opened, self.scene.trust, None))

    def work(self) -> None:
        self.await_(self._send)

    async def _send(self) -> None:
        self._stream.send_message(mto=f"bob@{self.scene.server}", mbody=TEXT, mtype="chat")

    def look(self) -> list[str]:
        return [] if self._stream is None else sorted(self._stream.features)

    def _log_in(self, context: ssl.SSLContext, **switches: bool) -> None:
        self._stream = self.await_(partial(self._opened, context, switches))

    async def _opened(self, context: ssl.SSLContext, switches: dict[str, bool] | None) -> Any:
        """A stream with a login in it; without switches, with the library's own. Raises ConnectionError where none
        comes about."""
        client = self._client(switches)
        client.get_ssl_context = lambda: context
        done = asyncio.get_running_loop().create_future()
        for event, said in _ENDS.items():
            client.add_event_handler(event, partial(_finish, done, said))
        client.connect(self.scene.server, self._port)
        try:
            if refusal := await done:
                raise ConnectionError(refusal)
        except BaseException:
            client.abort()
            await _ended(client)
            raise
        return client

    def _client(self, switches: dict[str, bool] | None) -> Any:
        user, password = LOGIN
        make = partial(library("slixmpp").ClientXMPP, f"{user}@{self.scene.server}", password)
        if switches is None:
            client = make()
            client.enable_direct_tls = False
            return client
        clear = {"feature_mechanisms": {"unencrypted_plain": switches.get("enable_plaintext", False)}}
        client = make(plugin_config=clear)
        for name in ("enable_direct_tls", "enable_starttls", "enable_plaintext"):
            setattr(client, name, switches.get(name, False))
        return client


_ENDS = {
    "session_start": "",
    "failed_all_auth": "no login that the server takes",
    "ssl_invalid_chain": "the certificate does not fit",
    "disconnected": "the stream was closed",
    "connection_failed": "the connection failed",
}
"""Event of slixmpp that ends the wait for a session -> what went wrong; empty for nothing."""


async def _ended(client: Any) -> None:
    """Wait for the task with which slixmpp sends: it outlives the connection, and asyncio complains of it."""
    sending = client._run_out_filters
    if sending is not None:
        sending.cancel()
        await asyncio.wait([sending], timeout=1.0)


def _finish(done: asyncio.Future[str], said: str, why: Any = None) -> None:
    if not done.done():
        done.set_result(f"{said}: {why}" if isinstance(why, ConnectionError) else said)


PROGRAM = XMPPProgram
SPECIAL = ()
"""(habit, program) of the victims that only this protocol has."""
