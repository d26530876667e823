"""A client and a server with two ranges of versions: a real SMTP session over STARTTLS between alice and mail, as far
as it comes.

What is agreed is the newest version that both sides know (RFC 8446 §4.2.1, RFC 5246 §E.1). The SMTP around the
handshake is only what an upgrade needs (RFC 3207); the libraries that shake hands are in `handshakes`.
"""

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from labkit.clients.failures import HANDSHAKE
from labkit.interrupts import uninterrupted
from labkit.network import Listener, Network
from labkit.trials.channel import ALL, Channel, HandshakeRefused
from labkit.trials.handshakes import engine
from labkit.trust.certificates import DOMAIN, SERVER_NAME, Authority

PORT = 25
_PATIENCE = 30.0
"""Seconds for each step of a session, which a busy machine may need; all steps take a tenth of one."""
_LONGEST = 60.0
"""Seconds for a whole session."""

RANGES: dict[str, tuple[str, ...]] = {version: (version,) for version in ALL} | {
    "TLS 1.2 to 1.3": ALL[4:],
    "SSL 3.0 to TLS 1.3": ALL[1:],
}
"""The ranges that a lesson compares: each version alone, what is recommended (RFC 9325), and all but SSL 2.0."""


class VersionSession(NamedTuple):
    """The outcome of one session."""

    client: tuple[str, ...]
    server: tuple[str, ...]
    version: str
    """What was agreed; empty when nothing was."""
    cipher: str
    why: str
    """Why nothing was agreed, in the client's words and then in the server's; empty otherwise."""

    def __bool__(self) -> bool:
        return bool(self.version)


def run_session(
    network: Network, authority: Authority, client: tuple[str, ...], server: tuple[str, ...]
) -> VersionSession:
    """Run a session of a client and a server with these ranges. Raises `LabError` for a range that no library
    speaks."""
    listener: Listener | None = None
    try:
        with uninterrupted():
            listener = network.host("mail").listen(PORT)
        return _run(network, listener, authority, client, server)
    finally:
        if listener is not None:
            listener.close()


def every_session(
    network: Network,
    authority: Authority,
    ranges: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[tuple[str, str], VersionSession]:
    """Every client range with every server range: (client's name, server's name) -> the session's outcome.

    `ranges` is name -> versions, `RANGES` unless given. Raises `LabError` for a range that no library speaks.
    """
    ranges = RANGES if ranges is None else ranges
    cells = [(client, server) for client in ranges for server in ranges]
    return {(c, s): run_session(network, authority, ranges[c], ranges[s]) for c, s in cells}


def _run(
    network: Network, listener: Listener, authority: Authority, client: tuple[str, ...], server: tuple[str, ...]
) -> VersionSession:
    complaints: dict[str, str] = {}
    shake = engine(server).server
    serve = _noting(complaints, "server", _serve)
    serving = _thread(serve, listener, lambda sock: shake(sock, server, authority))
    found: list[Channel] = []
    shake_as_client = engine(client).client
    ask = _noting(complaints, "client", _ask)
    with network.host("alice").connect("mail", PORT, _PATIENCE) as sock:
        # Not in the caller's thread: scapy's automata, which speak SSL 2.0, swallow interrupts where they run.
        asking = _thread(ask, sock, lambda inner: shake_as_client(inner, client, authority), found)
        try:
            for thread in (serving, asking):
                thread.start()
            for thread in (asking, serving):
                thread.join(_LONGEST)
        except BaseException:
            _end(sock, asking, serving)
            raise
    if found and not complaints:
        return VersionSession(client, server, found[0].version, found[0].cipher, "")
    why = "; ".join(f"{side}: {complaints[side]}" for side in ("client", "server") if side in complaints)
    return VersionSession(client, server, "", "", why)


def _end(sock: socket.socket, *threads: threading.Thread) -> None:
    """Shut the connection, which both ends notice, and wait for the threads that were started."""
    with uninterrupted():
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            if thread.ident is not None:
                thread.join(_PATIENCE)


def _thread(target: Callable[..., None], *arguments: Any) -> threading.Thread:
    return threading.Thread(target=target, args=arguments, name="labkit versions", daemon=True)


def _noting(complaints: dict[str, str], side: str, act: Callable[..., None]) -> Callable[..., None]:
    def run(*arguments: Any) -> None:
        try:
            act(*arguments)
        except HandshakeRefused as reason:
            complaints[side] = str(reason)
        except TimeoutError:
            complaints[side] = f"the other side said nothing for {_PATIENCE:g} s"
        except (OSError, EOFError):
            complaints[side] = f"the connection broke {HANDSHAKE}"

    return run


def _serve(listener: Listener, shake: Callable[[Any], Channel]) -> None:
    listener.socket.settimeout(_PATIENCE)
    sock, _ = listener.socket.accept()
    sock.settimeout(_PATIENCE)
    with sock:
        _say(sock, f"220 {SERVER_NAME} ESMTP, a server of its time")
        _receive(sock)
        _say(sock, f"250-{SERVER_NAME}\r\n250 STARTTLS")
        _receive(sock)
        _say(sock, "220 Ready to start TLS")
        channel = shake(sock)
        if channel.stream is not None:
            _receive(channel.stream)
            _say(channel.stream, f"250 {SERVER_NAME}")
            _receive(channel.stream)
            _say(channel.stream, "221 Bye")
            _part(channel.stream)


def _ask(sock: Any, shake: Callable[[Any], Channel], found: list[Channel]) -> None:
    _receive(sock)
    for line in (f"EHLO alice.{DOMAIN}", "STARTTLS"):
        _say(sock, line)
        _receive(sock)
    channel = shake(sock)
    if channel.stream is not None:
        for line in (f"EHLO alice.{DOMAIN}", "QUIT"):
            _say(channel.stream, line)
            _receive(channel.stream)
        _part(channel.stream)
    found.append(channel)


def _say(stream: Any, text: str) -> None:
    stream.sendall(f"{text}\r\n".encode())


def _receive(stream: Any) -> bytes:
    """One command or reply; both sides wait for it, so it comes alone."""
    heard = b""
    while not heard.endswith(b"\r\n") or heard[heard.rfind(b"\r\n", 0, -2) + 2 :][3:4] == b"-":
        more = stream.recv(4096)
        if not more:
            raise EOFError
        heard += more
    return heard


def _part(stream: Any) -> None:
    with suppress(OSError):
        stream.close()
