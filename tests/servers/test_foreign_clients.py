"""Clients from elsewhere, curl, swaks and openssl, send mail; it arrives exact to the byte."""

import re

import pytest
from tools import tool

from labkit import Lab

MAIL = (
    b"From: alice@lab.test\r\nTo: bob@lab.test\r\nSubject: dots\r\n\r\n"
    b".\r\n..two\r\n. one with text\r\nK\xc3\xb6ln \xe2\x82\xac \t tab\r\n" + b"x" * 998 + b"\r\n\r\nlast\r\n"
)
VERSIONS = ("TLS 1.2", "TLS 1.3")


@pytest.fixture
def lab():
    with Lab() as lab:
        yield lab


def _curl(lab, server, trusted, *more, scheme="smtp"):
    ip, port = server.address
    command = [tool("curl"), "-sS", f"{scheme}://mail.lab.test:{port}/alice.lab.test", "--cacert", trusted]
    command += ["--connect-to", f"mail.lab.test:{port}:{ip}:{port}", "--noproxy", "*"]
    command += ["--mail-from", "alice@lab.test", "--mail-rcpt", "bob@lab.test", "--upload-file", "-", *more]
    return lab.alice.run(command, input=MAIL)


def _swaks(lab, server, *more):
    command = [tool("swaks"), "--server", server.address[0], "--port", str(server.address[1])]
    command += ["--from", "alice@lab.test", "--to", "bob@lab.test", "--ehlo", "alice.lab.test", "--timeout", "10"]
    given = MAIL.replace(b"\r\n", b"\n").removesuffix(b"\n")  # swaks adds a line ending
    return lab.alice.run([*command, "--data", "-", *more], input=given)


def _openssl(lab, server, trusted, *more, verbs=(), name="mail.lab.test"):
    command = [tool("openssl"), "s_client", "-connect", "{}:{}".format(*server.address), "-crlf", "-ign_eof"]
    command += ["-CAfile", trusted, "-verify_return_error", "-servername", name, "-verify_hostname", name, *more]
    return lab.alice.run(command, input="".join(f"{verb}\n" for verb in verbs).encode())


def _only(server):
    (message,) = server.mailbox
    assert (message.sender, message.recipients, message.data) == ("alice@lab.test", ("bob@lab.test",), MAIL)
    return message.over, message.user


@pytest.mark.parametrize("mechanism", ("PLAIN", "LOGIN"))
@pytest.mark.parametrize("version", VERSIONS)
def test_curl_upgrades_verifies_logs_in_and_sends(lab, trusted, version, mechanism):
    server = lab.smtp(tls=version)
    login = ("--user", "alice:hunter2", "--login-options", f"AUTH={mechanism}")
    done = _curl(lab, server, trusted, "--ssl-reqd", *login)
    assert done.returncode == 0, done.stderr
    assert _only(server) == (version, "alice")
    assert f"C: AUTH {mechanism}" in repr(server.log)


@pytest.mark.parametrize("version", VERSIONS)
def test_curl_sends_over_implicit_tls(lab, trusted, version):
    server = lab.smtp(implicit=True, tls=version)
    done = _curl(lab, server, trusted, "--user", "alice:hunter2", scheme="smtps")
    assert done.returncode == 0, done.stderr
    assert _only(server) == (version, "alice")


def test_curl_sends_in_clear_text_unless_tls_is_required(lab, trusted):
    server = lab.smtp(starttls="off", auth="always")
    assert _curl(lab, server, trusted, "--ssl-reqd").returncode == 64  # CURLE_USE_SSL_FAILED
    assert not server.mailbox
    assert _curl(lab, server, trusted, "--ssl", "--user", "alice:hunter2").returncode == 0
    assert _only(server) == ("clear text", "alice")


@pytest.mark.parametrize("kind", ("wrong name", "expired", "self-signed", "unknown root"))
def test_curl_refuses_a_certificate_that_does_not_fit(lab, trusted, kind):
    server = lab.smtp(certificate=kind)
    assert _curl(lab, server, trusted, "--ssl-reqd").returncode == 60  # CURLE_PEER_FAILED_VERIFICATION
    assert not server.mailbox
    assert _curl(lab, server, trusted, "--ssl-reqd", "--insecure").returncode == 0
    assert _only(server)[0] == "TLS 1.3"


def test_curl_is_refused_with_a_wrong_password(lab, trusted):
    server = lab.smtp()
    done = _curl(lab, server, trusted, "--ssl-reqd", "--user", "alice:wrong")
    assert done.returncode == 67  # CURLE_LOGIN_DENIED
    assert not server.mailbox


@pytest.mark.parametrize("mechanism", ("PLAIN", "LOGIN"))
def test_swaks_upgrades_logs_in_and_sends(lab, mechanism):
    server = lab.smtp(starttls="required")
    login = ("--auth", mechanism, "--auth-user", "alice", "--auth-password", "hunter2")
    done = _swaks(lab, server, "--tls", *login)
    assert done.returncode == 0, done.stdout
    assert re.search(rb"TLS started with cipher TLSv1\.3", done.stdout)
    assert _only(server) == ("TLS 1.3", "alice")


def test_swaks_sends_over_implicit_tls_and_in_clear_text(lab):
    inside, clear = lab.smtp(implicit=True), lab.smtp()
    assert _swaks(lab, inside, "--tls-on-connect").returncode == 0
    assert _swaks(lab, clear).returncode == 0
    assert (_only(inside), _only(clear)) == (("TLS 1.3", ""), ("clear text", ""))


def test_swaks_is_turned_away_where_tls_is_required(lab):
    server = lab.smtp(starttls="required")
    done = _swaks(lab, server)
    assert done.returncode != 0 and b"530 " in done.stdout
    assert not server.mailbox


@pytest.mark.parametrize("flag, version", (("-tls1_2", "TLS 1.2"), ("-tls1_3", "TLS 1.3")))
def test_openssl_upgrades_verifies_and_sends(lab, trusted, flag, version):
    server = lab.smtp()
    lines = MAIL.decode().replace("\r\n.", "\r\n..").split("\r\n")[:-1]
    verbs = ("EHLO x", "MAIL FROM:<alice@lab.test>", "rcpt TO:<bob@lab.test>", "DATA", *lines, ".", "quit")
    done = _openssl(lab, server, trusted, "-starttls", "smtp", flag, verbs=verbs)
    assert b"Verify return code: 0 (ok)" in done.stdout, done.stderr
    assert _only(server) == (version, "")


@pytest.mark.parametrize("flag, version", (("-tls1_2", b"TLSv1.2"), ("-tls1_3", b"TLSv1.3")))
def test_openssl_verifies_implicit_tls(lab, trusted, flag, version):
    done = _openssl(lab, lab.smtp(implicit=True), trusted, flag, verbs=("quit",))
    assert b"Verify return code: 0 (ok)" in done.stdout and version in done.stdout
    assert b"221 Bye" in done.stdout


@pytest.mark.parametrize(
    "kind, said",
    (
        ("wrong name", b"hostname mismatch"),
        ("expired", b"certificate has expired"),
        ("self-signed", b"signed certificate"),
        ("unknown root", b"unable to get local issuer certificate"),
    ),
)
def test_openssl_says_what_is_wrong_with_a_certificate(lab, trusted, kind, said):
    done = _openssl(lab, lab.smtp(certificate=kind), trusted, "-starttls", "smtp", verbs=("quit",))
    assert done.returncode != 0
    assert said in (done.stdout + done.stderr).lower()


def test_openssl_finds_no_common_version(lab, trusted):
    server = lab.smtp(tls="TLS 1.2")
    done = _openssl(lab, server, trusted, "-starttls", "smtp", "-tls1_3", verbs=("quit",))
    assert done.returncode != 0 and b"protocol version" in done.stdout + done.stderr
    assert "TLS handshake failed" in repr(server.log)
