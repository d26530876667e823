"""SSL 2.0, the first version that was published (Netscape, 1995), by scapy's automata on sockets of the lab.

The handshake runs to the end on both sides. What could follow is left out: a session of SSL 2.0 has no proper end and
nothing that a mail could be trusted to, which is why RFC 6176 forbids it.
"""

import socket
from functools import cache
from typing import Any

from labkit.clients.failures import HANDSHAKE
from labkit.trials.channel import SSL2, Channel, HandshakeRefused
from labkit.trust.certificates import Authority

_CIPHER = 0x0700C0
_CIPHER_NAME = "SSL_CK_DES_192_EDE3_CBC_WITH_MD5"
_CLIENT_HELLO = 1
_PATIENCE = 30.0
"""Seconds to wait for a message; scapy gives up after 2, which a busy machine may need."""
_FROM_HERE = {"server": "127.0.0.1", "verbose": False}
"""Arguments that scapy requires; they are not used, because the sockets are connected already."""


def client(sock: socket.socket, versions: tuple[str, ...], authority: Authority) -> Channel:
    """Shake hands as the client. Raises `HandshakeRefused`."""
    return _run(_client_automaton()(sock, **_FROM_HERE, version="sslv2", ciphersuite=_CIPHER))


def server(sock: socket.socket, versions: tuple[str, ...], authority: Authority) -> Channel:
    """Shake hands as the server, with a client that speaks SSL 2.0 alone. Raises `HandshakeRefused`."""
    head = sock.recv(3, socket.MSG_PEEK)
    if len(head) < 3 or not head[0] & 0x80 or head[2] != _CLIENT_HELLO:
        raise HandshakeRefused("what the client sent is not a hello of SSL 2.0")
    shown = authority.with_rsa_key()
    options = {"mycert": shown.pem, "mykey": shown.key, "preferred_ciphersuite": _CIPHER}
    return _run(_server_automaton()(sock, **_FROM_HERE, **options))


def _run(automaton: Any) -> Channel:
    try:
        automaton.run()
    except Exception as error:  # scapy passes on what its dissectors raise on bytes that are not SSL 2.0
        raise HandshakeRefused("what the other side sent is not SSL 2.0") from error
    finally:
        _stop(automaton)
    if not automaton.complete:
        raise HandshakeRefused(f"the other side closed the connection {HANDSHAKE}")
    return Channel(SSL2, _CIPHER_NAME, None)


def _stop(automaton: Any) -> None:
    from scapy.automaton import Automaton

    Automaton.stop(automaton)  # what the server's own would do besides is for a listening socket
    automaton.destroy()


class _OnGivenSocket:
    """What both automata do otherwise than scapy's: they take a socket that is connected, and wait longer."""

    complete = False
    """Whether the handshake has come to its end."""

    def __init__(self, sock: socket.socket, **options: Any) -> None:
        self._given = sock
        super().__init__(**options)

    def get_next_msg(self, socket_timeout: float = _PATIENCE, retry: int = 1) -> None:
        super().get_next_msg(socket_timeout, retry)


@cache
def _client_automaton() -> type:
    """scapy's client with the state replaced in which it makes a socket, and ended after the handshake."""
    from scapy.automaton import ATMT
    from scapy.layers.tls.automaton_cli import TLSClientAutomaton

    class Client(_OnGivenSocket, TLSClientAutomaton):
        @ATMT.state()
        def CONNECT(self) -> None:
            self.socket = self._given
            raise self.SSLv2_PREPARE_CLIENTHELLO()

        @ATMT.state()
        def SSLv2_HANDLED_SERVERFINISHED(self) -> None:
            self.complete = True
            raise self.FINAL()

        @ATMT.state(final=1)
        def FINAL(self) -> None:
            """The caller closes the socket."""

    return Client


@cache
def _server_automaton() -> type:
    """scapy's server with the state replaced in which it makes a socket, and ended after the handshake."""
    from scapy.automaton import ATMT
    from scapy.layers.tls.automaton_srv import TLSServerAutomaton

    class Server(_OnGivenSocket, TLSServerAutomaton):
        @ATMT.state()
        def BIND(self) -> None:
            self.socket = self._given
            raise self.INIT_TLS_SESSION()

        @ATMT.state()
        def SOCKET_CLOSED(self) -> None:
            raise self.FINAL()

        @ATMT.state()
        def SSLv2_SENT_SERVERFINISHED(self) -> None:
            self.complete = True
            raise self.FINAL()

        @ATMT.state(final=1)
        def FINAL(self) -> None:
            """The caller closes the socket."""

    return Server
