"""What an eavesdropper can read: everything that crossed in clear text, decoded, and nothing of the rest."""

from base64 import b64encode
from binascii import b2a_uu

import pytest
from live import MAIL, session
from tools import tool

from labkit import Lab, policies
from labkit.capture.conversation import Chunk, Conversation, Endpoint
from labkit.decode.dialogue import read
from labkit.decode.privacy import Exposure, visible
from labkit.dialects import CLIENT, SERVER

GREETED = [
    (SERVER, b"220 mail.lab.test ESMTP\r\n"),
    (CLIENT, b"EHLO laptop.home\r\n"),
    (SERVER, b"250 mail.lab.test\r\n"),
]


def exposed(*said: tuple[str, bytes]) -> list[tuple[str, str]]:
    """What is exposed after the greeting, and stands where the exposure says."""
    turns = [*GREETED, *said]
    chunks = [Chunk(0, number, side, "data", data, len(data)) for number, (side, data) in enumerate(turns, 1)]
    ends = Endpoint("192.0.2.1", 50000), Endpoint("192.0.2.2", 25)
    dialogue = read(Conversation(*ends, [Chunk(0, 0, CLIENT, "syn", b"", 0), *chunks]))
    found = visible(dialogue)
    assert all(dialogue.events[one.event_index].data[one.start : one.end] for one in found)
    assert found[0][:2] == ("client name", "laptop.home")
    return [one[:2] for one in found[1:]]


def coded(text: bytes) -> bytes:
    return b64encode(text)


def values(found: list[Exposure]) -> dict[str, str]:
    return {one.what: one.value for one in found}


# ---- live


def test_a_session_in_clear_text_tells_the_password_the_addresses_and_the_message():
    capture = session("none", auth="always")
    found = values(capture.visible())
    assert found.pop("message-id").endswith("@lab.test>")
    assert found == {
        "client name": "alice.lab.test",
        "user name": "alice",
        "password": "hunter2",
        "subject": "Hello from the lab",
        "sender": "alice@lab.test",
        "recipient": "bob@lab.test",
        "from": "alice@lab.test",
        "to": "bob@lab.test",
        "message": MAIL,
    }
    for one in capture.visible():
        data = capture.dialogue.events[one.event_index].data[one.start : one.end].decode()
        assert one.value == data or one.what in ("user name", "password")


@pytest.mark.parametrize("mechanisms", (("PLAIN",), ("LOGIN",)))
def test_either_way_to_log_in_tells_the_password(mechanisms):
    found = values(session("none", auth="always", mechanisms=mechanisms).visible())
    assert (found["user name"], found["password"]) == ("alice", "hunter2")


@pytest.mark.parametrize("mechanism", ("PLAIN", "LOGIN"))
def test_what_swaks_logs_in_with_is_told_too(mechanism):
    with Lab(network="loopback", capture="tap") as lab:
        lab.smtp(auth="always")
        with lab.capture() as capture:
            ip, port = lab.network.locate("mail", 587, "alice")
            command = [tool("swaks"), "--server", ip, "--port", str(port), "--to", "bob@lab.test", "--auth", mechanism]
            login = ["--auth-user", "alice", "--auth-password", "hunter2"]
            done = lab.alice.run([*command, *login, "--from", "alice@lab.test", "--timeout", "10"])
            assert done.returncode == 0, done.stdout
    found = values(capture.visible())
    assert (found["user name"], found["password"]) == ("alice", "hunter2")


@pytest.mark.parametrize("tls", ("TLS 1.2", "TLS 1.3"))
@pytest.mark.parametrize("policy", ("opportunistic", "implicit"))
def test_tls_hides_all_but_names_even_where_the_reader_holds_the_keys(tls, policy):
    capture = session(policy, tls=tls)
    for view in (capture, capture.decrypted()):
        found = values(view.visible())
        assert set(found) == {"server name", "cipher suite"} | (
            {"client name"} if policy == "opportunistic" else set()
        ) | ({"certificate of"} if tls == "TLS 1.2" else set())
        assert found["server name"] == "mail.lab.test"
    assert MAIL in str([event.text for event in capture.decrypted().dialogue.events])


def test_letters_beyond_ascii_are_told_as_they_were_meant():
    with Lab(network="loopback", capture="tap") as lab:
        server = lab.smtp(starttls="off")
        with lab.capture() as capture:
            assert lab.send(server, "Grüße aus Köln, 10 €", subject="Prüfung", policy=policies.none)
    found = values(capture.visible())
    assert (found["subject"], found["message"]) == ("Prüfung", "Grüße aus Köln, 10 €")


# ---- logins


def test_plain_with_its_answer_in_the_command():
    assert exposed((CLIENT, b"auth plain " + coded(b"\0bob\0secret") + b"\r\n")) == [
        *(("user name", "bob"), ("password", "secret"))
    ]


def test_plain_with_its_answer_after_the_invitation():
    turns = [(CLIENT, b"AUTH PLAIN\r\n"), (SERVER, b"334 \r\n"), (CLIENT, coded(b"admin\0bob\0secret") + b"\r\n")]
    assert exposed(*turns) == [("user name", "bob"), ("password", "secret")]


def test_login_with_the_name_in_the_command():
    turns = [(CLIENT, b"AUTH LOGIN " + coded(b"bob") + b"\r\n"), (SERVER, b"334 UGFzc3dvcmQ6\r\n")]
    assert exposed(*turns, (CLIENT, coded(b"secret") + b"\r\n")) == [("user name", "bob"), ("password", "secret")]


def test_a_login_that_is_refused_was_told_all_the_same_and_so_is_the_next():
    wrong = [(CLIENT, b"AUTH PLAIN " + coded(b"\0bob\0wrong") + b"\r\n"), (SERVER, b"535 No\r\n")]
    right = [(CLIENT, b"AUTH PLAIN " + coded(b"\0bob\0right") + b"\r\n"), (SERVER, b"235 Yes\r\n")]
    assert [value for what, value in exposed(*wrong, *right) if what == "password"] == ["wrong", "right"]


def test_what_is_no_base64_can_be_read_as_it_is():
    """A client that forgets to encode hides nothing."""
    turns = [(CLIENT, b"AUTH LOGIN\r\n"), (SERVER, b"334 VXNlcm5hbWU6\r\n"), (CLIENT, b"b\xc3\xb6b@lab\r\n")]
    turns += [(SERVER, b"334 UGFzc3dvcmQ6\r\n"), (CLIENT, b"se cret!\r\n"), (SERVER, b"535 No\r\n")]
    assert exposed(*turns) == [("user name", "böb@lab"), ("password", "se cret!")]
    assert exposed((CLIENT, b"AUTH PLAIN nonsense!\r\n")) == [("user name and password", "nonsense!")]


@pytest.mark.parametrize("nothing", (b"*", b"=", b""))
def test_a_login_that_is_called_off_or_empty_tells_nothing(nothing):
    turns = [(CLIENT, b"AUTH LOGIN\r\n"), (SERVER, b"334 VXNlcm5hbWU6\r\n"), (CLIENT, nothing + b"\r\n")]
    assert exposed(*turns) == []


def test_a_mechanism_that_proves_the_password_without_sending_it_does_not_tell_it():
    turns = [(CLIENT, b"AUTH CRAM-MD5\r\n"), (SERVER, b"334 PDEyMzRAbGFiPg==\r\n")]
    told = exposed(*turns, (CLIENT, coded(b"bob 5f4dcc3b5aa765d61d8327deb882cf99") + b"\r\n"))
    assert "password" not in dict(told)


# ---- mail


def message(data: bytes) -> list[tuple[str, str]]:
    told = exposed((CLIENT, b"DATA\r\n"), (SERVER, b"354 go\r\n"), (CLIENT, data + b".\r\n"), (SERVER, b"250 OK\r\n"))
    return told


def test_headers_are_told_in_any_case_and_only_from_the_head():
    told = message(b"SUBJECT: one\r\nX-Subject: no\r\nfrom:\ta@b\r\nTo: c@d\r\n\r\nSubject: part of the text\r\n")
    assert told == [("subject", "one"), ("from", "a@b"), ("to", "c@d"), ("message", "Subject: part of the text")]


def test_a_header_of_several_lines_is_told_whole():
    assert message(b"Subject: one\r\n two\r\n\tthree\r\nTo: c@d\r\n\r\nx\r\n")[:2] == [
        *(("subject", "one two\tthree"), ("to", "c@d"))
    ]


def test_encoded_words_are_told_in_letters():
    told = dict(message(b"Subject: =?utf-8?b?UHLDvGZ1bmc=?= =?iso-8859-1?q?_K=F6ln?=\r\n\r\nx\r\n"))
    assert told["subject"] == "Prüfung Köln"
    assert dict(message(b"Subject: =?martian?x?y?=\r\n\r\nx\r\n"))["subject"] == "=?martian?x?y?="


@pytest.mark.parametrize(
    "encoding, body",
    (
        ("base64", coded("Grüße".encode())),
        ("base64 (of course)", coded("Grüße".encode())),
        ("Quoted-Printable", b"Gr=C3=BC=\r\n=C3=9Fe"),
        ("8bit", "Grüße".encode()),
    ),
)
def test_a_body_is_told_as_it_reads(encoding, body):
    head = f"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    assert message(head.encode() + body + b"\r\n")[-1] == ("message", "Grüße")


def test_a_message_without_a_head_or_a_body_tells_what_it_has():
    assert message(b"") == []
    assert message(b"just text\r\n") == [("message", "just text")]
    assert message(b"Subject: alone\r\n\r\n") == [("subject", "alone")]


@pytest.mark.parametrize(
    ("wire", "told"),
    ((b"..one\r\n...two\r\na..b", ".one\r\n..two\r\na..b"), (b"..\r\nend", ".\r\nend"), (b"..\nend", ".\nend")),
)
def test_a_dot_that_was_added_for_the_transport_is_not_told(wire, told):
    assert message(b"Subject: x\r\n\r\n" + wire + b"\r\n")[-1] == ("message", told)
    chunk = b"\r\n" + wire
    assert exposed((CLIENT, b"BDAT %d LAST\r\n" % len(chunk) + chunk), (SERVER, b"250 OK\r\n")) == [
        ("message", wire.decode())
    ]


def test_reports_are_told_and_so_is_a_message_in_letters_beyond_ascii():
    parts = (
        ("message/delivery-status", b"Final-Recipient: rfc822; bob@lab.test\r\nAction: failed"),
        ("message/feedback-report", b"Source-IP: 192.0.2.7"),
        ("message/global", "Subject: Grüße\r\n\r\ninside".encode()),
    )
    body = b"".join(b"\r\n--x\r\nContent-Type: %s\r\n\r\n%s" % (kind.encode(), said) for kind, said in parts)
    told = message(b"Content-Type: multipart/report; boundary=x\r\n" + body + b"\r\n--x--\r\n")
    *reports, subject, inside = told
    assert reports == [("message", said.decode()) for _, said in parts[:2]]
    assert (subject, inside) == (("subject", "Grüße"), ("message", "inside"))


SMIME = b"Content-Type: application/pkcs7-mime; name=smime.p7m; smime-type=%s\r\n\r\nMIIB"
ARMOUR = b"\r\n-----BEGIN PGP MESSAGE-----\r\nComment: x\r\n\r\n%s\r\n-----END PGP MESSAGE-----"


@pytest.mark.parametrize(
    ("mail", "what"),
    (
        (SMIME % b"enveloped-data", ("encrypted content", "S/MIME smime.p7m")),
        (SMIME % b"authEnveloped-data", ("encrypted content", "S/MIME smime.p7m")),
        (SMIME % b"signed-data", ("attachment", "smime.p7m (application/pkcs7-mime)")),
        (ARMOUR % coded(b"\xc1\x8c\x03sealed"), ("encrypted content", "OpenPGP")),
        (ARMOUR % coded(b"\x85\x01\x0csealed"), ("encrypted content", "OpenPGP")),
        (ARMOUR % coded(b"\xa3\x01only packed"), ("message", (ARMOUR % coded(b"\xa3\x01only packed"))[2:].decode())),
    ),
)
def test_content_that_its_sender_encrypted_is_called_so_and_what_is_only_signed_or_packed_is_not(mail, what):
    assert message(mail + b"\r\n")[-1] == what


def test_a_file_within_the_text_is_an_attachment_and_a_text_in_that_encoding_is_read():
    """As uuencode wrote it, in the standard library's words."""
    text = b"The PIN is 4921.\n" * 5
    lines = b"".join(b2a_uu(text[at : at + 45]) for at in range(0, len(text), 45))
    file = (b"begin 644 pin.txt\n" + lines + b"`\nend\n").replace(b"\n", b"\r\n")
    assert message(b"Subject: x\r\n\r\nHello\r\n" + file + b"Bye\r\n")[-1] == ("attachment", "pin.txt (uuencoded)")
    assert message(b"Content-Transfer-Encoding: x-uuencode\r\n\r\n" + file)[0] == ("message", text.decode().rstrip())
    assert message(b"Subject: x\r\n\r\nbegin 644 is how it begins\r\n")[-1][0] == "message"


def test_a_message_in_chunks_is_told_too():
    told = exposed((CLIENT, b"BDAT 22\r\nSubject: hi\r\n\r\nsecret\r\n"[:31]), (SERVER, b"250 OK\r\n"))
    assert told == [("subject", "hi"), ("message", "secret")]


# ---- a capture that begins in the middle


@pytest.mark.parametrize(
    ("port", "sender", "said", "told"),
    (
        (
            25,
            CLIENT,
            b"Subject: late\r\nTo: x@y\r\n\r\nhello\r\n.\r\nMAIL FROM:<a@x>\r\n",
            ["late", "x@y", "hello", "a@x"],
        ),
        (25, CLIENT, b"of a text\r\nhello\r\n.\r\nMAIL FROM:<a@x>\r\n", ["of a text\r\nhello", "a@x"]),
        (143, SERVER, b"of a text\r\nhello\r\n)\r\na OK done\r\n", ["of a text", "hello"]),
        (110, SERVER, b"of a text\r\nhello\r\n.\r\n", ["of a text", "hello"]),
    ),
)
def test_text_before_the_first_whole_phrase_is_told(port, sender, said, told):
    turns = [Chunk(0, 1, sender, "data", said, len(said))]
    turns += [Chunk(0, 2, SERVER, "data", b"", 0)]
    ends = Endpoint("192.0.2.1", 50000), Endpoint("192.0.2.2", port)
    assert [one.value for one in visible(read(Conversation(*ends, turns)))] == told
