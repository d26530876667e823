"""The blocks of a pcapng file as bytes (draft-ietf-opsawg-pcapng §3 and §4): their numbers, options and padding."""

import struct

SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, PACKET, SECRETS = 0x0A0D0D0A, 1, 2, 3, 6, 10
"""Types of blocks."""
TLS_KEY_LOG = 0x544C534B
"""The type of secrets in a Decryption Secrets Block that is an NSS key log."""
END_OF_OPTIONS, COMMENT, IF_TSRESOL, IF_TSOFFSET = 0, 1, 9, 14
"""Codes of options."""
_LONGEST_OPTION = 0xFFFF
"""Bytes of the value of an option."""


def section_block(comment: str) -> bytes:
    """The Section Header Block (§4.1) of a little-endian section whose length is not stated."""
    return _block(SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _option(COMMENT, comment.encode()))


def interface_block(link: int) -> bytes:
    """The Interface Description Block (§4.2) of an interface with this link type, whose times are in nanoseconds."""
    return _block(INTERFACE, struct.pack("<HHI", link, 0, 0) + _option(IF_TSRESOL, b"\x09"))


def packet_block(interface: int, time: int, data: bytes, length: int) -> bytes:
    """The Enhanced Packet Block (§4.3) of a frame.

    `interface` counts from 0, `time` is nanoseconds since 1970, `length` the bytes on the wire. Raises `struct.error`
    for a time that does not fit into 64 bits.
    """
    head = struct.pack("<5I", interface, time >> 32, time & 0xFFFFFFFF, len(data), length)
    return _block(PACKET, head + _padded(data))


def secrets_block(keylog: str) -> bytes:
    """The Decryption Secrets Block (§4.7) of a key log; nothing for an empty one."""
    secrets = keylog.encode()
    return _block(SECRETS, struct.pack("<II", TLS_KEY_LOG, len(secrets)) + _padded(secrets)) if secrets else b""


def options(order: str, data: bytes) -> dict[int, bytes]:
    """Code of an option -> its first value, in the byte order of the section (`<` or `>`, as `struct` has it)."""
    found, at = {}, 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == END_OF_OPTIONS:
            break
        found.setdefault(code, data[at + 4 : at + 4 + length])
        at += 4 + length + -length % 4
    return found


def _block(kind: int, body: bytes) -> bytes:
    total = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + total + body + total


def _option(code: int, value: bytes) -> bytes:
    """A list of one option; an empty list for an empty value."""
    held = value[:_LONGEST_OPTION]
    return struct.pack("<HH", code, len(held)) + _padded(held) + struct.pack("<HH", END_OF_OPTIONS, 0) if held else b""


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
