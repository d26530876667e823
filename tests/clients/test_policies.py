"""Each policy against each server: what is sent, how, and whether the password can be read on the way."""

from types import SimpleNamespace

import pytest
from peers import GREETING, HELD, limit, scripted

from labkit import Lab, policies
from labkit.errors import LabError
from labkit.trust.certificates import KINDS

LOGIN = ("alice", "hunter2")
SERVERS = {
    "offered": {"starttls": "offered"},
    "off": {"starttls": "off"},
    "required": {"starttls": "required"},
    "implicit": {"implicit": True, "port": 587},
}
CLEAR, EXPLICIT, IMPLICIT = "clear text", "explicit TLS", "implicit TLS"
TABLE = {
    ("none", "offered"): CLEAR,
    ("none", "off"): CLEAR,
    ("none", "required"): "refused the login with 530",
    ("none", "implicit"): "ran out before the greeting",
    ("opportunistic", "offered"): EXPLICIT,
    ("opportunistic", "off"): CLEAR,
    ("opportunistic", "required"): EXPLICIT,
    ("opportunistic", "implicit"): "ran out before the greeting",
    ("mandatory", "offered"): EXPLICIT,
    ("mandatory", "off"): "offers no STARTTLS",
    ("mandatory", "required"): EXPLICIT,
    ("mandatory", "implicit"): "ran out before the greeting",
    ("verified", "offered"): EXPLICIT,
    ("verified", "off"): "offers no STARTTLS",
    ("verified", "required"): EXPLICIT,
    ("verified", "implicit"): "ran out before the greeting",
    ("implicit", "offered"): "what the server sent is not TLS",
    ("implicit", "off"): "what the server sent is not TLS",
    ("implicit", "required"): "what the server sent is not TLS",
    ("implicit", "implicit"): IMPLICIT,
}
"""(policy, server) -> how the message was sent, or words of why not. Every server takes the login before TLS, too."""


@pytest.mark.parametrize("policy, kind", TABLE, ids=map("-".join, TABLE))
def test_what_happens(policy, kind):
    expected = TABLE[policy, kind]
    with Lab() as lab:
        server = lab.smtp(auth="always", **SERVERS[kind])
        outcome = lab.send(
            server, "The PIN is 4921", login=LOGIN, policy=getattr(policies, policy), timeout=limit(expected)
        )
    assert outcome.policy == policy
    if expected in (CLEAR, EXPLICIT, IMPLICIT):
        (message,) = server.mailbox
        assert outcome and outcome.how == outcome.password == expected
        assert message.over == (outcome.version or CLEAR)
        assert (message.user, message.text) == ("alice", "The PIN is 4921")
    else:
        assert not outcome and not server.mailbox
        assert expected in outcome.why and repr(outcome).startswith("Not sent: ")


def test_the_password_crosses_in_clear_text_where_login_is_taken_before_tls():
    with Lab() as lab:
        server = lab.smtp(auth="always", starttls="off")
        sent = lab.send(server, "x", login=LOGIN)
        assert sent.password == CLEAR
        refused = lab.send(server, "x", login=("alice", "wrong"))
        assert not refused and refused.password == CLEAR
    assert repr(refused).endswith("The password went in clear text too.")


def test_the_password_stays_at_home_where_no_login_is_offered():
    with Lab() as lab:
        outcome = lab.send(lab.smtp(starttls="off"), "x", login=LOGIN)
    assert not outcome and outcome.password == ""
    assert "offers no login (AUTH)" in outcome.why


def test_the_password_stays_at_home_where_no_mechanism_is_known():
    def script(sock):
        sock.sendall(GREETING)
        sock.recv(4096)
        sock.sendall(b"250-mail.lab.test\r\n250 AUTH SCRAM-SHA-256 CRAM-MD5\r\n")

    with Lab() as lab, scripted(lab, script):
        outcome = lab.send(SimpleNamespace(host="mail", port=587), "x", login=LOGIN, timeout=HELD)
    assert not outcome and outcome.password == "" and "PLAIN or LOGIN" in outcome.why


def test_a_client_logs_in_once_with_the_first_mechanism_it_knows():
    with Lab() as lab:
        both, login = lab.smtp(), lab.smtp(port=2525, mechanisms="LOGIN")
        assert lab.send(both, "x", login=LOGIN) and lab.send(login, "x", login=LOGIN)
        assert not lab.send(both, "x", login=("alice", "wrong"))
    assert repr(both.log).count("C: AUTH PLAIN") == 2 and "AUTH LOGIN\n" not in repr(both.log)
    assert "C: AUTH LOGIN" in repr(login.log)
    assert (both.mailbox[0].user, login.mailbox[0].user) == ("alice", "alice")


@pytest.mark.parametrize(
    "kind, said",
    (
        ("wrong name", "Hostname mismatch, certificate is not valid for 'mail.lab.test'"),
        ("expired", "certificate has expired"),
        ("self-signed", "self-signed certificate"),
        (
            "unknown root",
            "nobody whom the client trusts has issued it (unable to get local issuer certificate)",
        ),
    ),
)
@pytest.mark.parametrize("version", ("TLS 1.2", "TLS 1.3"))
def test_only_a_client_that_verifies_minds_a_certificate_that_does_not_fit(kind, said, version):
    with Lab() as lab:
        explicit = lab.smtp(certificate=kind, tls=version)
        implicit = lab.smtp(certificate=kind, tls=version, implicit=True)
        for server, policy in ((explicit, policies.verified), (implicit, policies.implicit)):
            outcome = lab.send(server, "x", policy=policy, login=LOGIN)
            assert not outcome and not outcome.verified and outcome.password == "" and not server.mailbox
            assert outcome.why.replace("self signed", "self-signed") == f"the certificate does not fit: {said}"
        for policy in (policies.opportunistic, policies.mandatory):
            outcome = lab.send(explicit, "x", policy=policy, login=LOGIN)
            assert outcome and not outcome.verified and outcome.version == version
            assert repr(outcome).endswith("the certificate was not verified.")
    assert len(explicit.mailbox) == 2
    assert "TLS handshake failed" in repr(implicit.log)


def test_a_certificate_that_fits_is_verified():
    with Lab() as lab:
        assert "right" in KINDS
        assert lab.send(lab.smtp(), "x", policy=policies.verified).verified
        assert lab.send(lab.smtp(implicit=True), "x", policy=policies.implicit).verified


@pytest.mark.parametrize("version, suite", (("TLS 1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"), ("TLS 1.3", "TLS_")))
def test_an_outcome_names_version_and_cipher_suite(version, suite):
    with Lab() as lab:
        outcome = lab.send(lab.smtp(tls=version), "x")
    assert outcome.version == version and outcome.cipher.startswith(suite)
    assert repr(outcome) == (
        f"Sent over explicit TLS: {version} with {outcome.cipher}, the certificate was not verified."
    )


def test_a_policy_reads_as_a_sentence():
    assert repr(policies.verified) == ("<policy verified: explicit TLS, stops without it, the certificate is verified>")
    assert [policy.name for policy in policies.ALL] == ["none", "opportunistic", "mandatory", "verified", "implicit"]


def test_what_is_no_policy_is_refused():
    with Lab() as lab:
        server = lab.smtp()
        for wrong in ("verified", 1, policies):
            with pytest.raises(LabError, match=r"policies\.verified"):
                lab.send(server, "x", policy=wrong)
