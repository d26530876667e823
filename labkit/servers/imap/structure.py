"""ENVELOPE and BODYSTRUCTURE: what IMAP says of a message without sending it (RFC 3501 §7.4.2)."""

from labkit.mail.mime import Entity
from labkit.servers.imap.responses import listed, nstring, string

_ADDRESSES = ("from", "sender", "reply-to", "to", "cc", "bcc")
_DEFAULT = {"sender": "from", "reply-to": "from"}
"""Field of the envelope -> the field that stands for it where it is missing or empty."""


def envelope(message: Entity) -> bytes:
    """The fields that a list of messages shows."""
    found = {name: message.addresses(name) for name in _ADDRESSES}
    addresses = [_addresses(found[name] or found.get(_DEFAULT.get(name, ""), [])) for name in _ADDRESSES]
    return listed(
        [
            nstring(message.field("date")),
            nstring(message.field("subject")),
            *addresses,
            nstring(message.field("in-reply-to")),
            nstring(message.field("message-id")),
        ]
    )


def body_structure(part: Entity, extended: bool) -> bytes:
    """The tree of parts with their types and sizes; `extended` is BODYSTRUCTURE, otherwise BODY."""
    main, sub = part.type
    if part.parts:
        tree = b"".join(body_structure(inner, extended) for inner in part.parts)
        more = [_parameters(part, "content-type"), *_disposition(part)] if extended else []
        return b"(" + b" ".join([tree, string(sub.upper().encode()), *more]) + b")"
    if main == "multipart":  # without a part that could be found, it is text to a client
        main, sub = "text", "plain"
    facts = [
        string(main.upper().encode()),
        string(sub.upper().encode()),
        _parameters(part, "content-type") if part.type == (main, sub) else b"NIL",
        nstring(part.field("content-id")),
        nstring(part.field("content-description")),
        string((part.field("content-transfer-encoding") or b"7bit").upper()),
        b"%d" % len(part.body),
    ]
    if part.inner:
        facts += [envelope(part.inner), body_structure(part.inner, extended)]
    if part.inner or main == "text":
        facts.append(b"%d" % part.body.count(b"\n"))
    if extended:
        facts += [nstring(part.field("content-md5")), *_disposition(part)]
    return listed(facts)


def _disposition(part: Entity) -> list[bytes]:
    """Disposition, language and location: the rest of what BODYSTRUCTURE adds."""
    said = part.field("content-disposition")
    kind = said.split(b";")[0].strip() if said else b""
    shown = listed([string(kind.upper()), _parameters(part, "content-disposition")]) if kind else b"NIL"
    return [shown, nstring(part.field("content-language")), nstring(part.field("content-location"))]


def _parameters(part: Entity, field: str) -> bytes:
    pairs = part.parameters(field)
    if not pairs:
        return b'("CHARSET" "US-ASCII")' if field == "content-type" and part.type[0] == "text" else b"NIL"
    words = [string(word.encode("latin-1", "replace")) for pair in pairs for word in (pair[0].upper(), pair[1])]
    return listed(words)


def _addresses(found: list[tuple[str, str]]) -> bytes:
    return b"(" + b"".join(map(_address, found)) + b")" if found else b"NIL"


def _address(pair: tuple[str, str]) -> bytes:
    name, address = (part.encode("latin-1", "replace") for part in pair)
    user, _, domain = address.rpartition(b"@") if b"@" in address else (address, b"", b"")
    return listed([string(name) if name else b"NIL", b"NIL", string(user), string(domain)])
