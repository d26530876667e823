"""IMAP and POP3: the same steps in other words."""

from typing import TYPE_CHECKING

from labkit.exercises.captures import capture_that, readable
from labkit.exercises.checkers import function, members, shown, word
from labkit.exercises.question import Checker, Exercise, Lesson, Prediction

if TYPE_CHECKING:
    from labkit.show.capture import Capture


def _tag(answer: object, capture: "Capture") -> str:
    command = next(event.text for event in capture.dialogue.events if event.title == "STARTTLS")
    right = command.split()[0]
    if isinstance(answer, bytes):
        return "The answer is text in quotes, not bytes."
    if answer == command:
        return "That is the whole line: the tag is its first word."
    if isinstance(answer, str) and answer.strip().upper() == "STARTTLS":
        return "That is the command. The tag is the word in front of it."
    if isinstance(answer, str) and answer.strip() == "*":
        return "`*` marks the untagged lines of the server. The tag of a command is the client's own word."
    if answer == right:
        return ""
    return f"It is not {shown(answer)}. Look at the line of the client that ends with STARTTLS."


def _in_capitals(*expected: object, **said: object) -> Checker:
    """Names of capabilities, for which upper and lower case are the same (RFC 9051 §9)."""
    checker = members(*expected, **said)

    def any_case(answer: object, *about: object) -> str:
        named = isinstance(answer, set | list | tuple) and all(isinstance(name, str) for name in answer)
        return checker({name.upper() for name in answer} if named else answer, *about)

    return any_case


_GREETINGS = {
    b"220 mail.lab.test ESMTP of the STARTTLS lab\r\n": "SMTP",
    b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] mail.lab.test ready\r\n": "IMAP",
    b"+OK mail.lab.test POP3 ready <1896.697170952@mail.lab.test>\r\n": "POP3",
    b"220-welcome to mail.example.org ESMTP\r\n": "SMTP",
    b"* PREAUTH [CAPABILITY IMAP4rev1] you are bob\r\n": "IMAP",
    b"SSH-2.0-OpenSSH_9.7\r\n": None,
    b"": None,
}

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
            "Which two capabilities did the IMAP server announce only before TLS?",
            _in_capitals(
                ("STARTTLS", "LOGINDISABLED"),
                missing={"STARTTLS": "What is offered once?", "LOGINDISABLED": "What is forbidden until then?"},
                extra={
                    "IMAP4REV1": "That is in both answers.",
                    "AUTH=PLAIN": "That one comes only inside TLS.",
                },
            ),
            hints=(
                "In the decrypted transcript there are two answers to CAPABILITY. Compare the two lines.",
                "One of them offers the upgrade, the other forbids the login.",
            ),
            solution='only_before = {"STARTTLS", "LOGINDISABLED"}',
            because="Inside TLS there is nothing left to upgrade, and no reason to forbid a login.",
        ),
        Exercise(
            "06.3",
            "What does a POP3 client send where an SMTP client sends `STARTTLS`?",
            word(
                "STLS",
                mistakes={
                    "STARTTLS": "That is what SMTP and IMAP say. Keywords of POP3 have at most four letters.",
                    "CAPA": "That asks what is offered. What takes the offer?",
                    "TLS": "Nearly: it has four letters.",
                },
            ),
            hints=("It is in the table of dialects.", "Four letters, and it begins with ST."),
            solution='word = "STLS"',
            because="Keywords of POP3 have three or four letters (RFC 1939 §3), and RFC 2595 §4 kept to that.",
        ),
        Exercise(
            "06.4",
            "Capture a POP3 session in which mallory can read bob's password.",
            capture_that(
                (
                    lambda capture: capture.dialogue.dialect and capture.dialogue.dialect.name == "POP3",
                    "This is no POP3 session: the server is `lab.pop3(...)`.",
                ),
                (
                    lambda capture: capture.dialogue.session is None,
                    "The session was upgraded: the client follows `policy=policies.none`, or the server has "
                    '`starttls="off"`.',
                ),
                (
                    lambda capture: "password" in readable(capture),
                    'No password was sent: let the server take one in the clear, with `auth="always"`, and give a '
                    "`login=`.",
                ),
            ),
            hints=(
                'The server: `lab.pop3(starttls="off", auth="always")`.',
                'The client: `lab.fetch(server, login=("bob", "swordfish"), policy=policies.none)`.',
            ),
            solution=(
                'server = lab.pop3(starttls="off", auth="always")\n'
                "with lab.capture() as leaky:\n"
                '    lab.fetch(server, login=("bob", "swordfish"), policy=policies.none)'
            ),
            because="It took two careless sides: a server that allows it, and a client that does it.",
        ),
        Exercise(
            "06.5",
            "Write a function that tells the protocol by the first line of a server.",
            function(
                _GREETINGS,
                mistakes={"FTP": "FTP greets with 220 too, but its greeting does not say ESMTP."},
            ),
            hints=(
                "SMTP begins with `220`, IMAP with `* `, POP3 with `+OK`.",
                '`greeting.startswith(b"220")` and so on; at the end `return None`.',
            ),
            solution=(
                "def protocol(greeting: bytes):\n"
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
