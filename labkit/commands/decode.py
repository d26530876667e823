"""The command ``decode``: the dialogues in a capture file, as text or as JSON."""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from labkit.capture.pcap import CaptureFile, read_frames
from labkit.commands import complain
from labkit.decode.event import Dialogue
from labkit.decode.privacy import visible
from labkit.decode.shares import told
from labkit.decode.tls.problems import of_other_sessions
from labkit.defences.lookups import lookups
from labkit.show.json_lines import json_line, lookups_line
from labkit.show.lookup_table import lookup_table
from labkit.show.readings import Reading
from labkit.show.terminal import plain_text
from labkit.trust.keylog import parse, read

_OPENED, _NOTHING_TO_OPEN = "opened", "nothing to open"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    kinds = "pcap or pcapng, by gzip or not; - is standard input, read to its end first; TLS secrets inside it are used"
    parser.add_argument("file", metavar="FILE", type=Path, help=kinds)
    parser.add_argument("--keylog", metavar="FILE", type=Path, help="more TLS secrets, as SSLKEYLOGFILE (RFC 9850)")
    parser.add_argument(
        "--json", action="store_true", help="JSON, a line for each conversation; labkit.show.json_lines has the fields"
    )


def run(chosen: argparse.Namespace) -> int:
    """Print them; 1 where not all that is there could be shown. Raises `CaptureError`."""
    file = read_frames(chosen.file)
    secrets = parse(read(chosen.keylog)) if chosen.keylog else {}
    states: Counter[str] = Counter()
    for state, text in told(file, secrets, _json if chosen.json else _text):
        states[state] += 1
        print(text)
    if found := lookups(file.passed_over.datagrams):
        states[_NOTHING_TO_OPEN] += 1
        print(lookups_line(found) if chosen.json else lookup_table(found, next(file.again().frames()).time, {}))
    problems = list(_problems(chosen, file, states, bool(secrets)))
    for problem in problems:
        complain(problem)
    return 1 if problems else 0


def _json(_: CaptureFile, dialogue: Dialogue) -> tuple[str, str]:
    return _state(dialogue), json_line(dialogue)


def _text(file: CaptureFile, dialogue: Dialogue) -> tuple[str, str]:
    return _state(dialogue), f"{plain_text(Reading(dialogue, visible(dialogue)), file.comment)}\n"


def _state(dialogue: Dialogue) -> str:
    """The state of its TLS: decrypted, nothing to decrypt, or why it is not decrypted."""
    session = dialogue.session
    if session is None or not (session.opened or session.problem):
        return _NOTHING_TO_OPEN
    return _OPENED if session.opened else session.problem


def _problems(chosen: argparse.Namespace, file: CaptureFile, states: Counter[str], secrets: bool) -> Iterator[str]:
    """Sentences on what was not done or not shown. `secrets` is whether the key log has any."""
    if file.problem:
        yield file.problem
    hidden = file.passed_over.hidden
    if not states and hidden:
        yield f"No TCP conversation could be read in {chosen.file}. {hidden}"
    elif not states:
        there = f" (it holds {file.passed_over.all})" if file.passed_over.all else ""
        yield f"There is no TCP conversation in {chosen.file}{there}: capture where one crosses, from before it begins."
    elif hidden:
        yield hidden
    if chosen.keylog and not secrets:
        yield f"The key log {chosen.keylog} holds comments and no secret, so nothing was opened with it."
    elif chosen.keylog:
        yield from _closed(chosen, states)


def _closed(chosen: argparse.Namespace, states: Counter[str]) -> Iterator[str]:
    """Why the key log opens nothing: one cause, in one sentence."""
    closed = [state for state in states if state not in (_OPENED, _NOTHING_TO_OPEN)]
    if states[_OPENED] or not closed:
        return
    others = [problem for problem in closed if not of_other_sessions(problem)]
    number = sum(states[problem] for problem in closed)
    opens_nothing = f"The key log {chosen.keylog} opens no TLS session in {chosen.file}, which has {number:,}"
    if others:
        yield f"{opens_nothing}: {others[0]}"
    elif any("premaster" in problem for problem in closed):
        yield f"{opens_nothing}: it has only premaster secrets of RSA key exchanges, and none of these used such a one."
    else:
        yield f"{opens_nothing}: use the one that was written while they ran."
