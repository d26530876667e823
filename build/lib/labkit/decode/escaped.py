"""Bytes as text: UTF-8 (RFC 3629) in letters, every byte that is not UTF-8 as ``\\xNN``."""

_LONE = rb"\udc"
"""How Python's UTF-8 encoder writes the beginning of a lone low surrogate."""


def escaped(data: bytes) -> str:
    """The same as ``data.decode("utf-8", "backslashreplace")``, several times faster where much is not UTF-8.

    That error handler is called for each byte; the two that are used here are part of Python's codec.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        if _LONE in data:  # it would be taken for an escape
            return data.decode("utf-8", "backslashreplace")
        return (
            data.decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace").replace(_LONE, rb"\x").decode()
        )
