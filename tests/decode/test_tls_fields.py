"""Every byte of a TLS message is a field with a name, a value and a sentence, whatever the bytes are."""

import subprocess
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughly import examples
from tls_sessions import Message, Recorded, authority, certificate, decoded, in_memory, openssl
from tools import tool

from labkit.decode.event import CLIENT, SERVER, Field
from labkit.decode.tls import Stream
from labkit.decode.tls.cursor import Setting
from labkit.decode.tls.messages import handshake_fields, record_fields
from labkit.decode.tls.registry import HANDSHAKES

VERSIONS = ["TLS 1.2", "TLS 1.3"]
SESSIONS = [(version, resumed) for version in VERSIONS for resumed in (False, True)]


def every_field(fields):
    for field in fields:
        yield field
        yield from every_field(field.children)


def covers(fields: tuple[Field, ...], start: int, end: int) -> bool:
    """Whether the fields cover these bytes without a hole or an overlap, and their children theirs."""
    edges = [start, *(edge for field in fields for edge in (field.start, field.end)), end]
    return edges[::2] == edges[1::2] and all(not f.children or covers(f.children, f.start, f.end) for f in fields)


def named(fields, *path: str) -> Field:
    """The first field of that name, in the first of the name before it, and so on."""
    for name in path:
        found = next(field for field in every_field(fields) if field.name == name)
        fields = found.children
    return found


def message(session: Recorded, title: str) -> tuple[Stream, Message]:
    stream, messages = decoded(*session)
    return stream, next(m for m in messages if m.title == title)


def fields(session: Recorded, title: str) -> tuple[Field, ...]:
    stream, found = message(session, title)
    return stream.fields(found)


def body(kind: int, content: str) -> bytes:
    """A handshake message of that type, from hexadecimal."""
    data = bytes.fromhex(content)
    return bytes([kind]) + len(data).to_bytes(3) + data


# ---- every byte


@pytest.mark.parametrize("version, resumed", SESSIONS)
@pytest.mark.parametrize("secrets", [True, False])
def test_every_byte_of_every_message_has_a_field_with_a_sentence(version, resumed, secrets):
    session = in_memory(version, resumed=resumed)
    stream, messages = decoded(session.chunks, session.secrets if secrets else None)
    for found in messages:
        tree = stream.fields(found)
        assert covers(tree, 0, len(found.data)), found.title
        assert all(field.name and field.value and field.meaning.endswith(".") for field in every_field(tree)), (
            found.title
        )
        assert "malformed" not in {field.name for field in every_field(tree)}, found.title
        assert stream.meaning(found).endswith(".")
        assert stream.lines(found) == [(found.title, stream.meaning(found))]


def test_a_session_with_everything_that_openssl_can_offer_is_read_to_the_last_byte(tmp_path):
    pem = tmp_path / "client.pem"
    certificate().private_key_and_cert_chain_pem.write_to_path(pem)
    root = tmp_path / "root.pem"
    authority().cert_pem.write_to_path(root)
    serving = ["-alpn", "smtp", "-verify", "1", "-CAfile", str(root), "-tls1_3"]
    asking = ["-alpn", "smtp,imap", "-status", "-cert", str(pem), "-key", str(pem), "-max_send_frag", "512"]
    session = openssl(tool("openssl"), tmp_path, serving, asking, [(b"Q\n", SERVER)])
    stream, messages = decoded(*session)
    for found in messages:
        tree = stream.fields(found)
        assert covers(tree, 0, len(found.data)), found.title
        assert "malformed" not in {field.name for field in every_field(tree)}, found.title
    hello = fields(session, "ClientHello")
    assert named(hello, "application_layer_protocol_negotiation").value == "smtp, imap"
    assert named(hello, "status_request").value == "ocsp"
    assert named(fields(session, "EncryptedExtensions"), "application_layer_protocol_negotiation").value == "smtp"
    assert {m.sender for m in messages if m.title == "Certificate"} == {CLIENT, SERVER}
    assert "O=" in named(fields(session, "CertificateRequest"), "certificate_authorities").value


# ---- what they say


@pytest.mark.parametrize("version", VERSIONS)
def test_the_client_hello_says_what_is_offered_and_to_whom(version):
    hello = fields(in_memory(version), "ClientHello")
    assert named(hello, "msg_type").value == "ClientHello (1)"
    assert named(hello, "server_name").value == "mail.lab.test"
    assert named(hello, "legacy_version").value == "TLS 1.2 (0x0303)"
    assert len(named(hello, "random").value) == 64
    assert "x25519 (0x001D)" in {field.value for field in every_field(hello)}


def test_the_server_name_stands_where_its_field_says():
    stream, hello = message(in_memory("TLS 1.3"), "ClientHello")
    name = named(stream.fields(hello), "host_name", "name")
    assert hello.data[name.start : name.end] == b"mail.lab.test"


def test_in_tls13_the_version_is_in_an_extension():
    hello = fields(in_memory("TLS 1.3"), "ServerHello")
    assert named(hello, "legacy_version").value == "TLS 1.2 (0x0303)"
    assert named(hello, "supported_versions", "selected_version").value == "TLS 1.3 (0x0304)"
    assert named(hello, "key_share", "group").value == "x25519 (0x001D)"


def test_a_resumed_tls13_session_shows_its_pre_shared_key():
    session = in_memory("TLS 1.3", resumed=True)
    assert named(fields(session, "ClientHello"), "pre_shared_key").value == "1 offered"
    assert named(fields(session, "ServerHello"), "selected_identity").value == "0"


def test_the_tls12_key_exchange_is_signed_and_ephemeral():
    exchange = fields(in_memory("TLS 1.2"), "ServerKeyExchange")
    assert named(exchange, "named_curve").value == "x25519 (0x001D)"
    assert named(exchange, "algorithm").value == "ecdsa_secp256r1_sha256 (0x0403)"
    assert named(fields(in_memory("TLS 1.2"), "ClientKeyExchange"), "point").end == 37


@pytest.mark.parametrize("version", VERSIONS)
def test_the_certificate_is_what_cryptography_reads_in_it(version):
    tree = fields(in_memory(version), "Certificate")
    expected = x509.load_pem_x509_certificate(certificate().cert_chain_pems[0].bytes())
    assert named(tree, "dNSName").value == "mail.lab.test"
    assert named(tree, "subject").value == _written(expected.subject)
    assert named(tree, "issuer").value == _written(expected.issuer)
    assert int(named(tree, "serialNumber").value, 16) == expected.serial_number
    assert named(tree, "notBefore").value == f"{expected.not_valid_before_utc:%Y-%m-%d %H:%M:%S UTC}"
    assert named(tree, "notAfter").value == f"{expected.not_valid_after_utc:%Y-%m-%d %H:%M:%S UTC}"
    assert named(tree, "certificate").value.endswith("; for mail.lab.test")


def _written(name: x509.Name) -> str:
    return ", ".join(part.rfc4514_string() for part in name)


def test_a_certificate_for_many_names_shows_them_all():
    issued = authority().issue_cert("a.lab.test", "*.b.lab.test", "192.0.2.1", "2001:db8::1", "alice@lab.test")
    der = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()).public_bytes(Encoding.DER)
    listed = len(der).to_bytes(3) + der
    data = body(11, (len(listed).to_bytes(3) + listed).hex())
    tree = handshake_fields(data, Setting("Certificate", "TLS 1.2", ""))
    assert covers(tree, 0, len(data))
    assert {field.name: field.value for field in named(tree, "names").children[1:]} == {
        "dNSName": "*.b.lab.test",
        "iPAddress": "2001:db8::1",
        "rfc822Name": "alice@lab.test",
    }
    assert "192.0.2.1" in named(tree, "subjectAltName").value


def test_a_name_cannot_smuggle_in_control_characters():
    extension = bytes.fromhex("0000 000b 0009 00 0006") + b"a\x1b[2J\n"
    data = body(8, (len(extension).to_bytes(2) + extension).hex())
    tree = handshake_fields(data, Setting("EncryptedExtensions", "TLS 1.3", ""))
    assert named(tree, "name").value == "a\\x1b[2J\\n"


@pytest.mark.parametrize(
    "title, kind, version, cipher, content, path, value",
    [
        ("KeyUpdate", 24, "TLS 1.3", "", "01", ["request_update"], "update_requested (1)"),
        ("NewSessionTicket", 4, "TLS 1.2", "", "00001c20 0002 abcd", ["ticket_lifetime_hint"], "7,200 seconds"),
        (
            *("NewSessionTicket", 4, "TLS 1.3", "", "00001c20 00000001 01 00 0001 aa 0008 002a 0004 00004000"),
            *(["max_early_data_size"], "16,384 bytes"),
        ),
        ("CertificateStatus", 22, "TLS 1.2", "", "01 000002 3000", ["ocsp_response"], "3000"),
        (
            *("CertificateRequest", 13, "TLS 1.2", "", "02 01 40 0004 0403 0804 0000"),
            *(["supported_signature_algorithms"], "ecdsa_secp256r1_sha256, rsa_pss_rsae_sha256"),
        ),
        ("HelloRetryRequest", 2, "TLS 1.3", "", "", ["malformed"], None),
        (
            *("ClientKeyExchange", 16, "TLS 1.2", "TLS_RSA_WITH_AES_128_GCM_SHA256", "0002 beef"),
            *(["encrypted"], "beef"),
        ),
        ("ClientKeyExchange", 16, "TLS 1.2", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "0001 05", ["public"], "05"),
        (
            *("ServerKeyExchange", 12, "TLS 1.2", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
            *("0001 17 0001 05 0001 08 0804 0002 aabb", ["algorithm"], "rsa_pss_rsae_sha256 (0x0804)"),
        ),
        ("ServerKeyExchange", 12, "TLS 1.2", "TLS_PSK_WITH_AES_128_CCM", "0002 6869", ["psk_identity_hint"], "hi"),
        ("ServerKeyExchange", 12, "TLS 1.2", "TLS_SRP_SHA_WITH_AES_128_CBC_SHA", "0000", ["exchange_keys"], "0000"),
        ("CompressedCertificate", 25, "TLS 1.3", "", "0002 000100 000001 aa", ["algorithm"], "brotli (0x0002)"),
        ("handshake message 77", 77, "TLS 1.3", "", "abcd", ["content"], "abcd"),
        ("EncryptedExtensions", 8, "TLS 1.3", "", "0004 1a1a 0000", ["GREASE"], "empty"),
        ("EncryptedExtensions", 8, "TLS 1.3", "", "0006 7777 0002 beef", ["extension 30583"], "beef"),
        ("EncryptedExtensions", 8, "TLS 1.3", "", "0006 001c 0002 4001", ["record_size_limit"], "16,385 bytes"),
        ("EncryptedExtensions", 8, "TLS 1.3", "", "0005 ff01 0001 00", ["renegotiation_info"], "empty"),
        ("EncryptedExtensions", 8, "TLS 1.3", "", "0006 0010 0002 00ff", ["malformed"], "00ff"),
    ],
)
def test_messages_that_are_rare_have_their_fields_too(title, kind, version, cipher, content, path, value):
    data = body(kind, content)
    tree = handshake_fields(data, Setting(title, version, cipher))
    assert covers(tree, 0, len(data))
    if value is not None:
        assert named(tree, *path).value == value


def test_a_hello_retry_request_names_the_group_that_the_server_wants(tmp_path):
    session = openssl(tool("openssl"), tmp_path, ["-groups", "P-384"], ["-groups", "X25519:P-384"], [(b"Q\n", SERVER)])
    retry = fields(session, "HelloRetryRequest")
    assert named(retry, "key_share", "selected_group").value == "secp384r1 (0x0018)"


@pytest.mark.parametrize(
    "kind, data, name, value",
    [
        ("alert", "0228", "description", "handshake_failure (40)"),
        ("alert", "0228ff", "malformed", "ff"),
        ("change-cipher-spec", "01", "change_cipher_spec", "01"),
        ("heartbeat", "01000141000000", "padding", "000000"),
        ("unknown", "4849", "bytes", "4849"),
    ],
)
def test_records_have_fields_too(kind, data, name, value):
    raw = bytes.fromhex(data)
    tree = record_fields(kind, raw, Setting("", "TLS 1.2", ""))
    assert covers(tree, 0, len(raw))
    assert named(tree, name).end == len(raw)
    assert named(tree, name).value == value


def test_a_closed_record_shows_its_nonce_in_tls12_and_its_tag():
    session = in_memory("TLS 1.2")
    stream, messages = decoded(session.chunks, None)
    closed = [m for m in messages if m.encrypted]
    assert [field.name for field in stream.fields(closed[-1])] == ["nonce_explicit", "ciphertext", "authentication_tag"]


# ---- whatever the bytes are


@settings(deadline=None, max_examples=examples(150))
@given(st.sampled_from(sorted(HANDSHAKES)), st.sampled_from(VERSIONS), st.binary(max_size=300))
def test_noise_in_any_message_is_covered_by_fields(kind, version, noise):
    data = bytes([kind]) + noise
    setting = Setting(HANDSHAKES[kind], version, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
    assert covers(handshake_fields(data, setting), 0, len(data))


@pytest.mark.parametrize("version", VERSIONS)
@settings(deadline=None, max_examples=examples(100))
@given(data=st.data())
def test_a_damaged_message_is_covered_by_fields(version, data):
    stream, messages = decoded(*in_memory(version))
    found = data.draw(st.sampled_from([m for m in messages if m.kind == "handshake"]))
    place = data.draw(st.integers(0, len(found.data) - 1))
    damaged = found.data[:place] + data.draw(st.binary(max_size=4)) + found.data[place + data.draw(st.integers(0, 4)) :]
    event = SimpleNamespace(title=found.title, kind="handshake", data=damaged, encrypted=False)
    assert covers(stream.fields(event), 0, len(damaged))


# ---- what tshark says


@pytest.mark.parametrize("version", VERSIONS)
def test_tshark_reads_the_same_numbers(version, tmp_path):
    session = in_memory(version)
    seen = _tshark(session, tmp_path)
    stream, messages = decoded(*session)
    ours: dict[str, list[int]] = {name: [] for name in _TSHARK}
    for found in messages:
        if found.kind == "handshake":
            tree = stream.fields(found)
            for field in every_field(tree):
                name = "scheme" if field in tree and field.name == "algorithm" else field.name
                if name in ours:
                    ours[name].append(int.from_bytes(found.data[field.start : field.end]))
    assert {name: sorted(numbers) for name, numbers in ours.items()} == seen


_TSHARK = {
    "msg_type": "tls.handshake.type",
    "cipher_suite": "tls.handshake.ciphersuite",
    "extension_type": "tls.handshake.extension.type",
    "named_group": "tls.handshake.extensions_supported_group",
    "scheme": "tls.handshake.sig_hash_alg",
}


def _tshark(session: Recorded, tmp_path) -> dict[str, list[int]]:
    capture, keylog = tmp_path / "session.pcap", tmp_path / "keys.txt"
    _write_capture(session, capture)
    lines = (
        f"{label} {r.hex()} {secret.hex()}" for r, found in session.secrets.items() for label, secret in found.items()
    )
    keylog.write_text("\n".join(lines) + "\n")
    columns = [word for name in _TSHARK.values() for word in ("-e", name)]
    command = [
        tool("tshark"),
        "-r",
        capture,
        "-o",
        f"tls.keylog_file:{keylog}",
        "-d",
        "tcp.port==5870,tls",
        "-T",
        "fields",
    ]
    output = subprocess.run([*command, *columns], capture_output=True, text=True, check=True, timeout=60).stdout
    rows = [line.split("\t") for line in output.splitlines()]
    return {
        name: sorted(int(number, 0) for row in rows for number in row[column].split(",") if number)
        for column, name in enumerate(_TSHARK)
    }


def _write_capture(session: Recorded, path) -> None:
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether
    from scapy.utils import wrpcap

    said = {CLIENT: 1, SERVER: 1}
    packets = []
    for sender, data in session.chunks:
        other = SERVER if sender == CLIENT else CLIENT
        ports = (40000, 5870) if sender == CLIENT else (5870, 40000)
        hosts = ("192.0.2.1", "192.0.2.2") if sender == CLIENT else ("192.0.2.2", "192.0.2.1")
        segment = TCP(sport=ports[0], dport=ports[1], flags="PA", seq=said[sender], ack=said[other])
        packets.append(
            Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src=hosts[0], dst=hosts[1]) / segment / data
        )
        said[sender] += len(data)
    wrpcap(str(path), packets)
