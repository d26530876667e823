"""A tool that labkit did not write, such as swaks, run on alice's host against a server of the lab: the command and its
output.

Where the tool is not installed, its recorded output is shown, and said to be recorded. The recordings are in
data/commands.json: the line that a lesson runs -> what was typed and what came. data/record_commands.py makes them.
"""

import json
import shlex
import shutil
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from labkit.errors import LabError
from labkit.limits import within_limits
from labkit.scratch import temporary
from labkit.show import html
from labkit.show.page import Page
from labkit.show.recordings import FOLDER

if TYPE_CHECKING:
    from labkit.lab import Lab
    from labkit.servers.server import Server

RECORDED = FOLDER / "commands.json"
_AUTHORITY = "authority.pem"
"""What the file with the certificate of the lab's authority is called in what is shown."""
_TIMEOUT = 10.0
"""Seconds that a tool may take."""


def command(lab: "Lab", server: "Server", line: str, says: str = "") -> Page:
    """Run a command line on alice's host, with `says` on its standard input, and show it with its output.

    In `line`, ``{host}`` and ``{port}`` are where `server` is reached, and ``{authority}`` is a file with the
    certificate of the lab's authority. Where the tool is not installed, its recorded output is shown instead. Raises
    `LabError` where there is none either, and for a tool that does not end within 10 seconds.
    """
    if not shutil.which(line.split()[0]):
        return _recorded(line)
    host, port = lab.network.locate(server.host, server.port, lab.alice.name)
    with temporary(partial(TemporaryDirectory, prefix="labkit-")) as folder:
        authority = Path(folder) / _AUTHORITY
        with within_limits("Writing a file for the tool"):
            authority.write_bytes(lab.authority.pem)
        typed = line.format(host=host, port=port, authority=authority)
        done = lab.alice.run(shlex.split(typed), says.encode(), _TIMEOUT)
        said = (done.stdout + done.stderr).decode("utf-8", "replace").replace(str(authority), _AUTHORITY)
    return _shown(line.format(host=host, port=port, authority=_AUTHORITY), said)


def _recorded(line: str) -> Page:
    known = json.loads(Path(RECORDED).read_text("utf-8")) if RECORDED.exists() else {}
    name = line.split()[0]
    if line not in known:
        raise LabError(f"{name!r} is not installed here, and this line was not recorded: install it, or go on.")
    return _shown(known[line]["typed"], known[line]["said"], f"{name} is not installed here: this was recorded.")


def _shown(typed: str, said: str, note: str = "") -> Page:
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    return Page(partial(_body, typed, lines, note), "\n".join(filter(None, [note, f"$ {typed}", *lines])))


def _body(typed: str, lines: list[str], note: str) -> html.Node:
    below = [part for line in lines for part in (line, html.br)]
    return (
        html.p("lk-soft")[note] if note else None,
        html.p("lk-head")[html.code[f"$ {typed}"]],
        html.pre("lk-words")[below],
    )
