"""The command ``probe``: a server outside the lab as any mail client sees it, from a terminal or in a script."""

import argparse
import ssl
from collections.abc import Callable
from pathlib import Path

from labkit.errors import LabError
from labkit.probe.probe_report import probe
from labkit.probe.target import outside

STATUSES = "exit status: 0, no fault was found; 1, a fault, or no conversation; 2, an argument cannot be used"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("server", metavar="HOST:PORT", help="for example mail.example.org:587, or [2001:db8::25]:25")
    parser.add_argument("--protocol", default="", help="smtp, imap, pop3 and so on, where the port does not tell")
    parser.add_argument("--domain", default="", help="the domain whose mail it takes, for MTA-STS, TLS-RPT and DANE")
    parser.add_argument("--ca", metavar="FILE", type=Path, help="authorities to trust, PEM, instead of the system's")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the report card")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for each answer of the server (15)")
    begins = parser.add_mutually_exclusive_group()
    says = "TLS begins before the first byte; the port tells otherwise"
    begins.add_argument("--implicit", action="store_true", default=None, help=says)
    says = "the conversation begins in clear text"
    begins.add_argument("--explicit", action="store_false", dest="implicit", help=says)


def run(chosen: argparse.Namespace) -> int:
    """Probe the server, print the report, and return the exit status. Raises `LabError` for a useless argument."""
    trust = _only(chosen.ca) if chosen.ca else ssl.SSLContext.load_default_certs
    target = outside(chosen.server, chosen.protocol, chosen.domain, chosen.implicit, trust)
    report = probe(target if chosen.timeout is None else target.within(chosen.timeout))
    print(report.json if chosen.json else report)
    return 0 if report else 1


def _only(file: Path) -> Callable[[ssl.SSLContext], None]:
    """Lets a context trust the authorities in a file and no others. Raises `LabError`."""
    try:
        text = file.read_text("ascii", "replace")
        ssl.create_default_context(cadata=text)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise LabError(
            f"{file} holds no certificates in PEM that can be read ({getattr(error, 'strerror', None) or error})."
        ) from error
    return lambda context: context.load_verify_locations(cadata=text)
