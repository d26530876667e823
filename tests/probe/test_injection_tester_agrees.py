"""The tester that the authors of *NO STARTTLS* (USENIX Security 2021) wrote for command injection says the same."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools import tool

from labkit import Lab


def injection_tester(protocol: str, server, folder: Path) -> str:
    """What the tester says of a server."""
    host, port = server.address
    program = Path(sys.executable).with_name("command-injection-tester")
    options = [f"--{protocol}", f"--{protocol}-port", str(port), "--nocolor", "--timeout", "2"]
    command = [tool(str(program)), *options, "--logdir", str(folder / str(port)), host]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.stdout


def test_the_authors_of_no_starttls_find_command_injection_where_the_probe_does(tmp_path):
    cases = [(protocol, kept) for protocol in ("smtp", "imap", "pop3") for kept in ((), ("keeps the buffer",))]
    with Lab("loopback") as lab, ThreadPoolExecutor(len(cases)) as pool:
        servers = [lab.start(protocol, 20000 + n, quirks=kept) for n, (protocol, kept) in enumerate(cases)]
        said = pool.map(lambda case, server: injection_tester(case[0], server, tmp_path), cases, servers)
        for (_, kept), server, theirs in zip(cases, servers, said, strict=True):
            verdict = lab.probe(server)["injection"].verdict
            assert verdict == ("fault" if kept else "good")
            assert ("Command injection here!" in theirs) is (verdict == "fault"), theirs
            assert ("no command injection here" in theirs) is (verdict == "good"), theirs
