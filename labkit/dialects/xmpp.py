"""XMPP between client and server: RFC 6120, whose upgrade (§5) begins a new stream inside TLS.

The client opens its stream first. The server offers what it can do in the features after its own stream header; where
TLS is refused, the stream is closed (§5.4.2.2).
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from html import unescape

from labkit.dialects.base import CHALLENGE, RESPONSE, SERVER, Dialect, Disclosed, Phrase
from labkit.dialects.framing.stanzas import StanzaReader, Stanzas
from labkit.dialects.writing import (
    GO_AHEAD,
    REFUSED,
    Capabilities,
    CapabilityList,
    Injected,
    Reply,
    Writer,
    offering,
    plain,
)

TLS_NAMESPACE = "urn:ietf:params:xml:ns:xmpp-tls"
SASL_NAMESPACE = "urn:ietf:params:xml:ns:xmpp-sasl"

COMMANDS = {
    "stream": "The client opens its stream and names the domain that it wants (RFC 6120 §4.2).",
    "starttls": "The client asks to start TLS here (RFC 6120 §5.4.2.1).",
    "auth": "The client logs in; what follows is base64, which anyone can decode (RFC 6120 §6.4.2).",
    "authenticate": "The client logs in; what follows is base64, which anyone can decode (XEP-0388).",
    "response": "The client goes on with its login (RFC 6120 §6.4.3).",
    "abort": "The client gives its login up (RFC 6120 §6.4.4).",
    "iq": "The client asks, or answers, about something (RFC 6120 §8.2.3).",
    "message": "A message to another user (RFC 6120 §8.2.1).",
    "presence": "The client says that it is there, or not (RFC 6120 §8.2.2).",
    "/stream": "The client closes its stream (RFC 6120 §4.4).",
}

REPLIES = {
    "stream": "The server opens its stream (RFC 6120 §4.2).",
    "features": "What the server can do now (RFC 6120 §4.3.2).",
    "proceed": "The server agrees to start TLS (RFC 6120 §5.4.2.3).",
    "failure": "The server refuses (RFC 6120 §5.4.2.2, §6.4.5).",
    "challenge": "The server asks for the next part of the login (RFC 6120 §6.4.3).",
    "success": "The login was right; both begin a new stream (RFC 6120 §6.4.6).",
    "iq": "The server asks, or answers, about something (RFC 6120 §8.2.3).",
    "message": "A message from another user (RFC 6120 §8.2.1).",
    "presence": "Who is there, or not (RFC 6120 §8.2.2).",
    "error": "The stream is broken; it is closed after this (RFC 6120 §4.9).",
    "/stream": "The server closes its stream (RFC 6120 §4.4).",
}

CAPABILITIES = {
    "starttls": "The server offers to start TLS (RFC 6120 §5.4.1). Nothing protects this element from being removed.",
    "mechanisms": "The login mechanisms that the server offers (RFC 6120 §6.3.4).",
    "bind": "The client can take a resource (RFC 6120 §7.4).",
    "session": "The client may open a session, as RFC 3921 asked.",
    "register": "New accounts can be made (XEP-0077).",
    "compression": "What is said can be compressed (XEP-0138).",
    "sm": "Streams can be resumed (XEP-0198).",
}


class _Reader(StanzaReader):
    """Follows one XMPP conversation. See `labkit.dialects.base.Reader`."""

    _stanzas = Stanzas(
        root="stream",
        kinds={(SERVER, "stream"): "greeting"},
        go_aheads={"starttls": ("proceed", "failure")},
    )


_STREAM = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?<(?:\w+:)?stream\b[^>]*(?:etherx\.jabber\.org|jabber:)", re.IGNORECASE)


def _recognises(server: bytes, client: bytes) -> bool:
    """By the header with which either side opens its stream (RFC 6120 §4.7)."""
    return bool(_STREAM.match(server) or _STREAM.match(client))


def _explain(kind: str, title: str, line: str) -> str:
    known: Mapping[str, str] = COMMANDS if kind == "command" else REPLIES
    return known.get(title) or REPLIES.get(title) or "Not an element of XMPP that the lab knows."


_FEATURES = re.compile(
    rb"(?P<head>\s*<(?:\w+:)?features\b[^>]*>)(?P<list>.*)(?P<tail></(?:\w+:)?features>\s*)", re.DOTALL
)
_FEATURE = re.compile(r"<([\w.-]+)(?=[\s/>])[^>]*?(?:/>|>.*?</\1>)", re.DOTALL)


def _find(data: bytes) -> Capabilities | None:
    """Each feature as its name, a space, and its element."""
    found = _FEATURES.fullmatch(data)
    listed = _FEATURE.finditer(found["list"].decode("utf-8", "replace")) if found else ()
    return tuple(f"{one[1]} {one[0]}" for one in listed) if found else None


def _written(capabilities: Capabilities) -> bytes:
    elements = (element or f"<{name}/>" for name, _, element in (one.partition(" ") for one in capabilities))
    return "".join(elements).encode("utf-8", "replace")


def _replace(data: bytes, wanted: Capabilities) -> bytes:
    found = _FEATURES.fullmatch(data)
    return found["head"] + _written(wanted) + found["tail"]


def _answer(wanted: Capabilities, tag: str) -> bytes:
    return b"<stream:features>" + _written(wanted) + b"</stream:features>"


def header(attributes: str) -> bytes:
    """The tag that opens a stream, with these further attributes."""
    spaces = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    return f"<?xml version='1.0'?><stream:stream {spaces} version='1.0' {attributes}>".encode("utf-8", "replace")


def _command(text: str, tag: str) -> bytes:
    if text == "starttls":
        return f"<starttls xmlns='{TLS_NAMESPACE}'/>".encode()
    return header("to='mail.lab.test' from='mallory@mail.lab.test'")


def _login(user: str, password: str, tag: str) -> bytes:
    return f"<auth xmlns='{SASL_NAMESPACE}' mechanism='PLAIN'>{plain(user, password)}</auth>".encode()


def _willing(phrase: Phrase) -> bytes:
    return {
        "auth": f"<success xmlns='{SASL_NAMESPACE}'/>".encode(),
        "stream": header("id='lab'") + _answer((), ""),
    }.get(phrase.title, b"<iq type='result'/>")


_NAME = rb"(?:[\w.-]{1,64}:)?"
"""What may stand before the name of an element: the prefix of its namespace."""
_MECHANISM = rb"(?>[^>]*?\bmechanism=['\"](?P<mechanism>[^'\"]{1,64})['\"])[^>]*>"
_TELLING: Mapping[str, re.Pattern[bytes]] = {
    title: re.compile(rb"\s*<" + _NAME + title.encode() + rb"\b" + inside, re.DOTALL)
    for title, inside in {
        "auth": _MECHANISM + rb"(?P<response>[^<]*)",
        "authenticate": _MECHANISM + rb"(?:.*?<" + _NAME + rb"initial-response>(?P<response>[^<]*))?",
        "response": rb"[^>]*>(?P<response>[^<]*)",
        "challenge": rb"[^>]*>(?P<challenge>[^<]*)",
    }.items()
}
"""Element -> the step of a login that it is (RFC 6120 §6.4, XEP-0388)."""
_STANZAS = ("message", "presence", "iq")
"""RFC 6120 §8."""
_PART = re.compile(
    rb"<(?P<close>/?)(?:[\w.-]{1,64}:)?(?P<name>[\w.-]{1,64})(?P<attributes>[^<>]*)(?:>|\Z)"
    rb"|<!\[CDATA\[(?P<raw>(?:[^\]]|\](?!\]>))*)(?:\]\]>)?|(?P<text>[^<>]+)"
)
"""A tag, or the text between two."""
_ATTRIBUTE = re.compile(rb"\s(to|from|jid|name)\s*=\s*(?:'([^'<]*)'?|\"([^\"<]*)\"?)")
_ATTRIBUTES = {b"to": "recipient", b"from": "sender", b"jid": "address", b"name": "name"}
_ELEMENTS = {"body": "message", "username": "user name", "message": "text"}
"""Element -> what its text tells; the others are called by their own name. An iq may hold a login without SASL
(XEP-0078), or a new account (XEP-0077)."""


def _reveals(title: str, data: bytes) -> Iterator[Disclosed]:
    """What is said in an element: the step of a login, or the addresses and the text of a stanza."""
    return _in_stanza(data) if title in _STANZAS else _in_login(title, data)


def _in_stanza(data: bytes) -> Iterator[Disclosed]:
    what = "text"
    for part in _PART.finditer(data):
        if part["name"]:
            what = _within(what, part["name"].decode().lower(), bool(part["close"]))
            yield from _in_tag(part["attributes"], part.start("attributes"))
        elif (said := part[part.lastgroup]).strip():
            yield Disclosed(what, said if part["raw"] else _unescaped(said), *part.span(part.lastgroup))


def _within(what: str, name: str, closes: bool) -> str:
    """What the text after this tag is; the elements in a body mark its letters (XEP-0071)."""
    if what == "message" and name != "body":
        return what
    return "text" if closes else _ELEMENTS.get(name, name)


def _in_tag(attributes: bytes, start: int) -> Iterator[Disclosed]:
    told: set[bytes] = set()
    for found in _ATTRIBUTE.finditer(attributes):
        name, value = found[1], found[found.lastindex]
        if value and name not in told:
            told.add(name)
            place = start + found.start(found.lastindex)
            yield Disclosed(_ATTRIBUTES[name], _unescaped(value), place, place + len(value))


def _unescaped(value: bytes) -> bytes:
    return unescape(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _in_login(title: str, data: bytes) -> Iterator[Disclosed]:
    found = _TELLING[title].match(data) if title in _TELLING else None
    for name, value in found.groupdict().items() if found else ():
        if value:
            yield Disclosed(name, _payload(value) if name in (CHALLENGE, RESPONSE) else value, *found.span(name))


def _payload(coded: bytes) -> bytes:
    """What is said in base64, whose end may be cut off; as it stands where it is not base64.

    A single ``=`` stands for no bytes (RFC 6120 §6.4.2).
    """
    whole = b"".join(coded.split())
    try:
        return b64decode(whole[: len(whole) // 4 * 4], validate=True) if whole != b"=" else b""
    except ValueError:
        return coded


def _accepts(title: str, data: bytes) -> bool | None:
    """A message has no answer but an error (RFC 6120 §8.3)."""
    kind = _TYPE.match(data)
    return {"success": True, "failure": False, "error": False}.get(title, _TYPES.get(kind[1]) if kind else None)


_TYPE = re.compile(rb"\s*<(?:iq|message|presence)\b[^>]*?\btype=['\"](error|result)['\"]")
_TYPES = {b"error": False, b"result": True}
_ID = re.compile(rb"\s*<(?:iq|message|presence)\b[^>]*?\sid=['\"]([^'\"]+)")


def _request_id(data: bytes) -> str:
    """The id of a stanza, which the answer to an iq and an error repeat (RFC 6120 §8.1.3, §8.3.1)."""
    found = _ID.match(data)
    return found[1].decode("utf-8", "replace") if found else ""


_OUTCOMES = ("success", "challenge", "continue", "failure", "error")
_IN_TURN = {
    **dict.fromkeys(("auth", "authenticate", "response", "next"), _OUTCOMES),
    "abort": ("failure", "error"),
    "starttls": ("proceed", "failure", "error"),
    "/stream": ("/stream",),
}
"""RFC 6120 §4.4, §5.4.2, §6.4, XEP-0388 §2: stanzas and stream headers have no answer, or one that bears their id."""
_REPLIES: Mapping[str, Reply] = {
    REFUSED: lambda text, tag: f"<failure xmlns='{TLS_NAMESPACE}'/></stream:stream>".encode(),
    GO_AHEAD: lambda text, tag: f"<proceed xmlns='{TLS_NAMESPACE}'/>".encode(),
}
_PLAIN = f"mechanisms <mechanisms xmlns='{SASL_NAMESPACE}'><mechanism>PLAIN</mechanism></mechanisms>"

XMPP = Dialect(
    name="XMPP",
    source="RFC 6120",
    explicit_ports=(5222,),
    implicit_ports=(5223,),
    ask="",
    token="starttls",
    upgrade="starttls",
    go_ahead="<proceed/>",
    client_first=True,
    sections={"upgrade": "RFC 6120 §5.4", "forget": "RFC 6120 §5.4.3.3", "login": "RFC 6120 §13.8"},
    messages=lambda _: (),
    sasl=r"\s*<(?:[\w.-]+:)?auth\b(?>[^>]*?mechanism=['\"](?P<mechanism>[^'\"]{1,64})['\"])[^>]*>(?P<initial>[^<]*)",
    reader=_Reader,
    writes=Writer(
        command=_command,
        replies=_REPLIES,
        willing=_willing,
        login=_login,
        capabilities=CapabilityList(_find, _replace, _answer, unasked=True),
        login_names=frozenset({"mechanisms"}),
        clear_login=(_PLAIN,),
        weaker_login=(_PLAIN,),
        injected=Injected("stream", r"[\s\S]*to='mallory@mail\.lab\.test'"),
        ask=lambda name, tag: header(f"to='{name}'"),
        welcome=r"\s*<success",
        leave=lambda _: b"</stream:stream>",
        logged_in=Injected("stream", r"[\s\S]*<bind\b"),
        passwords=offering(r"mechanisms .*<mechanism>\s*(?:PLAIN|LOGIN)\s*<"),
    ),
    recognises=_recognises,
    explain=_explain,
    again="stream",
    accepts=_accepts,
    request_id=_request_id,
    in_turn=_IN_TURN,
    only_errors=("message", "presence"),  # RFC 6120 §8.3, §10.1
    logins=("auth", "authenticate", "response"),
    works=("iq",),
    changes=r"\s*<iq\b[^>]*?\stype=['\"]set",
    steps={
        "greeting": "The client has opened its stream; the server opens its own.",
        "offer": "The server offers starttls among its features, unasked.",
        "upgrade": "The client asks to start TLS: <starttls/>.",
        "go-ahead": "The server agrees: <proceed/>. The next byte is to be TLS.",
        "first words in TLS": "Inside TLS both begin a new stream, and the server lists its features anew.",
    },
    commands=COMMANDS,
    replies=REPLIES,
    capabilities=CAPABILITIES,
    discloses={
        "stream": (
            r"(?s)(?:.*?<(?:\w+:)?stream\b(?=(?:[^>]*?\bto=['\"](?P<domain>[^'\"]*)['\"])?)"
            r"(?=(?:[^>]*?\bfrom=['\"](?P<sender>[^'\"@]+@[^'\"]*)['\"])?))"
        ),
    },
    reveals=_reveals,
)
