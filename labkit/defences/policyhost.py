"""The policy host of MTA-STS (RFC 8461 §3.3): a small HTTPS server on a host of the lab, and the sender's fetch.

One host serves the policies of many domains: TLS shows the certificate for the name that the client asks for (SNI). The
fetch accepts what the RFC accepts: a valid certificate, the status 200, no redirect, 64 KiB and a limited time.
"""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from labkit.clients.failures import HANDSHAKE, put
from labkit.defences.mta_sts import LARGEST, PATH, NoPolicy
from labkit.errors import LabError
from labkit.network import Host
from labkit.network.entrance import Entrance
from labkit.network.streams import accepted
from labkit.servers.log import ServerLog
from labkit.servers.standing import Standing
from labkit.trust.certificates import Certificate
from labkit.trust.contexts import server_context

PORT = 443
PATIENCE = 3.0
"""Seconds for a whole fetch; §3.3 suggests a minute, which is long for a lesson."""
_LONGEST_REQUEST = 8192
_IDLE = 5.0
"""Seconds that a client has for its request."""
_AT_ONCE = 32
_LARGEST_HEAD = 16 << 10
_REASONS = {200: "OK", 201: "Created", 301: "Moved Permanently", 404: "Not Found", 421: "Misdirected Request"}
_LARGEST_CONTENT = 1 << 20
"""Bytes of a POST that are read; a report of the lab has some hundred."""
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,9})[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r?\n")


@dataclass(frozen=True)
class WebPage:
    """What is served at a path."""

    body: bytes
    status: int = 200
    type: str = "text/plain; charset=utf-8"
    """The media type."""
    location: str = ""
    """Where a redirect leads to."""

    @property
    def response(self) -> bytes:
        """The response as it is sent (RFC 9112)."""
        lines = [
            f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Other')}",
            f"Content-Type: {self.type}",
            f"Content-Length: {len(self.body)}",
            "Connection: close",
            *([f"Location: {self.location}"] if self.location else []),
        ]
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1") + self.body


NOT_FOUND = WebPage(b"There is nothing here.\n", 404)
TAKEN = WebPage(b"", 201)


class Posted(NamedTuple):
    """What a client has sent to a path with POST."""

    name: str
    path: str
    body: bytes


class PolicyHost(Standing):
    """A running policy host: `pages` is name -> path -> page, and each name has a certificate of its own."""

    protocol = "HTTPS"

    def __init__(self, host: Host, keylog: str | None = None) -> None:
        self.pages: dict[str, dict[str, WebPage]] = {}
        self.inboxes: set[tuple[str, str]] = set()
        """(name, path) at which a POST is taken."""
        self.posted: list[Posted] = []
        """What came there, oldest first."""
        self.log = ServerLog()
        self._keylog = keylog
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._front: ssl.SSLContext | None = None
        self._loop = host.network.loop
        self._connections = 0
        self._stopped = False
        self._under_way: set[asyncio.Task[Any]] = set()
        self._listener = host.listen(PORT)
        self._loop.call(self._start)

    @property
    def facts(self) -> str:
        """Whose policies it serves, in one line."""
        return " and ".join(self.pages) or "serves nothing yet"

    def serve(self, name: str, page: WebPage, certificate: Certificate, path: str = PATH) -> None:
        """Serve a page under a name (``mta-sts.bob.test``), with a certificate; what was there before is replaced."""
        self._show(name.lower(), certificate)
        self.pages.setdefault(name.lower(), {})[path] = page

    def take(self, name: str, path: str, certificate: Certificate) -> None:
        """Take what is sent with POST to a path under a name, which has this certificate unless it has one already."""
        if name.lower() not in self._contexts:
            self._show(name.lower(), certificate)
        self.inboxes.add((name.lower(), path))

    def withdraw(self, name: str) -> None:
        """Serve nothing under a name any more."""
        self.pages.pop(name.lower(), None)

    def close(self) -> None:
        """Stop listening. A second call does nothing."""
        if not self._stopped:
            self._loop.call(self._stop)

    def __repr__(self) -> str:
        where = f"port {self.port}{self.elsewhere and f' ({self.elsewhere})'}"
        return f"<policy host on {self.host}, {where}: {self.facts}{', closed' if self._stopped else ''}>"

    def _show(self, name: str, certificate: Certificate) -> None:
        context = server_context(certificate, keylog=self._keylog)
        context.sni_callback = self._choose
        self._contexts[name] = context
        self._front = self._front or context

    # ---- in the loop's thread

    def _choose(self, tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        tls.context = self._contexts.get((name or "").lower(), tls.context)

    def _start(self) -> None:
        self._entrance = Entrance(self._loop.events, self._listener.socket, _AT_ONCE, self._come_in, lambda error: None)

    def _stop(self) -> None:
        self._stopped = True
        self._entrance.close()
        self._listener.close()
        for task in self._under_way:
            task.cancel()

    def _come_in(self, sock: socket.socket, _: Any) -> None:
        self._connections += 1
        task = self._loop.events.create_task(self._serve(sock, self._connections))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _serve(self, sock: socket.socket, number: int) -> None:
        if self._front is None:
            sock.close()
            return
        try:
            await serve_page(sock, self._front, lambda head, body: self._page(head, body, number))
        except OSError as error:
            self.log.write(number, f"TLS handshake failed: {getattr(error, 'reason', None) or error}")

    def _page(self, head: bytes, body: bytes, number: int) -> WebPage:
        """The page for what is asked for."""
        lines = head.decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        path = rest.partition(" ")[0]
        fields = (line.partition(":") for line in lines[1:])
        name = next((value.strip() for field, _, value in fields if field.strip().lower() == "host"), "")
        name = name.partition(":")[0].lower()
        found = self.pages.get(name, {}).get(path) if method == "GET" else None
        if method == "POST" and (name, path) in self.inboxes:
            self.posted.append(Posted(name, path, body))
            found = TAKEN
        page = found or NOT_FOUND
        self.log.write(number, f"{method} https://{name}{path}: {page.status}, {len(page.body or body)} bytes")
        return page


async def serve_page(sock: socket.socket, context: ssl.SSLContext, find: Callable[[bytes, bytes], WebPage]) -> None:
    """Answer one request inside TLS; `find` gives the page for its head and its content.

    Raises `OSError` when TLS does not begin.
    """
    reader, writer = await accepted(sock, _LONGEST_REQUEST, context)
    with suppress(OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
        try:
            async with asyncio.timeout(_IDLE):
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(min(int(length[1]), _LARGEST_CONTENT)) if length else b""
                writer.write(find(head, body).response)
                await writer.drain()
        finally:
            writer.close()


def fetching(
    host: Host, context: ssl.SSLContext, where: Callable[[str], str], patience: float = PATIENCE
) -> Callable[[str], bytes]:
    """How a host fetches the policy of a domain: the domain in, the body out.

    `context` verifies certificates; `where` gives the address of a name, or raises `NoPolicy`; `patience` is the
    seconds for the whole fetch. What is returned raises `NoPolicy`.
    """

    def fetch(domain: str) -> bytes:
        name = f"mta-sts.{domain}"
        try:
            return _body(exchange(host, context, name, where(name), _asking(name), patience))
        except ssl.SSLCertVerificationError as error:
            why = f"the certificate of {name} does not fit: {error.verify_message.rstrip('.')}"
            raise NoPolicy(why, "sts-webpki-invalid") from error
        except TimeoutError as error:
            why = f"the policy of {domain} cannot be fetched: {name} takes longer than {patience:g} s"
            raise NoPolicy(why, "sts-policy-fetch-error") from error
        except (LabError, OSError) as error:
            why = f"the policy of {domain} cannot be fetched: {put(error, HANDSHAKE, {})}"
            raise NoPolicy(why, "sts-policy-fetch-error") from error

    return fetch


def status_of(response: bytes) -> int:
    """The status of a response; 0 for what is not HTTP."""
    found = _STATUS.match(response)
    return int(found[1]) if found else 0


def _asking(name: str) -> bytes:
    return f"GET {PATH} HTTP/1.0\r\nHost: {name}\r\nAccept: text/plain\r\n\r\n".encode()


def exchange(
    host: Host, context: ssl.SSLContext, name: str, address: str, request: bytes, patience: float = PATIENCE
) -> bytes:
    """The response to a request over HTTPS, whole, within `patience` seconds. Raises `OSError` and `LabError`."""
    end = time.monotonic() + patience
    with host.connect(address, PORT, patience) as sock, context.wrap_socket(sock, server_hostname=name) as inside:
        inside.sendall(request)
        data = b""
        while len(data) <= LARGEST + _LARGEST_HEAD:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            inside.settimeout(left)
            try:
                more = inside.recv(1 << 14)
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # it ends without saying so (RFC 8446 §6.1)
                more = b""
            if not more:
                return data
            data += more
    raise LabError(f"{name} sends more than {LARGEST} bytes")


def _body(response: bytes) -> bytes:
    """The body of a response whose status is 200 and whose type is text. Raises `NoPolicy`."""
    head, blank, body = response.partition(b"\r\n\r\n")
    status = _STATUS.match(head + b"\r\n")
    if not status or not blank:
        raise _fetch_error("the policy host's answer is not HTTP")
    if status[1] != b"200":
        redirect = ", and a redirect may not be followed (RFC 8461 §3.3)" * status[1].startswith(b"3")
        raise _fetch_error(f"the policy host says {status[1].decode()} and not 200{redirect}")
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    type = fields.get(b"content-type", b"text/plain").partition(b";")[0].strip().lower()
    if type != b"text/plain":
        raise _fetch_error(f"the policy is {type.decode('latin-1')[:60]!r} and not text/plain")
    length = fields.get(b"content-length", b"")
    if length.isdigit() and len(length) < 10:
        if len(body) < int(length):
            raise _fetch_error("the policy host closed the connection in the middle of the policy")
        body = body[: int(length)]
    return body


def _fetch_error(why: str) -> NoPolicy:
    return NoPolicy(why, "sts-policy-fetch-error")
