"""An interceptor between two plain sockets: a test says both sides' bytes, and reads what arrives."""

import socket
import threading
from contextlib import contextmanager, suppress

from labkit.attacks.engine.interceptor import Interceptor, Target
from labkit.dialects import for_port
from labkit.network import make
from labkit.trust.certificates import Authority

AUTHORITY = Authority()


def target(host, port):
    """The server that is registered for this port, on that host."""
    dialect = for_port(port)
    return Target(host, port, dialect, dialect is not None and port in dialect.implicit_ports)


@contextmanager
def intercepted(vector, port=587):
    """(network, interceptor, the server's listener) with the attacker between alice and mail."""
    network = make("loopback")
    try:
        listener = network.host("mail").listen(port)
        with Interceptor(network, vector, [target("mail", port)], AUTHORITY) as interceptor:
            yield network, interceptor, listener
    finally:
        network.close()


@contextmanager
def joined(network, listener, port=587):
    """The victim's socket and the server's, with the attacker between them."""
    with network.host("alice").connect("mail", port, timeout=30) as victim:
        server, _ = listener.socket.accept()
        with server:
            server.settimeout(30)
            yield victim, server


def everything(sock):
    """All bytes until the end of the stream."""
    data = b""
    with suppress(ConnectionResetError):
        while piece := sock.recv(1 << 16):
            data += piece
    return data


def talk(vector, client, server, port=587):
    """What each side receives when both say everything at once, in these pieces, and then no more."""
    with intercepted(vector, port) as (network, _, listener), joined(network, listener, port) as (alice, mail):
        received = {}
        ends = [("server", mail, client, alice), ("client", alice, server, mail)]
        readers = [
            threading.Thread(target=lambda n=name, s=to: received.update({n: everything(s)})) for name, to, _, _ in ends
        ]
        for thread in readers:
            thread.start()
        for _, _, pieces, sender in ends:
            for piece in pieces:
                sender.sendall(piece)
            sender.shutdown(socket.SHUT_WR)
        for thread in readers:
            thread.join(60)
        return received["server"], received["client"]
