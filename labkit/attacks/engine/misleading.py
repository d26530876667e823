"""The attacker on the way to the name server and the policy host: carries out what a vector on publications decides.

She passes on queries and connections of others, and changes what comes back. Where she may stand is for
`labkit.network` to say.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, NamedTuple

from labkit.attacks.engine.interceptor import ATTACKER
from labkit.attacks.vectors.publication import BLOCK, PASS, PublicationVector, Served
from labkit.defences import nameserver, policyhost
from labkit.defences.forging import asking_for, question
from labkit.defences.resource_records import Question
from labkit.errors import LabError
from labkit.network import TCP, UDP, Network
from labkit.network.datagrams import Datagrams, SendReply
from labkit.network.entrance import Entrance
from labkit.trust.certificates import Authority
from labkit.trust.contexts import server_context

_AT_ONCE = 32
_PIECE = 1 << 14
_LONGEST = 10.0
"""Seconds that she carries a connection to the policy host."""


class Forgery(NamedTuple):
    """One answer or policy that was changed or withheld."""

    about: str
    """``bob.test MX``, or the name of a policy host."""
    what: str

    def __repr__(self) -> str:
        return f"{self.about}: {self.what}"


class Misleader:
    """An attacker between the other hosts and the hosts dns and www, from construction to `close`.

    Raises `LabError` for any other vector, and where a host is on that path already.
    """

    def __init__(
        self,
        network: Network,
        vector: PublicationVector,
        authority: Authority,
        keylog: str | None = None,
        attacker: str = ATTACKER,
    ) -> None:
        if not isinstance(vector, PublicationVector):
            raise LabError(f"This is no vector against what is published, like attacks.HideTLSA(): {vector!r}.")
        self.vector = vector
        self.forgeries: list[Forgery] = []
        """What was changed, oldest first."""
        self._host = network.host(attacker)
        self._authority = authority
        self._keylog = keylog
        self._ask = nameserver.asking(self._host)
        self._loop = network.loop
        self._under_way: set[asyncio.Task[Any]] = set()
        with ExitStack() as stack:
            self._udp = stack.enter_context(network.intercept(attacker, "dns", nameserver.PORT, UDP))
            self._tcp = stack.enter_context(network.intercept(attacker, "dns", nameserver.PORT, TCP))
            self._www = stack.enter_context(network.intercept(attacker, "www", policyhost.PORT, TCP))
            self._stage = stack.pop_all()
        self._closed = False
        self._loop.call(self._start)

    def close(self) -> None:
        """Step out of the path. A second call does nothing."""
        if not self._closed:
            self._closed = True
            self._loop.call(self._stop)
            self._stage.close()

    def __enter__(self) -> "Misleader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "over" if self._closed else "under way"
        return "\n".join([f"<{self.vector.name}, {state}: {len(self.forgeries)} forged>", *map(repr, self.forgeries)])

    # ---- in the loop's thread

    def _start(self) -> None:
        events = self._loop.events
        self._datagrams = Datagrams(self._host.network, self._udp.listener, self._received)
        doors = ((self._tcp, self._over_tcp), (self._www, self._policy))
        self._entrances = [
            Entrance(events, path.listener.socket, _AT_ONCE, partial(self._come_in, act), lambda _: None)
            for path, act in doors
        ]

    def _stop(self) -> None:
        self._datagrams.close()
        for entrance in self._entrances:
            entrance.close()
        for task in self._under_way:
            task.cancel()

    def _begin(self, work: Any) -> None:
        task = self._loop.events.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _received(self, query: bytes, reply: SendReply) -> None:
        self._begin(self._over_udp(query, reply))

    def _come_in(self, act: Callable[[socket.socket], Any], sock: socket.socket, _: Any) -> None:
        self._begin(act(sock))

    # ---- the name server

    async def _over_udp(self, query: bytes, reply: SendReply) -> None:
        answer = await asyncio.to_thread(self._answer, query)
        if answer is not None:
            reply(answer)

    async def _over_tcp(self, sock: socket.socket) -> None:
        await nameserver.serve(sock, partial(asyncio.to_thread, self._answer))

    def _answer(self, query: bytes) -> bytes | None:
        """The answer that is passed on; nothing where the name server gives none."""
        asked = question(query)
        if asked is None:
            return None
        try:
            true = self._ask(query)
            other = self.vector.proof(asked)
            if other is None:
                passed = self.vector.on_answer(asked, true)
            else:
                passed = self.vector.on_proof(true, self._ask(asking_for(query, *other)))
        except (LabError, OSError):
            return None
        self._note(asked, true, passed)
        return passed

    def _note(self, asked: Question, true: bytes, passed: bytes | None) -> None:
        if passed is None:
            self.forgeries.append(Forgery(f"{asked.name} {asked.type}", "held back"))
        elif passed != true:
            self.forgeries.append(Forgery(f"{asked.name} {asked.type}", "forged"))

    # ---- the policy host

    async def _policy(self, sock: socket.socket) -> None:
        """Handle a connection to the policy host; its SNI, which names the domain, has not arrived yet."""
        decision = self.vector.on_policy()
        if decision == PASS:
            await self._carry(sock)
            return
        self.forgeries.append(Forgery("the policy host", "blocked" if decision == BLOCK else "replaced"))
        if isinstance(decision, Served):
            with suppress(OSError):  # the client does not like the certificate
                await policyhost.serve_page(sock, self._as(decision.certificate), lambda *_: decision.page)
        else:
            sock.close()

    def _as(self, kind: str, name: str = "www.mallory.test") -> ssl.SSLContext:
        """How to be the policy host of the name that a client wants, with a certificate of this kind for it."""
        context = server_context(self._authority.certificate(kind, name), keylog=self._keylog)

        def choose(tls: ssl.SSLObject, wanted: str | None, _: ssl.SSLContext) -> None:
            if wanted and wanted != name:
                tls.context = self._as(kind, wanted)

        context.sni_callback = choose
        return context

    async def _carry(self, sock: socket.socket) -> None:
        """Pass a connection on, both ways, unread."""
        loop = asyncio.get_running_loop()
        try:
            onward = await asyncio.to_thread(self._host.connect, "www", policyhost.PORT, 3.0)
        except (LabError, OSError):
            sock.close()
            return
        for each in (sock, onward):
            each.setblocking(False)
        with sock, onward, suppress(OSError, TimeoutError):
            async with asyncio.timeout(_LONGEST):
                await asyncio.gather(_pour(loop, sock, onward), _pour(loop, onward, sock))


async def _pour(loop: asyncio.AbstractEventLoop, source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := await loop.sock_recv(source, _PIECE):
            await loop.sock_sendall(sink, data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
