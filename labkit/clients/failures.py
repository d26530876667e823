"""Why a message was not sent, as a sentence: what the standard library raises, put in the words of the field."""

import smtplib
import ssl

from labkit.errors import LabError

GREETING = "before the greeting"
HANDSHAKE = "during the TLS handshake"
"""Steps of a conversation at which failures have words of their own."""


class Stopped(Exception):
    """The client itself went no further; the message says why."""


def sentence(error: Exception, step: str, expired: bool, timeout: float) -> str:
    """What to tell a learner about `error`, which came at `step` of the conversation; no full stop at the end."""
    if isinstance(error, TimeoutError) or (expired and not isinstance(error, _ANSWERS)):
        return f"the time limit of {timeout:g} s ran out {step}"
    return _put(error, step)


def _put(error: BaseException, step: str) -> str:
    for kind, put in _WORDS.items():
        if isinstance(error, kind):
            return put(error, step)
    raise error


def _greeting(error: smtplib.SMTPConnectError, _: str) -> str:
    if error.smtp_code == -1:
        return "the server greeted with something that is not SMTP (a greeting begins with 220)"
    return f"the server greeted with {reply(error.smtp_code, error.smtp_error)}, not with 220"


def _login(error: smtplib.SMTPAuthenticationError, _: str) -> str:
    return f"the server refused the login with {reply(error.smtp_code, error.smtp_error)}"


def _recipients(error: smtplib.SMTPRecipientsRefused, _: str) -> str:
    refused = (f"{who} with {reply(*answer)}" for who, answer in error.recipients.items())
    return f"the server refused {' and '.join(refused)}"


def _answer(error: smtplib.SMTPResponseException, step: str) -> str:
    if isinstance(error.smtp_error, str):  # these are smtplib's words, not the server's
        return f"the server's answer {step} is longer than a line may be"
    if error.smtp_code == -1:
        return f"the server's answer {step} is not SMTP (a reply begins with three digits)"
    return f"the server answered {reply(error.smtp_code, error.smtp_error)} {step}"


def _disconnected(error: smtplib.SMTPServerDisconnected, step: str) -> str:
    """smtplib says this also for what broke underneath; that is the better reason."""
    if isinstance(error.__context__, OSError):
        return _put(error.__context__, step)
    return f"the server closed the connection {step}"


def reply(code: int, text: bytes | str) -> str:
    """A server's reply in one line, however long or strange it is."""
    shown = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(shown.split())[:200]}".strip()


def _certificate(error: ssl.SSLCertVerificationError, _: str) -> str:
    return f"the certificate does not fit: {error.verify_message.rstrip('.')}"


def _tls(error: ssl.SSLError, step: str) -> str:
    reason = error.reason or "no reason given"
    what = "the TLS handshake failed" if step == HANDSHAKE else f"TLS broke {step}"
    return f"{what}: {_REASONS.get(reason, reason.replace('_', ' ').lower())}"


_ANSWERS = (Stopped, smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused)
"""Errors that stand for what the server said; they are the reason also when the time ran out later, behind them."""

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


_WORDS = {
    Stopped: lambda error, _: str(error),
    LabError: lambda error, _: str(error).rstrip("."),
    ssl.SSLCertVerificationError: _certificate,
    ssl.SSLEOFError: lambda _, step: f"the server closed the connection {step}",
    ssl.SSLZeroReturnError: lambda _, step: f"the server closed the connection {step}",
    ssl.SSLError: _tls,
    ConnectionResetError: lambda _, step: f"the server reset the connection {step}",
    smtplib.SMTPConnectError: _greeting,
    smtplib.SMTPAuthenticationError: _login,
    smtplib.SMTPRecipientsRefused: _recipients,
    smtplib.SMTPResponseException: _answer,
    smtplib.SMTPServerDisconnected: _disconnected,
    smtplib.SMTPException: lambda error, step: f"{str(error).rstrip('.')} ({step})",
    OSError: lambda error, step: f"the connection broke {step} ({error.strerror or error})",
    ValueError: lambda _, step: f"the server's answer {step} makes no sense",
}
"""Kind of error, special before general -> how to put it."""
