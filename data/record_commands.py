"""Records what the tools of the lessons say, for machines without them: ``python data/record_commands.py``.

One row a command line, as a lesson runs it; it is run against a fresh lab, with the attack of the lesson on the path.
The output goes into commands.json, with the version of the tool.
"""

import json
from pathlib import Path
from typing import NamedTuple

from labkit import Lab, attacks, command

FILE = Path(__file__).with_name("commands.json")
_SWAKS = "swaks --server {host}:{port} "
_OPENSSL = "openssl s_client -connect {host}:{port} -starttls smtp -noservername -brief -CAfile {authority}"
_CURL = "curl --no-progress-meter --ssl-reqd --cacert {authority} --connect-to ::{host}:{port} --user bob:swordfish "


class Row(NamedTuple):
    """One command line."""

    line: str
    protocol: str = "smtp"
    says: str = ""
    vector: type[attacks.Vector] = attacks.Vector
    auth: str = "after TLS"


ROWS = (
    Row(_SWAKS + "--helo alice.lab.test --to bob@lab.test --tls --quit-after TLS"),
    Row(_OPENSSL, says="QUIT\n"),
    Row(_CURL + "imap://mail.lab.test/", "imap"),
    Row(_CURL + "pop3://mail.lab.test/", "pop3"),
    Row(
        "curl --ssl --no-progress-meter --user bob:swordfish pop3://{host}:{port}/",
        "pop3",
        vector=attacks.StripCapability,
        auth="always",
    ),
    Row(
        _SWAKS + "--to bob@lab.test --tls-verify --tls --tls-ca-path {authority} --auth PLAIN "
        "--auth-user alice --auth-password hunter2 --silent 2",
        vector=attacks.WrongName,
    ),
    Row(
        _OPENSSL + " -verify_hostname mail.lab.test -verify_return_error",
        says="QUIT\n",
        vector=attacks.WrongName,
    ),
)


def record(row: Row) -> dict[str, str]:
    """What was typed and what came."""
    with Lab() as lab:
        lab.send(lab.smtp(), "The PIN is 4921", subject="Your new card")
        server = lab.smtp(replace=True) if row.protocol == "smtp" else lab.start(row.protocol, auth=row.auth)
        with lab.mallory(row.vector()):
            typed, *said = command(lab, server, row.line, row.says).text.splitlines()
    return {"typed": typed.removeprefix("$ "), "said": "\n".join(said)}


if __name__ == "__main__":
    FILE.write_text(json.dumps({row.line: record(row) for row in ROWS}, indent=1) + "\n", "utf-8")
