"""Why a message was not sent, as a sentence: what the standard library raises, put in the words of the field."""

import smtplib
import ssl

from labkit.errors import LabError


class Stopped(Exception):
    """The client itself went no further; the message says why."""


def sentence(error: Exception, step: str, expired: bool, timeout: float) -> str:
    """What to tell a learner about `error`, which came at `step` of the conversation; no full stop at the end."""
    if expired or isinstance(error, TimeoutError):
        return f"the time limit of {timeout:g} s ran out {step}"
    for kind, put in _WORDS.items():
        if isinstance(error, kind):
            return put(error, step)
    raise error


def _greeting(error: smtplib.SMTPConnectError, _: str) -> str:
    if error.smtp_code == -1:
        return "the server greeted with something that is not SMTP (a greeting begins with 220)"
    return f"the server greeted with {_reply(error.smtp_code, error.smtp_error)}, not with 220"


def _login(error: smtplib.SMTPAuthenticationError, _: str) -> str:
    return f"the server refused the login with {_reply(error.smtp_code, error.smtp_error)}"


def _recipients(error: smtplib.SMTPRecipientsRefused, _: str) -> str:
    refused = (f"{who} with {_reply(*reply)}" for who, reply in error.recipients.items())
    return f"the server refused {' and '.join(refused)}"


def _reply(code: int, text: bytes | str) -> str:
    shown = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(shown.split())[:200]}".strip()


def _certificate(error: ssl.SSLCertVerificationError, _: str) -> str:
    return f"the certificate does not fit: {error.verify_message.rstrip('.')}"


def _handshake(error: ssl.SSLError, _: str) -> str:
    reason = error.reason or "no reason given"
    return f"the TLS handshake failed: {_REASONS.get(reason, reason.replace('_', ' ').lower())}"


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
    ssl.SSLEOFError: lambda _, __: "the server hung up during the TLS handshake",
    ssl.SSLError: _handshake,
    smtplib.SMTPConnectError: _greeting,
    smtplib.SMTPAuthenticationError: _login,
    smtplib.SMTPRecipientsRefused: _recipients,
    smtplib.SMTPResponseException: lambda error, step: (
        f"the server answered {_reply(error.smtp_code, error.smtp_error)} {step}"
    ),
    smtplib.SMTPServerDisconnected: lambda _, step: f"the server closed the connection {step}",
    smtplib.SMTPException: lambda error, step: f"{str(error).rstrip('.')} ({step})",
    OSError: lambda error, step: f"the connection broke {step} ({error.strerror or error})",
}
"""Kind of error, special before general -> how to put it."""
