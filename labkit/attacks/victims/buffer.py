"""A buffer that is kept across the upgrade: a mistake of several mail clients, over any client with a socket."""

from typing import Any


class KeptBuffer:
    """Reads lines of whatever socket its client has now, and keeps what it has read ahead, also across the upgrade.

    Mutt (CVE-2020-14954), libetpan (CVE-2020-15953) and curl (CVE-2021-22947) did that.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.held = b""
        """Bytes that were read from the socket and not returned yet."""

    def readline(self, limit: int = -1) -> bytes:
        while b"\n" not in self.held and (data := self._client.sock.recv(4096)):
            self.held += data
        return self.read(self.held.find(b"\n") + 1 or len(self.held))

    def read(self, size: int) -> bytes:
        while len(self.held) < size and (data := self._client.sock.recv(4096)):
            self.held += data
        taken, self.held = self.held[:size], self.held[size:]
        return taken

    def close(self) -> None:
        """Does nothing: the socket belongs to the client."""


class KeepingFile:
    """smtplib and poplib read from their `file`: here it is one `KeptBuffer`, whatever they put in its place."""

    @property
    def file(self) -> KeptBuffer:
        return self.__dict__.setdefault("buffer", KeptBuffer(self))

    @file.setter
    def file(self, _: Any) -> None: ...
