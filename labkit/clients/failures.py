"""Why an attempt failed, as a sentence: what the standard library raises, put in the words of the field.

What is peculiar to a protocol is put in words by its client, before what is common to all.
"""

import ssl
from collections.abc import Callable, Mapping

from labkit.errors import LabError

GREETING = "before the greeting"
HANDSHAKE = "during the TLS handshake"
"""Steps of a conversation at which failures have words of their own."""

ErrorWords = Mapping[type[BaseException], Callable[[BaseException, str], str]]
"""Kind of error, special before general -> how to put it, given the step at which it came."""


class Stopped(Exception):
    """The client itself went no further, or the server said no; the message says why."""


def put(error: BaseException, step: str, words: ErrorWords) -> str:
    """A sentence for learners on `error`, which came at `step` of the conversation, without a full stop. Raises the
    error itself when there is no sentence for it.
    """
    for kind, in_words in {**words, **_COMMON}.items():
        if isinstance(error, kind):
            return in_words(error, step)
    raise error


def shown(text: bytes | str) -> str:
    """What a server said, in one line, however long or strange it is."""
    readable = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    return " ".join(readable.split())[:200]


def _certificate(error: ssl.SSLCertVerificationError, _: str) -> str:
    reason = error.verify_message.rstrip(".")
    return f"the certificate does not fit: {_UNFIT.get(reason, reason)}"


def _tls(error: ssl.SSLError, step: str) -> str:
    reason = error.reason or "no reason given"
    what = "the TLS handshake failed" if step == HANDSHAKE else f"TLS broke {step}"
    return f"{what}: {_REASONS.get(reason, reason.replace('_', ' ').lower())}"


def _closed(_: BaseException, step: str) -> str:
    return f"the server closed the connection {step}"


def _senseless(_: BaseException, step: str) -> str:
    return f"the server's answer {step} makes no sense"


_UNFIT = {
    "unable to get local issuer certificate": "nobody whom the client trusts has issued it "
    "(unable to get local issuer certificate)",
}
"""What OpenSSL says of a certificate -> what it means, where its own words are not clear."""

_NO_VERSION = "the two sides have no TLS version in common"
_NO_CIPHER = "the two sides have no cipher suite in common"

_REASONS = {
    "WRONG_VERSION_NUMBER": "what the server sent is not TLS",
    "TLSV1_ALERT_PROTOCOL_VERSION": _NO_VERSION,
    "UNSUPPORTED_PROTOCOL": _NO_VERSION,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _NO_CIPHER,
    "NO_SHARED_CIPHER": _NO_CIPHER,
}
"""OpenSSL's name for a failure -> what it means."""

_COMMON: ErrorWords = {
    Stopped: lambda error, _: str(error),
    LabError: lambda error, _: str(error).rstrip("."),
    ssl.SSLCertVerificationError: _certificate,
    ssl.SSLEOFError: _closed,
    ssl.SSLZeroReturnError: _closed,
    ssl.SSLError: _tls,
    ConnectionResetError: lambda _, step: f"the server reset the connection {step}",
    OSError: lambda error, step: f"the connection broke {step} ({error.strerror or error})",
    ValueError: _senseless,
    LookupError: _senseless,
}
"""What can happen to every client."""
