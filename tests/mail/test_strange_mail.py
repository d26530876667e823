"""Mail as it comes: whatever stands in a message, every view shows something of it, and later conversations too."""

import imaplib
from base64 import b64encode
from email.header import make_header
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughly import every, examples

from labkit import Lab, policies
from labkit.capture.conversation import Chunk, Conversation, Endpoint
from labkit.capture.pcap import read_frames
from labkit.decode.dialogue import read
from labkit.decode.file import dialogues
from labkit.decode.privacy import visible
from labkit.dialects import CLIENT, SERVER
from labkit.mail.charset import field_text, text
from labkit.mail.mailbox import Message
from labkit.mail.message import Mail
from labkit.mail.mime import as_read, divide
from labkit.servers.imap.structure import body_structure, envelope
from labkit.show.json_lines import json_line
from labkit.show.transcript import Reading, plain_text, transcript

NO_CHARSETS = (
    *("undefined", "idna", "punycode", "rot13", "rot_13", "hex", "base64", "quopri", "uu", "zlib", "bz2"),
    *("unicode_escape", "raw_unicode_escape", "unicode-internal", "mbcs", "oem", "string-escape", "utf-7", "utf_16"),
    *(
        "",
        " ",
        "x-unknown",
        "utf-8*de",
        "\0",
        "a\0b",
        "\xe9",
        "..",
        "../../etc/passwd",
        "aliases",
        "__init__",
        "x" * 5000,
    ),
)
"""Words that stand for charsets in mail and are none, or are odd ones."""
HEADS = (
    *(f"Content-Type: text/plain; charset={name}" for name in NO_CHARSETS),
    *(f'Content-Type: text/plain; charset="{name}"' for name in NO_CHARSETS),
    *(f"Subject: =?{name}?q?caf=E9?= =?{name}?b?4pyT?= =?{name}?b?4?=" for name in NO_CHARSETS),
    *(f"From: =?{name}?q?caf=E9?= <a@lab.test>" for name in NO_CHARSETS),
    *(f"Content-Type: text/plain; name*={name}''%ff; name*0={name}; name*0*=x; charset*1=a" for name in NO_CHARSETS),
    *(
        "From:",
        "From: <",
        "From: <<@",
        "From: a@",
        'From: "',
        "From: (" + "(" * 5000,
        "From: ,;:",
        "From: =?utf-8?q?=0a=00?=",
        "From: \0",
    ),
    *(
        "From: g:a@b,c@d;",
        "From: <@a,@b:c@d>",
        "From: a@[",
        "From: \xff\xfe",
        "From: " + "x" * 5000,
        "From: <a@b",
        "From: a@b>",
    ),
    *(
        "Content-Type:",
        "Content-Type: ;",
        "Content-Type: /",
        "Content-Type: text",
        "Content-Type: text/",
        "Content-Type: /plain",
    ),
    *(
        "Content-Type: text/plain; charset",
        'Content-Type: text/plain; charset="',
        "Content-Type: text/plain; =x; ==; ; a==b",
    ),
    *(
        "Content-Type: multipart/mixed",
        "Content-Type: multipart/mixed; boundary=",
        'Content-Type: multipart/mixed; boundary="\\',
        "Content-Type: multipart/mixed; boundary=(((",
        "Content-Type: multipart/mixed; boundary*=undefined''x",
    ),
    *(
        "Content-Type: message/rfc822",
        "Content-Type: text/plain; x*99999999999999999999*=a",
        "Content-Type: text/plain; *=a; *0=b; **=c",
        "Content-Type: \0/\0",
    ),
    *(
        "Content-Transfer-Encoding: base64",
        "Content-Transfer-Encoding: quoted-printable",
        "Content-Transfer-Encoding: hex",
        "Content-Transfer-Encoding: \xff",
    ),
    *(
        "Subject: =?",
        "Subject: =?utf-8?b?!!!!?=",
        "Subject: =?utf-8?q??=",
        "Subject: =?utf-8?x?y?=",
        "Subject:\r\n folded",
        "Subject: \r\n \r\n\tx",
        "Subject : x",
        "Subject: \ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ),
    *(
        "Content-Disposition:",
        "Content-Disposition: attachment",
        "Content-Disposition: attachment; filename*=idna''%ff",
        "Content-Disposition: ;;;",
    ),
    *("Date: ", "Date: 99 Foo 99999 99:99", "no field", ": x", "\0", ">From x", "\x0b\x0c\x1c\x85"),
)
BODIES = (
    *(b"", b"\xff\xfe\0", b"plain\r\n", b"=E9=\r\n=ZZ=", b"AAAA=AAA", b"A", b"xn--caf\xe9 \\x41 \\N{x} \\ud800 \\u12"),
    *(
        b"--x\r\n\r\n--x--",
        b"--x",
        b"+2AA- +AGE",
        b"\r\n" * 3,
        b"Subject: inner\r\nContent-Type: text/html; charset=hex\r\n\r\nx",
    ),
)
MAILS = st.builds(
    lambda heads, body: "\r\n".join(heads).encode("latin-1") + b"\r\n\r\n" + body,
    st.lists(st.sampled_from(HEADS), max_size=4),
    st.sampled_from(BODIES) | st.binary(max_size=50),
)


def conversation(data: bytes) -> Conversation:
    said = [(SERVER, b"220 x ESMTP\r\n"), (CLIENT, b"DATA\r\n"), (SERVER, b"354 go\r\n")]
    said += [(CLIENT, data.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n"), (SERVER, b"250 ok\r\n")]
    chunks = [Chunk(n, n, side, "data", part, len(part)) for n, (side, part) in enumerate(said, 1)]
    return Conversation(Endpoint("192.0.2.1", 50000), Endpoint("192.0.2.2", 25), chunks)


def every_view(data: bytes) -> None:
    """All that is said of a message anywhere; each is text that can be printed."""
    message = Message("a@lab.test", ("b@lab.test",), data, "clear text", "")
    dialogue = read(conversation(data))
    found = visible(dialogue)
    shown = [message.text, message.subject, message.author, repr(message), repr(Mail(data)), json_line(dialogue)]
    shown += [plain_text(Reading(dialogue, found)), transcript([Reading(dialogue, found)]).html]
    shown += [value for _, value, *_ in found]
    for one in shown:
        one.encode()
    assert "\n" not in message.subject + message.author + repr(message) + repr(Mail(data))
    assert all(dialogue.events[one.event_index].data[one.start : one.end] for one in found)
    for part in (divide(data), as_read(data)):
        assert part.header + part.body == data
        assert envelope(part) and body_structure(part, True) and body_structure(part, False)


@pytest.mark.parametrize("head", every(HEADS, once=HEADS[::4]))
def test_every_view_shows_a_message_with_this_field(head):
    for body in BODIES:
        every_view(head.encode("latin-1") + b"\r\n\r\n" + body)


@settings(max_examples=examples(300), deadline=None)
@given(MAILS | st.binary())
def test_every_view_shows_any_message(data):
    every_view(data)


@settings(max_examples=examples(300))
@given(st.binary(), st.sampled_from(NO_CHARSETS) | st.text())
def test_any_bytes_in_any_charset_are_text_that_can_be_encoded_again(data, charset):
    assert text(data, charset).encode() is not None
    assert isinstance(field_text(data), str)


@settings(max_examples=examples(200))
@given(st.binary())
def test_bytes_that_are_not_utf8_are_shown_as_python_shows_them(data):
    assert text(data) == data.decode("utf-8", "backslashreplace")


@settings(max_examples=examples(200))
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), min_size=1, max_size=60),
    st.sampled_from(("utf-8", "gb18030")),
)
def test_what_the_standard_library_encodes_is_read_again(word, charset):
    header = make_header([(word.encode(charset), charset)])
    assert field_text(header.encode(linesep="\r\n").encode()) == word


def test_a_letter_that_is_cut_between_two_encoded_words_is_put_together():
    head, tail = b64encode("✓".encode()[:2]).decode(), b64encode("✓".encode()[2:]).decode()
    assert field_text(f"=?utf-8?b?{head}?=\r\n =?UTF-8?b?{tail}?= a".encode()) == "✓ a"


@pytest.mark.parametrize(
    ("data", "told"),
    (
        (b"Content-Type: text/plain; charset=undefined\r\n\r\nPIN 4921", "PIN 4921"),
        (b"Content-Type: text/plain; charset=us-ascii (Plain text)\r\n\r\nPIN 4921 \xe2\x9c\x93", "PIN 4921 ✓"),
        (b"Content-Type: text/plain; charset*=''iso-8859-1\r\n\r\nK\xf6ln", "Köln"),
        (b'Content-Type: TEXT/PLAIN; format=flowed; charset="koi8-u"\r\n\r\n\xf0', "П"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nUElOIDQ5M", "PIN 49"),
        (b"Content-Transfer-Encoding: BASE64\r\n\r\nUElO IDQ5\r\n!MjE=", "PIN 4921"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nUElOIDQ5MjE=\r\n-- \r\nfrom a list", "PIN 4921\n-- \nfrom a list"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nThe PIN is 4921", "The PIN is 4921"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nhunter2", "hunter2"),
        (b"Content-Transfer-Encoding: base64\r\n\r\n=PIN 4921=", "=PIN 4921="),
        (b"Subject: x\r\nno field\r\n\r\nmore", "no field\n\nmore"),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nPIN 4921\r\n--x--", "PIN 4921"),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\nPIN 4921", "PIN 4921"),
        (
            b"Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n<b>\r\n"
            b"--x\r\nContent-Transfer-Encoding: base64\r\n\r\nUElOIDQ5MjE=\r\n--x--",
            "PIN 4921",
        ),
    ),
)
def test_a_message_is_read_as_far_as_it_can_be(data, told):
    assert Mail(data).text == told


def test_each_part_of_a_message_is_told_where_it_stands():
    mail = (
        b"Subject: two\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\nno text\r\n--x\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nUElOIDQ5MjE=\r\n--x\r\nContent-Type: application/pdf\r\n"
        b"Content-Disposition: attachment; filename*=utf-8''%e2%9c%93.pdf\r\n\r\n%PDF\r\n--x\r\n"
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nforwarded\r\n--x--\r\n"
    )
    dialogue = read(conversation(mail))
    told = [
        (one.what, one.value, dialogue.events[one.event_index].data[one.start : one.end]) for one in visible(dialogue)
    ]
    assert told == [
        ("subject", "two", b"two"),
        ("message", "PIN 4921", b"UElOIDQ5MjE="),
        ("attachment", "✓.pdf (application/pdf)", b"%PDF"),
        ("subject", "inner", b"inner"),
        ("message", "forwarded", b"forwarded"),
    ]


@pytest.mark.parametrize("head", ["", "Content-Transfer-Encoding: base64\r\n"])
def test_a_message_within_is_told_without_a_header_and_in_an_encoding_that_it_may_not_have(head):
    body = b64encode(b"The PIN is 4921") if head else b"The PIN is 4921"
    dialogue = read(conversation(f"Content-Type: message/rfc822\r\n{head}\r\n".encode() + body))
    assert [(one.what, one.value) for one in visible(dialogue)] == [("message", "The PIN is 4921")]


def test_one_bad_mail_hides_no_later_conversation(tmp_path):
    with Lab("loopback", capture="tap") as lab:
        server, reader = lab.smtp(auth="always"), lab.imap(auth="always")
        with lab.capture() as capture:
            for number, head in enumerate(HEADS[::9]):
                data = head.encode("latin-1") + b"\r\n\r\nbody\r\n"
                _submit(lab, data)
                assert len(server.mailbox) == number + 1
            assert lab.send(server, "the last", policy=policies.none)
            assert len(lab.fetch(reader, policy=policies.none).messages) == len(server.mailbox)
        assert str(capture) and repr(lab.mailbox()) and [repr(mail) for mail in server.mailbox]
        assert "the last" in [value for _, value, *_ in capture.visible()]
        capture.save(tmp_path / "strange.pcapng")
    kept = list(dialogues(read_frames(Path(tmp_path / "strange.pcapng")), {}))
    assert len(kept) == len(HEADS[::9]) + 2 and all(json_line(dialogue) for dialogue in kept)


def _submit(lab, data: bytes) -> None:
    """Send a message as it is, which the lab's own client would not."""
    with lab.alice.connect("mail", 587, timeout=30) as sock:
        file = sock.makefile("rb")
        for line in (b"", b"HELO x\r\n", b"MAIL FROM:<a@lab.test>\r\n", b"RCPT TO:<bob@lab.test>\r\n", b"DATA\r\n"):
            sock.sendall(line)
            file.readline()
        sock.sendall(data + b".\r\n")
        assert file.readline().startswith((b"250", b"500"))


def test_imap_tells_of_every_message_and_of_those_behind_it():
    with Lab("loopback") as lab:
        lab.imap(auth="always")
        ip, port = lab.network.locate("mail", 143, "alice")
        box = lab.mailbox()
        for head in HEADS:
            for body in BODIES[:3]:
                box.keep(Message("a@b", ("bob@lab.test",), head.encode("latin-1") + b"\r\n\r\n" + body, "x", ""))
        with imaplib.IMAP4(ip, port, timeout=60) as client:
            client.login("bob", "swordfish")
            client.select()
            for item in ("ENVELOPE", "BODYSTRUCTURE", "BODY", "(BODY.PEEK[HEADER.FIELDS (Subject)])", "BODY.PEEK[1]"):
                kind, found = client.fetch("1:*", item)
                assert kind == "OK" and sum(isinstance(one, tuple) or b"FETCH" not in one for one in found) >= 0
                numbers = {
                    (one[0] if isinstance(one, tuple) else one).split()[0] for one in found if one not in (b")",)
                }
                assert str(len(box)).encode() in numbers
            for key in ('SUBJECT "x"', 'FROM "x"', 'TEXT "x"', "SINCE 1-Jan-2020"):
                assert client.search(None, key)[0] == "OK"


LARGE = 30_000
HUGE = {
    "encoded words": b"Subject: a" + b"\r\n =?utf-8?Q?x?=" * LARGE,
    "encoded words of unknown charsets": b"Subject: " + b" ".join(b"=?c%d?Q?x?=" % n for n in range(LARGE)),
    "beginnings of encoded words": b"Subject: " + b"=?utf-8?Q?" * LARGE,
    "addresses": b"From: " + b"a@b, " * LARGE,
    "brackets": b"From: " + b"<" * LARGE,
    "parameters": b"Content-Type: text/plain" + b"; a=b" * LARGE,
    "quotes": b'Content-Type: text/plain; a=";' + b'";' * LARGE,
    "semicolons": b"Content-Type: text/plain" + b";" * LARGE,
    "pieces of a parameter": b"Content-Type: text/plain" + b"".join(b"; a*%d*=x" % n for n in range(LARGE // 10)),
    "fields": b"X: y\r\n" * LARGE,
    "folds": b"Subject: x" + b"\r\n y" * LARGE,
    "spaces": b"Subject:" + b" " * LARGE * 10,
    "parts": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\ny\r\n" * (LARGE // 4),
    "nested parts": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" * (LARGE // 10),
    "bytes of no charset": b"\r\n" + b"\xff" * LARGE * 10,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", HUGE)
def test_a_message_with_very_many(what):
    """Each takes about half a second; with an algorithm that looks at everything again and again, it is minutes."""
    every_view(HUGE[what] + b"\r\n\r\nbody")
