"""What IMAP commands do with mailboxes as a whole: open, list, make, fill them (RFC 3501 §6.3)."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from labkit.mail.mailbox import FLAGS, SEEN, Mailbox, Message
from labkit.mail.postoffice import INBOX
from labkit.servers.imap.opened import Selection
from labkit.servers.imap.responses import Refused, listed, quoted
from labkit.servers.imap.session import IMAPSession
from labkit.servers.imap.syntax import Malformed, Scanner

_LONGEST_NAME = 200
_MOST_MAILBOXES = 200
_SEPARATOR = "/"
_WILDCARDS = ("*", "%")


async def select(session: IMAPSession, arguments: Scanner) -> str:
    return await _open(session, arguments, read_only=False)


async def examine(session: IMAPSession, arguments: Scanner) -> str:
    return await _open(session, arguments, read_only=True)


async def _open(session: IMAPSession, arguments: Scanner, read_only: bool) -> str:
    name = _only_name(arguments)
    session.selection = None  # also when the next one cannot be opened (RFC 3501 §6.3.1)
    mailbox = find(session, name)
    session.selection = Selection(mailbox, read_only)
    unseen = next((one.number for one in session.selection.all() if SEEN not in one.entry.flags), 0)
    await session.untagged(
        *session.selection.counts(),
        b"FLAGS " + listed(FLAGS),
        *[b"OK [UNSEEN %d] The first message that was not read" % unseen] * bool(unseen),
        b"OK [PERMANENTFLAGS %s] Flags that are kept" % listed(() if read_only else FLAGS),
        b"OK [UIDVALIDITY %d] UIDs are valid" % mailbox.validity,
        b"OK [UIDNEXT %d] The next UID" % mailbox.next_uid,
    )
    return f"[READ-{'ONLY' if read_only else 'WRITE'}] {name} is open"


async def create(session: IMAPSession, arguments: Scanner) -> str:
    name = _only_name(arguments).removesuffix(_SEPARATOR)
    mailboxes = session.account.mailboxes
    if not name or name in mailboxes:
        raise Refused("[ALREADYEXISTS] There is such a mailbox already")
    if len(name) > _LONGEST_NAME or len(mailboxes) >= _MOST_MAILBOXES:
        raise Refused("[LIMIT] The name is too long, or there are too many mailboxes")
    mailboxes[name] = Mailbox()
    return f"{name} is there"


async def delete(session: IMAPSession, arguments: Scanner) -> str:
    name = _only_name(arguments)
    find(session, name)
    if name == INBOX:
        raise Refused("[CANNOT] INBOX stays")
    del session.account.mailboxes[name]
    return f"{name} is gone"


async def list_(session: IMAPSession, arguments: Scanner) -> str:
    arguments.space()
    reference = arguments.text()
    arguments.space()
    pattern = reference + arguments.pattern()
    arguments.end()
    if len(pattern) > _LONGEST_NAME:
        raise Refused("[LIMIT] No name is as long as that pattern")
    if not pattern:  # only asks for the separator (RFC 3501 §6.3.8)
        await session.untagged(f'LIST (\\Noselect) "{_SEPARATOR}" ""'.encode())
        return "That is the separator"
    fitting = [name for name in sorted(session.account.mailboxes) if fits(pattern, name)]
    await session.untagged(*(f'LIST () "{_SEPARATOR}" '.encode() + quoted(name) for name in fitting))
    return "Those are the mailboxes"


async def status(session: IMAPSession, arguments: Scanner) -> str:
    arguments.space()
    name = name_of(arguments)
    arguments.space()
    asked = [word.upper() for word in arguments.listed(Scanner.atom)]
    arguments.end()
    mailbox = find(session, name)
    if unknown := [word for word in asked if word not in _STATUS]:
        raise Malformed(f"STATUS knows no {unknown[0]}")
    facts = listed(f"{word} {_STATUS[word](mailbox)}" for word in asked)
    await session.untagged(b"STATUS " + quoted(name) + b" " + facts)
    return "That is its status"


async def append(session: IMAPSession, arguments: Scanner) -> str:
    arguments.space()
    name = name_of(arguments)
    arguments.space()
    flags: list[str] = []
    if arguments.sees(b"("):
        flags = arguments.listed(Scanner.flag)
        arguments.space()
    arrived = datetime.now(UTC)
    if arguments.sees(b'"'):
        arrived = arguments.date_time()
        arguments.space()
    data = arguments.literal()
    arguments.end()
    if b"\0" in data:
        raise Malformed("A message holds no NUL bytes")
    mailbox = find(session, name, "[TRYCREATE] ")
    entry = mailbox.keep(Message("", (), data, session.over, session.user, arrived), known_flags(flags))
    return f"[APPENDUID {mailbox.validity} {entry.uid}] Stored in {name}"


def name_of(arguments: Scanner) -> str:
    name = arguments.text()
    return INBOX if name.upper() == INBOX else name


def _only_name(arguments: Scanner) -> str:
    arguments.space()
    name = name_of(arguments)
    arguments.end()
    return name


def find(session: IMAPSession, name: str, hint: str = "[NONEXISTENT] ") -> Mailbox:
    if name not in session.account.mailboxes:
        raise Refused(f"{hint}There is no such mailbox")
    return session.account.mailboxes[name]


def fits(pattern: str, name: str) -> bool:
    """Whether a name matches a pattern of LIST (RFC 3501 §6.3.8): ``*`` is any text, ``%`` any text without a
    separator.

    All positions in the pattern that the name can have reached are kept, so no pattern takes exponential time.
    """
    places = _behind_wildcards(pattern, {0})
    for letter in name:
        places = _behind_wildcards(
            pattern, {p + (pattern[p] not in _WILDCARDS) for p in places if _is(pattern, p, letter)}
        )
    return len(pattern) in places


def _is(pattern: str, place: int, letter: str) -> bool:
    sign = pattern[place : place + 1]
    return sign in (letter, "*") or (sign == "%" and letter != _SEPARATOR)


def _behind_wildcards(pattern: str, places: set[int]) -> set[int]:
    """These positions, and those after a wildcard that stands for nothing."""
    reached = set(places)
    for place in places:
        while pattern[place : place + 1] in _WILDCARDS:
            place += 1
            reached.add(place)
    return reached


def known_flags(flags: Iterable[str]) -> set[str]:
    """Those of the flags that the server keeps; the case of letters does not matter."""
    wanted = {flag.lower() for flag in flags}
    return {flag for flag in FLAGS if flag.lower() in wanted}


_STATUS: dict[str, Callable[[Mailbox], int]] = {
    "MESSAGES": len,
    "RECENT": lambda mailbox: sum(entry.recent for entry in mailbox.entries),
    "UIDNEXT": lambda mailbox: mailbox.next_uid,
    "UIDVALIDITY": lambda mailbox: mailbox.validity,
    "UNSEEN": lambda mailbox: sum(SEEN not in entry.flags for entry in mailbox.entries),
}
"""The items of STATUS (RFC 3501 §6.3.10)."""
