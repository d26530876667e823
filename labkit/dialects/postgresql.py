"""PostgreSQL: its frontend/backend protocol 3.0, in which one record asks for TLS and one byte answers.

https://www.postgresql.org/docs/current/protocol.html, chapters "Message Flow" and "Message Formats". Nothing is offered
and nothing is asked: the client speaks first. From version 17 on, TLS may come before the first byte on the same port.
"""

import re
from collections.abc import Mapping

from labkit.dialects.base import CLIENT, SERVER, Dialect, Phrase
from labkit.dialects.framing.binary_records import REPLY, BinaryRecordReader, BinaryRecords, counted, fixed
from labkit.dialects.postgresql_disclosed import reveals
from labkit.dialects.postgresql_transactions import undone
from labkit.dialects.reader import COMMAND, WAIT, Buffer
from labkit.dialects.writing import GO_AHEAD, LATER, REFUSED, Injected, Reply, Writer

_STARTUP = 196608
"""Protocol version 3.0, in the place of a request code."""
_CODES = {80877103: "SSLRequest", 80877104: "GSSENCRequest", 80877102: "CancelRequest", _STARTUP: "StartupMessage"}
SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"

COMMANDS = {
    "SSLRequest": "The client asks to start TLS here, in eight bytes that are always the same.",
    "GSSENCRequest": "The client asks for encryption with Kerberos.",
    "CancelRequest": "The client asks to stop a query of another connection.",
    "StartupMessage": "The client says who it is and which database it wants.",
    "PasswordMessage": "The client sends its password as it is, or a hash of it, as the server has asked.",
    "SASLInitialResponse": "The client begins a login with SASL: mechanism and first part.",
    "SASLResponse": "The client goes on with its login.",
    "GSSResponse": "The client logs in with Kerberos, or as Windows does.",
    "Query": "The client asks the server to run SQL.",
    "Parse": "The client prepares SQL.",
    "Bind": "The client gives the values for prepared SQL.",
    "Describe": "The client asks what prepared SQL gives.",
    "Execute": "The client runs prepared SQL.",
    "Sync": "The client ends a step; the server answers what is left.",
    "Flush": "The client asks for the answers so far.",
    "Close": "The client drops prepared SQL.",
    "FunctionCall": "The client calls a function.",
    "CopyData": "Data in bulk.",
    "CopyDone": "The end of data in bulk.",
    "CopyFail": "The client gives data in bulk up.",
    "Terminate": "The client ends the conversation.",
}
_CLIENTS = {
    b"Q": "Query",
    b"P": "Parse",
    b"B": "Bind",
    b"D": "Describe",
    b"E": "Execute",
    b"S": "Sync",
    b"H": "Flush",
    b"C": "Close",
    b"F": "FunctionCall",
    b"d": "CopyData",
    b"c": "CopyDone",
    b"f": "CopyFail",
    b"X": "Terminate",
}
"""Type byte -> the client's message; ``p`` depends on what the server has asked."""
_COPYING = ("CopyData", "CopyDone", "CopyFail")
"""What the client adds to its command once the server waits for data in bulk."""

REPLIES = {
    "S": "The server agrees to start TLS, in one byte. The next byte is to be TLS.",
    "N": "The server does not start TLS, in one byte that nobody has signed; whether the client goes on is its policy.",
    "G": "The server agrees to start encryption with Kerberos.",
    "AuthenticationOk": "The login was right.",
    "AuthenticationCleartextPassword": "The server asks for the password as it is.",
    "AuthenticationMD5Password": "The server asks for a hash of the password.",
    "AuthenticationSASL": "The server asks for a login with SASL, and names mechanisms.",
    "AuthenticationSASLContinue": "The server goes on with the login.",
    "AuthenticationSASLFinal": "The server ends the login with SASL, and proves that it knows the password.",
    "AuthenticationGSS": "The server asks for a login with Kerberos.",
    "AuthenticationGSSContinue": "The server goes on with a login with Kerberos, or as Windows does.",
    "AuthenticationSSPI": "The server asks for a login as Windows does.",
    "Authentication": "The server asks for a login that the lab does not know.",
    "NegotiateProtocolVersion": "The server names the options of the client that it does not know.",
    "ErrorResponse": "The server refuses, or something failed.",
    "NoticeResponse": "Something that the client should know.",
    "ParameterStatus": "A setting of the server.",
    "BackendKeyData": "A key with which the client can cancel queries.",
    "ReadyForQuery": "The server waits for the next query.",
    "RowDescription": "The columns of the rows that follow.",
    "DataRow": "A row.",
    "CommandComplete": "Done: what was asked has been done.",
    "EmptyQueryResponse": "There was nothing to do.",
    "ParseComplete": "The SQL is prepared.",
    "BindComplete": "The values are taken.",
    "CloseComplete": "The prepared SQL is dropped.",
    "NoData": "The SQL gives no rows.",
    "ParameterDescription": "The types of the values that prepared SQL wants.",
    "PortalSuspended": "There are more rows.",
    "NotificationResponse": "Something that the client has asked to be told of.",
    "CopyInResponse": "The server waits for data in bulk.",
    "CopyOutResponse": "Data in bulk follows.",
    "CopyBothResponse": "Data in bulk goes both ways.",
    "CopyData": COMMANDS["CopyData"],
    "CopyDone": COMMANDS["CopyDone"],
    "FunctionCallResponse": "The result of a function.",
}
_SERVERS = {
    b"v": "NegotiateProtocolVersion",
    b"E": "ErrorResponse",
    b"N": "NoticeResponse",
    b"S": "ParameterStatus",
    b"K": "BackendKeyData",
    b"Z": "ReadyForQuery",
    b"T": "RowDescription",
    b"D": "DataRow",
    b"C": "CommandComplete",
    b"I": "EmptyQueryResponse",
    b"1": "ParseComplete",
    b"2": "BindComplete",
    b"3": "CloseComplete",
    b"n": "NoData",
    b"t": "ParameterDescription",
    b"s": "PortalSuspended",
    b"A": "NotificationResponse",
    b"G": "CopyInResponse",
    b"H": "CopyOutResponse",
    b"W": "CopyBothResponse",
    b"d": "CopyData",
    b"c": "CopyDone",
    b"V": "FunctionCallResponse",
}
_AUTHENTICATION = {
    0: "AuthenticationOk",
    3: "AuthenticationCleartextPassword",
    5: "AuthenticationMD5Password",
    7: "AuthenticationGSS",
    8: "AuthenticationGSSContinue",
    9: "AuthenticationSSPI",
    10: "AuthenticationSASL",
    11: "AuthenticationSASLContinue",
    12: "AuthenticationSASLFinal",
}
_PASSWORD = {
    "AuthenticationSASL": "SASLInitialResponse",
    "AuthenticationSASLContinue": "SASLResponse",
    "AuthenticationGSS": "GSSResponse",
    "AuthenticationGSSContinue": "GSSResponse",
    "AuthenticationSSPI": "GSSResponse",
}
"""What the server has asked last -> what the client's message of type ``p`` is; a password otherwise."""

_ANSWER = "answer"
"""The state of a server that was asked for encryption: one byte, or an error."""
_MESSAGES = "messages"
"""The state of a client whose records have a type byte."""


def _answer(buffer: Buffer) -> int:
    return counted(1, 4)(buffer) if buffer[:1] == b"E" else fixed(1)(buffer)


class _Reader(BinaryRecordReader):
    """Follows one PostgreSQL conversation. See `labkit.dialects.base.Reader`."""

    _records = BinaryRecords(
        sizes={
            (CLIENT, COMMAND): counted(0, 4),
            (CLIENT, _MESSAGES): counted(1, 4),
            (SERVER, REPLY): counted(1, 4),
            (SERVER, _ANSWER): _answer,
        },
        after={
            "SSLRequest": (WAIT, _ANSWER),
            "GSSENCRequest": (WAIT, _ANSWER),
            "StartupMessage": (_MESSAGES, REPLY),
            "S": (COMMAND, REPLY),
            "N": (COMMAND, REPLY),
            "G": (COMMAND, REPLY),
            "ErrorResponse": ("", REPLY),
        },
        most=1 << 30,
    )

    def __init__(self) -> None:
        super().__init__()
        self._asked = ""
        """The last question of the server about a login."""
        self._wanted = ""
        """The last request for encryption."""

    def begun(self, sender: str) -> tuple[str, str]:
        if sender == CLIENT and self._next == _MESSAGES and not self._begun[CLIENT]:
            return self._request(bytes(self._buffers[CLIENT][:1]))
        return super().begun(sender)

    def _named(self, sender: str, data: bytes) -> tuple[str, str]:
        if sender == CLIENT:
            return self._request(data)
        if self._server_next == _ANSWER and len(data) == 1:
            return self._permission(data.decode("latin-1"))
        if data[:1] == b"R":
            self._asked = _AUTHENTICATION.get(int.from_bytes(data[5:9], "big"), "Authentication")
            return "reply", self._asked
        title = _SERVERS.get(data[:1])
        if title and self._server_next == _ANSWER:
            self._next = COMMAND
            return "refusal", title
        return ("reply", title) if title else ("unknown", "unknown")

    def _request(self, data: bytes) -> tuple[str, str]:
        if self._next == COMMAND:
            title = _CODES.get(int.from_bytes(data[4:8], "big"))
            self._wanted = title or ""
        elif data[:1] == b"p":
            title = _PASSWORD.get(self._asked, "PasswordMessage")
        else:
            title = _CLIENTS.get(data[:1])
        kind = "continuation" if title in _COPYING else "command"
        return (kind, title) if title else ("unknown", "unknown")

    def _permission(self, letter: str) -> tuple[str, str]:
        if letter == "N":
            return "refusal", letter
        if letter == "S" and self._wanted == "SSLRequest":
            return "go-ahead", letter
        return ("reply", letter) if letter == "G" else ("unknown", "unknown")


def _recognises(server: bytes, client: bytes) -> bool:
    """By the client's first record: a request for encryption, or a startup with a user."""
    code = int.from_bytes(client[4:8], "big")
    length = int.from_bytes(client[:4], "big")
    return _CODES.get(code) is not None and (length in (8, 16) or (code == _STARTUP and b"user\x00" in client))


def _begins_phrase(side: str, data: bytes) -> bool:
    """By a request code of the client, or by a type byte and a length below a megabyte."""
    if side == CLIENT and int.from_bytes(data[4:8], "big") in _CODES:
        return data[:2] == b"\x00\x00"
    known = data[:1] in _CLIENTS or data[:1] == b"p" if side == CLIENT else data[:1] in _SERVERS or data[:1] == b"R"
    return known and data[1:2] == b"\x00" and 4 <= int.from_bytes(data[1:5], "big") < 1 << 20


def _tell(title: str, data: bytes) -> str:
    """The title, and what of the record is text."""
    words = [word.decode("latin-1") for word in re.findall(rb"[\x20-\x7e\x80-\xff]{2,}", data[5:])]
    return f"{title}: {' '.join(words)}" if words else title


def _explain(kind: str, title: str, line: str) -> str:
    words: Mapping[str, str] = {**REPLIES, **COMMANDS}
    return words.get(title, "Not a message of PostgreSQL.")


def message(kind: bytes, body: bytes) -> bytes:
    """A message with its type byte and its length."""
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def startup(parameters: Mapping[str, str]) -> bytes:
    """A StartupMessage with these parameters."""
    pairs = "".join(f"{name}\x00{value}\x00" for name, value in parameters.items())
    body = _STARTUP.to_bytes(4, "big") + pairs.encode("latin-1") + b"\x00"
    return (len(body) + 4).to_bytes(4, "big") + body


def error(code: str, text: str) -> bytes:
    """An ErrorResponse that is fatal, with an SQLSTATE of five characters."""
    return message(b"E", f"SFATAL\x00VFATAL\x00C{code}\x00M{text}\x00\x00".encode("latin-1", "replace"))


def _command(text: str, tag: str) -> bytes:
    return {"SSLRequest": SSL_REQUEST, "StartupMessage": _INJECTED}[text]


_INJECTED = startup({"user": "mallory", "database": "mallory", "_pq_.mallory": "on"})
"""A startup with an option that no server knows, so that the server names it in its answer."""

_REPLIES: Mapping[str, Reply] = {
    REFUSED: lambda text, tag: b"N",
    LATER: lambda text, tag: error("53300", text),
    GO_AHEAD: lambda text, tag: b"S",
}


_MORE_FOLLOWS = (
    *("NegotiateProtocolVersion", "NoticeResponse", "ParameterStatus"),
    *("DataRow", "CopyData", "NotificationResponse"),
)
_ACCEPTED = {"AuthenticationOk": True, "CommandComplete": True, "EmptyQueryResponse": True, "ErrorResponse": False}
"""Reply -> whether what was asked is done."""


def _willing(phrase: Phrase) -> bytes:
    ready = message(b"Z", b"I")
    return {
        "SSLRequest": b"N",
        "StartupMessage": message(b"R", (3).to_bytes(4, "big")),
        "PasswordMessage": message(b"R", (0).to_bytes(4, "big")) + ready,
        "Query": message(b"C", b"OK\x00") + ready,
    }.get(phrase.title, b"")


def _login(user: str, password: str, tag: str) -> bytes:
    return startup({"user": user, "database": user}) + message(b"p", password.encode() + b"\x00")


POSTGRESQL = Dialect(
    name="PostgreSQL",
    source="PostgreSQL, Frontend/Backend Protocol 3.0",
    explicit_ports=(5432,),
    implicit_ports=(),
    ask="",
    token="",
    upgrade="SSLRequest",
    go_ahead="S",
    client_first=True,
    upgrades_first=True,
    more_follows=_MORE_FOLLOWS,
    messages=lambda _: (),
    sasl=r"(?!)(?P<mechanism>)(?P<initial>)",
    reader=_Reader,
    writes=Writer(
        command=_command,
        replies=_REPLIES,
        willing=_willing,
        login=_login,
        injected=Injected("StartupMessage", r"v[\s\S]*_pq_\.mallory"),
        begin=lambda name, tag: startup({"user": "alice", "database": "alice"}),
        welcome=r"R\x00{3}\x08\x00{4}",
        leave=lambda _: message(b"X", b""),
    ),
    recognises=_recognises,
    explain=_explain,
    tell=_tell,
    begins_phrase=_begins_phrase,
    again="StartupMessage",
    concludes="ReadyForQuery",
    concluded=("Query", "Sync", "FunctionCall"),
    accepts=lambda title, _: _ACCEPTED.get(title),
    undone=undone,
    logins=("StartupMessage", "PasswordMessage", "SASLInitialResponse", "SASLResponse"),
    delivers=("Query", "Execute"),
    steps={
        "upgrade": "The client asks to start TLS before anything else: SSLRequest.",
        "go-ahead": "The server agrees with the single byte S. The next byte is to be TLS.",
        "first words in TLS": "Inside TLS the client begins: who it is, and which database it wants.",
    },
    commands=COMMANDS,
    replies=REPLIES,
    reveals=reveals,
)
