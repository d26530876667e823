"""Programs from elsewhere speak with the servers: in the clear, over the upgrade, and with implicit TLS."""

import subprocess

import pytest
from networks import BEST, require
from rows import ROWS
from thoroughly import every
from tools import tool

from labkit import Lab
from labkit.network import KINDS

CONTENT = b"The PIN is 4921.\n"
UPGRADED = [row for row in ROWS if row.openssl]
upgraded_by_openssl = pytest.mark.parametrize("row", UPGRADED, ids=lambda row: row.name)


@pytest.fixture(params=every(KINDS, once=BEST))
def lab(request, tmp_path):
    require(request.param)
    with Lab(network=request.param) as lab:
        (tmp_path / "authority.pem").write_bytes(lab.authority.pem)
        yield lab


@pytest.fixture
def authority(tmp_path):
    """The path of the lab's root certificate."""
    return str(tmp_path / "authority.pem")


@pytest.fixture
def named(tmp_path):
    """(lab, server, command) -> what the command gives, for which the name of the server leads to it."""
    check = subprocess.run([tool("unshare"), "-rm", "true"], capture_output=True, timeout=60)

    def run(lab, server, *command, **more):
        if check.returncode:
            pytest.skip("This machine allows no user namespace, in which a name leads to a server of the lab.")
        hosts = tmp_path / "hosts"
        hosts.write_text(f"{server.address[0]} mail.lab.test\n")
        mounted = f'mount --bind {hosts} /etc/hosts && exec "$@"'
        return lab.alice.run(["unshare", "-rm", "sh", "-c", mounted, "sh", *command], **more)

    return run


def openssl(lab, server, authority, *more):
    where = "{}:{}".format(*server.address)
    command = [tool("openssl"), "s_client", "-connect", where, "-CAfile", authority, "-verify_return_error", *more]
    return lab.alice.run([*command, "-verify_hostname", "mail.lab.test", "-servername", "mail.lab.test"])


@upgraded_by_openssl
def test_openssl_upgrades_and_verifies(row, lab, authority):
    done = openssl(lab, lab.start(row.name), authority, "-starttls", *row.openssl)
    assert done.returncode == 0 and b"Verify return code: 0 (ok)" in done.stdout, done.stderr


@pytest.mark.parametrize("row", [row for row in ROWS if row.implicit], ids=lambda row: row.name)
def test_openssl_verifies_implicit_tls(row, lab, authority):
    # PostgreSQL's TLS without SSLRequest has a name of its own in ALPN.
    done = openssl(lab, lab.start(row.name, implicit=True), authority, *row.alpn)
    assert done.returncode == 0 and b"Verify return code: 0 (ok)" in done.stdout, done.stderr


# openssl waits for an offer of XMPP's for as long as the stream is open.
@pytest.mark.parametrize("row", [row for row in UPGRADED if row.name != "XMPP"], ids=lambda row: row.name)
def test_openssl_finds_no_upgrade_where_there_is_none(row, lab, authority):
    assert openssl(lab, lab.start(row.name, starttls="off"), authority, "-starttls", *row.openssl).returncode


@upgraded_by_openssl
def test_openssl_refuses_a_certificate_for_another_name(row, lab, authority):
    done = openssl(lab, lab.start(row.name, certificate="wrong name"), authority, "-starttls", *row.openssl)
    assert done.returncode and b"hostname mismatch" in (done.stdout + done.stderr).lower()


# ---- LMTP


@pytest.mark.parametrize("tls", ((), ("--tls",)))
def test_swaks_delivers_over_lmtp(lab, tls):
    server = lab.start("lmtp")
    command = [tool("swaks"), "--protocol", "LMTP", "--server", server.address[0], "--port", str(server.address[1])]
    command += ["--from", "alice@lab.test", "--to", "bob@lab.test,alice@lab.test", "--timeout", "10", *tls]
    done = lab.alice.run([*command, "--data", "-"], input=b"Subject: x\n\nhello\n")
    assert done.returncode == 0, done.stdout
    (message,) = server.mailbox
    assert message.over == ("TLS 1.3" if tls else "clear text") and len(message.recipients) == 2


# ---- FTP


def curl(lab, server, authority, *more, scheme="ftp", **given):
    ip, port = server.address
    command = [tool("curl"), "-sS", "--noproxy", "*", "--cacert", authority, "--user", "alice:hunter2"]
    command += ["--connect-to", f"mail.lab.test:{port}:{ip}:{port}", f"{scheme}://mail.lab.test:{port}/{more[0]}"]
    return lab.alice.run([*command, *more[1:]], **given)


@pytest.mark.parametrize("way", ("clear", "upgraded", "implicit"))
def test_curl_stores_lists_and_fetches_files(lab, authority, way):
    server = lab.start("ftp", auth="always", implicit=way == "implicit")
    tls, scheme = ["--ssl-reqd"] * (way == "upgraded"), "ftps" if way == "implicit" else "ftp"
    with lab.capture() as capture:
        stored = curl(lab, server, authority, "note.txt", "-T", "-", *tls, scheme=scheme, input=CONTENT)
        assert stored.returncode == 0, stored.stderr
        assert curl(lab, server, authority, "note.txt", *tls, scheme=scheme).stdout == CONTENT
        assert curl(lab, server, authority, "", "--list-only", *tls, scheme=scheme).stdout == b"note.txt\n"
    assert server.files == {("alice", "note.txt"): CONTENT}
    crossed = b"".join(chunk.data for one in capture.conversations for chunk in one.chunks)
    passed_by = "a tap" in capture.how  # without packet sockets, what a program sends to the server's real port
    assert (CONTENT in crossed) is (way == "clear" and not passed_by)
    assert not passed_by or "sent to a server's real port went past it" in repr(capture)


def test_curl_stops_where_ftp_has_no_tls(lab, authority):
    server = lab.start("ftp", starttls="off", auth="always")
    assert curl(lab, server, authority, "note.txt", "-T", "-", "--ssl-reqd", input=CONTENT).returncode == 64
    assert not server.files


def test_lftp_stores_and_fetches_over_the_upgrade(lab, authority, named, tmp_path):
    server = lab.start("ftp")
    (tmp_path / "note.txt").write_bytes(CONTENT)
    said = f"set ssl:ca-file {authority}; set ftp:ssl-force true; set ftp:ssl-protect-data true; set net:max-retries 1;"
    said += f"set net:timeout 10; open -u alice,hunter2 mail.lab.test:{server.address[1]};"
    done = named(lab, server, tool("lftp"), "-c", f"{said} put {tmp_path}/note.txt -o mine.txt; cat mine.txt")
    assert (done.returncode, done.stdout) == (0, CONTENT), done.stderr
    assert server.files == {("alice", "mine.txt"): CONTENT} and "C: PROT P" in repr(server.log)


# ---- LDAP


def ldapwhoami(lab, server, authority, named, *more, scheme="ldap", password="hunter2"):
    command = ["env", f"LDAPTLS_CACERT={authority}", tool("ldapwhoami"), "-x", *more]
    command += ["-H", f"{scheme}://mail.lab.test:{server.address[1]}", "-D", "uid=alice,dc=lab,dc=test", "-w", password]
    return named(lab, server, *command)


def test_ldapwhoami_logs_in_in_the_clear_over_the_upgrade_and_with_implicit_tls(lab, authority, named):
    server = lab.start("ldap", auth="always")
    for way in ((), ("-ZZ",)):
        assert ldapwhoami(lab, server, authority, named, *way).stdout == b"u:alice\n"
    assert ldapwhoami(lab, server, authority, named, "-ZZ", password="wrong").returncode == 49  # invalidCredentials
    implicit = lab.start("ldap", implicit=True)
    assert ldapwhoami(lab, implicit, authority, named, scheme="ldaps").stdout == b"u:alice\n"


def test_ldapwhoami_stops_at_a_wrong_name_and_where_tls_is_not_there(lab, authority, named):
    assert ldapwhoami(lab, lab.start("ldap", certificate="wrong name"), authority, named, "-ZZ").returncode
    off = lab.start("ldap", starttls="off", auth="always", replace=True)
    assert ldapwhoami(lab, off, authority, named, "-ZZ").returncode
    assert "BindRequest" not in repr(off.log)


def test_ldapsearch_and_curl_read_what_the_server_offers(lab):
    where = "{}:{}".format(*lab.start("ldap").address)
    command = [tool("ldapsearch"), "-x", "-H", f"ldap://{where}", "-b", "", "-s", "base", "supportedExtension"]
    assert b"supportedExtension: 1.3.6.1.4.1.1466.20037\n" in lab.alice.run(command).stdout
    told = lab.alice.run([tool("curl"), "-sS", "--noproxy", "*", f"ldap://{where}/?supportedExtension?base"])
    assert b"supportedExtension: 1.3.6.1.4.1.1466.20037\n" in told.stdout


# ---- PostgreSQL


def psql(lab, server, authority, mode, name="mail.lab.test", password="hunter2"):
    ip, port = server.address
    where = f"host={name} hostaddr={ip} port={port} user=alice dbname=lab sslmode={mode} sslrootcert={authority}"
    return lab.alice.run(
        ["env", f"PGPASSWORD={password}", tool("psql"), "-w", where, "-c", "INSERT INTO notes VALUES (1)"]
    )


def test_psql_asks_a_query_in_the_clear_and_over_the_upgrade(lab, authority):
    server = lab.start("postgresql", auth="always")
    for mode in ("disable", "prefer", "verify-full"):
        done = psql(lab, server, authority, mode)
        assert (done.returncode, done.stdout) == (0, b"INSERT\n"), done.stderr
    assert server.queries == [("alice", "INSERT INTO notes VALUES (1)")] * 3


def test_psql_stops_at_a_wrong_name_a_wrong_password_and_where_tls_is_not_there(lab, authority):
    server = lab.start("postgresql")
    assert b"does not match host name" in psql(lab, server, authority, "verify-full", name="www.lab.test").stderr
    assert b"password authentication failed" in psql(lab, server, authority, "require", password="wrong").stderr
    off = lab.start("postgresql", starttls="off", auth="always", replace=True)
    assert b"server does not support SSL" in psql(lab, off, authority, "require").stderr
    assert not server.queries and not off.queries
