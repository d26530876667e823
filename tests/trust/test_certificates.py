"""The lab's certificates: what OpenSSL's own verifier says about each kind."""

import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification
from tools import tool

from labkit.errors import LabError
from labkit.network import make
from labkit.trust.certificates import KINDS, SERVER_NAME, Authority, Certificate
from labkit.trust.contexts import CURRENT, VERSIONS, client_context, server_context, spoken, versions

VERDICTS = {
    "right": "OK",
    "wrong name": "hostname mismatch",
    "expired": "certificate has expired",
    "self-signed": "self-signed certificate",
    "unknown root": "unable to get local issuer certificate",
}
"""Kind -> what ``openssl verify`` answers (verify(1), X509_V_ERR_*)."""


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def verify(authority, tmp_path):
    (tmp_path / "authority.pem").write_bytes(authority.pem)

    def run(kind):
        (tmp_path / "leaf.pem").write_bytes(authority.certificate(kind).pem)
        command = [tool("openssl"), "verify", "-verify_hostname", SERVER_NAME, "-CAfile"]
        done = make().host("alice").run([*command, str(tmp_path / "authority.pem"), str(tmp_path / "leaf.pem")])
        return done.returncode, (done.stdout + done.stderr).decode()

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_finds_what_is_wrong_with_each_kind(verify, kind):
    code, said = verify(kind)
    assert (code == 0) == (kind == "right")
    assert VERDICTS[kind].lower() in said.lower().replace("self signed", "self-signed")


def test_only_the_one_thing_is_wrong(verify):
    for kind in KINDS:
        _, said = verify(kind)
        assert [other for other in VERDICTS if other != "right" and VERDICTS[other] in said.lower()] in ([], [kind])


STRICT = {
    "right": None,
    "wrong name": "leaf certificate has no matching subjectAltName",
    "expired": "cert is not valid at validation time",
    "self-signed": "candidates exhausted: all candidates exhausted with no interior errors",
    "unknown root": "candidates exhausted: all candidates exhausted with no interior errors",
}
"""Kind -> what cryptography's verifier answers, which keeps to the rules for public authorities."""


def _judged(root: bytes, leaf: bytes) -> str | None:
    store = verification.Store([x509.load_pem_x509_certificate(root)])
    verifier = verification.PolicyBuilder().store(store).build_server_verifier(x509.DNSName(SERVER_NAME))
    try:
        verifier.verify(x509.load_pem_x509_certificate(leaf), [])
    except verification.VerificationError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_a_strict_verifier_takes_right_for_right_and_finds_what_is_wrong_with_the_others(authority, kind):
    said = _judged(authority.pem, authority.certificate(kind).pem)
    assert said is None if STRICT[kind] is None else STRICT[kind] in said


def test_a_strict_verifier_takes_the_rsa_key_too(authority):
    assert _judged(authority.pem, authority.with_rsa_key().pem) is None


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_finds_nothing_else_when_it_is_strict(authority, kind, tmp_path):
    """``-x509_strict`` is what Python 3.13 asks for by default."""
    (tmp_path / "authority.pem").write_bytes(authority.pem)
    (tmp_path / "leaf.pem").write_bytes(authority.certificate(kind).pem)
    command = [tool("openssl"), "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", SERVER_NAME]
    done = make().host("alice").run([*command, "-CAfile", str(tmp_path / "authority.pem"), str(tmp_path / "leaf.pem")])
    said = (done.stdout + done.stderr).decode().lower().replace("self signed", "self-signed")
    assert (done.returncode == 0) == (kind == "right") and VERDICTS[kind].lower() in said


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_is_for_a_server_alone_and_for_a_year(authority, kind):
    leaf = x509.load_pem_x509_certificate(authority.certificate(kind).pem)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [use.dotted_string for use in usage] == ["1.3.6.1.5.5.7.3.1"]
    assert not leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 365
    assert b"STARTTLS" not in leaf.public_bytes(Encoding.DER)


def test_a_client_certificate_it_is_not(authority, tmp_path):
    (tmp_path / "authority.pem").write_bytes(authority.pem)
    (tmp_path / "leaf.pem").write_bytes(authority.certificate().pem)
    command = [tool("openssl"), "verify", "-purpose", "sslclient", "-CAfile", str(tmp_path / "authority.pem")]
    said = make().host("alice").run([*command, str(tmp_path / "leaf.pem")])
    assert b"purpose" in said.stdout + said.stderr


def test_a_certificate_can_be_for_another_name_and_be_renewed():
    authority = Authority()
    first = authority.certificate(name="mta-sts.lab.test")
    assert first is authority.certificate("right", "mta-sts.lab.test") is not authority.certificate()
    assert authority.renewed(name="mta-sts.lab.test").key != first.key


def test_the_keys_are_p256(authority, tmp_path):
    (tmp_path / "leaf.pem").write_bytes(authority.certificate().pem)
    command = [tool("openssl"), "x509", "-noout", "-text", "-in", str(tmp_path / "leaf.pem")]
    said = make().host("alice").run(command).stdout.decode()
    assert "P-256" in said and f"DNS:{SERVER_NAME}" in said


def test_a_kind_is_made_once_and_every_authority_makes_its_own(authority):
    assert authority.certificate() is authority.certificate("right")
    assert Authority().certificate().pem != authority.certificate().pem


def test_the_key_is_not_shown(authority):
    certificate = authority.certificate()
    assert isinstance(certificate, Certificate)
    assert b"PRIVATE KEY" in certificate.key
    assert "PRIVATE KEY" not in repr(certificate)


def test_an_unknown_kind_is_named_with_those_there_are(authority):
    with pytest.raises(LabError, match="'self-signed'"):
        authority.certificate("forged")


@pytest.mark.parametrize("server", CURRENT)
@pytest.mark.parametrize("kind", KINDS)
def test_a_verifying_client_accepts_only_the_right_one(authority, kind, server):
    outcome = _shake_hands(client_context(authority, True), server_context(authority.certificate(kind), server))
    assert (outcome in VERSIONS) == (kind == "right")
    assert _shake_hands(client_context(authority, False), server_context(authority.certificate(kind), server)) == server


@pytest.mark.parametrize("old", ("TLS 1.0", "TLS 1.1"))
def test_an_old_version_is_spoken_only_with_a_client_that_asks_for_it_too(authority, old):
    server = server_context(authority.certificate(), old)
    assert _shake_hands(client_context(authority, True, (old, "TLS 1.3")), server) == old
    assert _shake_hands(client_context(authority, True), server) not in VERSIONS


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> str:
    """A handshake in memory: the version that was agreed on, or OpenSSL's complaint."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(down, up, server_hostname=SERVER_NAME),
        server.wrap_bio(up, down, server_side=True),
    )
    for end in ends * 3:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            return str(error)
    return spoken(ends[0].version())


def test_versions_that_do_not_meet_end_the_handshake(authority):
    client = client_context(authority, False, tls=("TLS 1.3",))
    assert "TLS 1.3" not in _shake_hands(client, server_context(authority.certificate(), ("TLS 1.2",)))


def test_a_cipher_suite_can_be_chosen_for_tls_1_2(authority):
    suite = "ECDHE-ECDSA-CHACHA20-POLY1305"
    context = server_context(authority.certificate(), "TLS 1.2", suite)
    assert suite in {cipher["name"] for cipher in context.get_ciphers()}
    assert _shake_hands(client_context(authority, True), context) == "TLS 1.2"


def test_by_default_every_suite_has_forward_secrecy_and_authenticated_encryption(authority):
    for cipher in client_context(authority, True).get_ciphers():
        assert cipher["aead"]
        assert cipher["name"].startswith(("ECDHE", "TLS_"))


def test_versions_are_named_in_any_way_that_makes_sense():
    assert versions("TLS 1.2") == ("TLS 1.2",)
    assert versions(["TLS 1.3", "TLS 1.2"]) == ("TLS 1.2", "TLS 1.3")


@pytest.mark.parametrize("tls", ((), "TLS 1.4", ("TLS 1.2", "SSL 3.0"), "1.3", ("T",)))
def test_versions_that_are_not_here_are_refused(authority, tls):
    with pytest.raises(LabError, match=r"'TLS 1\.2', 'TLS 1\.3'"):
        client_context(authority, True, tls=tls)


def test_cipher_suites_that_do_not_exist_are_refused(authority):
    with pytest.raises(LabError, match="no cipher suite 'ROT13'"):
        server_context(authority.certificate(), ciphers="ROT13")
