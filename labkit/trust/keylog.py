"""The key log: the secrets of every TLS session of the lab, one a line, in the format that NSS introduced.

RFC 9850 (SSLKEYLOGFILE) states the format: ``label client-random secret``, the last two in hexadecimal. Clients and
servers write it by themselves once ``SSLContext.keylog_filename`` is `KeyLog.path`; Wireshark reads the same lines.
What the secrets open is not known here: that is `decode.tls`.
"""

from collections.abc import Iterator
from pathlib import Path
from sys import intern

from labkit.errors import CaptureError
from labkit.scratch import ScratchFile

Secrets = dict[bytes, dict[str, bytes]]
"""Client random (32 bytes) -> label -> secret (bytes)."""

_RANDOM_DIGITS = 64
_BLOCK = 64 << 10
"""Characters that are cut into lines at once, because a log has thousands."""


class KeyLog:
    """Where the lab's clients and servers write their secrets; gone when it is closed."""

    def __init__(self) -> None:
        self._file = ScratchFile()
        self.path = self._file.path

    def text(self) -> str:
        """All lines so far, each once although both ends write it; empty after `close`."""
        return "".join(dict.fromkeys(self._file.read().decode("ascii", "replace").splitlines(keepends=True)))

    def close(self) -> None:
        """Forget the secrets. A second call does nothing."""
        self._file.close()

    def __enter__(self) -> "KeyLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(path: str | Path) -> str:
    """The text of a key log file. Raises `CaptureError` when it cannot be read or holds no secret."""
    try:
        text = Path(path).read_text("ascii", "replace")
    except OSError as error:
        raise CaptureError(f"The key log {path} cannot be read ({error.strerror}): check its name.") from error
    return with_secrets(text, f"The key log {path}")


def with_secrets(text: str, called: str) -> str:
    """This text of a key log. Raises `CaptureError` when it holds no secret."""
    if not isinstance(text, str) or not parse(text):
        raise CaptureError(
            f"{called} holds no TLS secret: lines like 'CLIENT_RANDOM 0123… 4567…' were expected (RFC 9850)."
        )
    return text


def merge(secrets: Secrets, more: Secrets) -> None:
    """Add what is in `more` to `secrets`."""
    for random, labels in more.items():
        secrets.setdefault(random, {}).update(labels)


def parse(text: str) -> Secrets:
    """The secrets in a key log (RFC 9850 §2). Comments, blank lines and lines that do not fit are passed over."""
    secrets: Secrets = {}
    for line in _lines(text):
        try:
            label, random, secret = line.split()
            if len(random) == _RANDOM_DIGITS and label[0] != "#":
                # A log has thousands of lines and a handful of labels, so each label is kept once.
                secrets.setdefault(bytes.fromhex(random), {})[intern(label.upper())] = bytes.fromhex(secret)
        except ValueError:
            continue
    return secrets


def _lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start + _BLOCK) + 1 or len(text)
        yield from text[start:end].splitlines()
        start = end
