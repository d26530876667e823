"""Records what the tools of the lessons say, for machines without them: ``python data/record_commands.py``.

One row a command line, as a lesson runs it; it is run against a fresh lab, with the attack of the lesson on the path.
The output goes into commands.json, with the version of the tool.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from labkit import Lab, attacks, command

SEED = "timber 804"
"""Of the five servers of lesson 12."""
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
    port: int = 0
    """That of one of the five servers of lesson 12, for lines which are about it."""


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
    Row(_SWAKS + "--helo alice.lab.test --to bob@lab.test --quit-after EHLO", port=587),
    Row(_OPENSSL + " -verify_return_error", says="QUIT\n", port=25),
    Row(_SWAKS + "--from alice@lab.test --to carol@example.org --quit-after RCPT", port=2525),
    Row(
        "openssl s_client -connect {host}:{port} -starttls imap -noservername -quiet -CAfile {authority}",
        says="a1 CAPABILITY\r\na2 LOGOUT\r\n",
        port=143,
    ),
)


def record(row: Row) -> dict[str, str]:
    """What was typed and what came."""
    with Lab() as lab:
        lab.send(lab.smtp(), "The PIN is 4921", subject="Your new card")
        server = _server(lab, row)
        with lab.mallory(row.vector()):
            typed, *said = command(lab, server, row.line, row.says).text.splitlines()
    return {"typed": typed.removeprefix("$ "), "said": "\n".join(said)}


def _server(lab: Lab, row: Row) -> Any:
    """The server that the line is about."""
    if row.port:
        return lab.mystery(SEED)[row.port]
    return lab.smtp(replace=True) if row.protocol == "smtp" else lab.start(row.protocol, auth=row.auth)


if __name__ == "__main__":
    FILE.write_text(json.dumps({row.line: record(row) for row in ROWS}, indent=1) + "\n", "utf-8")
