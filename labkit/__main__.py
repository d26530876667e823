"""The lab in a terminal: ``python -m labkit doctor``, ``demo``, ``decode``, ``probe``, ``attack``, ``lessons``, …

The exit status is 0 when all went well; 1 when the lab cannot run here, or when what was printed is not all that there
is (the file is cut, the key log opens nothing, frames were passed over, the reader has left); 2 when a file or an
argument cannot be used. Problems are told on standard error, each in a sentence.
"""

import argparse
import errno
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labkit import classroom, client_command, probe_command
from labkit.errors import LabError

if TYPE_CHECKING:
    from labkit.capture.pcap import CaptureFile
    from labkit.decode.event import Dialogue

_STATUSES = "exit status: 0, all went well; 1, not all could be done or shown; 2, a file or an argument is of no use"
_OPENED, _NOTHING_TO_OPEN = "opened", "nothing to open"
_READER_LEFT = (errno.EPIPE, errno.EINVAL)
"""What writing into a pipe raises when its reader has left: on Unix, and on Windows."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    if sys.stdout is None:  # the parent process has closed it
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)
    sys.stdout.reconfigure(errors="backslashreplace")  # a console may not have every character
    chosen = _parser().parse_args(arguments)
    try:
        status = chosen.command(chosen)
        sys.stdout.flush()
    except LabError as error:
        return _complain(error, status=2)
    except ImportError as error:
        return _complain(f"{error}: python -m labkit doctor tells what is missing.", status=1)
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered has nowhere to go
        return 1 if error.errno in _READER_LEFT else _complain(f"{error.strerror}.", status=1)
    return status


def _complain(problem: object, status: int) -> int:
    sys.stdout.flush()
    print(f"labkit: {problem}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m labkit", description="A STARTTLS laboratory.", epilog=_STATUSES)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    says = "say what works on this machine, and what is used instead"
    commands.add_parser("doctor", help=says, description=says, epilog=_STATUSES).set_defaults(command=_doctor)

    says = "run a session with STARTTLS, capture it, and print its transcript"
    demo = commands.add_parser("demo", help=says, description=says, epilog=_STATUSES)
    demo.add_argument("--decrypted", action="store_true", help="open it with the session's own secrets")
    demo.add_argument("--save", metavar="FILE", type=Path, help="keep the capture as pcapng, with its secrets inside")
    demo.set_defaults(command=_demo)

    says = "print the dialogues in a capture file, each when its connection ends"
    decode = commands.add_parser("decode", help=says, description=says, epilog=_STATUSES)
    kinds = "pcap or pcapng, by gzip or not; - is standard input, read to its end first; TLS secrets inside it are used"
    decode.add_argument("file", metavar="FILE", type=Path, help=kinds)
    decode.add_argument("--keylog", metavar="FILE", type=Path, help="more TLS secrets, as SSLKEYLOGFILE (RFC 9850)")
    decode.add_argument(
        "--json", action="store_true", help="one JSON object a line and conversation; labkit.show.json_lines has fields"
    )
    decode.set_defaults(command=_decode)

    probe = commands.add_parser(
        "probe", help=probe_command.SAYS, description=probe_command.SAYS, epilog=probe_command.STATUSES
    )
    probe_command.add_arguments(probe)
    attack = commands.add_parser(
        "attack", help=client_command.SAYS, description=client_command.SAYS, epilog=client_command.STATUSES
    )
    client_command.add_arguments(attack)
    attack.set_defaults(command=client_command.attack)
    classroom.add_export(commands, _STATUSES)
    classroom.add_handout(commands, _STATUSES)
    classroom.add_collect(commands, _STATUSES)
    says = "copy the lessons and the recordings that came with the package into a folder"
    lessons = commands.add_parser("lessons", help=says, description=says, epilog=_STATUSES)
    lessons.add_argument("folder", metavar="DIR", type=Path, help="made if it is missing; no file in it is overwritten")
    lessons.set_defaults(command=_lessons)
    return parser


def _doctor(_: argparse.Namespace) -> int:
    from labkit import doctor

    report = doctor()
    print(report)
    return 0 if report else 1


def _demo(chosen: argparse.Namespace) -> int:
    from labkit import Lab, policies

    with Lab() as lab, lab.capture() as capture:
        outcome = lab.send(lab.smtp(), "The PIN is 4921", login=("alice", "hunter2"), policy=policies.verified)
    print(capture.decrypted() if chosen.decrypted else capture)
    if not chosen.decrypted:
        print("\nThis is what an eavesdropper sees. With --decrypted, the session's own secrets open it.")
    if chosen.save:
        capture.save(chosen.save)
        print(f"\nSaved with its secrets as {chosen.save}: Wireshark opens it, and so does the command decode.")
    return 0 if outcome else _complain(outcome, status=1)


def _decode(chosen: argparse.Namespace) -> int:
    from labkit.capture.pcap import read_frames
    from labkit.decode.shares import told
    from labkit.trust.keylog import parse, read

    file = read_frames(chosen.file)
    secrets = parse(read(chosen.keylog)) if chosen.keylog else {}
    states: Counter[str] = Counter()
    for state, text in told(file, secrets, _json if chosen.json else _text):
        states[state] += 1
        print(text)
    if not chosen.json and _print_lookups(file):
        states[_NOTHING_TO_OPEN] += 1
    problems = list(_problems(chosen, file, states, bool(secrets)))
    for problem in problems:
        _complain(problem, status=1)
    return 1 if problems else 0


def _print_lookups(file: "CaptureFile") -> bool:
    """Print the questions to a name server, as a table; whether there are any."""
    from labkit.decode.asked import asks

    found = asks(file.again().frames(), file.passed_over)
    if found:
        from labkit.show.lookup_table import lookup_table

        print(lookup_table(list(file.again().frames()), {}))
    return found


def _lessons(chosen: argparse.Namespace) -> int:
    from labkit.shipped import copy_lessons

    written, left = copy_lessons(chosen.folder)
    first = chosen.folder / "notebooks" / "00_start_here.ipynb"
    print(f"{len(written)} files were copied into {chosen.folder}. Begin with: jupyter lab {shlex.quote(str(first))}")
    for path in left:
        _complain(f"{path} was there already and is another one: it was left as it is.", status=1)
    return 1 if left else 0


def _json(_: "CaptureFile", dialogue: "Dialogue") -> tuple[str, str]:
    from labkit.show.json_lines import json_line

    return _state(dialogue), json_line(dialogue)


def _text(file: "CaptureFile", dialogue: "Dialogue") -> tuple[str, str]:
    from labkit.decode.privacy import visible
    from labkit.show.readings import Reading
    from labkit.show.terminal import plain_text

    return _state(dialogue), f"{plain_text(Reading(dialogue, visible(dialogue)), file.comment)}\n"


def _state(dialogue: "Dialogue") -> str:
    """What became of its TLS: opened, nothing to open, or why it stays closed."""
    session = dialogue.session
    if session is None or not (session.opened or session.problem):
        return _NOTHING_TO_OPEN
    return _OPENED if session.opened else session.problem


def _problems(chosen: argparse.Namespace, file: "CaptureFile", states: Counter[str], secrets: bool) -> Iterator[str]:
    """What was not done or not shown, a sentence each. `secrets` is whether the key log has any."""
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
    from labkit.decode.tls.problems import lacks_secret

    closed = [state for state in states if state not in (_OPENED, _NOTHING_TO_OPEN)]
    if states[_OPENED] or not closed:
        return
    others = [problem for problem in closed if not lacks_secret(problem)]
    number = sum(states[problem] for problem in closed)
    opens_nothing = f"The key log {chosen.keylog} opens no TLS session in {chosen.file}, which has {number:,}"
    if others:
        yield f"{opens_nothing}: {others[0]}"
    elif any("premaster" in problem for problem in closed):
        yield f"{opens_nothing}: it has only premaster secrets of RSA key exchanges, and none of these used such a one."
    else:
        yield f"{opens_nothing}: use the one that was written while they ran."


if __name__ == "__main__":
    sys.exit(main())
