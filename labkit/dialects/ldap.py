"""LDAP: RFC 4511, whose StartTLS (§4.14) is an extended operation with a binary answer.

Every message is one BER element (RFC 4511 §5.1). What the server offers stands in its root DSE (RFC 4512 §5.1), which
few clients read before they ask for TLS.
"""

import re

from labkit.dialects.base import CLIENT, SERVER, Dialect, Phrase
from labkit.dialects.framing.binary_records import REPLY, BinaryRecordReader, BinaryRecords, ber
from labkit.dialects.ldap_disclosed import reveals
from labkit.dialects.ldap_messages import (
    BOOLEAN,
    ENUMERATED,
    OPERATIONS,
    SEQUENCE,
    STRING,
    LDAPMessage,
    element,
    elements,
    entry,
    envelope,
    extended,
    message,
    number,
    result,
    result_code,
    texts,
)
from labkit.dialects.reader import COMMAND, WAIT
from labkit.dialects.writing import (
    GO_AHEAD,
    LATER,
    REFUSED,
    Capabilities,
    CapabilityList,
    Injected,
    Reply,
    Writer,
    counted_on,
)

STARTTLS = "1.3.6.1.4.1.1466.20037"
"""The object identifier of StartTLS (RFC 4511 §4.14)."""
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
"""RFC 4532."""

SUCCESS, PROTOCOL_ERROR, UNAVAILABLE = 0, 2, 52
"""Result codes of RFC 4511 §4.1.9."""

COMMANDS = {
    "BindRequest": "The client logs in; a simple bind has the password as it is (RFC 4511 §4.2).",
    "UnbindRequest": "The client ends the conversation (RFC 4511 §4.3).",
    "SearchRequest": "The client asks for entries (RFC 4511 §4.5).",
    "ModifyRequest": "The client changes an entry (RFC 4511 §4.6).",
    "AddRequest": "The client adds an entry (RFC 4511 §4.7).",
    "DelRequest": "The client removes an entry (RFC 4511 §4.8).",
    "ModifyDNRequest": "The client gives an entry another name (RFC 4511 §4.9).",
    "CompareRequest": "The client asks whether an entry has a value (RFC 4511 §4.10).",
    "AbandonRequest": "The client gives an operation up (RFC 4511 §4.11).",
    "ExtendedRequest": "The client asks for an operation that is named by a number (RFC 4511 §4.12).",
    "StartTLS": "The client asks to start TLS here: an extended operation (RFC 4511 §4.14).",
}

REPLIES = {
    "BindResponse": "The server's answer to a login (RFC 4511 §4.2.2).",
    "SearchResultEntry": "An entry that was found (RFC 4511 §4.5.2).",
    "SearchResultReference": "Where the search goes on (RFC 4511 §4.5.3).",
    "SearchResultDone": "The end of the search (RFC 4511 §4.5.2).",
    "ModifyResponse": "The server's answer to a change (RFC 4511 §4.6).",
    "AddResponse": "The server's answer to a new entry (RFC 4511 §4.7).",
    "DelResponse": "The server's answer to a removal (RFC 4511 §4.8).",
    "ModifyDNResponse": "The server's answer to a new name (RFC 4511 §4.9).",
    "CompareResponse": "The server's answer to a comparison (RFC 4511 §4.10).",
    "ExtendedResponse": "The server's answer to an extended operation (RFC 4511 §4.12).",
    "IntermediateResponse": "A part of the server's answer (RFC 4511 §4.13).",
}
_RESULTS = {
    0: "success",
    1: "operationsError",
    2: "protocolError",
    7: "authMethodNotSupported",
    8: "strongerAuthRequired",
    13: "confidentialityRequired",
    32: "noSuchObject",
    34: "invalidDNSyntax",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    80: "other",
}
"""Result code -> its name (RFC 4511 §4.1.9)."""


# ---- reading


class _Reader(BinaryRecordReader):
    """Follows one LDAP conversation. See `labkit.dialects.base.Reader`."""

    _records = BinaryRecords(
        sizes={(CLIENT, COMMAND): ber(SEQUENCE), (SERVER, REPLY): ber(SEQUENCE)},
        after={"StartTLS": (WAIT, ""), "ExtendedResponse": (COMMAND, "")},
        most=1 << 28,
    )

    def __init__(self) -> None:
        super().__init__()
        self._upgrade: int | None = None
        """The number of the message that asked for TLS and has no answer yet."""

    def _named(self, sender: str, data: bytes) -> tuple[str, str]:
        read = message(data)
        if read is None:
            return "unknown", "unknown"
        title = OPERATIONS[read.operation]
        if sender == CLIENT:
            return self._request(read, title)
        if title == "ExtendedResponse" and read.number == self._upgrade:
            self._upgrade = None
            return ("go-ahead" if result_code(read) == SUCCESS else "refusal"), title
        return ("reply", title) if title in REPLIES else ("unknown", "unknown")

    def _request(self, read: LDAPMessage, title: str) -> tuple[str, str]:
        if title == "ExtendedRequest" and read.parts and read.parts[0] == (0x80, STARTTLS.encode()):
            self._upgrade = read.number
            return "command", "StartTLS"
        return ("command", title) if title in COMMANDS else ("unknown", "unknown")


_REQUEST = re.compile(
    rb"\x30(?:[\x00-\x7f]|[\x81-\x84].{1,4}?)"  # a message and its length
    rb"\x02[\x01-\x04].{1,4}?"  # its number
    rb"[\x42\x4a\x50\x60\x63\x66\x68\x6c\x6e\x77]",  # a request
    re.DOTALL,
)


_RESPONSE = re.compile(
    rb"\x30(?:[\x00-\x7f]|[\x81-\x84].{1,4}?)\x02[\x01-\x04].{1,4}?[\x61\x64\x65\x67\x69\x6b\x6d\x6f\x73\x78\x79]",
    re.DOTALL,
)


def _recognises(server: bytes, client: bytes) -> bool:
    """By the client's first message, which must be whole and have a request in it."""
    read = message(client) if _REQUEST.match(client) else None
    return read is not None and OPERATIONS[read.operation] in COMMANDS


def _accepts(title: str, data: bytes) -> bool | None:
    read = message(data) if title in REPLIES else None
    code = None if read is None else result_code(read)
    return None if code in (None, _GOES_ON) or _goes_on_as_sicily(read) else code in _SUCCESSES


def _goes_on_as_sicily(read: LDAPMessage) -> bool:
    """Whether a bind response reports success with something in the place of a name, which is empty in every other
    success (RFC 4511 §4.1.9): a step of Active Directory's own kind of bind ([MS-ADTS] §5.1.1.1.3)."""
    return (
        (read.operation, result_code(read)) == (0x61, SUCCESS) and len(read.parts) > 1 and bool(read.parts[1].content)
    )


_GOES_ON = 14
_SUCCESSES = (SUCCESS, 5, 6)
"""Result codes that do not report an error; 5 and 6 are those of a comparison (RFC 4511 §4.1.9)."""


def _tell(title: str, data: bytes) -> str:
    """The title, the result, and what of the message is text."""
    read = message(data)
    if read is None:
        return title
    code = result_code(read) if title in REPLIES else None
    named = [] if code is None else [_RESULTS.get(code, str(code))]
    words = [*named, *(text for part in read.parts for text in texts(part))]
    return f"{title}: {' '.join(words)}" if words else title


def _explain(kind: str, title: str, line: str) -> str:
    return COMMANDS.get(title) or REPLIES.get(title) or "Not a message of LDAP."


# ---- writing


def _identifier(tag: str) -> int:
    """The number of a message: the tag itself, or one that no client counts up to."""
    return int(tag) if tag.isdecimal() else int.from_bytes(b"ma", "big")


def _tag(data: bytes) -> str:
    read = message(data)
    return str(read.number) if read else ""


def _command(text: str, tag: str) -> bytes:
    return extended(_identifier(tag), {"StartTLS": STARTTLS, "Who am I?": WHO_AM_I}[text])


def _answer(code: int, *more: bytes) -> Reply:
    return lambda text, tag: result(_identifier(tag), 0x78, code, text, *more)


def _willing(phrase: Phrase) -> bytes:
    read = message(phrase.data)
    responses = {0x60: 0x61, 0x63: 0x65, 0x66: 0x67, 0x68: 0x69, 0x4A: 0x6B, 0x6C: 0x6D, 0x6E: 0x6F, 0x77: 0x78}
    return result(read.number, responses[read.operation], SUCCESS) if read and read.operation in responses else b""


def _login(user: str, password: str, tag: str) -> bytes:
    name = element(STRING, f"uid={user},dc=lab,dc=test".encode())
    return envelope(_identifier(tag), 0x60, number(3), name, element(0x80, password.encode()))


def _ask(_: str, tag: str) -> bytes:
    """A search for the root DSE: base object, no alias, no limit, the attributes that say what is offered."""
    names = element(SEQUENCE, element(STRING, b"supportedExtension"), element(STRING, b"supportedSASLMechanisms"))
    how = number(0, ENUMERATED), number(0, ENUMERATED), number(0), number(0), element(BOOLEAN, b"\x00")
    return envelope(_identifier(tag), 0x63, element(STRING), *how, element(0x87, b"objectClass"), names)


def _attributes(data: bytes) -> list[tuple[bytes, list[bytes]]] | None:
    """The attributes of a SearchResultEntry: (type, values); None for other bytes."""
    read = message(data)
    if read is None or read.operation != 0x64 or len(read.parts) != 2:
        return None
    attributes = (list(elements(attribute.content)) for attribute in elements(read.parts[1].content))
    return [
        (kind.content, [value.content for listed in values for value in elements(listed.content)])
        for kind, *values in filter(None, attributes)
    ]


def _find(data: bytes) -> Capabilities | None:
    attributes = dict(_attributes(data) or ())
    listed = attributes.get(b"supportedExtension")
    return None if listed is None else tuple(map(_text, listed))


def _replace(data: bytes, wanted: Capabilities) -> bytes:
    attributes = {_text(kind): tuple(map(_text, values)) for kind, values in _attributes(data)}
    attributes["supportedExtension"] = wanted
    read = message(data)
    return entry(read.number, _text(read.parts[0].content), attributes)


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _list(wanted: Capabilities, tag: str) -> bytes:
    identifier = _identifier(tag)
    return entry(identifier, "", {"supportedExtension": wanted}) + result(identifier, 0x65, SUCCESS)


LDAP = Dialect(
    name="LDAP",
    source="RFC 4511, RFC 4513",
    explicit_ports=(389,),
    implicit_ports=(636,),
    ask="SearchRequest",
    token=STARTTLS,
    upgrade="StartTLS",
    go_ahead="success",
    client_first=True,
    more_follows=("SearchResultEntry", "SearchResultReference", "IntermediateResponse"),
    sections={"upgrade": "RFC 4511 §4.14", "forget": "RFC 4513 §3.1.5, §4", "login": "RFC 4513 §5.1.3"},
    messages=lambda _: (),
    sasl=r"(?!)(?P<mechanism>)(?P<initial>)",
    reader=_Reader,
    writes=Writer(
        command=_command,
        replies={
            REFUSED: _answer(PROTOCOL_ERROR),
            LATER: _answer(UNAVAILABLE),
            GO_AHEAD: _answer(SUCCESS, element(0x8A, STARTTLS.encode())),
        },
        willing=_willing,
        login=_login,
        capabilities=CapabilityList(_find, _replace, _list, unasked=True),
        tag=_tag,
        next_tag=counted_on,
        injected=Injected("Who am I?", r"0[\s\S]{1,3}\x02\x02ma"),
        ask=_ask,
        leave=lambda tag: envelope(_identifier(tag), 0x42),
        welcome=r"[\s\S]*?\x61[\x00-\x7f]\x0a\x01\x00",
        logged_in=Injected("Who am I?", r"[\s\S]*\x8b[\x01-\x7f]"),
    ),
    recognises=_recognises,
    explain=_explain,
    tell=_tell,
    begins_phrase=lambda side, data: bool((_REQUEST if side == CLIENT else _RESPONSE).match(data)),
    tagged=True,
    accepts=_accepts,
    logins=("BindRequest",),
    works=("SearchRequest", "CompareRequest", "ExtendedRequest"),
    delivers=("AddRequest", "ModifyRequest", "DelRequest", "ModifyDNRequest"),
    again="BindRequest",
    steps={
        "question": "The client may read the root DSE, in which the server says what it can do.",
        "offer": f"The server names StartTLS by its number, {STARTTLS}, among its extensions.",
        "upgrade": "The client asks to start TLS: an extended request with that number.",
        "go-ahead": "The server agrees: an extended response with the result success. The next byte is to be TLS.",
        "first words in TLS": "Inside TLS the client starts afresh: who it was may be forgotten (RFC 4513 §4).",
    },
    commands=COMMANDS,
    replies=REPLIES,
    capabilities={STARTTLS: "The server offers StartTLS (RFC 4511 §4.14).", WHO_AM_I: "The server knows Who am I?"},
    reveals=reveals,
)
