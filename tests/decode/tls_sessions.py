"""Real TLS sessions for the tests of decoding: OpenSSL speaks on both sides, and what crosses is kept."""

import functools
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import trustme

from labkit.decode.event import CLIENT, SERVER
from labkit.decode.tls import Stream
from labkit.trust.keylog import KeyLog, Secrets, parse

NAME = "mail.lab.test"
COMMAND = b"EHLO alice.lab.test\r\n"
REPLY = b"250-mail.lab.test\r\n250 AUTH PLAIN\r\n"

Chunks = list[tuple[str, bytes]]


class Recorded(NamedTuple):
    """A session: who sent what in which order, and its key log."""

    chunks: Chunks
    secrets: Secrets


class Message(NamedTuple):
    """A `labkit.decode.tls.StreamMessage` whose fields have names."""

    sender: str
    kind: str
    title: str
    data: bytes
    encrypted: bool
    opened: bool
    wire: int


@functools.cache
def authority() -> trustme.CA:
    return trustme.CA()


def contexts(version: str, keylog: str, ciphers: str = "ECDHE+AESGCM") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A client's and a server's settings for ``TLS 1.2`` or ``TLS 1.3``."""
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate().configure_cert(server)
    authority().configure_trust(client)
    only = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}[version]
    for context in (client, server):
        context.minimum_version = context.maximum_version = only
        context.set_ciphers(ciphers)
        context.keylog_filename = keylog
    return client, server


@functools.cache
def certificate() -> trustme.LeafCert:
    return authority().issue_cert(NAME)


class Talk:
    """A client and a server in memory, and all that crossed between them."""

    def __init__(self, client: ssl.SSLContext, server: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        self.chunks: Chunks = []
        self._in = {CLIENT: ssl.MemoryBIO(), SERVER: ssl.MemoryBIO()}
        self._out = {CLIENT: ssl.MemoryBIO(), SERVER: ssl.MemoryBIO()}
        self.ends = {
            CLIENT: client.wrap_bio(self._in[CLIENT], self._out[CLIENT], server_hostname=NAME, session=session),
            SERVER: server.wrap_bio(self._in[SERVER], self._out[SERVER], server_side=True),
        }

    def shake_hands(self) -> "Talk":
        done: set[str] = set()
        for _ in range(4):
            for side, end in self.ends.items():
                try:
                    end.do_handshake()
                    done.add(side)
                except ssl.SSLWantReadError:
                    pass
                self._carry(side)
        assert done == {CLIENT, SERVER}
        return self

    def say(self, side: str, data: bytes) -> bytes:
        """Send from one side; what the other reads."""
        self.ends[side].write(data)
        self._carry(side)
        return self._read(SERVER if side == CLIENT else CLIENT)

    def close(self) -> None:
        for side in (CLIENT, SERVER):
            with suppress(ssl.SSLWantReadError):
                self.ends[side].unwrap()
            self._carry(side)

    def _read(self, side: str) -> bytes:
        read = b""
        while True:
            try:
                read += self.ends[side].read(1 << 16)
            except ssl.SSLWantReadError:
                return read

    def _carry(self, side: str) -> None:
        data = self._out[side].read()
        if data:
            self.chunks.append((side, data))
            self._in[SERVER if side == CLIENT else CLIENT].write(data)


@functools.cache
def in_memory(version: str, ciphers: str = "ECDHE+AESGCM", resumed: bool = False) -> Recorded:
    """A handshake, `COMMAND`, `REPLY`, and the close; the second of two such sessions when `resumed`."""
    with KeyLog() as keylog:
        client, server = contexts(version, keylog.path, ciphers)
        talk = _converse(Talk(client, server))
        if resumed:
            talk = _converse(Talk(client, server, talk.ends[CLIENT].session))
            assert talk.ends[CLIENT].session_reused
        return Recorded(talk.chunks, parse(keylog.text()))


def _converse(talk: Talk) -> Talk:
    talk.shake_hands()
    assert talk.say(CLIENT, COMMAND) == COMMAND
    assert talk.say(SERVER, REPLY) == REPLY
    talk.close()
    return talk


def decoded(chunks: Chunks, secrets: Secrets | None) -> tuple[Stream, list[Message]]:
    """Feed a whole session."""
    stream = Stream(secrets)
    return stream, [message for sender, data in chunks for message in fed(stream, sender, data)]


def fed(stream: Stream, sender: str, data: bytes) -> list[Message]:
    """The messages that these bytes complete."""
    return [Message(*message) for message in stream.feed(sender, data)]


def application_data(messages: list[Message], sender: str) -> bytes:
    """What the application on one side sent, as far as it was opened."""
    return b"".join(m.data for m in messages if m.sender == sender and m.kind == "application-data" and m.opened)


# ---- OpenSSL's own programs, for what the ssl module cannot do


def openssl(
    program: str, directory: Path, server: list[str], client: list[str], typed: list[tuple[bytes, str]]
) -> Recorded:
    """One session with a server of its own; see `OpenSSLServer`."""
    with openssl_server(program, directory, server) as running:
        return running.connect(client, typed)


class OpenSSLServer(NamedTuple):
    """A running ``openssl s_server``."""

    program: str
    directory: Path
    port: int

    def connect(self, client: list[str], typed: list[tuple[bytes, str]]) -> Recorded:
        """Let ``openssl s_client`` talk to it through a relay that keeps all.

        `typed` are the lines put into the client, each with the side that has the last word before the next is due.
        """
        keylog = self.directory / "keys.txt"
        options = ["-servername", NAME, "-keylogfile", str(keylog), *client]
        chunks = _relayed(self.port, [self.program, "s_client", *options], typed, self.directory)
        return Recorded(chunks, parse(keylog.read_text()))


@contextmanager
def openssl_server(program: str, directory: Path, options: list[str]) -> Iterator[OpenSSLServer]:
    """A server with the tests' certificate; with ``-rev`` it sends each line back turned round."""
    pem = directory / "server.pem"
    certificate().private_key_and_cert_chain_pem.write_to_path(pem)
    command = [program, "s_server", "-accept", "127.0.0.1:0", "-cert", pem, "-key", pem, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as serving:
        try:
            accepting = next(line for line in serving.stdout if b"ACCEPT" in line)
            threading.Thread(target=serving.stdout.read, daemon=True).start()
            yield OpenSSLServer(program, directory, int(accepting.rpartition(b":")[2]))
        finally:
            serving.kill()


def _relayed(port: int, command: list[str], typed: list[tuple[bytes, str]], directory: Path) -> Chunks:
    chunks: Chunks = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        command += ["-connect", f"127.0.0.1:{listener.getsockname()[1]}"]
        client = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=directory
        )
        near, _ = listener.accept()
    far = socket.create_connection(("127.0.0.1", port), timeout=60)
    with near, far, client:
        relays = [
            threading.Thread(target=_relay, args=(CLIENT, near, far, chunks)),
            threading.Thread(target=_relay, args=(SERVER, far, near, chunks)),
        ]
        for relay in relays:
            relay.start()
        _wait_for(chunks, 0, SERVER)
        for line, last in typed:
            heard = len(chunks)
            os.write(client.stdin.fileno(), line)
            _wait_for(chunks, heard, last)
        try:
            client.wait(60)
        finally:
            client.kill()
            for relay in relays:
                relay.join(60)
    return chunks


def _wait_for(chunks: Chunks, heard: int, last: str) -> None:
    """Wait until there are more than `heard` chunks, the last is of that side, and for a moment there is no other."""
    limit, quiet = time.monotonic() + 60, 0
    while quiet < 4 and time.monotonic() < limit:
        before = len(chunks)
        time.sleep(0.02)
        quiet = quiet + 1 if len(chunks) == before > heard and chunks[-1][0] == last else 0


def _relay(sender: str, source: socket.socket, sink: socket.socket, chunks: Chunks) -> None:
    source.settimeout(60)
    try:
        while data := source.recv(1 << 16):
            chunks.append((sender, data))
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
