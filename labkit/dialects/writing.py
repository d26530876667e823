"""How a dialect is written: commands, replies of each kind, lists of capabilities, a login.

A `Writer` is the second half of a `labkit.dialects.base.Dialect`; the reader is the first. It turns values into bytes
and knows no socket. Attacks, models of clients and tests write with it, so nothing above this room has a table of
protocols. What a protocol does not have is left out, and what needs it does not apply to that protocol.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from labkit.dialects.base import Phrase

KINDS = DONE, REFUSED, LATER, ODD, GO_AHEAD = "done", "refused", "later", "odd", "go-ahead"
"""Kinds of replies: success, refused for good, refused for now, a success that does not belong to the upgrade command,
and the permission to start TLS."""

Capabilities = tuple[str, ...]
"""``("STARTTLS", "AUTH PLAIN LOGIN")``: each with its parameters."""

LISTING_KINDS = ("greeting", "untagged", "reply")
"""Kinds of phrases in which a server may list capabilities."""

Reply = Callable[[str, str], bytes]
"""(text for a person, tag of the command) -> the bytes of a reply."""


class CapabilityList(NamedTuple):
    """How a dialect lists what a server offers."""

    find: Callable[[bytes], Capabilities | None]
    """(bytes of a phrase) -> the capabilities listed in it; None where the phrase is not such a list."""
    replace: Callable[[bytes, Capabilities], bytes]
    """The phrase with other capabilities in it; only for a phrase in which `find` finds a list."""
    answer: Callable[[Capabilities, str], bytes]
    """(capabilities, tag of the question) -> a whole answer to the question."""
    unasked: bool = False
    """Whether a list may come unasked: in a greeting, or after a login."""


class Injected(NamedTuple):
    """A harmless command for a test of command injection, and the reply that only this command causes."""

    command: str
    """Its text; in a dialect with tags its tag is ``mallory``."""
    reply: str
    """A regular expression for the beginning of the reply; no reply to another command matches it, unless the client
    says the same command itself."""


class Kept(NamedTuple):
    """A test of whether a server remembers across the upgrade what a client said before it."""

    before: str
    """The command in clear text; ``{user}`` and ``{address}`` are those of an account."""
    after: str
    """The command inside TLS, likewise, with ``{password}`` also."""
    reply: str
    """A regular expression for the beginning of the reply that shows that the server remembers `before`."""


class Credentials(NamedTuple):
    """An account on a server."""

    user: str
    password: str
    address: str


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Writer:
    """How one dialect is written. Every text is ASCII or Latin-1; line endings are added here."""

    command: Callable[[str, str], bytes]
    """(text, tag) -> a command as a client writes it; the tag is for dialects that have one."""
    replies: Mapping[str, Reply]
    """Kind of reply -> how it is written; a kind that the dialect does not have is missing."""
    willing: Callable[[Phrase], bytes]
    """The reply of a server that does what this phrase of a client asks."""
    login: Callable[[str, str, str], bytes]
    """(user, password, tag) -> the command that logs in with the password itself, in one piece."""
    capabilities: CapabilityList | None = None
    tag: Callable[[bytes], str] = field(default=lambda _: "")
    """The tag of a command or reply; empty where the dialect has none."""
    next_tag: Callable[[str], str] = field(default=lambda tag: tag)
    """The tag that a client will most likely give to its next command."""
    message_end: bytes = b""
    """What ends a message and is not kept with it."""
    login_names: frozenset[str] = frozenset()
    """Names of the capabilities that say how to log in, or that it is not possible yet."""
    clear_login: Capabilities = ()
    """Capabilities that offer a login with the password itself."""
    weaker_login: Capabilities = ()
    """Capabilities that offer a weaker way to log in than the server does by itself."""
    user_command: str = ""
    """The command that names the user and is answered before the password is sent; empty where there is none."""
    upload: str = ""
    """The command that stores a message on the server."""
    older: Capabilities | None = None
    """What a server of an older version offers, which has no upgrade; empty where it refuses the question itself."""
    preauth: Callable[[bytes], bytes] | None = None
    """A greeting -> the same greeting with the claim that the client is logged in already."""
    corner: Callable[[Phrase], bytes | None] | None = None
    """A phrase -> what an attacker puts in the place of this greeting, or answers to this command, to bring a client
    into a state in which some forget that TLS was required; None for a phrase that passes."""
    injected: Injected | None = None
    ask: Callable[[str, str], bytes] | None = None
    """(name of the server, tag) -> the command that asks what is offered; None for a dialect without one."""
    begin: Callable[[str, str], bytes] | None = None
    """(name of the server, tag) -> what a client sends first inside TLS; None where that is `ask`, too."""
    leave: Callable[[str], bytes] = field(default=lambda _: b"")
    """A tag -> how a client ends the conversation."""
    passwords: Callable[[Capabilities], Capabilities] | None = None
    """(capabilities) -> those of them that allow a login with the password itself; None where lists do not say."""
    welcome: str = r"(?!)"
    """A regular expression for the beginning of the reply to a correct login."""
    logged_in: Injected | None = None
    """A command, and the beginning of its reply to a client that is logged in."""
    kept: Kept | None = None
    steal: Callable[[str, Credentials, int], bytes] | None = None
    """(tag of the upgrade command, account, bytes of the victim's login) -> commands that log in to this account and
    begin a message, so that what the victim says next becomes part of the message."""

    def has(self, need: str) -> bool:
        """Whether the dialect has this kind of reply, or this attribute of a writer."""
        return need in self.replies or bool(getattr(self, need, None)) or (need == "older" and self.older is not None)


# ---- parts that several dialects share


def line(form: str) -> Reply:
    """A reply of one line: `form` with ``{text}`` and, where the dialect has tags, ``{tag}``."""
    return lambda text, tag: f"{form.format(text=text, tag=tag)}\r\n".encode("latin-1")


def lines(**forms: str) -> dict[str, Reply]:
    """Replies of one line each, by kind; an underscore in a kind stands for a hyphen."""
    return {kind.replace("_", "-"): line(form) for kind, form in forms.items()}


def untagged_command(text: str, tag: str) -> bytes:
    """A command of a dialect without tags."""
    return f"{text}\r\n".encode("latin-1")


def tagged_command(text: str, tag: str) -> bytes:
    """A command after its tag (RFC 9051 §2.2.1)."""
    return f"{tag} {text}\r\n".encode("latin-1")


def first_word(data: bytes) -> str:
    """The first word of a line, as its tag."""
    return b"".join(data.split(None, 1)[:1]).decode("latin-1")


def counted_on(tag: str) -> str:
    """The tag after this one: most clients count (RFC 9051 §2.2.1 asks only that tags differ)."""
    number = re.search(r"\d*$", tag)[0]
    return tag[: len(tag) - len(number)] + str(int(number or 0) + 1).zfill(len(number))


def plain(user: str, password: str) -> str:
    """The base64 of a SASL PLAIN response (RFC 4616 §2)."""
    return b64encode(f"\0{user}\0{password}".encode()).decode()


def willing(replies: Mapping[str, bytes], otherwise: bytes) -> Callable[[Phrase], bytes]:
    """A server's replies by the title of what the client says; ``{tag}`` in them is the tag of the phrase."""
    return lambda phrase: replies.get(phrase.title, otherwise).replace(
        b"{tag}", b"".join(phrase.data.split(None, 1)[:1])
    )


def listed(
    pattern: bytes,
    read: Callable[[str], Capabilities],
    write: Callable[[Capabilities], str],
    answer: str,
    unasked: bool = False,
) -> CapabilityList:
    """A list of capabilities in text.

    `pattern` has the groups head, list and tail and must match a whole phrase; `read` and `write` translate the text of
    the group list; `answer` is a whole answer with ``{list}`` and ``{tag}``.
    """
    compiled = re.compile(pattern, re.IGNORECASE)

    def find(data: bytes) -> Capabilities | None:
        found = compiled.fullmatch(data)
        return read(found["list"].decode("latin-1")) if found else None

    def replace(data: bytes, wanted: Capabilities) -> bytes:
        found = compiled.fullmatch(data)
        return found["head"] + write(wanted).encode("latin-1") + found["tail"]

    def whole(wanted: Capabilities, tag: str) -> bytes:
        return answer.format(list=write(wanted), tag=tag).encode("latin-1")

    return CapabilityList(find, replace, whole, unasked)


def offering(pattern: str, otherwise: str = "", unless: str = "") -> Callable[[Capabilities], Capabilities]:
    """A `Writer.passwords`: the capabilities that match `pattern`, in any case.

    `otherwise` is a way to log in that needs no capability, where the capability `unless` does not forbid it.
    """
    compiled = re.compile(pattern, re.IGNORECASE | re.DOTALL)

    def find(capabilities: Capabilities) -> Capabilities:
        found = tuple(one for one in capabilities if compiled.match(one))
        forbidden = unless in map(str.upper, capabilities)
        return found if forbidden or not otherwise else (*found, otherwise)

    return find


def keyword(capability: str) -> str:
    """The name of a capability in upper case, without its parameters: ``AUTH``."""
    return re.split(r"[ =]", capability, maxsplit=1)[0].upper()


def one_a_line(text: str) -> Capabilities:
    """Capabilities that stand on a line each."""
    return tuple(re.findall(r"[^\n]*[^\r\n]", text))  # str.splitlines also splits at some letters of UTF-8


def as_lines(capabilities: Capabilities) -> str:
    """A line for each capability."""
    return "".join(f"{one}\r\n" for one in capabilities)
