"""The traces of an attack in a lab, its sessions and the mail, from which the verdict is decided."""

from functools import cache
from typing import TYPE_CHECKING

from labkit.mail.postoffice import USERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from labkit.attack import Site
    from labkit.attacks.engine.interceptor import Interceptor
    from labkit.attacks.engine.victim_session import VictimSession
    from labkit.attacks.evidence import Evidence
    from labkit.attacks.verdict import Case
    from labkit.attacks.victims.report import Report
    from labkit.capture.conversation import Conversation
    from labkit.mail.mailbox import Mailbox, Message
    from labkit.trust.keylog import Secrets

MessageId = tuple[int, int]
"""UIDVALIDITY of a mailbox and UID in it, which together belong to one message for ever (RFC 3501 §2.3.1.1)."""


class Aftermath:
    """The traces of an attack: its sessions, the secrets of TLS, and mail that arrived since construction.

    A session that is over is read once; an open one is read again if it has changed.
    """

    def __init__(self, site: "Site", others: "Callable[[], Sequence[Conversation]]" = tuple) -> None:
        self._site = site
        self._others = others
        """All conversations that crossed the network since construction."""
        self._known = {place for place, _ in _mail(site)}
        self._evidence: dict[int, tuple[object, Evidence]] = {}

    def case(self, interceptor: "Interceptor", reports: "Sequence[Report]") -> "Case":
        """The facts for the verdict on an attack, as of now."""
        from labkit.attacks.account import ADDRESS, NAME
        from labkit.attacks.verdict import Case
        from labkit.trust import keylog

        text = self._site.keylog.text()
        secrets = cache(lambda: keylog.parse(text))
        new = {place: message for place, message in _mail(self._site) if place not in self._known}
        hers = {place for place, _ in _mail_of(self._site, NAME)}
        as_her = dict.fromkeys(message for message in new.values() if message.user == NAME)
        return Case(
            interceptor.vector,
            tuple(self._read(session, len(text), secrets) for session in list(interceptor.sessions)),
            bool(interceptor.edits),
            tuple(reports),
            tuple(message.data for place, message in new.items() if place in hers),
            tuple(message.sender for message in as_her if message.sender != ADDRESS),
            self._knows,
        )

    def _knows(self, login: tuple[str, ...]) -> bool:
        """Whether a login, or the user name of one, belongs to an account."""
        match login:
            case (user, password):
                return self._site.post.authenticate(user, password)
            case (user,):
                return user in USERS
        return True

    def _read(self, session: "VictimSession", known: int, secrets: "Callable[[], Secrets]") -> "Evidence":
        from labkit.attacks.account import NAME
        from labkit.attacks.evidence import Evidence

        said = tuple(len(one.said) for leg in session.legs for one in (leg.wire, leg.inside))
        state = session.over.is_set() or (said, known, session.failure is None)
        before, evidence = self._evidence.get(session.number, (None, None))
        if before != state:
            passwords = [password for user, password in USERS.items() if user != NAME]
            evidence = Evidence(session, secrets(), self._others, passwords)
            self._evidence[session.number] = state, evidence
        return evidence


def _mail(site: "Site") -> "Iterator[tuple[MessageId, Message]]":
    """All mail in the lab, each with its place."""
    for server in site.servers.values():
        yield from _entries(getattr(server, "mailbox", None))
    for user in USERS:
        yield from _mail_of(site, user)


def _mail_of(site: "Site", user: str) -> "Iterator[tuple[MessageId, Message]]":
    for mailbox in site.post.account(user).mailboxes.values():
        yield from _entries(mailbox)


def _entries(mailbox: "Mailbox | None") -> "Iterator[tuple[MessageId, Message]]":
    for entry in mailbox.entries if mailbox is not None else ():
        yield (mailbox.validity, entry.uid), entry.message
