"""Which TLSA records count, and what they match: OpenSSL's own DANE says the same of every certificate."""

import hashlib
import re
import ssl
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import example, given, settings
from hypothesis import strategies as st
from networks import made
from thoroughly import every, examples
from tools import tool

from labkit.defences.dane import match, strongest, tlsa_for, usable
from labkit.defences.resource_records import TLSA
from labkit.errors import LabError

NAME = "mail.bob.test"
NOW = time.time()


def pem(der):
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


class Server:
    """A certificate chain: the DER bytes that are shown, the key, and the root."""

    def __init__(self, leaf, root, shown=()):
        self.key = leaf.private_key_pem.bytes()
        own = [x509.load_pem_x509_certificate(blob.bytes()) for blob in leaf.cert_chain_pems]
        self.root = x509.load_pem_x509_certificate(root.cert_pem.bytes())
        self.chain = [each.public_bytes(Encoding.DER) for each in (*own, *shown)]


def self_signed():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    then = datetime.now(UTC) - timedelta(days=9)
    made_ = x509.CertificateBuilder(name, name, key.public_key(), 1, then, then + timedelta(days=2)).sign(
        key, hashes.SHA256()
    )
    server = Server.__new__(Server)
    server.key = key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    server.root, server.chain = made_, [made_.public_bytes(Encoding.DER)]
    return server


ROOT = trustme.CA()
MIDDLE = ROOT.create_child_ca()
_PAST = datetime.now(UTC) - timedelta(days=9)
_root = x509.load_pem_x509_certificate(ROOT.cert_pem.bytes())
SERVERS = {
    "right": Server(ROOT.issue_cert(NAME), ROOT, (_root,)),
    "right, below an intermediate": Server(MIDDLE.issue_cert(NAME), ROOT, (_root,)),
    "the domain's name": Server(ROOT.issue_cert("bob.test"), ROOT, (_root,)),
    "a wildcard": Server(ROOT.issue_cert("*.bob.test"), ROOT, (_root,)),
    "root not sent": Server(ROOT.issue_cert(NAME), ROOT),
    "wrong name": Server(ROOT.issue_cert("www.bob.test"), ROOT, (_root,)),
    "expired": Server(ROOT.issue_cert(NAME, not_before=_PAST, not_after=_PAST + timedelta(days=2)), ROOT, (_root,)),
    "self-signed, expired, no name": self_signed(),
}
SHOWN = [(kind, wrong) for kind in SERVERS for wrong in (False, True)]
"""(a server, whether the record is a wrong one)"""
RECORDS = [(usage, selector, matching) for usage in (2, 3) for selector in (0, 1) for matching in (0, 1, 2)]


def record(server, usage, selector, matching, wrong=False):
    """The record that names the server's own certificate, or its root; a wrong one has a bit of it turned."""
    certificate = server.root if usage == 2 else x509.load_der_x509_certificate(server.chain[0])
    true = tlsa_for(certificate.public_bytes(Encoding.PEM), usage, selector, matching)
    return true._replace(data=bytes([true.data[0] ^ 1]) + true.data[1:]) if wrong else true


@pytest.fixture(scope="module")
def network():
    with_close = made("loopback")
    yield with_close
    with_close.close()


def openssl_says(network, tmp_path, server, records, names=(NAME,)):
    """Whether ``openssl s_client`` with these TLSA records accepts a server that shows this chain."""
    (tmp_path / "chain.pem").write_bytes(server.key + b"".join(map(pem, server.chain)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem")
    listener = network.host("mail").listen(25)

    def serve():
        try:
            sock, _ = listener.socket.accept()
            sock.settimeout(60)
            with context.wrap_socket(sock, server_side=True) as inside:
                inside.recv(1)
        except OSError:
            pass  # it hangs up when it does not like the certificate

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    command = [tool("openssl"), "s_client", "-connect", "{}:{}".format(*listener.address), "-brief"]
    command += ["-dane_tlsa_domain", names[0], "-verify_return_error"]
    for each in records:
        command += ["-dane_tlsa_rrdata", str(each)]
    if all(each.usage == 3 for each in records):
        command += ["-dane_ee_no_namechecks"]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=30)
    listener.close()
    thread.join(60)
    said = (done.stdout + done.stderr).decode("ascii", "replace")
    return bool(re.search(r"Verification: OK", said)), said


@pytest.mark.parametrize("shown", every(SHOWN, once=[*((kind, False) for kind in SERVERS), ("right", True)]))
def test_openssl_and_the_lab_agree_on_every_usage_selector_and_matching(network, tmp_path, shown):
    kind, wrong = shown
    server = SERVERS[kind]
    for usage, selector, matching in RECORDS:
        each = record(server, usage, selector, matching, wrong)
        if wrong and matching == 0:
            continue  # OpenSSL refuses such a record altogether
        if kind == "root not sent" and (usage, selector, matching) == (2, 1, 0):
            continue  # RFC 7671 §5.2.2 forbids it; OpenSSL can use the bare key all the same
        accepted, said = openssl_says(network, tmp_path, server, [each])
        found = match([each], server.chain, [NAME], NOW)
        assert bool(found) == accepted, (each, found, said)


@pytest.mark.parametrize("first_right", (False, True))
def test_openssl_and_the_lab_agree_on_digest_agility(network, tmp_path, first_right):
    server = SERVERS["right"]
    records = [record(server, 3, 1, 1, wrong=not first_right), record(server, 3, 1, 2, wrong=first_right)]
    assert openssl_says(network, tmp_path, server, records)[0] == bool(match(records, server.chain, [NAME], NOW))
    assert bool(match(records, server.chain, [NAME], NOW)) is not first_right


@pytest.mark.parametrize(
    "kind, usage, result",
    (
        ("wrong name", 2, "certificate-host-mismatch"),
        ("expired", 2, "certificate-expired"),
        ("root not sent", 2, "validation-failure"),
        ("self-signed, expired, no name", 2, "certificate-not-trusted"),
        ("self-signed, expired, no name", 3, ""),
        ("wrong name", 3, ""),
        ("expired", 3, ""),
    ),
)
def test_dane_ee_looks_at_nothing_but_the_record_and_dane_ta_at_names_and_dates(kind, usage, result):
    server = SERVERS[kind]
    found = match([record(server, usage, 0, 1)], server.chain, [NAME], NOW)
    assert bool(found) == (not result) and found.result == result and found.why


def test_the_next_hop_domain_is_a_reference_identifier_too():
    server = SERVERS["the domain's name"]
    anchor = record(server, 2, 0, 1)
    assert not match([anchor], server.chain, [NAME], NOW)
    assert match([anchor], server.chain, [NAME, "bob.test"], NOW)


def test_dates_are_those_of_the_clock_that_is_given():
    server = SERVERS["right"]
    assert not match([record(server, 2, 0, 1)], server.chain, [NAME], NOW - 10**9)
    assert match([record(server, 3, 0, 1)], server.chain, [NAME], NOW - 10**9)


def test_one_record_that_fits_is_enough_and_the_next_key_may_be_published_ahead():
    server = SERVERS["right"]
    records = [record(server, 3, 1, 1, wrong=True), record(server, 3, 1, 1)]
    assert match(records, server.chain, [NAME], NOW).matched == records[1]


datas = st.sampled_from((b"", b"\1" * 32, b"\2" * 64, b"\3" * 20))
records = st.builds(TLSA, st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), datas) | st.builds(
    TLSA, st.integers(0, 3), st.integers(0, 1), st.integers(0, 2), datas
)


@given(st.lists(records, max_size=8))
def test_usable_are_the_well_formed_records_with_the_usages_of_mail(found):
    for each in usable(found):
        assert each.usage in (2, 3) and each.selector in (0, 1) and each.matching in (0, 1, 2)
        assert len(each.data) == {0: len(each.data), 1: 32, 2: 64}[each.matching] and each.data
    assert not usable([each._replace(usage=each.usage % 2) for each in found])


@given(st.lists(records, max_size=8))
def test_of_usable_records_the_full_ones_and_the_strongest_digest_of_each_kind_count(found):
    counted = strongest(usable(found))
    for each in usable(found):
        stronger = [other for other in usable(found) if other[:2] == each[:2] and other.matching > each.matching > 0]
        assert (each in counted) == (not stronger)


@settings(max_examples=examples(60))
@given(st.lists(records, max_size=4), st.lists(st.binary(max_size=40), max_size=3), st.text(max_size=10))
def test_noise_matches_nothing_and_says_why(found, chain, name):
    result = match(found, chain, [name], NOW)
    assert not result and result.why and result.result


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=examples(400))
@given(st.integers(0, 10**6), st.integers(1, 255), st.integers(0, 1), st.sampled_from((2, 3)))
@example(2268, 1, 0, 3)
def test_a_certificate_with_one_byte_changed_does_not_match(place, flip, which, usage):
    server = SERVERS["right"]
    changed = [bytearray(der) for der in server.chain]
    changed[which][place % len(changed[which])] ^= flip
    found = match([record(server, usage, 0, 1)], list(map(bytes, changed)), [NAME], NOW)
    assert not found or (usage == 3 and which == 1), "DANE-EE looks at the server's own certificate alone"


def test_a_record_for_a_certificate_is_made_as_everyone_makes_it():
    server = SERVERS["right"]
    made_ = tlsa_for(pem(server.chain[0]), 3, 0, 1)
    assert str(made_) == f"3 0 1 {hashlib.sha256(server.chain[0]).hexdigest()}"
    with pytest.raises(LabError, match="usage of 0 to 3"):
        tlsa_for(pem(server.chain[0]), 4, 0, 1)
