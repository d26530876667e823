"""Programs from elsewhere to which tests compare the lab, and a Python of its own for tests that need one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def tool(name: str) -> str:
    """The path of a program; without it the test fails where CI is ``true`` and is skipped elsewhere."""
    path = shutil.which(name)
    if path is None:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"{name} is not installed: .ci/run installs it.")
    return path


def fetchmail_with(settings: Path) -> list[str]:
    """The words of fetchmail with this file of settings, in whose folder it keeps its own."""
    options = ["--nosyslog", "--pidfile", str(settings.with_name("pid"))]
    return ["env", f"FETCHMAILHOME={settings.parent}", tool("fetchmail"), "-f", str(settings), *options]


def python(code: str, tmp_path: Path, *options: str) -> subprocess.Popen:
    """A process that runs `code` and keeps its temporary files in `tmp_path`."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)}
    command = [sys.executable, *options, "-c", code]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
