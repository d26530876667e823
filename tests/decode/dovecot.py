"""Dovecot on loopback, where any program reaches it; alice's password is ``hunter2``."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import IO

from dovecot_home import PORTS, dovecot_home
from tls_sessions import certificate

from labkit.network import make


@contextmanager
def dovecot(more: str = "") -> Iterator[dict[str, tuple[str, int]]]:
    """A running server with `dovecot_home.MAIL` in alice's mailbox: protocol -> where it listens.

    `more` are lines of its configuration, which count more than those of `dovecot_home`.
    """
    with closing(make("loopback", ("mail",))) as network:
        ports = {name: network.host("mail").free_port(port) for name, port in PORTS.items()}
    pem = certificate().private_key_and_cert_chain_pem.bytes()
    with (
        tempfile.TemporaryFile() as log,
        dovecot_home(pem, ports, more=more) as command,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log) as running,
    ):
        try:
            for port in ports.values():
                _wait_for(port, log)
            yield {name: ("127.0.0.1", port) for name, port in ports.items()}
        finally:
            running.terminate()


def _wait_for(port: int, log: IO[bytes]) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    log.seek(0)
    raise AssertionError(f"Dovecot does not listen: {log.read()!r}")
