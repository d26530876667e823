"""A connection from one host of the lab to another that does not keep its thread waiting: the loop makes it.

`Host.connect` is the same for a thread that waits.
"""

import errno
import os
import socket

from labkit.network.hosts import Host


class Dialling:
    """A socket that is not connected yet, and the `address` that it is meant for; the caller owns the socket.

    Goes from `host` to another host (by name and nominal port) or to an address inside the lab (and real port). Raises
    `NotListening`, `OutsideTheLab`, or `LabError` for a network that is closed.
    """

    def __init__(self, host: Host, to: str, port: int) -> None:
        network = host.network
        network.still_open()
        self.address = network.locate(to, port, host.name)
        network.admit(self.address[0])
        self.socket = host.tcp(socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET)
        self._host = host
        self._to = to
        self._port = port

    def arrived(self) -> None:
        """The socket is connected: note whose it is."""
        network, end = self._host.network, "{}:{}".format(*self.socket.getsockname()[:2])
        network.name(end, self._host.name)
        network.name(f"{end}>", network.reached(self._to, self._port, self._host.name))

    def problem(self, error: int) -> str:
        """Why the connection could not be made, in a sentence; `error` is a number of errno.h."""
        if error == errno.ECONNREFUSED:
            return f"Nothing listens on port {self._port} of {self._to}: start a server there first."
        return f"{self._host.name} cannot reach port {self._port} of {self._to}: {os.strerror(error)}."
