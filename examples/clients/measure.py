"""What mail programs do when TLS is taken away: each of `CLIENTS` is run under a few attacks, and a table is printed.

``python examples/clients/measure.py`` prints the table of the README; those that are not installed are left out.
nodemailer is found where ``npm install nodemailer`` puts it, in this folder, or where Debian does.
"""

import os
import shutil
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from labkit import Lab, attacks
from labkit.trials.any_client import CLEAR, IMPLICIT, UPGRADED, ClientMatrix, every_run, mail_program

FOLDER = Path(__file__).parent
PYTHON, TOLD = sys.executable, "{scheme} {host} {port} {user} {password} {ca}"
ENVELOPE = "--mail-from alice@lab.test --mail-rcpt bob@lab.test --upload-file {message}"
CURL = f"curl -sS --max-time 5 --cacert {{ca}} --user {{user}}:{{password}} {ENVELOPE} {{scheme}}://{{host}}:{{port}}/"
MSMTP = (
    "msmtp --host={host} --port={port} --timeout=5 --tls=on --tls-trust-file={ca} --auth=plain --user={user} "
    "--passwordeval='echo {password}' --from=alice@lab.test bob@lab.test"
)
SWAKS = (
    "swaks --server {host} --port {port} --timeout 5 --from alice@lab.test --to bob@lab.test --auth PLAIN "
    "--auth-user {user} --auth-password {password} --data @{message}"
)
ATTACKS = (attacks.StripCapability, attacks.RefuseUpgrade, attacks.WrongName)
COLUMNS = {
    "no TLS offered": ("", CLEAR),
    "offer removed (N1)": ("N1", UPGRADED),
    "command refused (N2)": ("N2", UPGRADED),
    "wrong name (C3)": ("C3", UPGRADED),
    "implicit, wrong name (C3)": ("C3", IMPLICIT),
}
"""Head of a column -> (attack, mode)."""
NODE_PATH = os.pathsep.join((str(FOLDER / "node_modules"), "/usr/share/nodejs"))


class Client(NamedTuple):
    """A mail program, used in one way."""

    name: str
    needs: str
    """What must be installed: a program, or a package of Python or of node."""
    command: str
    protocol: str = "smtp"
    implicit: str = ""
    """Its words for implicit TLS, where they are others."""

    @property
    def installed(self) -> bool:
        """Whether it can run here."""
        places = (Path(folder, self.needs) for folder in NODE_PATH.split(os.pathsep))
        return bool(shutil.which(self.needs) or find_spec(self.needs)) or any(place.exists() for place in places)


def _script(name: str, word: str = "") -> str:
    runs = {".py": PYTHON, ".js": "node", ".sh": "sh"}[Path(name).suffix]
    return f"{runs} {FOLDER / name} {word} {TOLD}"


CLIENTS = (
    Client("smtplib, `starttls(context=…)`", "smtplib", _script("smtplib_required.py")),
    Client("smtplib, if offered, without a context", "smtplib", _script("smtplib_offered.py")),
    Client("aiosmtplib, `start_tls=True`", "aiosmtplib", _script("aiosmtplib_send.py", "required")),
    Client("aiosmtplib, as it is", "aiosmtplib", _script("aiosmtplib_send.py", "default")),
    Client("IMAPClient, `starttls(context)`", "imapclient", _script("imapclient_fetch.py", "required"), "imap"),
    Client("IMAPClient, if offered", "imapclient", _script("imapclient_fetch.py", "offered"), "imap"),
    Client("nodemailer, `requireTLS: true`", "nodemailer", _script("nodemailer_send.js", "required")),
    Client("nodemailer, as it is", "nodemailer", _script("nodemailer_send.js", "default")),
    Client("curl, `--ssl-reqd`", "curl", f"{CURL} --ssl-reqd"),
    Client("curl, `--ssl`", "curl", f"{CURL} --ssl"),
    Client("msmtp, `tls on`", "msmtp", MSMTP, implicit=f"{MSMTP} --tls-starttls=off"),
    Client("swaks, `--tls`", "swaks", f"{SWAKS} --tls", implicit=f"{SWAKS} --tls-on-connect"),
    Client("swaks, `--tls-optional`", "swaks", f"{SWAKS} --tls-optional", implicit=f"{SWAKS} --tls-on-connect"),
    Client("mutt, `ssl_force_tls=yes`", "mutt", _script("mutt_send.sh", "yes")),
    Client("mutt, `ssl_force_tls=no`", "mutt", _script("mutt_send.sh", "no")),
    Client("offlineimap, `starttls = yes`", "offlineimap", _script("offlineimap_fetch.sh"), "imap"),
)


def measured(client: Client, network: str = "loopback") -> ClientMatrix:
    """The verdicts of these attacks on a client. Raises `LabError` where it is not installed."""
    os.environ.setdefault("NODE_PATH", NODE_PATH)
    program = mail_program(client.command, client.protocol, client.implicit, timeout=30, vectors=ATTACKS)
    return every_run(partial(Lab, network), program, lambda: None)


def row(client: Client, matrix: ClientMatrix) -> str:
    """A row of the table."""
    outcomes = [matrix.verdict(*where).outcome for where in COLUMNS.values()]
    cells = (f"**{outcome}**" if outcome == "leaked" else outcome for outcome in outcomes)
    return f"| {client.name} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table, in Markdown."""
    print(f"| Program | {' | '.join(COLUMNS)} |", "|---" * (1 + len(COLUMNS)) + "|", sep="\n")
    for client in CLIENTS:
        if client.installed:
            print(row(client, measured(client)), flush=True)


if __name__ == "__main__":
    main()
