"""Dovecot, a mail server that nobody here wrote, on loopback, with alice's mailbox in a folder of its own."""

import grp
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tls_sessions import authority, certificate
from tools import tool

MAIL = b"From: bob@lab.test\r\nTo: alice@lab.test\r\nSubject: dots\r\n\r\n.\r\n..two\r\nPIN 4921\r\n"
PORTS = {"imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995}

_NOBODY = "nobody"
_CONFIGURATION = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
listen = 127.0.0.1
protocols = imap pop3
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 0
first_valid_gid = 0
ssl = yes
ssl_cert = <{home}/server.pem
ssl_key = <{home}/server.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:{home}/mail
passdb {{
  driver = passwd-file
  args = {home}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={home}
}}
service anvil {{
  chroot =
}}
{logins}
{more}
"""
_LOGIN = """
service {protocol}-login {{
  chroot =
  inet_listener {protocol} {{
    port = {ports[0]}
  }}
  inet_listener {protocol}s {{
    port = {ports[1]}
  }}
}}
"""


@contextmanager
def dovecot(more: str = "") -> Iterator[dict[str, tuple[str, int]]]:
    """A running server with `MAIL` in alice's mailbox: protocol -> where it listens. Her password is ``hunter2``.

    `more` are lines of its configuration, which count more than those here.
    """
    program = shutil.which("dovecot", path="/usr/sbin") or tool("dovecot")
    home = Path(tempfile.mkdtemp(prefix="dovecot-"))
    ports = {name: _free_port() for name in PORTS}
    try:
        _furnish(home, ports, more)
        command = [*_as_ordinary_user(home), program, "-F", "-c", str(home / "dovecot.conf")]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as running:
            try:
                for port in ports.values():
                    _wait_for(port, home)
                yield {name: ("127.0.0.1", port) for name, port in ports.items()}
            finally:
                running.terminate()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _furnish(home: Path, ports: dict[str, int], more: str) -> None:
    who = pwd.getpwnam(_NOBODY) if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    pairs = {protocol: (ports[protocol], ports[f"{protocol}s"]) for protocol in ("imap", "pop3")}
    logins = "".join(_LOGIN.format(protocol=protocol, ports=pair) for protocol, pair in pairs.items())
    text = _CONFIGURATION.format(
        home=home, user=who.pw_name, group=grp.getgrgid(who.pw_gid).gr_name, logins=logins, more=more
    )
    (home / "dovecot.conf").write_text(text)
    (home / "users").write_text("alice:{PLAIN}hunter2\n")
    certificate().private_key_and_cert_chain_pem.write_to_path(home / "server.pem")
    authority().cert_pem.write_to_path(home / "authority.pem")
    for folder in ("cur", "new", "tmp"):
        (home / "mail" / folder).mkdir(parents=True)
    (home / "mail" / "new" / "1.lab").write_bytes(MAIL)


def _as_ordinary_user(home: Path) -> list[str]:
    """What to put before a command, because Dovecot's login processes refuse to be root."""
    if os.getuid() != 0:
        return []
    group = grp.getgrgid(pwd.getpwnam(_NOBODY).pw_gid).gr_name
    for path in (home, *home.rglob("*")):
        shutil.chown(path, _NOBODY, group)
    return [tool("setpriv"), "--reuid", _NOBODY, "--regid", group, "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(port: int, home: Path) -> None:
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"Dovecot does not listen: {(home / 'log').read_text()}")
