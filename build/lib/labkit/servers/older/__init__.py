"""A server that really had the mistake: an older aiosmtpd, from the Python Package Index, in a process of its own.

Version 1.4.5 keeps its buffer across STARTTLS (CVE-2024-34083), 1.4.6 does not. It is fetched by pip into a temporary
folder, so the lab's own aiosmtpd stays as it is. Where nothing can be fetched, the quirk ``keeps the buffer`` of the
lab's servers is the same mistake.
"""

import atexit
import base64
import json
import os
import ssl
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from labkit.errors import LabError
from labkit.mail.mailbox import Mailbox, Message
from labkit.mail.postoffice import USERS, PostOffice
from labkit.network import Host
from labkit.scratch import ScratchFile, scratch_folder
from labkit.servers.log import ServerLog
from labkit.servers.settings import Settings
from labkit.servers.standing import Standing
from labkit.trust.certificates import SERVER_NAME, Certificate

_PROGRAM = Path(__file__).with_name("program.py")
_FETCHING = 120.0
"""Seconds for pip."""
_PATIENCE = 15.0
"""Seconds for the process to start, and to end."""


class OlderSMTPServer(Standing):
    """A running aiosmtpd of another version. Raises `LabError` where it cannot be fetched or started."""

    protocol: ClassVar = "SMTP"

    def __init__(
        self,
        host: Host,
        settings: Settings,
        certificate: Certificate,
        _: ssl.SSLContext,
        post: PostOffice,
        version: str,
        keylog: str,
    ) -> None:
        self.settings = settings
        self.certificate = certificate
        self.version = version
        self.mailbox = Mailbox()
        self.log = ServerLog()
        self._post = post
        self._key = ScratchFile(certificate.key + certificate.pem)
        self._keylog = keylog
        folder = _fetch(version)
        self._listener = host.listen(settings.port)
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._take_mail, name=f"labkit aiosmtpd {version}", daemon=True)
        try:
            self._process = self._start(folder)
            self._greet(self._process)
            self._thread.start()
        except BaseException:
            self.close()
            raise

    @property
    def facts(self) -> str:
        """What it was told to do, in one line."""
        return f"aiosmtpd {self.version}, STARTTLS offered, login {self.settings.auth}"

    def close(self) -> None:
        """End the process and stop listening. A second call does nothing."""
        if self._process is not None:
            with suppress(OSError):
                self._process.stdin.close()
            _end(self._process)
            if self._thread.is_alive():
                self._thread.join(_PATIENCE)
            self._process.stdout.close()
            self._process = None
        self._listener.close()
        self._key.close()

    def __repr__(self) -> str:
        return f"<SMTP server on {self.host}, port {self.port}: {self.facts}>"

    def _start(self, folder: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[self._listener.socket.fileno()],
            env={**os.environ, "PYTHONPATH": folder},
        )

    def _greet(self, process: "subprocess.Popen[str]") -> None:
        """Tell the process what to do, and hear that it is ready."""
        told = {
            "socket": self._listener.socket.fileno(),
            "certificate": _for_child(self._key.path),
            "keylog": _for_child(self._keylog),
            "name": SERVER_NAME,
            "auth": self.settings.auth,
            "users": USERS,
        }
        limit = threading.Timer(_PATIENCE, process.kill)
        limit.start()
        try:
            process.stdin.write(f"{json.dumps(told)}\n")
            process.stdin.flush()
            said = process.stdout.readline()
        finally:
            limit.cancel()
            limit.join()
        if not said or json.loads(said)["version"] != self.version:
            raise LabError(f"aiosmtpd {self.version} did not start: {_INSTEAD}")

    def _take_mail(self) -> None:
        for line in self._process.stdout:
            facts: dict[str, Any] = json.loads(line)
            data = base64.b64decode(facts.pop("data"))
            message = Message(recipients=tuple(facts.pop("recipients")), data=data, **facts)
            self.mailbox.keep(message)
            self._post.deliver(message)


def _end(process: "subprocess.Popen[str]") -> None:
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


_INSTEAD = "use lab.smtp(quirks=('keeps the buffer',)), which makes the same mistake."


def _for_child(path: str) -> str:
    """A path that another process of this user can follow, too; see `labkit.scratch`."""
    return path.replace("/proc/self/", f"/proc/{os.getpid()}/", 1)


@cache
def _folder(version: str) -> TemporaryDirectory[str]:
    folder = scratch_folder()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    try:
        done = subprocess.run(
            [*pip, "--target", folder.name, f"aiosmtpd=={version}"], capture_output=True, timeout=_FETCHING, check=False
        )
    except subprocess.TimeoutExpired:
        folder.cleanup()
        raise LabError(f"aiosmtpd {version} could not be fetched within {_FETCHING:g} s: {_INSTEAD}") from None
    if done.returncode:
        folder.cleanup()
        raise LabError(f"aiosmtpd {version} could not be fetched: {_INSTEAD}")
    atexit.register(folder.cleanup)
    return folder


def _fetch(version: str) -> str:
    """The folder with this version in it; fetched once, removed when Python ends."""
    if os.name == "nt":
        raise LabError(f"An older aiosmtpd runs only where a process can inherit a socket: {_INSTEAD}")
    return _folder(version).name
