"""Mail readers from elsewhere, curl, openssl, fetchmail, mbsync and Python's own, log in, list and read."""

import email
import imaplib
import os
import poplib
import re
from pathlib import Path

import pytest
from tools import fetchmail_with, tool

from labkit import Lab
from labkit.mail.mailbox import Message
from labkit.trust.contexts import client_context

MAILS = (
    b"From: alice@lab.test\r\nSubject: one\r\n\r\n.\r\n..two\r\nThe PIN is 4921\r\n.\r\n",
    b"From: alice@lab.test\r\nSubject: two\r\n\r\nK\xc3\xb6ln\r\n" + b"x" * 900 + b"\r\n",
)
PROTOCOLS = ("IMAP", "POP3")
WAYS = {
    "clear text": {"auth": "always", "starttls": "off"},
    "explicit TLS": {"starttls": "required"},
    "implicit TLS": {"implicit": True},
}
"""How a connection is protected -> the settings of a server that allows nothing else."""
VERSIONS = ("TLS 1.2", "TLS 1.3")


@pytest.fixture
def lab():
    with Lab() as lab:
        for data in MAILS:
            lab.mailbox().keep(Message("alice@lab.test", ("bob@lab.test",), data, "clear text", ""))
        yield lab


def _start(lab, protocol, **settings):
    return {"IMAP": lab.imap, "POP3": lab.pop3}[protocol](**settings)


# ---- curl

SCHEMES = {"clear text": ("", ()), "explicit TLS": ("", ("--ssl-reqd",)), "implicit TLS": ("s", ())}
FIRST = {"IMAP": "INBOX;MAILINDEX=1", "POP3": "1"}


def _curl(lab, server, trusted, path, way, *more):
    ip, port = server.address
    suffix, flags = SCHEMES[way]
    command = [tool("curl"), "-sS", f"{server.protocol.lower()}{suffix}://mail.lab.test:{port}/{path}", *flags, *more]
    command += ["--cacert", trusted, "--connect-to", f"mail.lab.test:{port}:{ip}:{port}", "--noproxy", "*"]
    return lab.alice.run([*command, "--user", "bob:swordfish"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("way", WAYS)
def test_curl_lists_and_reads(lab, trusted, protocol, way):
    server = _start(lab, protocol, **WAYS[way])
    listed = _curl(lab, server, trusted, "", way)
    assert listed.returncode == 0, listed.stderr
    expected = {"IMAP": rb'\* LIST \(\) "/" "INBOX"\r\n', "POP3": rb"1 \d+\r\n2 \d+\r\n"}[protocol]
    assert re.search(expected, listed.stdout)
    read = _curl(lab, server, trusted, FIRST[protocol], way)
    assert (read.returncode, read.stdout) == (0, MAILS[0]), read.stderr


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("version", VERSIONS)
def test_curl_upgrades_where_it_can_and_verifies(lab, trusted, protocol, version):
    server = _start(lab, protocol, tls=version)
    done = _curl(lab, server, trusted, FIRST[protocol], "clear text", "--ssl")
    assert (done.returncode, done.stdout) == (0, MAILS[0]), done.stderr
    assert f"{version} with" in repr(server.log)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_curl_reads_in_clear_text_unless_tls_is_required(lab, trusted, protocol):
    server = _start(lab, protocol, starttls="off", auth="always")
    assert _curl(lab, server, trusted, FIRST[protocol], "explicit TLS").returncode == 64  # CURLE_USE_SSL_FAILED
    assert "logged in" not in repr(server.log)
    assert _curl(lab, server, trusted, FIRST[protocol], "clear text", "--ssl").stdout == MAILS[0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", ("wrong name", "expired", "self-signed", "unknown root"))
def test_curl_refuses_a_certificate_that_does_not_fit(lab, trusted, protocol, kind):
    server = _start(lab, protocol, certificate=kind)
    done = _curl(lab, server, trusted, FIRST[protocol], "explicit TLS")
    assert done.returncode == 60 and not done.stdout  # CURLE_PEER_FAILED_VERIFICATION
    assert "logged in" not in repr(server.log)


@pytest.mark.parametrize("protocol, said", (("IMAP", "AUTHENTICATE PLAIN"), ("POP3", "AUTH PLAIN")))
def test_curl_takes_sasl_where_it_is_offered(lab, trusted, protocol, said):
    server = _start(lab, protocol, auth="always")
    assert _curl(lab, server, trusted, "", "clear text").returncode == 0
    assert said in repr(server.log)


def test_curl_searches_uploads_and_asks_for_a_status(lab, trusted, tmp_path):
    server = lab.imap(auth="always")
    assert b"* SEARCH 2\r\n" in _curl(lab, server, trusted, "INBOX?SUBJECT%20two", "clear text").stdout
    (tmp_path / "mail").write_bytes(MAILS[1])
    done = _curl(lab, server, trusted, "Drafts", "clear text", "--upload-file", str(tmp_path / "mail"))
    assert done.returncode == 0, done.stderr
    assert [message.data for message in lab.mailbox("bob", "Drafts")] == [MAILS[1]]
    status = _curl(lab, server, trusted, "", "clear text", "--request", "STATUS INBOX (MESSAGES)")
    assert b'* STATUS "INBOX" (MESSAGES 2)' in status.stdout


# ---- openssl

SAID = {
    "IMAP": ("a LOGIN bob swordfish", "b EXAMINE INBOX", "c FETCH 1 BODY[]", "d LOGOUT"),
    "POP3": ("USER bob", "PASS swordfish", "RETR 1", "quit"),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("flag, version", (("-tls1_2", "TLS 1.2"), ("-tls1_3", "TLS 1.3")))
@pytest.mark.parametrize("way", ("explicit TLS", "implicit TLS"))
def test_openssl_upgrades_verifies_and_reads(lab, trusted, protocol, flag, version, way):
    server = _start(lab, protocol, **WAYS[way])
    command = [tool("openssl"), "s_client", "-connect", "{}:{}".format(*server.address), "-crlf", "-ign_eof", flag]
    command += ["-CAfile", trusted, "-verify_return_error", "-verify_hostname", "mail.lab.test"]
    command += ["-starttls", protocol.lower()] if way == "explicit TLS" else []
    done = lab.alice.run(command, input="".join(f"{line}\n" for line in SAID[protocol]).encode())
    assert b"Verify return code: 0 (ok)" in done.stdout, done.stderr
    assert b"The PIN is 4921" in done.stdout
    assert f"{version} with" in repr(server.log)


# ---- fetchmail

NO_TLS = "sslproto ''"
VERIFIED = "sslproto 'TLS1.2+' sslcertck sslcertfile '{}' sslcommonname 'mail.lab.test'"
FETCHMAIL = {"clear text": NO_TLS, "explicit TLS": VERIFIED, "implicit TLS": f"ssl {VERIFIED}"}


def _fetchmail(lab, server, options, tmp_path):
    ip, port = server.address
    arrived, settings = tmp_path / "arrived", tmp_path / "fetchmailrc"
    settings.write_text(
        f"poll mail.lab.test via {ip} proto {server.protocol} service {port} auth password\n"
        f"  user bob password swordfish {options} fetchall keep mda 'cat >> {arrived}'\n"
    )
    settings.chmod(0o600)
    return lab.alice.run(fetchmail_with(settings)), arrived


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("way", WAYS)
def test_fetchmail_fetches_everything(lab, trusted, tmp_path, protocol, way):
    server = _start(lab, protocol, **WAYS[way])
    done, arrived = _fetchmail(lab, server, FETCHMAIL[way].format(trusted), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    read = arrived.read_bytes()
    for data in MAILS:
        assert data.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n") in read
    assert len(lab.mailbox()) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_fetchmail_takes_nothing_from_a_server_with_another_name(lab, trusted, tmp_path, protocol):
    server = _start(lab, protocol, certificate="wrong name")
    done, arrived = _fetchmail(lab, server, VERIFIED.format(trusted), tmp_path)
    assert done.returncode != 0 and not arrived.exists()
    assert "logged in" not in repr(server.log)


# ---- mbsync

MBSYNC = {"clear text": ("None", "LOGIN"), "explicit TLS": ("STARTTLS", "PLAIN"), "implicit TLS": ("IMAPS", "*")}
"""How a connection is protected -> what it calls that, and how it logs in then."""
SETTINGS = """
IMAPAccount lab
Host {host}
Port {port}
User bob
Pass swordfish
AuthMechs {mechanism}
SSLType {tls}
SystemCertificates no
CertificateFile {certificate}

IMAPStore far
Account lab

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
"""


@pytest.mark.parametrize("way", WAYS)
def test_mbsync_keeps_a_folder_and_the_mailboxes_the_same(lab, tmp_path, way):
    server = lab.imap(**WAYS[way])
    host, port = server.address
    certificate, settings, folder = tmp_path / "host.pem", tmp_path / "mbsyncrc", tmp_path / "mail"
    certificate.write_bytes(server.certificate.pem)  # mbsync trusts it for whatever name it connects to
    folder.mkdir()
    tls, mechanism = MBSYNC[way]
    facts = {"host": host, "port": port, "tls": tls, "mechanism": mechanism, "certificate": certificate}
    settings.write_text(SETTINGS.format(**facts, folder=folder))

    def sync():
        done = lab.alice.run([tool("mbsync"), "-c", str(settings), "-a"])
        assert done.returncode == 0, done.stderr
        return {path.read_bytes().split(b"\n\n")[0].split(b"\n")[1]: path for path in folder.glob("INBOX/*/*U=*")}

    here = sync()
    assert set(here) == {b"Subject: one", b"Subject: two"}
    body = here[b"Subject: one"].read_bytes().partition(b"\n\n")[2]
    assert body == MAILS[0].partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")
    _rename(here[b"Subject: one"], "FS")
    _rename(here[b"Subject: two"], "T")
    (folder / "Sent" / "cur" / "1.a:2,S").write_bytes(b"From: bob\nSubject: sent\n\nbye\n")
    sync()
    (entry,) = lab.mailbox().entries
    assert (entry.message.subject, entry.flags) == ("one", {"\\Flagged", "\\Seen"})
    (sent,) = lab.mailbox("bob", "Sent").entries
    assert (sent.message.subject, sent.flags) == ("sent", {"\\Seen"})
    assert set(sync()) == {b"Subject: one"}


def _rename(path: Path, flags: str) -> None:
    """Give a message in a Maildir these flags, as a mail reader does."""
    os.rename(path, path.parent.parent / "cur" / f"{path.name.split(':')[0]}:2,{flags}")


# ---- Python's own


class _IMAP(imaplib.IMAP4):
    def __init__(self, lab, server):
        self._reach = lambda: lab.alice.connect(server.host, server.port)
        super().__init__("mail.lab.test")

    def _create_socket(self, timeout):
        return self._reach()


class _POP3(poplib.POP3):
    def __init__(self, lab, server):
        self._reach = lambda: lab.alice.connect(server.host, server.port)
        super().__init__("mail.lab.test")

    def _create_socket(self, timeout):
        return self._reach()


def test_imaplib_upgrades_reads_and_changes(lab):
    with _IMAP(lab, lab.imap()) as client:
        assert "LOGINDISABLED" in client.capabilities
        client.starttls(client_context(lab.authority, verify=True))
        assert "AUTH=PLAIN" in client.capabilities
        client.authenticate("PLAIN", lambda _: b"\0bob\0swordfish")
        assert client.select() == ("OK", [b"2"])
        assert client.search(None, "SUBJECT", '"two"') == ("OK", [b"2"])
        _, (first, *_) = client.fetch("1", "(FLAGS BODY.PEEK[])")
        assert first[1] == MAILS[0] and email.message_from_bytes(first[1])["Subject"] == "one"
        assert client.store("2", "+FLAGS", "\\Deleted")[0] == "OK"
        assert client.expunge() == ("OK", [b"2"])
        assert client.append("Sent", "\\Seen", None, MAILS[1])[0] == "OK"
        assert client.status("Sent", "(MESSAGES UNSEEN)") == ("OK", [b'"Sent" (MESSAGES 1 UNSEEN 0)'])


def test_poplib_upgrades_reads_and_deletes(lab):
    client = _POP3(lab, lab.pop3())
    assert "STLS" in client.capa() and "USER" not in client.capa()
    client.stls(client_context(lab.authority, verify=True))
    assert "SASL" in client.capa()
    client.user("bob")
    client.pass_("swordfish")
    assert client.stat() == (2, sum(map(len, MAILS)))
    assert b"".join(line + b"\r\n" for line in client.retr(1)[1]) == MAILS[0]
    client.dele(1)
    client.quit()
    assert [message.subject for message in lab.mailbox()] == ["two"]
