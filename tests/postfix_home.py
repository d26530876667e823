"""A folder in which Postfix runs, a mail server from elsewhere; Postfix changes its user."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools import tool

_MAIN = """
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
inet_protocols = ipv4
inet_interfaces = all
myhostname = mail.lab.test
mydestination = lab.test
smtpd_tls_chain_files = {home}/server.pem
smtpd_tls_security_level = may
smtpd_tls_protocols = >=TLSv1.2
maillog_file = /dev/stdout
alias_maps =
local_recipient_maps =
local_transport = discard
default_transport = discard
{more}
"""
SERVICES = """\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
discard unix - - n - - discard
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
"""The lines of master.cf for Postfix's own services, none of which listens to a network."""


@contextmanager
def postfix_home(pem: bytes, at: str, more: str = "") -> Iterator[list[str]]:
    """The command that runs Postfix in the foreground, as root: it listens `at` this address, and discards all mail.

    `more` are further lines of its main.cf.
    """
    program = shutil.which("postfix", path="/usr/sbin") or tool("postfix")
    home = Path(tempfile.mkdtemp(prefix="postfix-"))
    try:
        home.chmod(0o755)
        for folder in ("etc", "spool", "data"):
            (home / folder).mkdir()
        shutil.chown(home / "data", "postfix")
        (home / "server.pem").write_bytes(pem)
        (home / "etc" / "main.cf").write_text(_MAIN.format(home=home, more=more))
        (home / "etc" / "master.cf").write_text(f"{at} inet n - n - - smtpd\n{SERVICES}")
        yield [program, "-c", str(home / "etc"), "start-fg"]
    finally:
        shutil.rmtree(home, ignore_errors=True)
