"""Verdicts on clients from elsewhere: curl, swaks and openssl in their TLS modes."""

import base64
import subprocess

import pytest
from tools import tool

from labkit import Lab, attacks

LOGIN = ("alice", "hunter2")
PLAIN = base64.b64encode(b"\0alice\0hunter2").decode()
MAIL = b"From: alice@lab.test\r\nTo: bob@lab.test\r\nSubject: secret\r\n\r\nThe PIN is 4921\r\n"


@pytest.fixture(scope="module")
def lab():
    with Lab("loopback") as lab:
        yield lab


@pytest.fixture(scope="module")
def authority(lab, tmp_path_factory):
    path = tmp_path_factory.mktemp("tools") / "authority.pem"
    path.write_bytes(lab.authority.pem)
    return str(path)


def run(command, said=b""):
    return subprocess.run(command, input=said, capture_output=True, timeout=30, check=False)


def curl(mallory, server, authority, *options):
    """Send or fetch a mail with curl, for which the lab's server has its real name."""
    scheme = server.protocol.lower()
    to = "{}:{}".format(*mallory.address(server))
    mail = ["--mail-from", "alice@lab.test", "--mail-rcpt", "bob@lab.test", "--upload-file", "-"]
    what = {"SMTP": mail, "IMAP": [], "POP3": []}[server.protocol]
    path = {"SMTP": "alice.lab.test", "IMAP": "INBOX;MAILINDEX=1", "POP3": "1"}[server.protocol]
    url = f"{scheme}://mail.lab.test:{server.port}/{path}"
    base = [tool("curl"), "--silent", "--show-error", "--max-time", "10", "--cacert", authority]
    return run([*base, "--connect-to", f"::{to}", "--user", ":".join(LOGIN), *what, *options, url], MAIL)


def swaks(mallory, server, *options):
    address, port = mallory.address(server)
    base = [tool("swaks"), "--server", address, "--port", str(port), "--from", "alice@lab.test", "--to", "bob@lab.test"]
    login = ["--auth", "PLAIN", "--auth-user", LOGIN[0], "--auth-password", LOGIN[1], "--timeout", "10"]
    return run([*base, *login, "--body", "The PIN is 4921", *options])


def openssl(mallory, server, said, *options):
    to = "{}:{}".format(*mallory.address(server))
    base = [tool("openssl"), "s_client", "-quiet", "-crlf", "-starttls", server.protocol.lower(), "-connect", to]
    return run([*base, *options], said)


STRIPPING = (attacks.StripCapability, attacks.RefuseUpgrade)


@pytest.mark.parametrize("protocol", ("smtp", "imap", "pop3"))
@pytest.mark.parametrize("kind", STRIPPING, ids=lambda kind: kind.id)
def test_curl_leaks_when_tls_is_a_wish_and_stops_when_it_is_a_must(lab, authority, protocol, kind):
    server = getattr(lab, protocol)(auth="always", replace=True)
    with lab.mallory(kind(), at=server) as mallory:
        curl(mallory, server, authority, "--ssl")
    assert mallory.verdict.outcome == "leaked"
    assert "password" in mallory.verdict.secrets
    with lab.mallory(kind(), at=server) as mallory:
        assert curl(mallory, server, authority, "--ssl-reqd").returncode
    assert (mallory.verdict.outcome, mallory.loot.secrets) == ("stopped", ())


@pytest.mark.parametrize("protocol", ("smtp", "imap", "pop3"))
def test_curl_reads_certificates_unless_it_is_told_not_to(lab, authority, protocol):
    server = getattr(lab, protocol)(auth="always", replace=True)
    for kind in (attacks.SelfSigned, attacks.UnknownRoot, attacks.WrongName, attacks.Expired):
        with lab.mallory(kind(), at=server) as mallory:
            assert curl(mallory, server, authority, "--ssl-reqd").returncode == 60  # the certificate does not fit
        assert mallory.verdict.outcome == "stopped"
    with lab.mallory(attacks.SelfSigned(), at=server) as mallory:
        curl(mallory, server, authority, "--ssl-reqd", "--insecure")
    assert mallory.verdict.outcome == "leaked"
    assert {item.where for item in mallory.loot if item.what == "password"} == {"inside TLS of her own"}


def test_curl_is_not_deceived_by_preauth_or_by_a_refused_list_any_more(lab, authority):
    imap, pop3 = lab.imap(auth="always", replace=True), lab.pop3(auth="always", replace=True)
    for kind, server in ((attacks.Preauth, imap), (attacks.CornerCase, pop3), (attacks.ResponseInjection, imap)):
        with lab.mallory(kind(), at=server) as mallory:
            curl(mallory, server, authority, "--ssl-reqd")
        assert mallory.verdict.outcome in ("stopped", "unharmed")


def test_with_a_verified_certificate_curl_still_gives_its_password_to_a_server_that_keeps_its_buffer(lab, authority):
    server = lab.smtp(quirks=("keeps the buffer",), replace=True)
    with lab.mallory(attacks.StealByInjection(), at=server) as mallory:
        curl(mallory, server, authority, "--ssl-reqd", "--login-options", "AUTH=PLAIN", "--sasl-ir")
    assert mallory.verdict.outcome == "leaked"
    assert "password" in mallory.verdict.secrets
    assert {item.where for item in mallory.loot if item.what == "password"} == {"in her own mailbox"}


@pytest.mark.parametrize(
    ("options", "outcome"),
    (((), "leaked"), (("--tls-optional",), "leaked"), (("--tls",), "stopped")),
    ids=("no TLS", "optional", "required"),
)
@pytest.mark.parametrize("kind", STRIPPING, ids=lambda kind: kind.id)
def test_swaks_leaks_unless_it_requires_tls(lab, options, outcome, kind):
    server = lab.smtp(auth="always", replace=True)
    with lab.mallory(kind(), at=server) as mallory:
        swaks(mallory, server, *options)
    assert mallory.verdict.outcome == outcome
    assert ("password" in mallory.loot.secrets) == (outcome == "leaked")


def test_swaks_verifies_nothing_by_itself(lab):
    server = lab.smtp(auth="always", replace=True)
    with lab.mallory(attacks.UnknownRoot(), at=server) as mallory:
        swaks(mallory, server, "--tls")
    assert mallory.verdict.outcome == "leaked"


def test_openssl_goes_on_with_any_certificate_unless_it_is_told_to_stop(lab, authority):
    server = lab.smtp(auth="always", replace=True)
    said = f"EHLO x\nAUTH PLAIN {PLAIN}\nQUIT\n".encode()
    with lab.mallory(attacks.UnknownRoot(), at=server) as mallory:
        openssl(mallory, server, said)
    assert mallory.verdict.outcome == "leaked"
    with lab.mallory(attacks.UnknownRoot(), at=server) as mallory:
        openssl(mallory, server, said, "-verify_return_error", "-CAfile", authority)
    assert mallory.verdict.outcome == "stopped"
    assert any("unknown_ca" in line or "unknown ca" in line for line in mallory.verdict.evidence)


def test_openssl_finds_no_server_hello_where_the_handshake_was_broken(lab):
    server = lab.smtp(replace=True)
    with lab.mallory(attacks.BreakHandshake(), at=server) as mallory:
        assert b"wrong version number" in openssl(mallory, server, b"QUIT\n").stderr
    assert mallory.verdict.outcome == "stopped"


def test_a_page_of_the_attackers_comes_to_curl_under_the_mail_servers_certificate(lab, authority):
    server = lab.imap(quirks=("keeps the buffer",), replace=True)
    page = "<h1>From mallory</h1>"
    lab.send(lab.smtp(replace=True), page, recipient="mallory@lab.test")
    with lab.mallory(attacks.HostHTTPS(), at=server) as mallory:
        to = "{}:{}".format(*mallory.interceptor.address(443))
        get = [tool("curl"), "--silent", "--max-time", "2", "--cacert", authority, "--connect-to", f"::{to}"]
        assert page.encode() in run([*get, "--http0.9", "https://mail.lab.test/"]).stdout
        assert page.encode() not in run([*get, "https://mail.lab.test/"]).stdout
