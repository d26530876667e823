"""Every version from SSL 2.0 on is read: real handshakes are named message by message as tshark names them, and every
byte has a field.
"""

import csv
import ssl
import subprocess
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from old_sessions import CODES, certificate, with_openssl, with_tlslite
from test_tls_fields import covers, every_field, named
from tls_sessions import Chunks, Message, decoded
from tools import tool

from labkit import Capture, Lab
from labkit.decode.event import CLIENT, SERVER, Dialogue
from labkit.decode.privacy import visible
from labkit.decode.tls import Stream, starts
from labkit.trials.handshakes import ALL
from labkit.trials.versions import run_session

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")

EXCHANGES = {"rsa": "AES128-SHA", "dhe_rsa": "DHE-RSA-AES128-SHA", "ecdhe_rsa": "ECDHE-RSA-AES128-SHA"}
"""A key exchange in tlslite-ng's words -> a suite with it in OpenSSL's."""

SSL2_TITLES = [
    *("CLIENT-HELLO", "SERVER-HELLO", "CLIENT-MASTER-KEY", "encrypted CLIENT-FINISHED"),
    *("encrypted SERVER-VERIFY", "encrypted SERVER-FINISHED"),
]

HELLO = bytes.fromhex("801c0100020003000000100700c0") + bytes(16)
"""Of SSL 2.0, as a record."""


@cache
def captured(client: str, server: str) -> Capture:
    """A client and a server that speak one version each, captured."""
    with Lab(network="loopback", capture="tap") as lab, lab.capture() as capture:
        run_session(lab.network, lab.authority, (client,), (server,))
    return capture


@cache
def handshake(version: str, exchange: str, both: bool = False) -> Chunks:
    if version == "SSL 3.0":
        return with_tlslite(exchange, both)
    return with_openssl(version, EXCHANGES[exchange], both)


def tls(dialogue: Dialogue):
    return [event for event in dialogue.events if event.layer == "tls"]


def ssl2() -> tuple[Chunks, list[str]]:
    """The bytes of a session in SSL 2.0, without the SMTP before it."""
    events = tls(captured("SSL 2.0", "SSL 2.0").dialogue)
    conversation = captured("SSL 2.0", "SSL 2.0").conversations[0]
    data = [(chunk.sender, chunk.data) for chunk in conversation.chunks if chunk.kind == "data"]
    first = next(index for index, (_, said) in enumerate(data) if said[0] & 0x80)
    return data[first:], [event.title for event in events]


def whole(stream: Stream | None, message: Message) -> None:
    """Every byte has a field that says what it is."""
    tree = stream.fields(message) if stream else message.fields
    assert covers(tree, 0, len(message.data)), message.title
    assert all(field.value and field.meaning.endswith(".") for field in every_field(tree)), message.title
    assert "malformed" not in {field.name for field in every_field(tree)}, message.title


# ---- live, against tshark


@pytest.mark.parametrize("version", ALL)
def test_a_live_session_of_each_version_is_named_message_by_message_as_tshark_does(version, tmp_path):
    capture = captured(version, version)
    capture.save(tmp_path / "met.pcapng")
    fields = ("tls.handshake.type", "tls.alert_message.desc")
    command = [tool("tshark"), "-r", str(tmp_path / "met.pcapng"), "-2", "-d", "tcp.port==25,smtp", "-T", "fields"]
    command += ["-E", "header=y", *(word for field in fields for word in ("-e", field))]
    output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    rows = list(csv.DictReader(output.splitlines(), delimiter="\t"))
    read = [event for event in tls(capture.decrypted().dialogue) if not event.title.startswith("encrypted")]
    for field, kind, at in (("tls.handshake.type", "handshake", 0), ("tls.alert_message.desc", "alert", 1)):
        seen = [value for row in rows for value in row[field].split(",") if value]
        assert seen == [str(event.data[at]) for event in read if event.kind == kind], field
    session = capture.dialogue.session
    assert (session.version, session.started) == (version, "explicit") and session.cipher
    for event in tls(capture.dialogue):
        whole(None, event)


def test_a_session_of_ssl_2_is_named_to_its_end_and_stays_closed():
    capture = captured("SSL 2.0", "SSL 2.0")
    assert [event.title for event in tls(capture.dialogue)] == SSL2_TITLES
    assert [event.encrypted for event in tls(capture.dialogue)] == [False] * 3 + [True] * 3
    assert not any(event.kind in ("injected", "unknown") for event in capture.dialogue.events)
    session = capture.decrypted().dialogue.session
    assert session.cipher == "SSL_CK_DES_192_EDE3_CBC_WITH_MD5"
    assert not session.opened and session.problem.startswith("SSL 2.0 cannot be opened here")
    told = {exposure.what: exposure.value for exposure in visible(capture.dialogue)}
    assert "mail.lab.test" in told["certificate of"] and "DES_192_EDE3" in told["cipher suite"]


def test_a_server_of_today_answers_a_hello_of_ssl_2_with_an_alert():
    dialogue = captured("SSL 2.0", "TLS 1.3").dialogue
    hello, *others = tls(dialogue)
    assert hello.title == "CLIENT-HELLO" and named(hello.fields, "version").value == "SSL 2.0 (0x0002)"
    assert [event.title for event in others if event.sender == SERVER] == ["Alert: protocol_version"]
    assert dialogue.session.version == ""


# ---- key exchanges and certificates, in each version


@pytest.mark.parametrize("both", [False, True], ids=["server", "both"])
@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("version", ["SSL 3.0", *CODES])
def test_each_key_exchange_is_read_to_the_last_byte_in_each_version(version, exchange, both):
    stream, messages = decoded(handshake(version, exchange, both), None)
    assert stream.version == version and f"_{exchange.upper()}_WITH_" in stream.cipher
    for message in messages:
        whole(stream, message)
    titles = [message.title for message in messages]
    assert titles.count("encrypted Finished") == 2
    assert ("ServerKeyExchange" in titles) == (exchange != "rsa")
    assert ("CertificateRequest" in titles) == both
    assert ("CertificateVerify" in titles) == (both and version != "SSL 3.0")


@pytest.mark.parametrize("version", ["SSL 3.0", *CODES])
def test_only_tls_1_2_says_how_a_key_exchange_was_signed(version):
    stream, messages = decoded(handshake(version, "ecdhe_rsa"), None)
    exchange = next(message for message in messages if message.title == "ServerKeyExchange")
    names = {field.name for field in every_field(stream.fields(exchange))}
    assert ("algorithm" in names) == (version == "TLS 1.2")
    assert len(named(stream.fields(exchange), "signature", "signature").value) > 80


@pytest.mark.parametrize("version", ["SSL 3.0", *CODES])
def test_only_ssl_3_sends_the_encrypted_secret_without_its_length(version):
    stream, messages = decoded(handshake(version, "rsa"), None)
    exchange = next(message for message in messages if message.title == "ClientKeyExchange")
    sealed = named(stream.fields(exchange), "encrypted_pre_master_secret")
    assert bool(sealed.children) == (version != "SSL 3.0")
    assert sealed.end - sealed.start - 2 * bool(sealed.children) == 256


# ---- the hello of SSL 2.0 in front of something newer


@cache
def compatible(version: int = 0x0303) -> Chunks:
    """A hello that scapy writes, and what OpenSSL answers to it."""
    from scapy.layers.tls.handshake_sslv2 import SSLv2ClientHello

    suites = [0x00009C, 0x00C02F, 0x00002F, 0x010080]
    content = bytes(SSLv2ClientHello(version=version, ciphers=suites, challenge=bytes(range(1, 29))))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_ciphers("ALL:@SECLEVEL=0")
    certificate().configure_cert(server)
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = server.wrap_bio(into, out, server_side=True)
    hello = (0x8000 | len(content)).to_bytes(2) + content
    into.write(hello)
    with pytest.raises(ssl.SSLWantReadError):
        end.do_handshake()
    return [(CLIENT, hello), (SERVER, out.read())]


def test_a_newer_handshake_goes_on_from_a_hello_of_ssl_2():
    stream, messages = decoded(compatible(), None)
    titles = [message.title for message in messages]
    assert titles[:3] == ["CLIENT-HELLO", "ServerHello", "Certificate"] and titles[-1] == "ServerHelloDone"
    assert stream.version == "TLS 1.2" and stream.cipher.startswith("TLS_")
    for message in messages:
        whole(stream, message)
    assert named(stream.fields(messages[0]), "version").value == "TLS 1.2 (0x0303)"


def test_what_follows_such_a_hello_on_its_own_side_is_tls_and_its_challenge_names_the_session():
    newer = handshake("TLS 1.2", "rsa")[2][1]
    stream, messages = decoded([*compatible(), (CLIENT, newer)], {})
    assert "client random 0000000001020304" in stream.problem
    assert [m.title for m in messages if m.sender == CLIENT][:3] == [
        *("CLIENT-HELLO", "ClientKeyExchange", "ChangeCipherSpec")
    ]


def test_an_error_and_a_resumed_session_of_ssl_2_are_read():
    hello = (CLIENT, HELLO)
    stream, messages = decoded([hello, (SERVER, bytes.fromhex("8003000001"))], None)
    assert (
        messages[1].title == "ERROR" and named(stream.fields(messages[1]), "error_code").value == "NO-CIPHER (0x0001)"
    )
    resumed = (SERVER, bytes.fromhex("801b0401000002000000000010") + bytes(16))
    _, messages = decoded([hello, resumed, (SERVER, b"\x80\x21" + bytes(33))], None)
    assert [m.title for m in messages] == ["CLIENT-HELLO", "SERVER-HELLO", "encrypted SERVER-VERIFY"]


# ---- bytes that are split, mangled, or nothing of the kind


@given(st.lists(st.integers(0, 2000), max_size=12))
def test_how_a_session_of_ssl_2_is_cut_changes_nothing(cuts):
    chunks, titles = ssl2()
    pieces = []
    for sender, data in chunks:
        edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        pieces += [(sender, data[start:end]) for start, end in pairwise(edges)]
    _, messages = decoded(pieces, None)
    assert [message.title for message in messages] == titles
    assert sum(message.wire for message in messages) == sum(len(data) for _, data in chunks)


@given(st.integers(0, 5), st.integers(0, 900), st.binary(min_size=1, max_size=4), st.binary(max_size=3))
def test_a_mangled_session_of_ssl_2_never_raises_and_keeps_every_byte(turn, at, change, front):
    chunks, _ = ssl2()
    sender, data = chunks[turn % len(chunks)]
    at %= len(data)
    mangled = [*chunks[:turn], (sender, front + data[:at] + change + data[at + len(change) :]), *chunks[turn + 1 :]]
    stream, messages = decoded(mangled, None)
    for message in messages:
        assert covers(stream.fields(message), 0, len(message.data))
    left = sum(stream.rest(side) for side in (CLIENT, SERVER))
    assert sum(message.wire for message in messages) + left == sum(len(data) for _, data in mangled)


def test_many_empty_records_of_ssl_2_are_read_without_end():
    _, messages = decoded([(CLIENT, HELLO + b"\x80\0" * 50_000)], None)
    assert len(messages) == 50_001


@pytest.mark.parametrize(
    "text", [b"220 mail\r\n", b"* OK\r\n", b"+OK\r\n", b"EHLO x\r\n", "é".encode(), b"\x80\x80\x80\x80"]
)
def test_text_does_not_start_like_tls(text):
    assert not starts(text)
    assert all(starts(bytes.fromhex("801c010002")[:size]) for size in range(1, 6))
