"""What the summary of a dialogue says of TLS was seen: no version, name, beginning or opening that was not."""

import json

import pytest
from conversations import GAP, closed, conversation
from tls_sessions import Chunks, in_memory

from labkit.capture.conversation import CLIENT, SERVER
from labkit.decode.dialogue import read
from labkit.decode.event import Dialogue
from labkit.decode.privacy import visible
from labkit.show.json_lines import json_line
from labkit.show.readings import summary

VERSIONS = "TLS 1.2", "TLS 1.3"
UPGRADE = [
    (SERVER, b"220 mx ESMTP\r\n"),
    (CLIENT, b"EHLO alice\r\n"),
    (SERVER, b"250-mx\r\n250 STARTTLS\r\n"),
    (CLIENT, b"STARTTLS\r\n"),
    (SERVER, b"220 go\r\n"),
]
NO_VERSION, NOT_SEEN = "no version agreed", "version not seen"


def decoded(chunks: Chunks, whole: bool = True, port: int = 25, secrets: dict | None = None) -> Dialogue:
    return read(closed(conversation(chunks, port, whole)), secrets)


def test_an_answer_that_a_capture_does_not_have_is_not_said_to_be_refused():
    hello = in_memory("TLS 1.3").chunks[0]
    said = "No answer to the ClientHello is in this capture."
    assert said in (cut := summary(decoded([*UPGRADE, hello], whole=False))) and "speaks clear text" not in cut
    assert f"The server speaks clear text. {said}" in summary(decoded([UPGRADE[0], hello]))


def alone(chunks: Chunks, side: str) -> Chunks:
    return [chunk for chunk in chunks if chunk[0] == side]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_whose_server_hello_is_missing_was_not_seen_and_may_have_been_agreed(version):
    hello, (_, flight), *rest = in_memory(version).chunks
    for heard in ([hello, *alone(rest, CLIENT)], [hello, (SERVER, GAP), (SERVER, flight[-40:]), *rest], rest):
        told = summary(decoded([*UPGRADE, *heard]))
        assert NOT_SEEN in told and NO_VERSION not in told


@pytest.mark.parametrize("answer", [b"\x15\x03\x03\0\x02\x02\x28", b"500 what\r\n", b""])
def test_where_the_handshake_fails_no_version_was_agreed(answer):
    hello = in_memory("TLS 1.3").chunks[0]
    told = summary(decoded([*UPGRADE, hello, (SERVER, answer)]))
    assert NO_VERSION in told and "server name mail.lab.test" in told


def test_as_long_as_the_answer_may_come_no_version_was_seen():
    hello = in_memory("TLS 1.3").chunks[0]
    assert NOT_SEEN in summary(read(conversation([*UPGRADE, hello], 25)))


OTHERS = {
    "IRC": [(CLIENT, b"NICK a\r\n"), (SERVER, b":x 001 a :Welcome\r\n"), (CLIENT, b"QUIT\r\n")],
    "SSH": [(SERVER, b"SSH-2.0-x\r\n"), (CLIENT, b"SSH-2.0-y\r\n"), (CLIENT, b"\0\0\5\xdc\n\x14" + bytes(99))],
    "NATS": [(SERVER, b"INFO {}\r\n"), (CLIENT, b"CONNECT {}\r\nPING\r\n"), (SERVER, b"+OK\r\nPONG\r\n")],
    "rsync": [(SERVER, b"@RSYNCD: 31.0\n"), (CLIENT, b"@RSYNCD: 31.0\nmod\n"), (SERVER, b"@RSYNCD: OK\n")],
    "Subversion": [(SERVER, b"( success ( 2 2 ( ) ( ) ) ) "), (CLIENT, b"( 2 ( ) 5:svn:/ ( ) ) ")],
    "tables of Postfix": [(CLIENT, b"get a@x\n"), (SERVER, b"400 later\n")],
    "DICT": [
        (SERVER, b"220 dict.example dictd <auth.mime> <1@x>\r\n"),
        *((CLIENT, b"CLIENT dict\r\n"), (SERVER, b"250 ok\r\n"), (CLIENT, b"AUTH a 0cc175b9\r\n")),
        *((SERVER, b"230 ok\r\n"), (CLIENT, b"QUIT\r\n"), (SERVER, b"221 bye\r\n")),
    ],
    "a DICT session that only ends": [(SERVER, b"220 x\r\n"), (CLIENT, b"QUIT\r\n"), (SERVER, b"221 bye\r\n")],
    "poppassd": [
        *((SERVER, b"200 hello\r\n"), (CLIENT, b"USER a\r\n"), (SERVER, b"300 password\r\n")),
        *((CLIENT, b"PASS b\r\n"), (SERVER, b"200 ok\r\n"), (CLIENT, b"NEWPASS c\r\n")),
        *((SERVER, b"200 ok\r\n"), (CLIENT, b"QUIT\r\n"), (SERVER, b"200 bye\r\n")),
    ],
    "Redis with a password": [
        *((CLIENT, b"AUTH hunter2\r\n"), (SERVER, b"+OK\r\n"), (CLIENT, b"GET x\r\n")),
        *((SERVER, b"$-1\r\n"), (CLIENT, b"QUIT\r\n"), (SERVER, b"+OK\r\n")),
    ],
    "a service of its own": [(SERVER, b"200 Beginning\r\n"), (CLIENT, b"HELLO\r\n"), (SERVER, b"200 ok\r\n")],
    "VMware's": [
        (SERVER, b"220 VMware\r\n"),
        (CLIENT, b"USER a\r\n"),
        (SERVER, b"331 pw\r\n"),
        (CLIENT, b"PASS b\r\n"),
    ],
    "ACAP": [(SERVER, b'* ACAP (IMPLEMENTATION "x")\r\n'), (CLIENT, b"a LOGOUT\r\n"), (SERVER, b"a OK bye\r\n")],
    "SNMP": [(CLIENT, b"0&\2\1\1\4\6public"), (SERVER, b"0\3\2\1\1")],
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("port", (25, 110, 143, 5222, 7000))
def test_of_a_protocol_that_only_the_port_tells_that_is_said(name, port):
    usual = {25: "SMTP", 110: "POP3", 143: "IMAP", 5222: "XMPP"}
    told = f"{usual[port]} to judge by the port" if port in usual else "A protocol that the lab does not know"
    dialogue = decoded(OTHERS[name], port=port)
    assert summary(dialogue).startswith(told)
    assert json.loads(json_line(dialogue))["protocol_by"] == ("port" if port in usual else None)


@pytest.mark.parametrize("port", (25, 5222, 7000))
def test_a_protocol_that_the_client_alone_shows_is_not_told_by_another_port(port):
    header = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
    dialogue = decoded([(CLIENT, header), (SERVER, b"\x80\x81\r\n\0\0")], port=port)
    assert summary(dialogue).startswith("XMPP, ")
    assert json.loads(json_line(dialogue))["protocol_by"] == "words"


def test_the_ok_of_redis_is_not_that_of_pop3():
    redis = [(CLIENT, b"AUTH hunter2\r\n"), (SERVER, b"+OK\r\n"), (CLIENT, b"GET x\r\n"), (SERVER, b"$-1\r\n")]
    assert summary(decoded(redis, port=6379)).startswith("A protocol that the lab does not know")
    pop3 = [(SERVER, b"+OK\r\n"), (CLIENT, b"AUTH PLAIN\r\n"), (SERVER, b"+ \r\n")]
    assert summary(decoded(pop3, port=6379)).startswith("POP3, ")


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_inside_tls_is_told_by_the_port_until_it_is_opened(version):
    chunks, secrets = in_memory(version)
    assert summary(decoded(chunks, port=465)).startswith("SMTP to judge by the port, ")
    assert summary(decoded(chunks, port=465, secrets=secrets)).startswith("SMTP, ")
    assert summary(decoded([(SERVER, b"220 mx ESMTP")], port=25)).startswith("SMTP, ")
    assert summary(decoded([(SERVER, b"220 mx")], port=25)).startswith("SMTP to judge by the port, ")


def test_a_name_beside_an_encrypted_client_hello_is_the_outer_one():
    """RFC 9849: the extension may also be a decoy, which looks the same."""
    hello, *rest = in_memory("TLS 1.3").chunks
    empty = b"\0\x16\0\0"  # encrypt_then_mac, which means nothing in TLS 1.3
    outer = (CLIENT, hello[1].replace(empty, b"\xfe\x0d\0\0"))
    assert outer != hello
    dialogue = decoded([*UPGRADE, outer, *rest], secrets={})
    assert "outer server name mail.lab.test, beside encrypted_client_hello, which may hold another" in summary(dialogue)
    assert "of the encrypted ClientHello" in dialogue.session.problem
    assert ("outer server name", "mail.lab.test") in {(one.what, one.value) for one in visible(dialogue)}
    assert "server name" not in {one.what for one in visible(dialogue)}


@pytest.mark.parametrize("version", VERSIONS)
def test_that_no_server_name_was_sent_is_said_of_a_client_hello_that_was_seen(version):
    hello, *rest = in_memory(version).chunks
    assert "server name not seen" in summary(decoded([*UPGRADE, *rest]))
    nameless = (CLIENT, hello[1].replace(b"\0\0\0\x12\0\x10\0\0\rmail.lab.test", b"\xfa\xfa\0\x12" + bytes(18)))
    assert nameless != hello and "no server name sent" in summary(decoded([*UPGRADE, nameless, *rest]))


@pytest.mark.parametrize(("port", "usual"), [(25, "explicit"), (465, "implicit"), (2601, "")])
def test_where_the_beginning_is_missing_none_is_told(port, usual):
    chunks = in_memory("TLS 1.3").chunks
    for heard in (chunks, chunks[3:]):
        dialogue = decoded(heard, whole=False, port=port)
        told = summary(dialogue)
        assert dialogue.session.started == usual
        assert "what was said before it was not all captured" in told
    assert "Implicit TLS, from the first byte" in summary(decoded(chunks, port=port))
    hidden = [UPGRADE[0], (CLIENT, GAP), *chunks]
    assert "what was said before it was not all captured" in summary(decoded(hidden, port=port))


@pytest.mark.parametrize("version", VERSIONS)
def test_that_tls_was_not_asked_for_is_not_said_of_a_client_that_was_not_captured(version):
    chunks = in_memory(version).chunks
    told = {port: summary(decoded(alone([*UPGRADE, *chunks], SERVER), port=port)) for port in (25, 465, 7000)}
    assert "Explicit TLS, after an upgrade" in told[25]
    assert all("what was said before it was not all captured" in told[port] for port in (465, 7000))
    assert "TLS that was not asked for" in summary(decoded([UPGRADE[0], *chunks]))
    assert "after an upgrade" not in summary(decoded(alone(chunks, SERVER)))


def test_a_session_that_begins_behind_another_is_read_with_its_own_secrets():
    (first, keys), (second, others) = map(in_memory, VERSIONS)
    for turns in ([*first, *second], [*second, *first]):
        dialogue = decoded([*UPGRADE, *turns], secrets={**keys, **others})
        assert dialogue.session.opened and not dialogue.session.problem
        assert [event.title for event in dialogue.events].count("ClientHello") == 2
        assert [event.title for event in dialogue.events if event.layer == "text"][-4:] == ["EHLO", "250"] * 2


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_opened_in_part_where_records_stay_closed(version):
    chunks, secrets = in_memory(version)
    assert summary(decoded([*UPGRADE, *chunks], secrets=secrets)).endswith("Opened with the session's secrets.")
    spoken = next(number for number, chunk in enumerate(chunks) if number > 3 and chunk[0] == CLIENT)
    for lost in (spoken, spoken + 1):
        heard = [(side, GAP if number == lost else data) for number, (side, data) in enumerate(chunks)]
        dialogue = decoded([*UPGRADE, *heard], secrets=secrets)
        assert dialogue.session.opened and "Opened in part. Bytes of the" in summary(dialogue)


@pytest.mark.parametrize("side", ["CLIENT", "SERVER"])
def test_half_a_key_log_opens_a_session_in_part_and_is_named(side):
    chunks, secrets = in_memory("TLS 1.3")
    half = {random: {k: v for k, v in found.items() if side not in k} for random, found in secrets.items()}
    told = summary(decoded([*UPGRADE, *chunks], secrets=half))
    assert f"Opened in part. The key log has no {side}_HANDSHAKE_TRAFFIC_SECRET of this session" in told


@pytest.mark.parametrize(
    "labels", [("CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"), ("CLIENT_TRAFFIC_SECRET_0",)]
)
def test_a_key_log_without_the_secrets_of_the_handshake_opens_what_is_behind_it(labels):
    chunks, secrets = in_memory("TLS 1.3")
    some = {random: {label: found[label] for label in labels} for random, found in secrets.items()}
    whole, part = (decoded([*UPGRADE, *chunks], secrets=keys) for keys in (secrets, some))

    def told(dialogue):
        sides = {label.partition("_")[0].lower() for label in labels}
        return [
            event.data
            for event in dialogue.events
            if event.encrypted and event.sender in sides and event.layer == "text"
        ]

    assert told(part) == told(whole) != []
    assert part.session.opened and "HANDSHAKE_TRAFFIC_SECRET" in part.session.problem


@pytest.mark.parametrize("version", VERSIONS)
def test_clear_text_behind_tls_is_named(version):
    chunks, secrets = in_memory(version)
    behind = [(CLIENT, b"MAIL FROM:<a@b>\r\n"), (SERVER, b"250 OK\r\n")]
    for view in (None, secrets):
        assert "goes on in clear text" in summary(decoded([*UPGRADE, *chunks, *behind], secrets=view))
        assert "goes on in clear text" not in summary(decoded([*UPGRADE, *chunks], secrets=view))


def test_a_server_whose_handshake_is_missing_has_resumed_nothing_and_is_opened_behind_it():
    chunks, secrets = in_memory("TLS 1.2")
    (_, flight) = chunks[1]
    for seen in (90, 200, len(flight) - 1):
        heard = [chunks[0], (SERVER, flight[:seen]), (SERVER, GAP), *chunks[2:]]
        dialogue = decoded([*UPGRADE, *heard], secrets=secrets)
        assert dialogue.session.opened and not dialogue.session.problem and not dialogue.session.resumed
    gone = [chunks[0], (SERVER, flight[:90]), (SERVER, GAP), *alone(chunks[3:], SERVER)]
    assert "resumed" not in summary(decoded([*UPGRADE, *gone]))
