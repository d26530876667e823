"""What proxies say on a connection before the conversation: a PROXY header, SOCKS, or HTTP CONNECT.

The PROXY protocol is HAProxy's (proxy-protocol.txt, versions 1 and 2); SOCKS 4 and 5 are RFC 1928 and RFC 1929, and
CONNECT is RFC 9110 §9.3.6.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple

from labkit.decode.event import CLIENT, SERVER, Event, Field
from labkit.dialects import http
from labkit.dialects.base import Disclosed

_V2 = b"\r\n\r\n\0\r\nQUIT\n"
"""The signature of version 2."""
_BEGINNINGS = (b"PROXY ", _V2, b"\x05", b"\x04\x01", b"CONNECT ")
LONGEST = 1 << 16
"""How many bytes of a side are searched for prefaces: the longest PROXY header of version 2."""


class Part(NamedTuple):
    """One phrase of a preface."""

    sender: str
    title: str
    size: int
    """Bytes."""


def may_have_preface(client: bytes) -> bool:
    """Whether these first bytes of a client may come from a proxy, or go to one."""
    return client.startswith(_BEGINNINGS)


def preface(server: bytes, client: bytes) -> list[Part]:
    """The parts of the prefaces with which the two sides begin, in order; the conversation stands after them."""
    found: list[Part] = []
    while (
        parts := _proxy_header(client) or _socks5(server, client) or _socks4(server, client) or _connect(server, client)
    ):
        found += parts
        server = server[sum(part.size for part in parts if part.sender == SERVER) :]
        client = client[sum(part.size for part in parts if part.sender == CLIENT) :]
    return found


def _proxy_header(client: bytes) -> list[Part]:
    if match := _V1.match(client):
        return [Part(CLIENT, "PROXY header", match.end())]
    if client.startswith(_V2) and len(client) >= _V2_HEAD and client[12] >> 4 == 2:
        size = _V2_HEAD + int.from_bytes(client[14:16], "big")
        return [Part(CLIENT, "PROXY header", size)] if size <= len(client) else []
    return []


_V1 = re.compile(rb"PROXY (?:UNKNOWN[^\r\n]{0,92}|TCP[46] \S+ \S+ \d+ \d+)\r\n")
_V2_HEAD = 16


def _socks5(server: bytes, client: bytes) -> list[Part]:
    """Methods, the chosen one, perhaps a name and a password, the request and its reply (RFC 1928 §3 to §6)."""
    offered = client[1] if len(client) > 1 and client[0] == 5 else 0
    if not offered or len(client) < 2 + offered or (server and not re.match(rb"\x05[\x00-\x02\xff]", server)):
        return []
    parts = [Part(CLIENT, "SOCKS5 methods", 2 + offered)]
    parts += [Part(SERVER, "SOCKS5 method", 2)] if server else []
    client, server = client[2 + offered :], server[2:]
    if login := _SOCKS_LOGIN.match(client):
        name = login[1][0]
        size = 3 + name + client[2 + name] if len(client) > 2 + name else 0
        if 0 < size <= len(client):
            parts += [Part(CLIENT, "SOCKS5 login", size)]
            parts += [Part(SERVER, "SOCKS5 login reply", 2)] if server[:1] == b"\x01" and len(server) >= 2 else []
            client, server = client[size:], server[2:] if server[:1] == b"\x01" else server
    request = _socks5_address(client) if re.match(rb"\x05[\x01-\x03]\x00", client) else 0
    if request:
        parts.append(Part(CLIENT, "SOCKS5 request", request))
    reply = _socks5_address(server) if re.match(rb"\x05[\x00-\x08]\x00", server) else 0
    if reply:
        parts.append(Part(SERVER, "SOCKS5 reply", reply))
    return parts if request or reply else []


_SOCKS_LOGIN = re.compile(rb"\x01([\x01-\xff])", re.DOTALL)


def _socks5_address(data: bytes) -> int:
    """Bytes of a request or reply, whose address has a type; 0 where it is not whole."""
    kind = data[3] if len(data) > 4 else 0
    length = {1: 4, 3: 1 + data[4] if len(data) > 4 else 0, 4: 16}.get(kind, 0)
    size = 4 + length + 2
    return size if length and size <= len(data) else 0


def _socks4(server: bytes, client: bytes) -> list[Part]:
    match = _SOCKS4.match(client)
    if not match or (server and not re.match(rb"\x00[\x5a-\x5d]", server)):
        return []
    parts = [Part(CLIENT, "SOCKS4 request", match.end())]
    return parts + ([Part(SERVER, "SOCKS4 reply", 8)] if len(server) >= 8 else [])


_SOCKS4 = re.compile(rb"\x04[\x01\x02]..(?:\0\0\0[^\0][^\0]{0,255}\0[^\0]{1,255}\0|....[^\0]{0,255}\0)", re.DOTALL)


def _connect(server: bytes, client: bytes) -> list[Part]:
    request = _CONNECT.match(client)
    if not request:
        return []
    parts = [Part(CLIENT, "CONNECT request", request.end())]
    if answer := _ANSWER.match(server):
        size = answer.end()
        if not answer[1].startswith(b"2") and (length := _LENGTH.search(answer[0])):
            size = min(len(server), size + int(length[1]))
        parts.append(Part(SERVER, "CONNECT reply", size))
    return parts


_CONNECT = re.compile(rb"CONNECT \S{1,300} HTTP/1\.[01]\r\n(?:[^\r\n]+\r\n)*\r\n")
_ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n")
_LENGTH = re.compile(rb"^Content-Length: *(\d{1,9})\r$", re.IGNORECASE | re.MULTILINE)


# ---- what a login to a proxy discloses

_SOCKS4_USER = re.compile(rb"\x04.{7}(?P<user>[^\0]+)", re.DOTALL)


def reveals(title: str, data: bytes) -> Iterator[Disclosed]:
    """The name and password with which a client logs in to a proxy (RFC 1929 §2, RFC 7617 §2; SOCKS 4)."""
    if title == "SOCKS5 login":
        behind = 2 + data[1]
        yield Disclosed("user name", data[2:behind], 2, behind)
        yield Disclosed("password", data[behind + 1 :], behind + 1, len(data))
    elif title == "SOCKS4 request" and (match := _SOCKS4_USER.match(data)):
        yield Disclosed("user name", match["user"], *match.span("user"))
    elif title == "CONNECT request":
        yield from http.reveals(title, data)


# ---- what can be said about an event


class Prefaces:
    """The origin of the events of a preface."""

    begun = None

    def meaning(self, event: Event) -> str:
        if event.title == "PROXY header":
            return f"A proxy tells the server {_who(event.data)} (PROXY protocol)."
        return _MEANINGS[event.title]

    def lines(self, event: Event) -> list[tuple[str, str]]:
        return [(event.title, self.meaning(event))]

    def fields(self, event: Event) -> tuple[Field, ...]:
        return (Field(event.title, 0, len(event.data), event.text, self.meaning(event)),)


PREFACES = Prefaces()

_MEANINGS = {
    "SOCKS5 methods": "The client says how it can log in to the proxy (RFC 1928 §3).",
    "SOCKS5 method": "The proxy chooses how to log in (RFC 1928 §3).",
    "SOCKS5 login": "The client logs in to the proxy, with its name and password as they are (RFC 1929 §2).",
    "SOCKS5 login reply": "The proxy says whether the login was right (RFC 1929 §2).",
    "SOCKS5 request": "The client asks the proxy for a connection to the server (RFC 1928 §4).",
    "SOCKS5 reply": "The proxy says whether there is a connection (RFC 1928 §6).",
    "SOCKS4 request": "The client asks the proxy for a connection to the server (SOCKS 4).",
    "SOCKS4 reply": "The proxy says whether there is a connection (SOCKS 4).",
    "CONNECT request": "The client asks an HTTP proxy for a connection to the server (RFC 9110 §9.3.6).",
    "CONNECT reply": "The proxy says whether there is a connection (RFC 9110 §9.3.6).",
}


def _who(header: bytes) -> str:
    """The client that a PROXY header names, in words."""
    if not header.startswith(_V2):
        words = header.decode("ascii", "backslashreplace").split()
        return f"that the client is {words[2]} port {words[4]}" if len(words) == 6 else "nothing about the client"
    width = {1: 4, 2: 16}.get(header[13] >> 4, 0)
    if header[12] & 0xF == 0 or not width or len(header) < _V2_HEAD + 2 * width + 4:
        return "nothing about the client"
    address = ip_address(header[_V2_HEAD : _V2_HEAD + width])
    port = int.from_bytes(header[_V2_HEAD + 2 * width : _V2_HEAD + 2 * width + 2], "big")
    return f"that the client is {address} port {port}"
