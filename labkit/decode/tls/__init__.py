"""TLS on the wire: records, messages with every byte named, and decryption with the session's secrets."""

from labkit.decode.tls.records import starts
from labkit.decode.tls.stream import Stream, StreamMessage

__all__ = ["Stream", "StreamMessage", "starts"]
