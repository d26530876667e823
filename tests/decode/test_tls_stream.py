"""TLS sessions that OpenSSL made are read, and opened with the key log that OpenSSL wrote."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughly import examples
from tls_sessions import (
    COMMAND,
    REPLY,
    Chunks,
    Message,
    application_data,
    decoded,
    fed,
    in_memory,
    openssl,
    openssl_server,
)
from tools import tool

from labkit.decode.event import CLIENT, SERVER
from labkit.decode.tls import Stream, starts

SUITES12 = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}
SUITES13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
QUIT = (b"Q\n", SERVER)
VERSIONS = ["TLS 1.2", "TLS 1.3"]


def titles(messages: list[Message], sender: str) -> list[str]:
    return [m.title for m in messages if m.sender == sender]


def pour(chunks: Chunks, secrets=None) -> list[Message]:
    return decoded(chunks, secrets)[1]


# ---- what is opened


@pytest.mark.parametrize("ciphers", SUITES12)
def test_a_tls12_session_opens_with_its_key_log(ciphers):
    session = in_memory("TLS 1.2", ciphers)
    stream, messages = decoded(*session)
    assert (stream.version, stream.cipher, stream.server_name) == ("TLS 1.2", SUITES12[ciphers], "mail.lab.test")
    assert (stream.opened, stream.resumed, stream.problem) == (True, False, "")
    assert (application_data(messages, CLIENT), application_data(messages, SERVER)) == (COMMAND, REPLY)
    assert titles(messages, CLIENT) == [
        *("ClientHello", "ClientKeyExchange", "ChangeCipherSpec", "Finished", "application data", "Alert: close_notify")
    ]
    assert titles(messages, SERVER) == [
        *("ServerHello", "Certificate", "ServerKeyExchange", "ServerHelloDone", "NewSessionTicket", "ChangeCipherSpec"),
        *("Finished", "application data", "Alert: close_notify"),
    ]


def test_a_tls13_session_opens_from_encrypted_extensions_to_close_notify():
    stream, messages = decoded(*in_memory("TLS 1.3"))
    assert (stream.version, stream.server_name, stream.opened, stream.problem) == ("TLS 1.3", "mail.lab.test", True, "")
    assert (application_data(messages, CLIENT), application_data(messages, SERVER)) == (COMMAND, REPLY)
    assert titles(messages, CLIENT) == [
        *("ClientHello", "ChangeCipherSpec", "Finished", "application data", "Alert: close_notify")
    ]
    assert titles(messages, SERVER) == [
        *("ServerHello", "ChangeCipherSpec", "EncryptedExtensions", "Certificate", "CertificateVerify", "Finished"),
        *("NewSessionTicket", "NewSessionTicket", "application data", "Alert: close_notify"),
    ]
    assert all(m.opened for m in messages if m.encrypted)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_resumed_session_is_known_as_such_and_opens(version):
    stream, messages = decoded(*in_memory(version, resumed=True))
    assert (stream.resumed, stream.opened, stream.problem) == (True, True, "")
    assert "Certificate" not in titles(messages, SERVER)
    assert application_data(messages, CLIENT) == COMMAND


@pytest.mark.parametrize("suite", SUITES13)
def test_each_tls13_suite_opens_across_key_updates_of_both_sides(suite, tmp_path):
    typed = [(b"one\n", SERVER), (b"k\n", CLIENT), (b"two\n", SERVER), (b"K\n", CLIENT), (b"three\n", SERVER), QUIT]
    session = openssl(tool("openssl"), tmp_path, ["-rev", "-tls1_3"], ["-ciphersuites", suite], typed)
    stream, messages = decoded(*session)
    assert (stream.cipher, stream.opened, stream.problem) == (suite, True, "")
    assert application_data(messages, CLIENT) == b"one\ntwo\nthree\n"
    assert application_data(messages, SERVER) == b"eno\nowt\neerht\n"
    assert titles(messages, CLIENT).count("KeyUpdate") == 2
    assert titles(messages, SERVER).count("KeyUpdate") == 1


def test_a_server_that_wants_another_group_says_hello_retry_request(tmp_path):
    session = openssl(
        tool("openssl"), tmp_path, ["-rev", "-groups", "P-256"], ["-groups", "X25519:P-256"], [(b"one\n", SERVER), QUIT]
    )
    stream, messages = decoded(*session)
    assert titles(messages, SERVER)[:1] + titles(messages, CLIENT)[:3] == [
        *("HelloRetryRequest", "ClientHello", "ChangeCipherSpec", "ClientHello")
    ]
    assert (stream.opened, stream.problem, application_data(messages, CLIENT)) == (True, "", b"one\n")


@pytest.mark.parametrize("accepted", [True, False])
def test_early_data_opens_and_so_does_what_follows_whether_accepted_or_not(accepted, tmp_path):
    program = tool("openssl")
    (tmp_path / "early.txt").write_bytes(b"in a hurry\n")
    session = _resumed_with_early_data(program, tmp_path, accepted)
    stream, messages = decoded(*session)
    assert (stream.resumed, stream.opened, stream.problem) == (accepted, True, "")
    assert application_data(messages, CLIENT) == b"in a hurry\nlater\n"
    assert ("EndOfEarlyData" in titles(messages, CLIENT)) == accepted


def _resumed_with_early_data(program, tmp_path, accepted):
    serving = ["-early_data", "-max_early_data", "1000"]
    with openssl_server(program, tmp_path, serving) as first:
        first.connect(["-sess_out", "ticket"], [QUIT])
        if accepted:
            return first.connect(["-sess_in", "ticket", "-early_data", "early.txt"], [(b"later\n", CLIENT), QUIT])
    with openssl_server(program, tmp_path, serving) as another:
        return another.connect(["-sess_in", "ticket", "-early_data", "early.txt"], [(b"later\n", CLIENT), QUIT])


# ---- what stays closed, and why


@pytest.mark.parametrize("version", VERSIONS)
def test_an_eavesdropper_sees_the_hellos_and_then_ciphertext(version):
    session = in_memory(version)
    stream, messages = decoded(session.chunks, None)
    assert (stream.version, stream.server_name, stream.opened) == (version, "mail.lab.test", False)
    assert "eavesdropper" in stream.problem or "on the path" in stream.problem
    assert not any(m.opened for m in messages)
    assert COMMAND not in b"".join(m.data for m in messages)


def test_in_tls13_the_eavesdropper_cannot_tell_handshake_from_application_data():
    messages = pour(in_memory("TLS 1.3").chunks)
    assert {(m.kind, m.title) for m in messages if m.encrypted} == {("application-data", "encrypted record")}


def test_in_tls12_the_eavesdropper_can_tell_them_apart():
    messages = pour(in_memory("TLS 1.2").chunks)
    assert {(m.kind, m.title) for m in messages if m.encrypted} == {
        ("handshake", "encrypted Finished"),
        ("application-data", "application data"),
        ("alert", "encrypted alert"),
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_key_log_of_another_session_is_named_as_the_problem(version):
    session = in_memory(version)
    other = in_memory(version, resumed=True)
    stream, messages = decoded(session.chunks, other.secrets)
    random = messages[0].data[6:38]
    assert not stream.opened
    assert f"no secret of this session (client random {random.hex()[:16]}" in stream.problem


@pytest.mark.parametrize("version", VERSIONS)
def test_secrets_that_do_not_fit_are_named_as_the_problem(version):
    session = in_memory(version)
    wrong = {k: {label: bytes(len(secret)) for label, secret in v.items()} for k, v in session.secrets.items()}
    stream, messages = decoded(session.chunks, wrong)
    assert not stream.opened
    assert stream.problem.startswith("The secrets do not fit")
    assert not any(m.opened for m in messages)


def test_a_secret_that_is_missing_is_named():
    session = in_memory("TLS 1.3")
    secrets = {random: dict(found) for random, found in session.secrets.items()}
    for found in secrets.values():
        del found["CLIENT_TRAFFIC_SECRET_0"]
    stream, messages = decoded(session.chunks, secrets)
    assert "CLIENT_TRAFFIC_SECRET_0" in stream.problem
    assert application_data(messages, SERVER) == REPLY


def test_a_cipher_suite_that_the_lab_cannot_open_is_named_whatever_the_key_log_has():
    chunks, secrets = in_memory("TLS 1.2", "ECDHE-ECDSA-ARIA128-GCM-SHA256")
    for log in (secrets, {}):
        stream, messages = decoded(chunks, log)
        assert not stream.opened
        assert stream.problem.startswith("TLS_ECDHE_ECDSA_WITH_ARIA_128_GCM_SHA256 cannot be opened here")
        assert "encrypted Finished" in titles(messages, CLIENT)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_changed_record_closes_its_direction_and_only_that(version):
    session = in_memory(version)
    stream, messages = decoded(_with_the_command_spoilt(session.chunks), session.secrets)
    assert "of the client does not open" in stream.problem
    assert application_data(messages, CLIENT) == b""
    assert application_data(messages, SERVER) == REPLY


def _with_the_command_spoilt(chunks: Chunks) -> Chunks:
    at = next(n for n, (s, d) in enumerate(chunks) if s == CLIENT and d[0] == 23 and n > 2)
    sender, data = chunks[at]
    return [*chunks[:at], (sender, data[:-1] + bytes([data[-1] ^ 1])), *chunks[at + 1 :]]


@pytest.mark.parametrize("version", VERSIONS)
def test_after_a_gap_the_direction_stays_closed_and_the_other_opens(version):
    session = in_memory(version)
    stream = Stream(session.secrets)
    messages = []
    for number, (sender, data) in enumerate(session.chunks):
        if sender == CLIENT and number == len(session.chunks) - 4:
            stream.lose(CLIENT)
        else:
            messages += fed(stream, sender, data)
    assert "missing from the capture" in stream.problem
    assert application_data(messages, SERVER) == REPLY
    assert messages[-2].encrypted and not messages[-2].opened


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("alone", [CLIENT, SERVER])
def test_half_a_conversation_is_read_as_far_as_it_goes(version, alone):
    session = in_memory(version)
    stream, messages = decoded([(s, d) for s, d in session.chunks if s == alone], session.secrets)
    assert titles(messages, alone)[0] in ("ClientHello", "ServerHello")
    assert not stream.opened
    assert "is missing" in stream.problem


# ---- bytes


@pytest.mark.parametrize("version", VERSIONS)
@settings(deadline=None, max_examples=examples(40))
@given(data=st.data())
def test_however_the_stream_is_split_the_messages_are_the_same(version, data):
    session = in_memory(version)
    whole = pour(*session)
    pieces: Chunks = []
    for sender, chunk in session.chunks:
        cuts = sorted({0, len(chunk), *data.draw(st.lists(st.integers(0, len(chunk)), max_size=8))})
        pieces += [(sender, chunk[a:b]) for a, b in itertools.pairwise(cuts)]
    assert pour(pieces, session.secrets) == whole


@pytest.mark.parametrize("version", VERSIONS)
def test_byte_by_byte_the_messages_are_the_same(version):
    session = in_memory(version)
    assert pour([(s, bytes([b])) for s, d in session.chunks for b in d], session.secrets) == pour(*session)


@pytest.mark.parametrize("version", VERSIONS)
@settings(deadline=None, max_examples=examples(150))
@given(data=st.data())
def test_whatever_is_changed_or_cut_gives_messages_that_account_for_every_byte(version, data):
    session = in_memory(version)
    chunks = list(session.chunks)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(chunks) - 1))
        sender, old = chunks[at]
        place = data.draw(st.integers(0, len(old)))
        new = data.draw(st.binary(max_size=6))
        chunks[at] = (sender, old[:place] + new + old[place + data.draw(st.sampled_from([0, len(new), len(old)])) :])
    _every_byte_is_accounted_for(chunks, session.secrets)
    _every_byte_is_accounted_for(chunks, None)


@settings(deadline=None, max_examples=examples(100))
@given(st.lists(st.tuples(st.sampled_from([CLIENT, SERVER]), st.binary(max_size=80)), max_size=12))
def test_noise_gives_messages_that_account_for_every_byte(chunks):
    _every_byte_is_accounted_for(chunks, {})


def _every_byte_is_accounted_for(chunks: Chunks, secrets) -> None:
    stream, messages = decoded(chunks, secrets)
    for side in (CLIENT, SERVER):
        said = sum(len(d) for s, d in chunks if s == side)
        assert sum(m.wire for m in messages if m.sender == side) + stream.rest(side) == said


def test_a_handshake_message_over_several_records_is_one_message():
    hello = next(m.data for m in pour(in_memory("TLS 1.3").chunks) if m.title == "ClientHello")
    records = [b"\x16\x03\x01\x00\x20" + hello[at : at + 32] for at in range(0, len(hello) - 31, 32)]
    left = hello[len(hello) // 32 * 32 :]
    records.append(b"\x16\x03\x01" + len(left).to_bytes(2) + left)
    messages = pour([(CLIENT, b"".join(records))])
    assert [(m.title, m.data, m.wire) for m in messages] == [("ClientHello", hello, len(hello) + 5 * len(records))]


def test_several_messages_in_one_record_are_several_messages():
    assert [(m.title, m.wire) for m in pour([(SERVER, b"\x16\x03\x03\x00\x08" + b"\x0e\0\0\0" * 2)])] == [
        ("ServerHelloDone", 13),
        ("ServerHelloDone", 0),
    ]


def _in_records(message):
    pieces = [message[at : at + 16_000] for at in range(0, len(message), 16_000)]
    return b"".join(b"\x16\x03\x03" + len(piece).to_bytes(2) + piece for piece in pieces)


def test_a_handshake_message_of_no_known_type_and_too_long_to_be_real_is_given_up():
    stream = Stream(None)
    found = fed(stream, SERVER, _in_records(b"\x63\xff\xff\xff" + bytes(1_600_000)))
    assert {m.title for m in found} == {"broken handshake message"}
    assert stream.rest(SERVER) == 0


def test_a_long_certificate_is_named_whole_or_unfinished():
    whole = b"\x0b" + (400_000).to_bytes(3) + bytes(400_000)
    (message,) = pour([(SERVER, _in_records(whole))])
    assert (message.title, message.data) == ("Certificate", whole)
    stream = Stream(None)
    assert not fed(stream, SERVER, _in_records(whole)[:390_000])
    (message,) = (Message(*found) for found in stream.finish(SERVER))
    assert (message.title, message.wire, stream.rest(SERVER)) == ("unfinished Certificate", 390_000, 0)
    assert whole.startswith(message.data) and len(message.data) > 389_000


def test_an_alert_in_clear_is_named():
    (message,) = pour([(SERVER, bytes.fromhex("15030300020228"))])
    assert (message.kind, message.title, message.encrypted) == ("alert", "Alert: handshake_failure", False)


def test_text_where_tls_should_be_is_not_tls():
    (message,) = pour([(SERVER, b"454 TLS not available\r\n")])
    assert (message.kind, message.title, message.data) == ("unknown", "not TLS", b"454 TLS not available\r\n")


@pytest.mark.parametrize(
    "data", [b"\x16", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01", b"\x15\x03\x03\x00\x02\x02\x28"]
)
def test_a_record_starts_like_this(data):
    assert starts(data)


FOREIGN = {
    "SMB 2": b"\0\0\0\x44\xfeSMB\x40\0" + bytes(60),
    "LDAP": bytes.fromhex("300c020101600702010304008000"),
    "a Windows program": b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff" + bytes(50),
    "the middle of a download": bytes.fromhex("80c3010003000000") + bytes(40),
    "a WebSocket frame": b"\x82\x7e\x01\x00" + bytes(256),
    "a masked WebSocket frame": b"\x81\x85\x01\x02\x03\x04hello",
    "like SSL 2.0, with lengths that do not add up": bytes.fromhex("802f0100020015000000100101") + bytes(33),
    "like SSL 2.0, with half a cipher": bytes.fromhex("802e010002001400000010") + bytes(37),
    "like an error of SSL 2.0": b"\x80\x03\x00\x00\x09",
    "a handshake record with no message": b"\x16\x03\x01\0\0" + bytes(20),
    "a short handshake record of no known type": b"\x16\x03\x01\0\x08\x63\0\0\x04abcd",
    "an alert of no known level": b"\x15\x03\x03\0\x02\x07\x28",
    "a long ChangeCipherSpec": b"\x14\x03\x03\0\x05abcde",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_other_protocols_do_not_start_like_tls(name):
    assert not starts(FOREIGN[name])


@given(st.binary(min_size=13, max_size=60).filter(lambda data: data[0] & 0x80))
def test_hardly_anything_starts_like_ssl_2(data):
    """What does has the right type, and lengths that add up."""
    if starts(data):
        size = (data[0] & 0x7F) << 8 | data[1]
        at, fixed = {1: (5, 9), 4: (7, 11), 0: (0, 3)}[data[2]]
        lengths = [int.from_bytes(data[at + 2 * n : at + 2 * n + 2]) for n in range(3)] if data[2] else []
        assert size == fixed + sum(lengths)


@pytest.mark.parametrize("version", VERSIONS)
@settings(deadline=None, max_examples=examples(60))
@given(data=st.data())
def test_wherever_a_session_is_cut_its_last_bytes_are_an_event(version, data):
    session = in_memory(version)
    number = data.draw(st.integers(0, len(session.chunks) - 1))
    sender, last = session.chunks[number]
    cut = [*session.chunks[:number], (sender, last[: data.draw(st.integers(0, len(last)))])]
    stream = Stream(session.secrets)
    for side, piece in cut:
        fed(stream, side, piece)
    waiting = {side: stream.rest(side) for side in (CLIENT, SERVER)}
    for side in (CLIENT, SERVER):
        found = [Message(*message) for message in stream.finish(side)]
        assert sum(message.wire for message in found) == waiting[side] and stream.rest(side) == 0
        assert all(message.data and message.title for message in found)
        assert not waiting[side] or any("unfinished" in message.title for message in found)


@pytest.mark.parametrize("data", [b"", b"220 mail", b"\x16\x02", b"\x16\x03\x01\xff\xff", b"\x00\x03\x01", b"\x19"])
def test_a_record_does_not_start_like_this(data):
    assert not starts(data)
