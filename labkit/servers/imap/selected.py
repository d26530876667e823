"""What IMAP commands do with the messages of the selected mailbox (RFC 3501 §6.4); UID variants name them by UID."""

from collections.abc import Callable
from functools import partial

from labkit.mail.mailbox import DELETED, SEEN
from labkit.servers.imap.fetch import FLAGS, UID, FetchItem, read_items
from labkit.servers.imap.mailboxes import find, known_flags, name_of
from labkit.servers.imap.opened import Listed
from labkit.servers.imap.responses import Refused
from labkit.servers.imap.search import read_search
from labkit.servers.imap.session import MESSAGE_LIMIT, IMAPSession
from labkit.servers.imap.syntax import Malformed, Scanner

_ANSWER_LIMIT = 2 * MESSAGE_LIMIT
"""Bytes of one message in one answer, in which a part may be asked for several times."""

_CHANGES: dict[str, Callable[[set[str], set[str]], set[str]]] = {
    "FLAGS": lambda old, given: given,
    "+FLAGS": set.union,
    "-FLAGS": set.difference,
}
"""What STORE can do -> the flags after it, from those before it and those in the command."""


async def close(session: IMAPSession, arguments: Scanner) -> str:
    r"""Leave the mailbox; messages that are \Deleted are removed, without an untagged response."""
    arguments.end()
    if not session.selection.read_only:
        session.selection.mailbox.remove(session.selection.deleted())
    session.selection = None
    return "Closed, and what was deleted is gone"


async def expunge(session: IMAPSession, arguments: Scanner) -> str:
    r"""Remove the messages that are \Deleted; the untagged responses name them."""
    arguments.end()
    _may_change(session)
    session.selection.mailbox.remove(session.selection.deleted())
    return "What was deleted is gone"


async def uid_expunge(session: IMAPSession, arguments: Scanner) -> str:
    r"""Remove those of the named messages that are \Deleted (RFC 4315 §2.1)."""
    arguments.space()
    named = session.selection.chosen(arguments.numbers(), by_uid=True)
    arguments.end()
    _may_change(session)
    session.selection.mailbox.remove(one.entry for one in named if DELETED in one.entry.flags)
    return "What was deleted is gone"


async def _search(session: IMAPSession, arguments: Scanner, by_uid: bool) -> str:
    arguments.space()
    found = read_search(arguments)
    numbers = [one.entry.uid if by_uid else one.number for one in session.selection.all() if found(one)]
    await session.untagged(" ".join(["SEARCH", *map(str, numbers)]).encode())
    return "Those are the messages"


async def _fetch(session: IMAPSession, arguments: Scanner, by_uid: bool) -> str:
    chosen = _numbered(session, arguments, by_uid)
    items = read_items(arguments)
    arguments.end()
    if by_uid and UID not in items:
        items = [UID, *items]
    for one in chosen:
        await session.untagged(b"%d FETCH (%s)" % (one.number, _fetched(session, one, items)))
    return "Those are the messages"


def _fetched(session: IMAPSession, one: Listed, items: list[FetchItem]) -> bytes:
    entry = one.entry
    if any(item.reads for item in items) and SEEN not in entry.flags and not session.selection.read_only:
        entry.flags.add(SEEN)
        items = items if FLAGS in items else [*items, FLAGS]
    if FLAGS in items:
        session.selection.note_flags(one)
    answer = bytearray()
    for item in items:
        answer += b" " * bool(answer) + item.name.encode() + b" " + item.write(one)
        if len(answer) > _ANSWER_LIMIT:
            raise Refused("[LIMIT] That is too much of one message at once")
    return bytes(answer)


async def _store(session: IMAPSession, arguments: Scanner, by_uid: bool) -> str:
    chosen = _numbered(session, arguments, by_uid)
    name = arguments.flag().upper()
    change = _CHANGES.get(name.removesuffix(".SILENT"))
    if change is None:
        raise Malformed(f"STORE knows no {name}")
    arguments.space()
    given = known_flags(_flags(arguments))
    arguments.end()
    _may_change(session)
    for one in chosen:
        one.entry.flags = change(one.entry.flags, given)
        session.selection.note_flags(one)
    if not name.endswith(".SILENT"):
        items = [UID, FLAGS] if by_uid else [FLAGS]
        for one in chosen:
            await session.untagged(b"%d FETCH (%s)" % (one.number, _fetched(session, one, items)))
    return "The flags are changed"


async def _copy(session: IMAPSession, arguments: Scanner, by_uid: bool) -> str:
    chosen = _numbered(session, arguments, by_uid)
    target = find(session, name_of(arguments), "[TRYCREATE] ")
    arguments.end()
    if not chosen:
        return "There was nothing to copy"
    new = [target.keep(one.entry.message, one.entry.flags).uid for one in chosen]
    old = ",".join(str(one.entry.uid) for one in chosen)
    return f"[COPYUID {target.validity} {old} {','.join(map(str, new))}] Copied"


def _numbered(session: IMAPSession, arguments: Scanner, by_uid: bool) -> list[Listed]:
    """The named messages. A UID without a message is passed over (RFC 9051 §6.4.9), a number without one is an error
    (§9, seq-number)."""
    arguments.space()
    numbers = arguments.numbers()
    arguments.space()
    if not by_uid and (unknown := numbers.beyond(session.selection.count)):
        raise Malformed(f"There is no message {unknown}: the mailbox has {session.selection.count}")
    return session.selection.chosen(numbers, by_uid)


def _flags(arguments: Scanner) -> list[str]:
    """A list of flags, which may lack its parentheses here."""
    if arguments.sees(b"("):
        return arguments.listed(Scanner.flag)
    flags = [arguments.flag()]
    while arguments.skips(b" "):
        flags.append(arguments.flag())
    return flags


def _may_change(session: IMAPSession) -> None:
    if session.selection.read_only:
        raise Refused("[READ-ONLY] The mailbox was opened to be read alone")


search, uid_search = (partial(_search, by_uid=by_uid) for by_uid in (False, True))
fetch, uid_fetch = (partial(_fetch, by_uid=by_uid) for by_uid in (False, True))
store, uid_store = (partial(_store, by_uid=by_uid) for by_uid in (False, True))
copy, uid_copy = (partial(_copy, by_uid=by_uid) for by_uid in (False, True))
