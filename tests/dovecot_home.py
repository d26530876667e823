"""A folder in which Dovecot runs, a mail server from elsewhere: its configuration, users and mail."""

import grp
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools import tool

MAIL = b"From: bob@lab.test\r\nTo: alice@lab.test\r\nSubject: dots\r\n\r\n.\r\n..two\r\nPIN 4921\r\n"
"""What lies in every user's inbox."""
PORTS = {"imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995}
USERS = {"alice": "hunter2", "bob": "swordfish"}

_NOBODY = "nobody"
_CONFIGURATION = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {log}
listen = {address}
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
mail_location = maildir:{home}/mail/%u
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
def dovecot_home(
    pem: bytes, ports: Mapping[str, int], address: str = "127.0.0.1", log: str = "/dev/stderr", more: str = ""
) -> Iterator[list[str]]:
    """The command that runs Dovecot in the foreground, with this certificate and key, while the block lasts.

    `ports` is each of `PORTS` -> the real port; `more` are further lines of its configuration.
    """
    program = shutil.which("dovecot", path="/usr/sbin") or tool("dovecot")
    home = Path(tempfile.mkdtemp(prefix="dovecot-"))
    try:
        who = pwd.getpwnam(_NOBODY) if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        group = grp.getgrgid(who.pw_gid).gr_name
        pairs = {protocol: (ports[protocol], ports[f"{protocol}s"]) for protocol in ("imap", "pop3")}
        logins = "".join(_LOGIN.format(protocol=protocol, ports=pair) for protocol, pair in pairs.items())
        facts = {"home": home, "log": log, "address": address, "user": who.pw_name, "group": group, "more": more}
        (home / "dovecot.conf").write_text(_CONFIGURATION.format(logins=logins, **facts))
        (home / "users").write_text("".join(f"{user}:{{PLAIN}}{password}\n" for user, password in USERS.items()))
        (home / "server.pem").write_bytes(pem)
        for user in USERS:
            for folder in ("cur", "new", "tmp"):
                (home / "mail" / user / folder).mkdir(parents=True)
            (home / "mail" / user / "new" / "1.lab").write_bytes(MAIL)
        yield [*_as_ordinary_user(home, group), program, "-F", "-c", str(home / "dovecot.conf")]
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _as_ordinary_user(home: Path, group: str) -> list[str]:
    """What to put before a command, because Dovecot's login processes refuse to be root."""
    if os.getuid() != 0:
        return []
    for path in (home, *home.rglob("*")):
        shutil.chown(path, _NOBODY, group)
    return [tool("setpriv"), "--reuid", _NOBODY, "--regid", group, "--clear-groups"]
