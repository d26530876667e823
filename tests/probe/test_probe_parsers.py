"""No bytes of a server make the probe fail: addresses, first answers to a hello, resolv.conf, names."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labkit.decode.tls.hello import client_hello
from labkit.decode.tls.records import HANDSHAKE, Cutter
from labkit.decode.tls.ssl2 import starts
from labkit.dialects import ALL
from labkit.errors import LabError
from labkit.probe.hello_writer import client_hello_record, ssl2_hello
from labkit.probe.looking_up import name_servers
from labkit.probe.shown_certificate import fits, read_certificate
from labkit.probe.target import address
from labkit.probe.tls_survey import NUMBERS, HelloAnswer, read_answer
from labkit.trust.certificates import Authority

ports = st.integers(1, 65535)
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
names = st.lists(labels, min_size=2, max_size=4).map(".".join)


@given(names, ports)
def test_a_host_and_a_port_are_read_back(name, port):
    assert address(f"{name}:{port}") == (name, port)
    assert address(name) == (name, None)


@given(st.ip_addresses(v=6), ports)
def test_an_ipv6_address_stands_in_brackets(ip, port):
    assert address(f"[{ip}]:{port}") == (str(ip), port)


@given(st.text())
@example("mail:")
@example("mail:٢٥")
@example("[::1]x:25")
def test_any_other_text_is_read_or_refused_with_a_sentence(text):
    try:
        host, port = address(text)
    except LabError as error:
        assert str(error)
    else:
        assert host
        assert port is None or 0 < port < 65536


@given(st.binary())
@example(b"\x16\x03\x03\x00\x04\x02\x00\x00\x00")
@example(b"\x15\x03\x03\x00\x02\x02\x28")
def test_any_first_bytes_are_an_answer_or_wait_for_more(data):
    answer = read_answer(data)
    assert answer is None or isinstance(answer, HelloAnswer)


def server_hello(version: int, suite: int) -> bytes:
    body = min(version, 0x0303).to_bytes(2, "big") + bytes(32) + b"\0" + suite.to_bytes(2, "big") + b"\0"
    if version == 0x0304:
        body += b"\x00\x06\x00\x2b\x00\x02\x03\x04"
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message


@given(st.integers(0x0300, 0x0304), st.integers(0, 0xFFFF), st.data())
def test_a_server_hello_is_read_wherever_it_is_cut(version, suite, data):
    whole = server_hello(version, suite)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert read_answer(whole[:cut]) is None
    assert read_answer(whole) == HelloAnswer(version, suite)
    assert read_answer(whole + b"\x16\x03\x03\x00\x01\x0b") == HelloAnswer(version, suite)


@given(st.sampled_from([number for number in NUMBERS.values() if number > 2]), names, st.booleans())
def test_a_hello_is_one_record_that_says_what_it_was_told(version, name, compression):
    suites = random.sample(range(1, 0xFFFF), 40)
    record = client_hello_record(version, suites, name, compression)
    ((kind, _, content),) = Cutter().feed(record)
    read = client_hello(content)
    assert kind == HANDSHAKE
    assert [int.from_bytes(read.suites[at : at + 2]) for at in range(0, 80, 2)] == suites
    assert read.server_name == (name if version > 0x0300 else "")


def test_the_hello_of_ssl2_is_one():
    assert starts(ssl2_hello())


@given(st.text())
@example("nameserver 192.0.2.53\n# nameserver 192.0.2.1\nnameserver fe80::1%eth0\nsearch lab.test\n")
def test_only_addresses_are_read_from_resolv_conf(text):
    assert all(address(f"[{found}]")[0] == found for found in name_servers(text))


def test_the_name_servers_are_those_of_resolv_conf_in_order():
    text = "search lab.test\nnameserver 192.0.2.53\n#nameserver 192.0.2.1\nnameserver fe80::1%eth0\noptions edns0\n"
    assert name_servers(text) == ["192.0.2.53", "fe80::1"]


@pytest.mark.parametrize(
    ("presented", "wanted", "fit"),
    [
        ("mail.example.org", "MAIL.example.org.", True),
        ("*.example.org", "mail.example.org", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "a.mail.example.org", False),
        ("*.org", "example.org", False),
        ("m*.example.org", "mail.example.org", False),
        ("*", "mail", False),
        ("xn--bcher-kva.example", "bücher.example", True),
        ("192.0.2.25", "192.0.2.25", True),
        ("2001:db8::1", "2001:DB8:0::1", True),
        ("192.0.2.25", "192.0.2.2", False),
    ],
)
def test_names_are_compared_as_rfc_9525_asks(presented, wanted, fit):
    assert fits(presented, wanted) is fit


@given(st.binary())
def test_bytes_that_are_no_certificate_are_none(data):
    assert read_certificate([data]) is None
    assert read_certificate([]) is None


def test_a_certificate_is_read_with_its_dates_to_the_second():
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    pem = Authority().certificate("right").pem
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    read = read_certificate([der, b""])
    assert (read.names, read.key, read.weak_key, read.weak_signature) == (("mail.lab.test",), "EC secp256r1", "", "")
    assert (read.self_signed, read.chain) == (False, 2)
    second = timedelta(seconds=1)
    assert read.days_left(read.expires - second) == 0
    assert read.days_left(read.expires + second) == -1
    assert read.not_yet_valid(read.begins - second)
    assert not read.not_yet_valid(datetime.now(UTC))


@given(st.lists(st.text(max_size=30)))
def test_any_list_of_capabilities_can_be_looked_through_for_passwords(capabilities):
    for dialect in ALL:
        if dialect.writes.passwords is not None:
            found = dialect.writes.passwords(tuple(capabilities))
            assert set(found) <= {*capabilities, "LOGIN"}


@pytest.mark.parametrize(
    ("protocol", "listed", "found"),
    [
        ("SMTP", ("SIZE 1000", "AUTH CRAM-MD5 plain"), ("AUTH CRAM-MD5 plain",)),
        ("SMTP", ("AUTH SCRAM-SHA-256", "AUTH=LOGIN"), ("AUTH=LOGIN",)),
        ("SMTP", ("AUTH SCRAM-SHA-256-PLUS XOAUTH2",), ()),
        ("IMAP", ("IMAP4rev1", "AUTH=PLAIN"), ("AUTH=PLAIN", "LOGIN")),
        ("IMAP", ("IMAP4rev1", "logindisabled", "AUTH=PLAIN"), ("AUTH=PLAIN",)),
        ("IMAP", ("LOGINDISABLED", "AUTH=SCRAM-SHA-1", "AUTH=PLAIN-CLIENTTOKEN"), ()),
        ("POP3", ("TOP", "SASL"), ()),
        ("POP3", ("USER", "SASL EXTERNAL PLAIN"), ("USER", "SASL EXTERNAL PLAIN")),
        ("ManageSieve", ("SASL ",), ()),
        ("ManageSieve", ("SASL LOGIN",), ("SASL LOGIN",)),
        ("NNTP", ("AUTHINFO SASL USER",), ("AUTHINFO SASL USER",)),
        ("NNTP", ("AUTHINFO SASL", "SASL DIGEST-MD5"), ()),
        ("XMPP", ("mechanisms <mechanisms><mechanism>SCRAM-SHA-1</mechanism></mechanisms>",), ()),
    ],
)
def test_a_list_tells_whether_a_password_may_cross_in_clear(protocol, listed, found):
    dialect = next(one for one in ALL if one.name == protocol)
    assert dialect.writes.passwords(listed) == found
