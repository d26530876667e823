"""A server that has a published fault: an older aiosmtpd, from the Python Package Index, in a process of its own.

Version 1.4.5 keeps its buffer across STARTTLS (CVE-2024-34083), 1.4.6 does not. pip fetches its wheel, which stays in
memory and is imported from there (zipimport), so the lab's own aiosmtpd stays as it is. Where nothing can be fetched,
the quirk ``keeps the buffer`` of the lab's servers is the same mistake.
"""

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from labkit.errors import LabError
from labkit.mail.mailbox import Mailbox, Message
from labkit.mail.postoffice import USERS, PostOffice
from labkit.network import Host
from labkit.scratch import ScratchFile
from labkit.servers.log import ServerLog
from labkit.servers.settings import Settings
from labkit.servers.standing import Standing
from labkit.trust.certificates import SERVER_NAME, Certificate

_PROGRAM = Path(__file__).with_name("program.py")
_DOWNLOAD = Path(__file__).with_name("download.py")
_FETCHING = 120.0
"""Seconds for pip."""
_PATIENCE = 15.0
"""Seconds for the process to start."""
_FAREWELL = 2.0
"""Seconds for it to end by itself; it needs a tenth of one."""


class OlderSMTPServer(Standing):
    """A running aiosmtpd of another version, whose `wheel` is what `fetch` gives. Raises `LabError` where it cannot be
    started."""

    protocol: ClassVar = "SMTP"

    def __init__(
        self,
        host: Host,
        settings: Settings,
        certificate: Certificate,
        _: ssl.SSLContext,
        post: PostOffice,
        version: str,
        wheel: bytes,
        keylog: str,
    ) -> None:
        self.settings = settings
        self.certificate = certificate
        self.version = version
        self.mailbox = Mailbox()
        self.log = ServerLog()
        self._post = post
        self._key = ScratchFile(certificate.key + certificate.pem)
        self._wheel = ScratchFile(wheel)
        self._keylog = keylog
        self._maker = os.getpid()
        self._listener = host.listen(settings.port)
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._take_mail, name=f"labkit aiosmtpd {version}", daemon=True)
        try:
            self._process = self._start()
            self._greet(self._process)
            self._thread.start()
        except BaseException:
            self.close()
            raise

    @property
    def facts(self) -> str:
        """Its settings, in one line."""
        return f"aiosmtpd {self.version}, STARTTLS offered, login {self.settings.auth}"

    def close(self) -> None:
        """End the process and stop listening. A second call does nothing; nor does one in a forked process."""
        if os.getpid() != self._maker:
            return
        if self._process is not None:
            with suppress(OSError):
                self._process.stdin.close()
            _end(self._process)
            if self._thread.is_alive() and self._thread is not threading.current_thread():
                self._thread.join(_FAREWELL)
            self._process.stdout.close()
            self._process = None
        self._listener.close()
        self._key.close()
        self._wheel.close()

    def __repr__(self) -> str:
        return f"<SMTP server on {self.host}, port {self.port}: {self.facts}>"

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[self._listener.socket.fileno()],
            env={**os.environ, "PYTHONPATH": _for_child(self._wheel.path)},
            start_new_session=True,  # Control-C is for the kernel alone
        )

    def _greet(self, process: "subprocess.Popen[str]") -> None:
        """Send the process its settings, and wait until it is ready."""
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
        process = self._process
        for line in process.stdout:
            facts: dict[str, Any] = json.loads(line)
            data = base64.b64decode(facts.pop("data"))
            message = Message(recipients=tuple(facts.pop("recipients")), data=data, **facts)
            self.mailbox.keep(message)
            self._post.deliver(message)
            with suppress(OSError, ValueError):  # the process has ended, or is being closed
                process.stdin.write("\n")
                process.stdin.flush()


def _end(process: "subprocess.Popen[str]") -> None:
    try:
        process.wait(_FAREWELL)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


_INSTEAD = "use lab.smtp(quirks=('keeps the buffer',)), which makes the same mistake."


def _for_child(path: str) -> str:
    """A path that another process of this user can follow, too; see `labkit.scratch`."""
    return path.replace("/proc/self/", f"/proc/{os.getpid()}/", 1)


@cache
def fetch(version: str) -> bytes:
    """The wheel of this version of aiosmtpd, fetched once. Raises `LabError` where it cannot be fetched or used."""
    if os.name == "nt":
        raise LabError(f"An older aiosmtpd runs only where a process can inherit a socket: {_INSTEAD}")
    pipe = subprocess.PIPE
    command = [sys.executable, str(_DOWNLOAD), version]
    with subprocess.Popen(command, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            wheel, _ = process.communicate(timeout=_FETCHING)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGTERM)  # pip, and the program, which removes its folder
            if isinstance(error, subprocess.TimeoutExpired):
                raise LabError(f"aiosmtpd {version} could not be fetched within {_FETCHING:g} s: {_INSTEAD}") from None
            raise
    if process.returncode:
        raise LabError(f"aiosmtpd {version} could not be fetched: {_INSTEAD}")
    return wheel
