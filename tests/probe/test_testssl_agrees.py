"""testssl.sh, a tester that many people trust, finds the same versions of TLS at the same server.

Of the rest of what it tests, sslyze finds the same in a tenth of the time (`test_sslyze_agrees`, in `make thorough`);
its test of command injection came after the version that Debian has.
"""

import json
import shutil
import subprocess
from pathlib import Path

from tools import tool

from labkit import Lab

NAMES = {"SSLv2": "SSL 2.0", "SSLv3": "SSL 3.0", "TLS1": "TLS 1.0"} | {f"TLS1_{n}": f"TLS 1.{n}" for n in (1, 2, 3)}


def found_by_testssl(server, folder: Path) -> set[str]:
    """The versions that testssl.sh finds."""
    found = folder / "found.json"
    options = ["--warnings", "batch", "--quiet", "--color", "0", "-t", "smtp", "-p", "--jsonfile", str(found)]
    command = [shutil.which("testssl.sh") or tool("testssl"), *options, "{}:{}".format(*server.address)]
    subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=folder, stdin=subprocess.DEVNULL)
    said = {one["id"]: one["finding"] for one in json.loads(found.read_text())}
    return {NAMES[one] for one in NAMES if said[one].startswith("offered")}


def test_testssl_finds_the_same_versions(tmp_path):
    with Lab("loopback") as lab:
        server = lab.smtp(tls=("TLS 1.1", "TLS 1.2"))
        assert set(lab.probe(server).versions) == found_by_testssl(server, tmp_path) == {"TLS 1.1", "TLS 1.2"}
