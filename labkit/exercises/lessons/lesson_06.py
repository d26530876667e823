"""IMAP and POP3: the same steps in other words."""

import itertools
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from labkit.clients import policies
from labkit.dialects import IMAP, POP3
from labkit.exercises.captures import about_capture, capture_that, said
from labkit.exercises.checkers import as_text, members, shown, spelled_alike
from labkit.exercises.drawn import NAMES, Draw
from labkit.exercises.functions import Call, tried_on
from labkit.exercises.keeping import draw
from labkit.exercises.question import Exercise, Lesson, Prediction
from labkit.exercises.staged import fetched

if TYPE_CHECKING:
    from labkit.decode.event import Dialogue
    from labkit.show.capture import Capture


@about_capture
def _tag(answer: object, capture: "Capture") -> str:
    command = next((event.text for event in capture.dialogue.events if event.title == "STARTTLS"), "")
    given = as_text(answer)
    if not command:
        return "There is no `STARTTLS` in that capture."
    if given is None:
        return f"The answer is text in quotes, and yours is {shown(answer)}."
    if given == command.split()[0]:
        return ""
    if given == command:
        return "That is the whole line: the tag is its first word."
    if given.upper() == "STARTTLS":
        return "That is the command. The tag is the word in front of it."
    if given == "*":
        return "`*` marks the untagged lines of the server. The tag of a command is the client's own word."
    if any(event.text.startswith(f"{given} ") for event in capture.dialogue.events if event.sender == "client"):
        return f"{shown(given)} is the tag of another command: each has its own."
    if spelled_alike(given, command.split()[0]):
        return "It is right but for upper and lower case letters: a server repeats a tag as it came."
    return f"It is not {shown(answer)}. Look at the line of the client that ends with STARTTLS."


_SERVERS = (("imap", {"auth": "always"}), ("pop3", {}), ("pop3", {"auth": "always"}))
"""(method of the lab, settings): all but the one of the worked example."""


def _some_session(of: Draw) -> "Capture":
    protocol, server = of.one("06.2", _SERVERS)
    return fetched(protocol, ("bob", "swordfish"), server, policy=policies.verified)


def _lists(capture: "Capture") -> tuple[set[str], set[str]]:
    """What a server announced when it was asked, before TLS and inside it."""
    before: set[str] = set()
    inside: set[str] = set()
    events = said(capture)
    for event, following in itertools.pairwise(events):
        if event.title == "CAPABILITY" and event.sender == "server":
            (inside if event.encrypted else before).update(event.text.upper().split()[2:])
        if event.title == "CAPA" and event.sender == "client":
            (inside if event.encrypted else before).update(following.text.upper().splitlines()[1:-1])
    return before, inside


@about_capture
def _only_before(answer: object, capture: "Capture") -> str:
    before, inside = _lists(capture)
    if not before or not inside:
        return "In that capture the server was not asked twice what it offers."
    other = dict.fromkeys({"STARTTLS", "STLS", "LOGINDISABLED"} - before, "This server does not announce it.")
    both = dict.fromkeys(before & inside, "That is in both answers.")
    return members(
        before - inside,
        missing={
            "STARTTLS": "What is offered once?",
            "STLS": "What is offered once?",
            "LOGINDISABLED": "What is forbidden until then?",
        },
        extra=other | both | dict.fromkeys(inside - before, "That one comes only inside TLS."),
    )(answer)


def _dialect(of: Draw) -> str:
    return of.one("06.3", (POP3.name, IMAP.name))


def _words(answer: object) -> str:
    dialect = POP3 if _dialect(draw()) == POP3.name else IMAP
    if not isinstance(answer, list | tuple) or len(answer) != 3:
        return f"The answer is a list of three words, and yours is {shown(answer)}."
    steps = (
        ("asks what is offered", dialect.ask, "the client"),
        ("asks for TLS", dialect.upgrade, "the client"),
        ("gives the go-ahead", dialect.go_ahead, "the server"),
    )
    for word, (does, wanted, who) in zip(answer, steps, strict=True):
        spoken = (as_text(word) or "").split()
        if spoken and spelled_alike(spoken[-1], wanted):
            continue
        smtp = {"EHLO", "STARTTLS", "220", "250"} & {each.upper() for each in spoken}
        why = "That is what SMTP says. " if smtp else ""
        return f"In {dialect.name} {who} {does} with another word than {shown(word)}. {why}Look at the dialect table."
    return ""


def _pop3(capture: "Capture") -> "list[Dialogue]":
    return [dialogue for dialogue in capture.dialogues if dialogue.dialect is POP3]


def _in(capture: "Capture") -> bool:
    """Whether a login in the clear was accepted."""
    texts = [event for dialogue in _pop3(capture) for event in dialogue.events if event.layer == "text"]
    logins = [at for at, event in enumerate(texts) if event.title in ("PASS", "AUTH") and not event.encrypted]
    return any(texts[at + 1].title == "+OK" for at in logins if at + 1 < len(texts))


def _whose(capture: "Capture") -> list[str]:
    return [seen.value for seen in capture.visible() if seen.what == "user name"]


_FIRST_LINES = {
    "SMTP": (b"220 ready", b"220-welcome to {name}", b"220 {name}.example.org ESMTP", b"220 imap.{name}.example ESMTP"),
    "IMAP": (
        b"* OK ready",
        b"* OK [CAPABILITY IMAP4rev1 STARTTLS] {name}.example.org",
        b"* PREAUTH you are {name}",
        b"* PREAUTH [CAPABILITY IMAP4rev1] pop3.{name}.example welcomes you",
        b"* BYE {name} is too busy",
    ),
    "POP3": (b"+OK", b"+OK {name} is ready", b"+OK imap.{name}.example <1896.6971@{name}.example>"),
    None: (
        b"SSH-2.0-OpenSSH_9.7 IMAP",
        b"HTTP/1.1 400 Bad Request",
        b"200 news.{name}.example, posting allowed",
        b"-SMTP",
        b"",
    ),
}
"""Protocol -> how its servers greet. FTP greets with 220 as well and is left out."""
_TRAPS = {
    b"220 ready": "A greeting of SMTP need not say more than its code (RFC 5321 §4.2).",
    b"* PREAUTH": "An IMAP server may also greet with PREAUTH, or with BYE (RFC 9051 §7.1).",
    b"* BYE": "An IMAP server may also greet with PREAUTH, or with BYE (RFC 9051 §7.1).",
}


def _greetings() -> Iterator[Call]:
    dice = secrets.SystemRandom()
    for protocol, lines in _FIRST_LINES.items():
        for line in lines:
            greeting = line.replace(b"{name}", dice.choice(NAMES).encode()) + b"\r\n" * bool(line)
            why = next((why for trap, why in _TRAPS.items() if line.startswith(trap)), "")
            wrong = dict.fromkeys((None, *filter(None, _FIRST_LINES)), why or "How does the line begin?")
            yield Call((greeting,), protocol, f"the line {greeting!r}", wrong)


LESSON = Lesson(
    "06",
    "IMAP and POP3",
    Prediction(
        "What does an IMAP server do so that clients do not send their password in the clear?",
        {
            "a": "it encrypts the password itself",
            "b": "it announces that logins are disabled as things are",
            "c": "it hides its capabilities until TLS has begun",
            "d": "nothing: that is the client's business alone",
        },
        right="b",
        because=(
            "The capability LOGINDISABLED says that the command LOGIN is disabled before TLS, and a client must not "
            "send it (RFC 9051 §6.2.3). Like the offer of STARTTLS it is clear text, which anybody on the path can "
            "remove."
        ),
        wrong={
            "a": "A server cannot encrypt what a client sends; and by the time it gets the password, it has been on "
            "the wire.",
            "c": "It lists them before TLS, too, or no client would learn of STARTTLS.",
            "d": "The client decides, but the server can tell it that a login is not possible yet.",
        },
    ),
    (
        Exercise(
            "06.1",
            "Which tag stands in front of `STARTTLS`?",
            _tag,
            hints=(
                "Look at step 4 in the table of steps, in the column IMAP.",
                "The first word of that line: it differs from session to session, because the client makes it up.",
            ),
            solution=(
                'command = next(event.text for event in by_imap.dialogue.events if event.title == "STARTTLS")\n'
                "tag = command.split()[0]"
            ),
            because="With tags a client can send several commands at once and still tell the replies apart.",
        ),
        Exercise(
            "06.2",
            "Which capabilities did this server announce only before TLS?",
            _only_before,
            given=_some_session,
            hints=(
                "In the decrypted transcript there are two answers to the client's question. Compare them.",
                "What is offered before TLS cannot be of use inside it: which one is it?",
            ),
            solution=(
                "events = theirs.decrypted().dialogue.events\n"
                'lists = [set(e.text.split()) for e in events if "* CAPABILITY" in e.text or "UIDL" in e.text]\n'
                "only_before = lists[0] - lists[1]"
            ),
            because=(
                "Inside TLS there is nothing left to upgrade, and no reason to forbid a login. Which other words "
                "there are "
                "differs from server to server: one that takes logins in the clear has no LOGINDISABLED."
            ),
        ),
        Exercise(
            "06.3",
            "How does this protocol ask what is offered, ask for TLS, and give the go-ahead?",
            _words,
            given=_dialect,
            hints=(
                "The table of dialects has a column for it.",
                "The rows are `ask`, `upgrade` and `go-ahead`. A tag in front does not belong to the word.",
            ),
            solution=(
                'said = {"POP3": ["CAPA", "STLS", "+OK"], "IMAP": ["CAPABILITY", "STARTTLS", "OK"]}\n'
                "words = said[protocol]"
            ),
            because=(
                "Keywords of POP3 have three or four letters (RFC 1939 §3), and RFC 2595 §4 kept to that. The "
                "go-ahead of "
                "IMAP stands behind the client's tag (RFC 9051 §6.2.1)."
            ),
        ),
        Exercise(
            "06.4",
            "Capture a POP3 session in which mallory can read bob's password.",
            capture_that(
                (_pop3, "This is no POP3 session: the server is `lab.pop3(...)`."),
                (
                    lambda capture: any(dialogue.session is None for dialogue in _pop3(capture)),
                    "The session went over TLS: the client follows `policy=policies.none`, or the server has "
                    '`starttls="off"`.',
                ),
                (
                    _whose,
                    'No password was sent: let the server take one in the clear, with `auth="always"`, and give a '
                    "`login=`.",
                ),
                (lambda capture: "bob" in _whose(capture), "There is a login in it, but not bob's."),
                (_in, "The password was sent, and the server refused it: it is not bob's."),
            ),
            hints=(
                'The server: `lab.pop3(starttls="off", auth="always", replace=True)`.',
                'The client: `lab.fetch(server, login=("bob", "swordfish"), policy=policies.none)`.',
            ),
            solution=(
                'server = lab.pop3(starttls="off", auth="always", replace=True)\n'
                "with lab.capture() as leaky:\n"
                '    lab.fetch(server, login=("bob", "swordfish"), policy=policies.none)'
            ),
            because="It took two careless sides: a server that allows it, and a client that does it.",
        ),
        Exercise(
            "06.5",
            "Write a function that tells the protocol by the first line of a server.",
            tried_on(_greetings),
            hints=(
                "SMTP begins with `220`, IMAP with `* `, POP3 with `+OK`. What stands behind that differs.",
                '`greeting.startswith(b"220")` and so on; at the end `return None`.',
            ),
            solution=(
                "def protocol_of(greeting: bytes):\n"
                '    begins = {b"220": "SMTP", b"* ": "IMAP", b"+OK": "POP3"}\n'
                "    return next((name for word, name in begins.items() if greeting.startswith(word)), None)"
            ),
            because=(
                "In all three the server speaks first, and tools find out so what runs on a port. FTP greets with 220 "
                "too; the words behind it would tell."
            ),
        ),
    ),
)
