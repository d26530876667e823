"""What the IMAP server tells of messages: exact bytes, a structure that others agree with, and searches."""

import email
import re
from email.message import EmailMessage
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.mail.mailbox import Mailbox, Message
from labkit.mail.mime import divide
from labkit.servers.imap.fetch import read_items
from labkit.servers.imap.mailboxes import fits
from labkit.servers.imap.opened import Selection
from labkit.servers.imap.responses import string
from labkit.servers.imap.search import read_search
from labkit.servers.imap.structure import body_structure, envelope
from labkit.servers.imap.syntax import Malformed, Scanner

NESTED = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@lab.test>, bob\r\nSubject: two\r\n parts\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="out er"\r\n\r\npreamble\r\n'
    b"--out er\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<b>1</b>\r\n\r\n"
    b"--out er \r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nDate: today\r\n"
    b"Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n\r\nfirst\r\n--in\r\n\r\nsecond\r\n--in--\r\n"
    b"\r\n--out er--\r\nepilogue --out er\r\n"
)


def _entry(data: bytes, **more):
    mailbox = Mailbox()
    mailbox.keep(Message("alice@lab.test", ("bob@lab.test",), data, "clear text", "", **more))
    (listed,) = Selection(mailbox, read_only=False).all()
    return listed


def _fetched(data: bytes, item: str) -> bytes:
    (read,) = read_items(Scanner(item.encode()))
    return read.write(_entry(data))


def _bytes(literal: bytes) -> bytes:
    size, _, data = literal.partition(b"}\r\n")
    assert int(size[1:]) == len(data)
    return data


def _parsed(data: bytes):
    """An independent reader of lists, strings, literals and words: what a client makes of an answer."""

    def one(at):
        if data[at : at + 1] == b"(":
            found, at = [], at + 1
            while data[at : at + 1] != b")":
                value, at = one(at)
                found.append(value)
                at += data[at : at + 1] == b" "
            return found, at + 1
        if match := re.compile(rb'"((?:[^"\\]|\\.)*)"').match(data, at):
            return re.sub(rb"\\(.)", rb"\1", match[1]), match.end()
        if match := re.compile(rb"\{(\d+)\}\r\n").match(data, at):
            end = match.end() + int(match[1])
            return data[match.end() : end], end
        match = re.compile(rb"NIL|\d+").match(data, at)
        return None if match[0] == b"NIL" else int(match[0]), match.end()

    value, end = one(0)
    assert end == len(data)
    return value


@pytest.mark.parametrize(
    "section, expected",
    (
        ("1", b"<b>1</b>\r\n"),
        ("1.MIME", b"Content-Type: text/html; charset=utf-8\r\n\r\n"),
        ("2.HEADER", b"Subject: inner\r\nDate: today\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"),
        ("2.HEADER.FIELDS (DATE)", b"Date: today\r\n\r\n"),
        ("2.TEXT", b"--in\r\n\r\nfirst\r\n--in\r\n\r\nsecond\r\n--in--\r\n"),
        ("2.1", b"first"),
        ("2.2", b"second"),
        ("HEADER.FIELDS (subject)", b"Subject: two\r\n parts\r\n\r\n"),
        ("HEADER.FIELDS (none)", b"\r\n"),
    ),
)
def test_a_part_is_its_exact_bytes(section, expected):
    assert _bytes(_fetched(NESTED, f"BODY[{section}]")) == expected
    assert _bytes(_fetched(NESTED, f"BODY.PEEK[{section}]<2.5>")) == expected[2:7]


@pytest.mark.parametrize("section", ("3", "0", "1.1", "1.HEADER", "1.TEXT", "2.3", "2.1.1", "2.1.HEADER"))
def test_a_part_that_is_not_there_is_nil(section):
    assert _fetched(NESTED, f"BODY[{section}]") == b"NIL"


@pytest.mark.parametrize(
    "asked",
    (
        "BODY[1.]",
        "BODY[MIME]",
        "BODY[.1]",
        "BODY[1..2]",
        "BODY[",
        "BODY[HEADER.FIELDS]",
        "BODY[HEADER.FIELDS.NOT (A)]",
        "BODY[X]",
        "X",
        "",
    ),
)
def test_what_cannot_be_fetched_is_refused(asked):
    with pytest.raises(Malformed):
        arguments = Scanner(asked.encode())
        read_items(arguments)
        arguments.end()


def test_a_message_without_parts_has_one():
    data = b"Subject: x\r\n\r\nbody\r\n"
    assert _bytes(_fetched(data, "BODY[1]")) == _bytes(_fetched(data, "BODY[TEXT]")) == b"body\r\n"
    assert _bytes(_fetched(data, "BODY[]")) == data and _bytes(_fetched(data, "RFC822.HEADER")) == data[:14]
    assert _bytes(_fetched(b"no blank line\r\n", "BODY[HEADER]")) == b"no blank line\r\n"


def test_an_envelope_has_the_fields_as_they_are():
    date, subject, sender, *_ = _parsed(envelope(divide(NESTED)))
    assert (date, subject) == (None, b"two parts")
    assert sender == [[b"=?utf-8?q?J=C3=BCrgen?=", None, b"j", b"lab.test"], [None, None, b"bob", b""]]
    _, _, first, *others = _parsed(envelope(divide(b"From: a@b\r\nSender:\r\nReply-To: c@d\r\n\r\n")))
    assert first == others[0] == [[None, None, b"a", b"b"]] and others[1] == [[None, None, b"c", b"d"]]


def test_a_structure_tells_types_parameters_and_sizes():
    html, inner, kind, *_ = _parsed(body_structure(divide(NESTED), extended=True))
    assert html[:8] == [b"TEXT", b"HTML", [b"CHARSET", b"utf-8"], None, None, b"7BIT", 10, 1]
    assert inner[:2] == [b"MESSAGE", b"RFC822"] and inner[7][1] == b"inner"
    assert [part[6] for part in inner[8][:2]] == [5, 6] and inner[8][2] == b"ALTERNATIVE" and kind == b"MIXED"


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\r"), max_size=30)


def _text(text):
    return MIMEText(text, _subtype="plain", _charset="utf-8")


def _multipart(parts):
    whole = MIMEMultipart("mixed")
    for part in parts:
        whole.attach(part)
    return whole


def _forwarded(part):
    return MIMEMessage(part)


MESSAGES = st.recursive(
    TEXTS.map(_text), lambda parts: st.lists(parts, min_size=1, max_size=3).map(_multipart) | parts.map(_forwarded)
)


def _types(message):
    """The tree of types as the standard library reads it."""
    below = message.get_payload() if message.is_multipart() else []
    return [message.get_content_type(), *map(_types, below)]


def _told(structure):
    if isinstance(structure[0], list):
        parts = [part for part in structure if isinstance(part, list)]
        kind = next(part for part in structure if isinstance(part, bytes))
        return [f"multipart/{kind.decode().lower()}", *map(_told, parts)]
    below = [_told(structure[8])] if structure[0] == b"MESSAGE" else []
    return [b"/".join(structure[:2]).decode().lower(), *below]


@settings(max_examples=150)
@given(MESSAGES)
def test_the_structure_is_what_the_standard_library_finds(message):
    data = message.as_bytes(policy=email.policy.SMTP)
    assert _told(_parsed(body_structure(divide(data), extended=False))) == _types(email.message_from_bytes(data))


@settings(max_examples=100)
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_every_part_can_be_decoded_to_what_was_written(texts):
    data = _multipart(map(_text, texts)).as_bytes(policy=email.policy.SMTP)
    for number, text in enumerate(texts, 1):
        part = _bytes(_fetched(data, f"BODY[{number}.MIME]")) + _bytes(_fetched(data, f"BODY[{number}]"))
        read = email.message_from_bytes(part).get_payload(decode=True).decode()
        assert read.replace("\r\n", "\n") == text.replace("\r\n", "\n")


FRAGMENTS = st.sampled_from(
    (
        *(b"Content-Type: ", b"multipart/mixed; boundary=b", b"message/rfc822", b"text/plain", b"; charset", b"=x"),
        *(
            b"\r\n",
            b"\r\n",
            b"\n",
            b"--b",
            b"--b--",
            b"From: ",
            b"<<@",
            b"a@b",
            b"=?x?q?=",
            b'"',
            b"\\",
            b"\0",
            b"\xff",
        ),
        *(b"Content-Disposition: ", b"attachment; filename*=x''%ff", b"Content-Transfer-Encoding: ", b";;", b" ", b"x"),
    )
)


@settings(max_examples=400)
@given(st.lists(FRAGMENTS, max_size=40).map(b"".join) | st.binary(max_size=100))
def test_any_bytes_have_an_envelope_and_a_structure_that_can_be_read(data):
    part = divide(data)
    assert part.header + part.body == data
    assert len(_parsed(envelope(part))) == 10
    for extended in (False, True):
        assert _parsed(body_structure(part, extended))


@given(st.binary())
def test_a_string_is_read_as_it_was_written(data):
    arguments = Scanner(string(data))
    assert arguments.string() == data.replace(b"\0", b"")
    arguments.end()


SEARCHED = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@lab.test>\r\nTo: bob@lab.test\r\nSubject: =?x-none?q?a?= Hello\r\n"
    b"Date: Mon, 1 Feb 2021 23:30:00 +0100\r\n\r\nThe PIN is 4921\r\n"
)


@pytest.mark.parametrize(
    "keys, found",
    (
        ("ALL", True),
        ("UNSEEN", True),
        ("SEEN", False),
        ("NEW RECENT UNANSWERED UNDELETED UNFLAGGED UNDRAFT", True),
        ("OLD", False),
        ("FROM jürgen", True),
        ("FROM nobody", False),
        ("SUBJECT hello", True),
        ("TO BOB CC x", False),
        ("BODY pin", True),
        ("TEXT jürgen", True),
        ("BODY jürgen", False),
        ('HEADER Date ""', True),
        ('HEADER X-None ""', False),
        ("NOT SEEN", True),
        ("OR SEEN 1", True),
        ("OR SEEN 2", False),
        ("(1 (UID 1))", True),
        ("SINCE 1-Jan-2020", True),
        ("BEFORE 1-Jan-2020", False),
        ("ON 1-Jan-2020", False),
        ("CHARSET UTF-8 ALL", True),
    ),
)
def test_a_search_finds_what_it_asks_for(keys, found):
    search = keys.encode().replace("jürgen".encode(), "{7}\r\njürgen".encode())
    assert read_search(Scanner(search))(_entry(SEARCHED)) is found


@given(st.text("a/b", max_size=8), st.text("a/b*%", max_size=8))
def test_wildcards_fit_like_a_regular_expression(name, pattern):
    expression = re.escape(pattern).replace(r"\*", ".*").replace("%", "[^/]*")
    assert fits(pattern, name) == bool(re.fullmatch(expression, name))


def test_a_message_composed_by_the_standard_library_keeps_its_attachment():
    message = EmailMessage()
    message["Subject"] = "with a picture"
    message.set_content("see below")
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="a.png")
    data = message.as_bytes(policy=email.policy.SMTP)
    structure = _parsed(body_structure(divide(data), extended=True))
    assert structure[1][:2] == [b"IMAGE", b"PNG"] and structure[1][8] == [b"ATTACHMENT", [b"FILENAME", b"a.png"]]
