"""The command ``doctor``: what works on this machine."""

import argparse

from labkit.checkup import doctor


def add_arguments(_: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(_: argparse.Namespace) -> int:
    """Print what was found; 1 where the lab cannot run here."""
    report = doctor()
    print(report)
    return 0 if report else 1
