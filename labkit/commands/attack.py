"""The command ``attack``: any mail program against every attack, from a terminal or in continuous integration."""

import argparse
from functools import partial
from pathlib import Path

from labkit.attacks import catalogue
from labkit.commands import complain
from labkit.lab import Lab
from labkit.replacing import write
from labkit.trials.any_client import every_run, mail_program

STATUSES = (
    "exit status: 0, nothing leaked; 1, something leaked; "
    "2, an argument cannot be used, or the program never connected, so that nothing was tested"
)
_EXAMPLE = "%(prog)s -- curl --ssl-reqd --cacert {ca} --user {user}:{password} {scheme}://{host}:{port}/ …"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.usage = f"%(prog)s [options] -- COMMAND…\nexample: {_EXAMPLE}"
    words = "{host}, {port}, {user}, {password}, {ca}, {message} and {scheme}"
    parser.add_argument("words", metavar="COMMAND", nargs="+", help=f"the words of the program, with {words} in them")
    parser.add_argument("--protocol", default="smtp", help="what the program speaks: smtp, imap, pop3, …; default smtp")
    parser.add_argument("--implicit", metavar="COMMAND", default="", help="its words for implicit TLS, in one argument")
    parser.add_argument("--attacks", metavar="N1,C3,…", default="", help="only these, by their numbers; default all")
    parser.add_argument("--timeout", type=float, default=8.0, help="seconds after which a run is ended; default 8")
    parser.add_argument("--network", default="auto", help="auto, loopback, or namespace: a private LAN")
    parser.add_argument("--json", action="store_true", help="print JSON; labkit.show.client_report has its fields")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="write JUnit XML, too")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the matrix as a web page, too")


def run(chosen: argparse.Namespace) -> int:
    """Run it, print the matrix, and give the exit status. Raises `LabError` for an invalid argument."""
    numbers = [number for number in chosen.attacks.split(",") if number]
    vectors = [type(catalogue.vector(number)) for number in numbers] or catalogue.ALL
    program = mail_program(chosen.words, chosen.protocol, chosen.implicit, chosen.timeout, vectors)
    with Lab(chosen.network) as lab:  # so that the network is one that can be made here
        kind = lab.network.kind
    matrix = every_run(partial(Lab, kind), program, lambda: None)
    print(matrix.json if chosen.json else matrix)
    for path, text in ((chosen.junit, matrix.junit), (chosen.html, _page(matrix.page.html))):
        if path is not None:
            write(path, text)
    if not matrix.tested:
        return complain(f"Nothing was tested: {matrix.trials[0].verdict.why}.", status=2)
    return 1 if matrix.leaks else 0


def _page(body: str) -> str:
    head = (
        '<meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Attacks on a mail program</title>'
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'
