"""Postfix, a mail server that nobody here wrote, on loopback; only root may start it."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tools import tool

_MAIN = """
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mail.lab.test
mydestination = lab.test
maillog_file = {home}/log
maillog_file_prefixes = {home}
smtpd_tls_chain_files = {home}/server.pem
alias_maps =
alias_database =
local_recipient_maps =
{more}
"""
_MASTER = """
127.0.0.1:{explicit} inet n - n - - smtpd
127.0.0.1:{implicit} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
error unix - - n - - error
"""


@contextmanager
def postfix(pem: bytes, more: str) -> Iterator[dict[str, int]]:
    """A running Postfix with this certificate and key: ``explicit`` and ``implicit`` -> its port on 127.0.0.1.

    `more` are lines of its main.cf.
    """
    if os.geteuid() != 0:
        pytest.skip("only root may start Postfix outside a private LAN")
    program = shutil.which("postfix", path="/usr/sbin") or tool("postfix")
    home = Path(tempfile.mkdtemp(prefix="postfix-"))
    try:
        home.chmod(0o755)
        for folder in ("etc", "queue", "data"):
            (home / folder).mkdir()
        shutil.chown(home / "data", "postfix")
        ports = {"explicit": _free_port(), "implicit": _free_port()}
        (home / "server.pem").write_bytes(pem)
        (home / "etc" / "main.cf").write_text(_MAIN.format(home=home, more=more))
        (home / "etc" / "master.cf").write_text(_MASTER.format(**ports))
        _run(program, home, "start")
        try:
            for port in ports.values():
                _wait_for(port, home)
            yield ports
        finally:
            _run(program, home, "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _run(program: str, home: Path, verb: str) -> None:
    command = [program, "-c", str(home / "etc"), verb]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(port: int, home: Path) -> None:
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"Postfix does not listen: {(home / 'log').read_text()}")
