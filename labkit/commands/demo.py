"""The command ``demo``: one session with STARTTLS, from the first byte to the transcript."""

import argparse
from pathlib import Path

from labkit.clients import policies
from labkit.commands import complain
from labkit.lab import Lab


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--decrypted", action="store_true", help="open it with the session's own secrets")
    parser.add_argument("--save", metavar="FILE", type=Path, help="keep the capture as pcapng, with its secrets inside")


def run(chosen: argparse.Namespace) -> int:
    """Run the session and print it; 1 where the mail was not sent."""
    with Lab() as lab, lab.capture() as capture:
        outcome = lab.send(lab.smtp(), "The PIN is 4921", login=("alice", "hunter2"), policy=policies.verified)
    print(capture.decrypted() if chosen.decrypted else capture)
    if not chosen.decrypted:
        print("\nThis is what an eavesdropper sees. With --decrypted, the session's own secrets open it.")
    if chosen.save:
        capture.save(chosen.save)
        print(f"\nSaved with its secrets as {chosen.save}: Wireshark opens it, and so does the command decode.")
    return 0 if outcome else complain(outcome)
