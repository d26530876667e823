"""The mailboxes of all users: what the SMTP servers of a lab deliver and its IMAP and POP3 servers hand out."""

from collections.abc import Mapping

from labkit.errors import LabError
from labkit.mail.mailbox import Mailbox, Message
from labkit.trust.certificates import DOMAIN

USERS = {"alice": "hunter2", "bob": "swordfish", "mallory": "letmein"}
"""User -> password. Mail to ``bob@lab.test`` is bob's; mallory has an account, too."""

INBOX = "INBOX"
"""The mailbox that every user has; its name is case-insensitive (RFC 3501 §5.1)."""
FOLDERS = (INBOX, "Drafts", "Sent")
"""What a new account has; clients upload drafts and copies of sent mail by themselves."""


class Account:
    """The mailboxes of one user, by name."""

    def __init__(self) -> None:
        self.mailboxes: dict[str, Mailbox] = {name: Mailbox() for name in FOLDERS}

    @property
    def inbox(self) -> Mailbox:
        """Where new mail arrives."""
        return self.mailboxes[INBOX]


class PostOffice:
    """The users of a lab and their accounts; all its servers share them."""

    def __init__(self, users: Mapping[str, str] = USERS) -> None:
        self.domains = {DOMAIN}
        """The domains whose mail is kept here."""
        self._passwords = dict(users)
        self._accounts = {user: Account() for user in users}

    def account(self, user: str) -> Account:
        """The account of that user. Raises KeyError."""
        return self._accounts[user]

    def mailbox(self, user: str, name: str = INBOX) -> Mailbox:
        """One mailbox. Raises `LabError` for one that is not there."""
        if user not in self._accounts:
            raise LabError(f"There is no user {user!r} in the lab: it has {', '.join(self._accounts)}.")
        mailboxes = self._accounts[user].mailboxes
        if name not in mailboxes:
            raise LabError(f"{user} has no mailbox {name!r}: there are {', '.join(mailboxes)}.")
        return mailboxes[name]

    def authenticate(self, user: str, password: str) -> bool:
        """Whether this user exists and this is the password."""
        return self._passwords.get(user) == password

    def deliver(self, message: Message) -> None:
        """Put a message into the inbox of every recipient who has one."""
        for user in dict.fromkeys(map(self._user, message.recipients)):
            if user in self._accounts:
                self._accounts[user].inbox.keep(message)

    def _user(self, address: str) -> str:
        name, _, domain = address.lower().rpartition("@")
        return name if domain in self.domains else ""
