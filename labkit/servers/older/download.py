"""The program that fetches a version of aiosmtpd: its wheel (PEP 427) goes to standard output, and no file stays.

Argument: the version. A process of its own, so that its folder is removed when the lab's process is killed meanwhile.
"""

import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

_PIP = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")


def main(version: str) -> None:
    """Download and print. Raises `subprocess.CalledProcessError` and `OSError`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with TemporaryDirectory(prefix="labkit-") as folder:
        subprocess.run([*_PIP, "--only-binary", ":all:", "--dest", folder, f"aiosmtpd=={version}"], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        sys.stdout.buffer.write(wheel.read_bytes())


if __name__ == "__main__":
    main(sys.argv[1])
