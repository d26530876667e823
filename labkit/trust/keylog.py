"""The key log: the secrets of TLS sessions, one a line, in the format that NSS introduced.

RFC 9850 (SSLKEYLOGFILE) states the format: ``label client-random secret``, the last two in hexadecimal. Clients and
servers write it by themselves once `log_secrets` was called for their context; Wireshark reads the same lines. Older
forms are read too: ``RSA`` with a premaster secret, and a session's identifier with its master secret. Records are
opened with them in `labkit.decode.tls`.
"""

import os
import re
import threading
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING
from weakref import WeakSet

from labkit.errors import CaptureError
from labkit.scratch import ScratchFile, ScratchFolder

if TYPE_CHECKING:
    import ssl

Secrets = dict[bytes, dict[str, bytes]]
"""What names a session -> label -> secret (bytes).

The name is the client random (32 bytes). Under `RSA` it is the first 8 bytes of the encrypted premaster secret, under
`RESUMED` a session identifier or a ticket (RFC 5246 §7.4.1.2, RFC 5077).
"""

RSA, RESUMED = "RSA", "RESUMED"
"""Labels: a premaster secret, and the master secret of the session that is resumed."""

_SHARED = "keys.log"
_WRITABLE = 0o622
"""Programs of other users may add to it, but not read it."""

_RANDOM_DIGITS = 64
_ENCRYPTED_DIGITS = 16
_SESSION, _MASTER = "SESSION-ID:", "MASTER-KEY:"
_LABELS = r"(?<![A-Z_])(?:(?:CLIENT|SERVER|EXPORTER|EARLY|PMS)_[A-Z_]*(?:SECRET|RANDOM)(?:_0)?|ECH_SECRET|RSA)"
_WRAPPED = re.compile(
    rf"({_LABELS})\b[^\n]{{1,40}}?\b([0-9a-fA-F]{{64}})\b[^\n]{{1,40}}?\b((?:[0-9a-fA-F]{{2}}){{32,}})\b"
)
"""A secret in quotes, in JSON, behind what a logger puts before it, or beside others on the same line."""
_LIKELY = re.compile(rf"{_LABELS}|\b[0-9a-fA-F]{{64}}\b")
_BLOCK = 64 << 10
"""Characters that are cut into lines at once, because a log has thousands."""
_BYTE_ORDER_MARKS = {BOM_UTF8: "utf-8-sig", BOM_UTF16_LE: "utf-16", BOM_UTF16_BE: "utf-16"}


class KeyLog:
    """Where the lab's clients and servers write their secrets; gone when it is closed."""

    def __init__(self) -> None:
        self._file = ScratchFile()
        self._folder: ScratchFolder | None = None
        self._sharing = threading.Lock()
        self._maker = os.getpid()
        self.path = self._file.path

    @property
    def shared(self) -> str:
        """A path where other programs can write their secrets, too: a file that exists since it was first asked for."""
        with self._sharing:
            if self._folder is None:
                folder = ScratchFolder()
                shared = Path(folder.path, _SHARED)
                shared.touch()
                shared.chmod(_WRITABLE)
                self._folder = folder
        return str(Path(self._folder.path, _SHARED))

    def text(self) -> str:
        """All lines so far, each once although both ends write it; empty after `close`."""
        lines = self._file.read().decode("ascii", "replace").splitlines(keepends=True)
        if self._folder is not None and self._folder.close.alive:
            lines += decoded(Path(self.shared).read_bytes()).splitlines(keepends=True)
        return "".join(dict.fromkeys(lines))

    def close(self) -> None:
        """Forget the secrets, and close the file in each context that writes there. A second call does nothing."""
        if self._file.close.alive and os.getpid() == self._maker:
            for context in _WRITERS.pop(self.path, ()):
                context.keylog_filename = None
        self._file.close()
        if self._folder is not None:
            self._folder.close()

    def __enter__(self) -> "KeyLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_WRITERS: "dict[str, WeakSet[ssl.SSLContext]]" = {}
"""Path of a key log -> the contexts that write there, each with a descriptor of its own."""


def log_secrets(context: "ssl.SSLContext", path: str) -> None:
    """Let a context write the secrets of its sessions into a key log. Raises `OSError`."""
    context.keylog_filename = path
    _WRITERS.setdefault(path, WeakSet()).add(context)


def read(path: str | Path) -> str:
    """The text of a key log file. Raises `CaptureError` if it cannot be read or is not a key log.

    A log of comments alone is one: no session has written to it yet.
    """
    try:
        text = decoded(Path(path).read_bytes())
    except OSError as error:
        raise CaptureError(f"The key log {path} cannot be read ({error.strerror}): check its name.") from error
    return text if _is_empty(text) else with_secrets(text, f"The key log {path}")


def decoded(data: bytes) -> str:
    """The bytes of a key log as text: ASCII, UTF-16, or what the byte order mark says that an editor put before it."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if data[1:2] == b"\0" or data[:1] == b"\0":
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be", "replace")
    return data.decode("ascii", "replace")


def with_secrets(text: str, called: str) -> str:
    """This text of a key log. Raises `CaptureError` when it holds no secret."""
    if not isinstance(text, str) or not parse(text):
        raise CaptureError(
            f"{called} holds no TLS secret: {_nearly(text)}lines like 'CLIENT_RANDOM 0123… 4567…' were expected "
            "(RFC 9850)."
        )
    return text


def _nearly(text: object) -> str:
    """Names the first line that looks like a secret and is none; empty where no line does."""
    lines = text.splitlines() if isinstance(text, str) else ()
    likely = (n for n, line in enumerate(lines, 1) if not line.lstrip().startswith("#") and _LIKELY.search(line))
    number = next(likely, 0)
    return f"line {number} has no label, client random of 64 digits and secret in this order; " if number else ""


def _is_empty(text: str) -> bool:
    return bool(text) and all(line.startswith("#") or not line.strip() for line in text.splitlines())


def merge(secrets: Secrets, more: Secrets) -> None:
    """Add what is in `more` to `secrets`."""
    for name, labels in more.items():
        secrets.setdefault(name, {}).update(labels)


def premasters_alone(secrets: Secrets) -> bool:
    """Whether all that these secrets can open is RSA key exchanges."""
    return bool(secrets) and all(len(name) * 2 == _ENCRYPTED_DIGITS for name in secrets)


def parse(text: str) -> Secrets:
    """The secrets in a key log (RFC 9850 §2). Comments, blank lines and lines that do not fit are passed over.

    A line may stand in quotes, behind what a logger puts before it, or beside others.
    """
    secrets: Secrets = {}
    for line in _lines(text.removeprefix("\ufeff")):
        found = _alone(line)
        for label, name, secret in (found,) if found else _beside_others(line):
            # A log has thousands of lines and a handful of labels, so each label is kept once.
            secrets.setdefault(name, {})[intern(label)] = secret
    return secrets


def plain(text: str) -> str:
    """The text of a key log as other programs read it: without what stands around its lines."""
    return "".join(_plain_line(line) for line in text.splitlines(keepends=True))


def _plain_line(line: str) -> str:
    return line if _alone(line) else "".join(f"{' '.join(found)}\n" for found in _WRAPPED.findall(line)) or line


def _beside_others(line: str) -> list[tuple[str, bytes, bytes]]:
    """Label, name and secret of each secret in a line that does not begin with one."""
    found = () if line.lstrip().startswith("#") else _WRAPPED.findall(line)
    return [(label, bytes.fromhex(name), bytes.fromhex(secret)) for label, name, secret in found]


def _alone(line: str) -> tuple[str, bytes, bytes] | None:
    """The secret with which a line begins; None where it begins with anything else."""
    words = line.partition("#")[0].split(maxsplit=3)
    if len(words) < 3:
        return None
    label, name, secret = words[0].upper(), words[1], words[2]
    if len(name) != _RANDOM_DIGITS:
        if label != RSA:
            return None
        label, name, secret = _older(name, secret)
    try:
        # What is behind an underscore makes a name: letters and digits, and no quotation mark or bracket.
        return (label, bytes.fromhex(name), bytes.fromhex(secret)) if f"_{label}".isidentifier() else None
    except ValueError:
        return None


def _older(name: str, secret: str) -> tuple[str, str, str]:
    """A line ``RSA encrypted premaster``, or ``RSA Session-ID:… Master-Key:…``: label, name and secret."""
    if name.upper().startswith(_SESSION) and secret.upper().startswith(_MASTER):
        return RESUMED, name[len(_SESSION) :], secret[len(_MASTER) :]
    return RSA, name if len(name) == _ENCRYPTED_DIGITS else "no name", secret


def _lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start + _BLOCK) + 1 or len(text)
        yield from text[start:end].splitlines()
        start = end
