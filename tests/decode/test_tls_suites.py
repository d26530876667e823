"""Every suite that the library has is opened as tshark opens it, however its secret is written; others are named."""

import functools
import socket
import ssl
import subprocess
import threading
import zlib
from collections import defaultdict
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st
from old_sessions import authority, certificate
from tcp_frames import Connection, frames
from tls_sessions import COMMAND, REPLY, Recorded, Talk, application_data, decoded, fed
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tools import tool

from labkit.capture.conversation import Chunk, Conversation, Endpoint
from labkit.capture.pcap import write_pcapng
from labkit.decode.dialogue import read
from labkit.decode.event import CLIENT, SERVER, TEXT, TLS, Event
from labkit.decode.second_look import read_all
from labkit.decode.tls import Stream
from labkit.show.readings import summary
from labkit.trust.keylog import KeyLog, parse

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")

CODES = {
    "TLS 1.0": ssl.TLSVersion.TLSv1,
    "TLS 1.1": ssl.TLSVersion.TLSv1_1,
    "TLS 1.2": ssl.TLSVersion.TLSv1_2,
    "TLS 1.3": ssl.TLSVersion.TLSv1_3,
}
NO_ENCRYPT_THEN_MAC = 1 << 19
"""OpenSSL's option that Python has no name for."""


def contexts(version, ciphers, keylog, options=0):
    pair = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for context in pair:
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = CODES[version]
        context.options |= options
        context.keylog_filename = keylog
        authority().configure_trust(context)
    certificate().configure_cert(pair[1])
    return pair


def converse(talk):
    """Two commands and two replies, so that each direction has several records."""
    talk.shake_hands()
    for _ in range(2):
        assert talk.say(CLIENT, COMMAND) == COMMAND
        assert talk.say(SERVER, REPLY) == REPLY
    talk.close()
    return talk


@functools.cache
def session(version, ciphers, options=0) -> Recorded:
    with KeyLog() as keylog:
        return Recorded(converse(Talk(*contexts(version, ciphers, keylog.path, options))).chunks, keylog.text())


@functools.cache
def between_tlslite(cipher, mac, extended=True) -> Recorded:
    """A session with a suite that OpenSSL no longer has."""
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 3)
    settings.cipherNames, settings.macNames = [cipher], [mac]
    settings.keyExchangeNames, settings.useExtendedMasterSecret = ["rsa"], extended
    pem = certificate().private_key_and_cert_chain_pem.bytes().decode()
    chain = X509CertChain()
    chain.parsePemList(pem[pem.index("-----BEGIN CERT") :])
    key = parsePEMKey(pem[: pem.index("-----BEGIN CERT")], private=True)
    chunks, (near, far), (inner, outer) = [], socket.socketpair(), socket.socketpair()

    def carry(sender, source, sink):
        with suppress(BrokenPipeError, ConnectionResetError):  # an end that has said all closes before it has read all
            while data := source.recv(1 << 16):
                chunks.append((sender, data))
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    client, server = TLSConnection(near), TLSConnection(outer)

    def serve():
        server.handshakeServer(certChain=chain, privateKey=key, settings=settings)
        for _ in range(2):
            server.read(min=len(COMMAND), max=len(COMMAND))
            server.write(REPLY)
        server.close()

    threads = [
        threading.Thread(target=serve, daemon=True),
        threading.Thread(target=carry, args=(CLIENT, far, inner), daemon=True),
        threading.Thread(target=carry, args=(SERVER, inner, far), daemon=True),
    ]
    for thread in threads:
        thread.start()
    client.handshakeClientCert(settings=settings)
    for _ in range(2):
        client.write(COMMAND)
        client.read(min=len(REPLY), max=len(REPLY))
    client.close()
    for thread in threads:
        thread.join(60)
    for end in (near, far, inner, outer):
        end.close()
    master = bytes(client.session.masterSecret).hex()
    return Recorded(chunks, f"CLIENT_RANDOM {bytes(client._clientRandom).hex()} {master}\n")


CBC = ["AES128-SHA", "AES256-SHA", "ECDHE-RSA-AES128-SHA", "CAMELLIA128-SHA", "CAMELLIA256-SHA"]
NEWER = ["AES128-SHA256", "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-CAMELLIA256-SHA384"]
AEAD = ["AES128-CCM", "AES256-CCM", "AES128-CCM8", "AES256-CCM8", "ECDHE-RSA-CHACHA20-POLY1305"]
SESSIONS = {
    **{
        f"{version} {suite} {how}": functools.partial(session, version, suite, options)
        for version in ("TLS 1.0", "TLS 1.1", "TLS 1.2")
        for suite in (*CBC, *(NEWER if version == "TLS 1.2" else ()))
        for how, options in (("encrypt-then-MAC", 0), ("MAC-then-encrypt", NO_ENCRYPT_THEN_MAC))
        if suite not in CBC[3:] or version == "TLS 1.0"
    },
    **{f"TLS 1.2 {suite}": functools.partial(session, "TLS 1.2", suite) for suite in AEAD},
    **{
        f"TLS 1.2 {cipher} {mac}": functools.partial(between_tlslite, cipher, mac)
        for cipher, mac in (("rc4", "sha"), ("rc4", "md5"), ("3des", "sha"), ("aes128ccm", "aead"))
    },
}


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_is_opened_with_its_key_log(name):
    chunks, log = SESSIONS[name]()
    stream, messages = decoded(chunks, parse(log))
    assert (stream.opened, stream.problem) == (True, "")
    assert (application_data(messages, CLIENT), application_data(messages, SERVER)) == (COMMAND * 2, REPLY * 2)
    assert stream.rest(CLIENT) == stream.rest(SERVER) == 0
    assert [message.title for message in messages if "Finished" in message.title] == ["Finished"] * 2


@pytest.mark.parametrize("name", SESSIONS)
def test_secrets_that_do_not_fit_open_nothing(name):
    chunks, log = SESSIONS[name]()
    wrong = {random: {label: bytes(48) for label in labels} for random, labels in parse(log).items()}
    stream, messages = decoded(chunks, wrong)
    assert not stream.opened and "do not fit" in stream.problem
    assert not any(message.opened for message in messages)


def as_tcp(port, chunks):
    connection = Connection(port=port, to=4433).open()
    for sender, data in chunks:
        connection.say(sender, data)
    return connection.close().segments


def test_tshark_opens_the_same(tmp_path):
    segments, logs = [], []
    for number, make in enumerate(SESSIONS.values()):
        chunks, log = make()
        segments += as_tcp(20_000 + number, chunks)
        logs.append(log)
    write_pcapng(tmp_path / "all.pcapng", frames(segments), "".join(logs))
    command = [tool("tshark"), "-n", "-r", str(tmp_path / "all.pcapng"), "-d", "tcp.port==4433,tls"]
    command += ["-Y", "tls.app_data", "-T", "fields", "-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "data.data"]
    found = defaultdict(bytes)
    for line in subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines():
        source, target, data = line.split("\t")
        found[int(source), int(target)] += bytes.fromhex(data.replace(",", ""))
    for number, name in enumerate(SESSIONS):
        port = 20_000 + number
        assert (name, found[port, 4433], found[4433, port]) == (name, COMMAND * 2, REPLY * 2)


@pytest.mark.parametrize(
    "name", ["TLS 1.0 AES128-SHA MAC-then-encrypt", "TLS 1.2 ECDHE-RSA-AES256-SHA384 encrypt-then-MAC"]
)
@given(data=st.data())
def test_a_changed_byte_is_never_opened_as_something_else(name, data):
    chunks, log = SESSIONS[name]()
    at = data.draw(st.integers(5, len(chunks) - 1))
    sender, old = chunks[at]
    place = data.draw(st.integers(5, len(old) - 1))
    new = old[:place] + bytes([old[place] ^ data.draw(st.integers(1, 255))]) + old[place + 1 :]
    _, messages = decoded([*chunks[:at], (sender, new), *chunks[at + 1 :]], parse(log))
    assert (COMMAND * 2).startswith(application_data(messages, CLIENT))
    assert (REPLY * 2).startswith(application_data(messages, SERVER))


# ---- suites without encryption, and compression


@pytest.mark.parametrize("suite", ["NULL-MD5", "NULL-SHA", "NULL-SHA256", "ECDHE-RSA-NULL-SHA", "AECDH-NULL-SHA"])
def test_a_suite_that_encrypts_nothing_is_read_without_secrets_and_said_to_be(suite):
    chunks, _ = session("TLS 1.2", suite)
    dialogue = read(conversation(chunks))
    texts = [(event.sender, event.data, event.encrypted) for event in dialogue.events if event.layer == TEXT]
    said = b"".join(data for sender, data, _ in texts if sender == CLIENT)
    assert said == COMMAND * 2 and not any(encrypted for *_, encrypted in texts)
    assert "encrypts nothing" in dialogue.session.problem and not dialogue.session.opened
    assert not any(event.encrypted for event in dialogue.events)


@pytest.mark.parametrize("suite", ["NULL-MD5", "NULL-SHA256"])
def test_so_it_is_where_one_side_or_the_handshake_was_not_captured(suite):
    chunks, _ = session("TLS 1.2", suite)
    for heard in (*([chunk for chunk in chunks if chunk[0] == side] for side in (CLIENT, SERVER)), chunks[4:]):
        dialogue = read(conversation(heard))
        texts = [(event.sender, event.data) for event in dialogue.events if event.layer == TEXT]
        for side, said in ((CLIENT, COMMAND * 2), (SERVER, REPLY * 2)):
            told = b"".join(data for sender, data in texts if sender == side)
            assert told == (said if side in {sender for sender, _ in heard} else b"")
        assert "encrypts nothing" in dialogue.session.problem
        assert not any(event.encrypted for event in dialogue.events)
        assert "Behind TLS" not in summary(dialogue)


def conversation(chunks, port=465):
    said = [Chunk(number, number, sender, "data", data, len(data)) for number, (sender, data) in enumerate(chunks, 2)]
    ends = Endpoint("192.0.2.1", 50000), Endpoint("192.0.2.2", port)
    return Conversation(*ends, [Chunk(1, 1, CLIENT, "syn", b"", 0), *said])


def record(kind, content):
    return bytes([kind, 3, 3]) + len(content).to_bytes(2) + content


def server_hello(suite, compression=0, version=0x0303, random=b"s" * 32, extensions=b""):
    body = version.to_bytes(2) + random + b"\0" + suite.to_bytes(2) + bytes([compression])
    body += len(extensions).to_bytes(2) + extensions if extensions else b""
    return record(22, b"\x02" + len(body).to_bytes(3) + body)


def client_hello(extensions=b"", random=b"c" * 32):
    body = b"\x03\x03" + random + b"\0" + b"\0\x02\xc0\x2f" + b"\x02\x01\x00" + len(extensions).to_bytes(2) + extensions
    return record(22, b"\x01" + len(body).to_bytes(3) + body)


@pytest.mark.parametrize("suite", (0x0002, 0x003B))
def test_compressed_records_are_inflated_and_the_compression_is_named(suite):
    """RFC 3749, over a suite that only authenticates, whose MAC is cut off."""
    deflate = zlib.compressobj()
    mac = bytes({0x0002: 20, 0x003B: 32}[suite])

    def sealed(kind, content):
        return record(kind, deflate.compress(content) + deflate.flush(zlib.Z_SYNC_FLUSH) + mac)

    stream = Stream(None)
    messages = fed(stream, CLIENT, client_hello()) + fed(stream, SERVER, server_hello(suite, compression=1))
    messages += fed(stream, CLIENT, record(20, b"\x01") + sealed(22, b"\x14\0\0\x0c" + bytes(12)))
    messages += fed(stream, CLIENT, sealed(23, COMMAND) + sealed(23, COMMAND))
    assert [m.title for m in messages][-4:] == ["ChangeCipherSpec", "Finished", "application data", "application data"]
    assert [m.data for m in messages][-2:] == [COMMAND] * 2
    assert "DEFLATE" in stream.meaning(next(event_of(stream, m) for m in messages if m.title == "ServerHello"))


def event_of(stream, message):
    return Event(0, 0, message.sender, TLS, message.kind, message.title, message.data, False, 0, stream)


def test_another_compression_is_the_reason_why_nothing_is_opened():
    stream = Stream({b"c" * 32: {"CLIENT_RANDOM": bytes(48)}})
    fed(stream, CLIENT, client_hello())
    fed(stream, SERVER, server_hello(0xC02F, compression=64) + record(20, b"\x01") + record(22, bytes(40)))
    assert "compressed with LZS" in stream.problem


# ---- secrets in other forms


@pytest.mark.parametrize("lines", ("RSA", "PMS_CLIENT_RANDOM"))
@pytest.mark.parametrize("extended", (True, False))
def test_a_premaster_secret_opens_a_session(lines, extended):
    """A line ``RSA`` names it by the first bytes of the encrypted premaster secret, as old versions of NSS wrote."""
    chunks, premaster = between_tlslite_with_its_premaster(extended)
    _, messages = decoded(chunks, None)
    hello, exchange = (
        next(m.data for m in messages if m.title == title) for title in ("ClientHello", "ClientKeyExchange")
    )
    name = exchange[6:14] if lines == "RSA" else hello[6:38]
    stream, messages = decoded(chunks, parse(f"{lines} {name.hex()} {premaster.hex()}"))
    assert (stream.opened, stream.problem, application_data(messages, CLIENT)) == (True, "", COMMAND * 2)


def between_tlslite_with_its_premaster(extended):
    """The server's own key tells what the client encrypted to it."""
    chunks, _ = between_tlslite("aes128gcm", "aead", extended)
    _, messages = decoded(chunks, None)
    exchange = next(m.data for m in messages if m.title == "ClientKeyExchange")
    pem = certificate().private_key_pem.bytes()
    return chunks, load_pem_private_key(pem, None).decrypt(exchange[6:], PKCS1v15())


@pytest.mark.parametrize("tickets", (True, False))
@pytest.mark.parametrize("overlapping", (True, False))
def test_a_resumed_session_is_opened_with_the_secret_of_the_first(tickets, overlapping):
    """By ticket and by session identifier; also where the first is still open when the second ends."""
    with KeyLog() as keylog:
        client, server = contexts("TLS 1.2", "AES128-GCM-SHA256", keylog.path, 0 if tickets else ssl.OP_NO_TICKET)
        first = converse(Talk(client, server))
        secrets = parse(keylog.text())
        again = converse(Talk(client, server, first.ends[CLIENT].session))
        assert again.ends[CLIENT].session_reused
        third = converse(Talk(client, server, again.ends[CLIENT].session))
    talks = [conversation(talk.chunks) for talk in (first, again, third)]
    for dialogue in read_all(talks[::-1] if overlapping else talks, secrets):
        assert dialogue.session.opened and not dialogue.session.problem
    alone = next(read_all(talks[1:], secrets))
    assert not alone.session.opened and "no secret of this session" in alone.session.problem


# ---- drafts, and half of a handshake


@pytest.mark.parametrize("draft", (18, 21, 22, 23, 26, 28))
def test_drafts_of_tls13_are_named(draft):
    number = (0x7F00 | draft).to_bytes(2)
    stream = Stream({b"c" * 32: {}})
    messages = fed(stream, CLIENT, client_hello(b"\0\x2b\0\x03\x02" + number))
    if draft >= 22:
        hello = server_hello(0x1301, extensions=b"\0\x2b\0\x02" + number)
    else:
        body = number + b"s" * 32 + b"\x13\x01" + b"\0\0"
        hello = record(22, b"\x02" + len(body).to_bytes(3) + body)
    messages += fed(stream, SERVER, hello + record(20, b"\x01") + record(23, bytes(60)))
    assert (stream.version, stream.cipher) == (f"TLS 1.3 draft {draft}", "TLS_AES_128_GCM_SHA256")
    assert [m.title for m in messages][-3:] == ["ServerHello", "ChangeCipherSpec", "encrypted record"]
    assert ("cannot be opened" in stream.problem) == (draft < 20)
    fields = stream.fields(event_of(stream, next(m for m in messages if m.title == "ServerHello")))
    assert "malformed" not in repr(fields)


def test_the_second_hello_after_a_retry_that_was_not_captured_is_a_hello():
    first, second = client_hello(), client_hello(b"\0\x2c\0\x04\0\x02ok")
    _, messages = decoded(
        [(CLIENT, first), (CLIENT, record(20, b"\x01") + second), (CLIENT, record(23, bytes(60)))], None
    )
    assert [m.title for m in messages] == ["ClientHello", "ChangeCipherSpec", "ClientHello", "encrypted record"]
    _, messages = decoded([(CLIENT, record(20, b"\x01") + second), (SERVER, server_hello(0xC02F))], None)
    assert [m.title for m in messages] == ["ChangeCipherSpec", "ClientHello", "ServerHello"]


def test_a_retry_that_was_captured_alone_is_named():
    retry = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
    hello = server_hello(0x1301, random=retry, extensions=b"\0\x2b\0\x02\x03\x04")
    stream, messages = decoded([(SERVER, hello + record(20, b"\x01"))], None)
    assert [m.title for m in messages] == ["HelloRetryRequest", "ChangeCipherSpec"]
    assert stream.version == "TLS 1.3"
