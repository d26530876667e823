"""The table of IMAP commands, and what those do that are not about mailboxes (RFC 3501 §6.1 and §6.2)."""

from labkit.dialects.sasl import read_plain
from labkit.servers.imap import mailboxes, selected
from labkit.servers.imap.responses import Refused
from labkit.servers.imap.session import CONNECTED, LOGGED_IN, SELECTED, Command, IMAPSession
from labkit.servers.imap.syntax import Malformed, Scanner
from labkit.servers.quirks import KEEPS_LOGIN, REFUSES

# ---- in any state


async def _capability(session: IMAPSession, arguments: Scanner) -> str:
    arguments.end()
    await session.untagged(f"CAPABILITY {session.capabilities}".encode())
    return "That is offered"


async def _noop(session: IMAPSession, arguments: Scanner) -> str:
    arguments.end()
    return "Still here"


async def _logout(session: IMAPSession, arguments: Scanner) -> str:
    arguments.end()
    session.open = False
    session.selection = None
    await session.untagged(b"BYE Goodbye")
    return "Logged out"


# ---- before the login


async def _starttls(session: IMAPSession, arguments: Scanner) -> str:
    arguments.end()
    if session.encrypted:
        raise Malformed("TLS is already active")
    if not session.settings.upgrade_now(session.encrypted):
        raise Malformed("This server does not speak STARTTLS")
    if session.user and KEEPS_LOGIN not in session.settings.quirks:
        raise Malformed("STARTTLS is not possible after the login")
    if REFUSES in session.settings.quirks:
        raise Refused("TLS is not available just now")
    return "Begin TLS negotiation now"


async def _login(session: IMAPSession, arguments: Scanner) -> str:
    _may_log_in(session)
    arguments.space()
    user = arguments.text()
    arguments.space()
    password = arguments.astring()
    arguments.end()
    return session.log_in(user, password.decode("utf-8", "replace"))


async def _authenticate(session: IMAPSession, arguments: Scanner) -> str:
    _may_log_in(session)
    arguments.space()
    if arguments.text().upper() != "PLAIN":
        raise Refused("[CANNOT] The only mechanism is PLAIN")
    if arguments.skips(b" "):
        response = arguments.astring()
        arguments.end()
    else:
        arguments.end()
        await session.respond("+ ")
        response = await session.line()
        session.note("C: ********")
    login = read_plain(response)
    if login is None:
        raise Malformed("The login was given up" if response == b"*" else "That is not a login with PLAIN")
    return session.log_in(*login)


def _may_log_in(session: IMAPSession) -> None:
    if not session.settings.login_now(session.encrypted):
        raise Refused("[PRIVACYREQUIRED] No login in this state of the connection: use STARTTLS first")


_ANY = (CONNECTED, LOGGED_IN, SELECTED)
_LATER = (LOGGED_IN, SELECTED)

COMMANDS = {
    "CAPABILITY": Command(_capability, _ANY),
    "NOOP": Command(_noop, _ANY),
    "LOGOUT": Command(_logout, _ANY),
    "STARTTLS": Command(_starttls, _ANY, afterwards=IMAPSession.start_tls),
    "LOGIN": Command(_login, (CONNECTED,)),
    "AUTHENTICATE": Command(_authenticate, (CONNECTED,)),
    "SELECT": Command(mailboxes.select, _LATER),
    "EXAMINE": Command(mailboxes.examine, _LATER),
    "CREATE": Command(mailboxes.create, _LATER),
    "DELETE": Command(mailboxes.delete, _LATER),
    "LIST": Command(mailboxes.list_, _LATER),
    "STATUS": Command(mailboxes.status, _LATER),
    "APPEND": Command(mailboxes.append, _LATER),
    "CHECK": Command(_noop, (SELECTED,)),
    "CLOSE": Command(selected.close, (SELECTED,)),
    "EXPUNGE": Command(selected.expunge, (SELECTED,)),
    "SEARCH": Command(selected.search, (SELECTED,), numbers_stay=True),
    "FETCH": Command(selected.fetch, (SELECTED,), numbers_stay=True),
    "STORE": Command(selected.store, (SELECTED,), numbers_stay=True),
    "COPY": Command(selected.copy, (SELECTED,)),
    "UID EXPUNGE": Command(selected.uid_expunge, (SELECTED,)),
    "UID SEARCH": Command(selected.uid_search, (SELECTED,)),
    "UID FETCH": Command(selected.uid_fetch, (SELECTED,)),
    "UID STORE": Command(selected.uid_store, (SELECTED,)),
    "UID COPY": Command(selected.uid_copy, (SELECTED,)),
}
"""Verb -> what is done, and when it is possible."""
