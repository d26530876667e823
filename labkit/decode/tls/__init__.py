"""TLS on the wire: records, messages with every byte named, and decryption with the session's secrets."""

from labkit.decode.tls.records import starts
from labkit.decode.tls.stream import Message, Stream

__all__ = ["Message", "Stream", "starts"]
