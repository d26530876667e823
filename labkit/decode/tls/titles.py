"""The titles of records and handshake messages, decrypted or not. What they mean is `meanings`."""

from labkit.decode.tls.hello import RETRY_RANDOM
from labkit.decode.tls.records import (
    AFTER_GAP,
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HEARTBEAT,
    NOT_TLS,
)
from labkit.decode.tls.records import HANDSHAKE as HANDSHAKE_RECORD
from labkit.decode.tls.registry import ALERTS, HANDSHAKES

KINDS = {
    CHANGE_CIPHER_SPEC: "change-cipher-spec",
    ALERT: "alert",
    HANDSHAKE_RECORD: "handshake",
    APPLICATION_DATA: "application-data",
    HEARTBEAT: "heartbeat",
}

RECORD = "encrypted record"
CLOSED_FINISHED = "encrypted Finished"
DATA = "application data"
CLOSED = {
    CHANGE_CIPHER_SPEC: "encrypted ChangeCipherSpec",
    ALERT: "encrypted alert",
    HANDSHAKE_RECORD: "encrypted handshake message",
    APPLICATION_DATA: DATA,
    HEARTBEAT: "encrypted heartbeat",
}
TITLES = {
    CHANGE_CIPHER_SPEC: "ChangeCipherSpec",
    APPLICATION_DATA: DATA,
    HEARTBEAT: "heartbeat",
    NOT_TLS: "not TLS",
    AFTER_GAP: "bytes after a gap",
}
"""The titles of records in clear text, and of bytes that are not a record."""
_SERVER_HELLO = 2
ALERT_LENGTH = 2
"""Bytes of an alert: its level and what it says (RFC 8446 §6)."""
UNFINISHED = "unfinished"
UNFINISHED_RECORD = f"{UNFINISHED} record"
SEALED = {*CLOSED.values(), RECORD, CLOSED_FINISHED, UNFINISHED_RECORD}
"""Titles of events that are ciphertext; application data too, for what was opened is an event of the text inside."""


def handshake_title(data: bytes) -> str:
    """The title of a handshake message with its header."""
    kind = data[0]
    if kind == _SERVER_HELLO and data[6:38] == RETRY_RANDOM:
        return "HelloRetryRequest"
    return HANDSHAKES.get(kind) or f"handshake message {kind}"


def content_title(kind: int, content: bytes) -> str:
    """The title of another record, by its content in clear."""
    if kind == ALERT:
        return f"Alert: {ALERTS.get(content[1], content[1])}" if len(content) == 2 else "Alert: malformed"
    return TITLES.get(kind, "unknown content")
