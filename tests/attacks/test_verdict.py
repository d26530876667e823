"""What a verdict says is so: compared with the bytes of the victim's connection, and with what the server did."""

import asyncio
import base64
import re
import smtplib
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from thoroughly import every
from tools import fetchmail_with, tool

from labkit import Lab, attacks, policies
from labkit.attacks import Pass, Replace, Vector, evidence
from labkit.attacks.deeds import deeds
from labkit.attacks.engine.interceptor import Interceptor, Target
from labkit.attacks.evidence import Evidence
from labkit.attacks.verdict import Case, judge
from labkit.capture.conversation import Conversation, Endpoint
from labkit.decode.dialogue import read
from labkit.dialects import CLIENT, SERVER, SMTP
from labkit.trials import attacks as trials
from labkit.trust.contexts import server_context

LOGIN = ("alice", "hunter2")
PLAIN = base64.b64encode(b"\0alice\0hunter2")
MAIL = b"From: alice@lab.test\r\nTo: bob@lab.test\r\nSubject: secret\r\n\r\nThe PIN is 4921\r\n"
LONGEST_WAIT = 30


@pytest.fixture
def lab():
    with Lab("loopback") as lab:
        yield lab


def run(command, said=b""):
    return subprocess.run(command, input=said, capture_output=True, timeout=LONGEST_WAIT, check=False)


# ---- the search that knows nothing of protocols


def crossed(mallory):
    """The bytes that the attacker could read of the victims' connections: off the wire, and inside her own TLS."""
    legs = [session.legs[0] for session in mallory.interceptor.sessions]
    return b"".join(one.stream(end) for leg in legs for one in (leg.wire, leg.inside) for end in ("client", "server"))


def contains(data, secret):
    """Whether a secret stands there, as it is or in base64."""
    if secret in data:
        return True
    for word in re.findall(rb"[A-Za-z0-9+/]{4,}={0,2}", data):
        for cut in range(4):
            with suppress(ValueError):
                if secret in base64.b64decode(word[: len(word) - cut] + b"=" * (-(len(word) - cut) % 4)):
                    return True
    return False


def agrees(mallory):
    """The verdict and the search say the same of the password and of the mail."""
    data = crossed(mallory)
    secrets = mallory.verdict.secrets
    assert ("password" in secrets) == contains(data, b"hunter2"), mallory.verdict
    assert ("message" in secrets) == (contains(data, b"The PIN is") or contains(data, b"Fetch me")), mallory.verdict
    assert (mallory.verdict.outcome == "leaked") == bool(secrets)


# ---- programs from elsewhere


def swaks(lab, mallory, server, tmp_path, *options):
    address, port = mallory.address(server)
    base = [tool("swaks"), "--server", address, "--port", str(port), "--from", "alice@lab.test", "--to", "bob@lab.test"]
    login = ["--auth", "PLAIN", "--auth-user", LOGIN[0], "--auth-password", LOGIN[1], "--timeout", "10"]
    return run([*base, *login, "--body", "The PIN is 4921", *options])


def curl(lab, mallory, server, tmp_path, *options, user="alice:hunter2"):
    (tmp_path / "authority.pem").write_bytes(lab.authority.pem)
    send = ["--mail-from", "alice@lab.test", "--mail-rcpt", "bob@lab.test", "--upload-file", "-"]
    path, what = {"SMTP": ("x", send), "IMAP": ("INBOX;MAILINDEX=1", []), "POP3": ("1", [])}[server.protocol]
    url = f"{server.protocol.lower()}://mail.lab.test:{server.port}/{path}"
    to = "::{}:{}".format(*mallory.address(server))
    base = [tool("curl"), "--silent", "--max-time", "10", "--cacert", str(tmp_path / "authority.pem")]
    return run([*base, "--connect-to", to, "--user", user, *what, *options, url], MAIL)


def fetchmail(lab, mallory, server, tmp_path, *options):
    ip, port = mallory.address(server)
    (tmp_path / "authority.pem").write_bytes(lab.authority.pem)
    settings = tmp_path / "fetchmailrc"
    tls = " ".join(options).format(tmp_path / "authority.pem")
    settings.write_text(
        f"poll mail.lab.test via {ip} proto {server.protocol} service {port} auth password\n"
        f"  user alice password hunter2 {tls} fetchall keep mda 'cat > {tmp_path}/arrived'\n"
    )
    settings.chmod(0o600)
    return run(fetchmail_with(settings))


def mbsync(lab, mallory, server, tmp_path, *options):
    host, port = mallory.address(server)
    (tmp_path / "host.pem").write_bytes(server.certificate.pem)
    (tmp_path / "mail").mkdir(exist_ok=True)
    tls, mechanism = options
    (tmp_path / "mbsyncrc").write_text(
        f"IMAPAccount lab\nHost {host}\nPort {port}\nUser alice\nPass hunter2\nAuthMechs {mechanism}\nSSLType {tls}\n"
        f"SystemCertificates no\nCertificateFile {tmp_path}/host.pem\n\nIMAPStore far\nAccount lab\n\n"
        f"MaildirStore near\nPath {tmp_path}/mail/\nInbox {tmp_path}/mail/INBOX\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\n"
    )
    return run([tool("mbsync"), "-c", str(tmp_path / "mbsyncrc"), "-a"])


def typed(lab, mallory, server, tmp_path, said, *options):
    """openssl s_client: what a person types inside TLS."""
    to = "{}:{}".format(*mallory.address(server))
    base = [tool("openssl"), "s_client", "-quiet", "-crlf", "-starttls", server.protocol.lower(), "-connect", to]
    return run([*base, *options], said)


VERIFIED = "sslproto 'TLS1.2+' sslcertck sslcertfile '{}' sslcommonname 'mail.lab.test'"
PROGRAMS = {
    "swaks in clear": (swaks, "smtp", ()),
    "swaks if offered": (swaks, "smtp", ("--tls-optional",)),
    "swaks": (swaks, "smtp", ("--tls",)),
    "curl if offered, SMTP": (curl, "smtp", ("--ssl",)),
    "curl, SMTP": (curl, "smtp", ("--ssl-reqd",)),
    "curl, IMAP": (curl, "imap", ("--ssl-reqd",)),
    "curl unverified, POP3": (curl, "pop3", ("--ssl-reqd", "--insecure")),
    "fetchmail, IMAP": (fetchmail, "imap", (VERIFIED,)),
    "fetchmail, POP3": (fetchmail, "pop3", (VERIFIED,)),
    "fetchmail in clear, POP3": (fetchmail, "pop3", ("sslproto ''",)),
    "mbsync": (mbsync, "imap", ("STARTTLS", "PLAIN")),
    "mbsync in clear": (mbsync, "imap", ("None", "LOGIN")),
}
STRIPPING = (
    attacks.StripCapability,
    attacks.RefuseUpgrade,
    attacks.BreakHandshake,
    attacks.OldVersion,
    attacks.RewrittenHello,
    attacks.UnknownRoot,
    attacks.ClearToServer,
)


@pytest.mark.parametrize("name", every(PROGRAMS, once=list(PROGRAMS)[1::2]))
@pytest.mark.parametrize("kind", STRIPPING, ids=lambda kind: kind.__name__)
def test_what_is_said_to_be_read_stands_in_the_bytes_and_nothing_else_does(lab, tmp_path, name, kind):
    program, protocol, options = PROGRAMS[name]
    server = getattr(lab, protocol)(auth="always")
    lab.send(lab.smtp() if protocol != "smtp" else server, "Fetch me", recipient="alice@lab.test")
    with lab.mallory(kind(), at=server) as mallory:
        program(lab, mallory, server, tmp_path, *options)
    assert mallory.interceptor.sessions
    agrees(mallory)


@pytest.mark.parametrize("kind", (attacks.BreakHandshake, attacks.OldVersion, attacks.RewrittenHello))
def test_swaks_goes_on_in_clear_behind_the_go_ahead_and_that_is_read(lab, tmp_path, kind):
    server = lab.smtp(auth="always")
    with lab.mallory(kind(), at=server) as mallory:
        swaks(lab, mallory, server, tmp_path, "--tls-optional")
    assert mallory.verdict.outcome == "leaked" and "password" in mallory.verdict.secrets
    assert any(PLAIN.decode() in item.line for item in mallory.loot)


HALVES = {
    "PASS without an end": ("pop3", [b"USER alice\r\n", b"PASS hunter2"], "password"),
    "AUTH PLAIN without an end": ("smtp", [b"EHLO x\r\n", b"AUTH PLAIN " + PLAIN], "password"),
    "a LOGIN literal cut": ("imap", [b"a LOGIN alice {7}\r\n", b"hunter2"], "password"),
    "LOGIN without an end": ("imap", [b"a LOGIN alice hunter2"], "password"),
    "a mail without its dot": (
        "smtp",
        [b"EHLO x\r\n", b"MAIL FROM:<a@lab.test>\r\n", b"RCPT TO:<bob@lab.test>\r\n", b"DATA\r\n", MAIL],
        "message",
    ),
    "an APPEND cut": ("imap", [b"a LOGIN alice hunter2\r\n", b"b APPEND INBOX {500}\r\n", MAIL], "message"),
}


@pytest.mark.parametrize("name", HALVES)
def test_half_a_phrase_has_been_read_too(lab, name):
    protocol, said, secret = HALVES[name]
    server = getattr(lab, protocol)(auth="always")
    with (
        lab.mallory(attacks.StripCapability(), at=server) as mallory,
        lab.alice.connect("mail", server.port, LONGEST_WAIT) as sock,
    ):
        sock.recv(1000)
        for number, piece in enumerate(said):
            sock.sendall(piece)
            if number < len(said) - 1:
                sock.recv(1000)
    agrees(mallory)
    assert secret in mallory.verdict.secrets and mallory.verdict.outcome == "leaked"


@pytest.mark.parametrize(
    ("protocol", "said"),
    (
        ("smtp", b"XAUTH alice hunter2\r\n"),
        ("smtp", b"hunter2"),
        ("pop3", b"XPASS hunter2\r\n"),
        ("nntp", b"AUTHINFO SIMPLE\r\nalice hunter2\r\n"),
        ("ftp", b"SITE PSWD hunter2 new\r\n"),
    ),
)
def test_a_password_that_is_said_where_the_protocol_has_no_place_for_one_has_been_read(lab, protocol, said):
    server = lab.start(protocol)
    with (
        lab.mallory(attacks.StripCapability(), at=server) as mallory,
        lab.alice.connect("mail", server.port, LONGEST_WAIT) as sock,
    ):
        sock.recv(1000)
        sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(1000):
            pass
    agrees(mallory)
    assert [(one.what, one.value) for one in mallory.loot if one.what == "password"] == [("password", "hunter2")]


# ---- unharmed is what the server has done


@pytest.mark.parametrize("protocol", ("smtp", "imap", "pop3"))
def test_a_login_that_the_server_refused_is_no_work_done(lab, tmp_path, protocol):
    server = getattr(lab, protocol)(auth="always")
    with lab.mallory(Vector(), at=server) as mallory:
        curl(lab, mallory, server, tmp_path, "--ssl-reqd", user="alice:wrong")
    assert (mallory.verdict.outcome, mallory.verdict.secrets) == ("broken", ())
    assert "refused the victim's login" in mallory.verdict.why
    with lab.mallory(Vector(), at=server) as mallory:
        lab.send(lab.smtp(replace=True), "Fetch me", recipient="alice@lab.test") if protocol != "smtp" else None
        curl(lab, mallory, server, tmp_path, "--ssl-reqd")
    assert mallory.verdict.outcome == "unharmed"


def test_a_mail_that_the_server_did_not_take_is_no_work_done(lab, tmp_path):
    server = lab.smtp(auth="always")
    with lab.mallory(Vector(), at=server) as mallory:
        client = smtplib.SMTP(*mallory.address(server), timeout=LONGEST_WAIT)
        client.starttls()
        client.login(*LOGIN)
        client.mail("alice@lab.test")
        client.rcpt("bob@lab.test")
        client.docmd("DATA")
        client.send(MAIL)
        client.close()  # before the line with the dot
    assert not len(lab.mailbox("bob"))
    assert (mallory.verdict.outcome, mallory.verdict.secrets) == ("broken", ())


@pytest.mark.parametrize(
    ("protocol", "said", "refused"),
    (
        ("pop3", b"USER alice\nPASS wrong\nQUIT\n", True),
        ("pop3", b"USER alice\nPASS hunter2\nQUIT\n", False),
        ("pop3", b"USER alice\nPASS hunter2\nRETR 99\nQUIT\n", True),
        ("imap", b"a LOGIN alice hunter2\nb SELECT none\nc LOGOUT\n", True),
        ("nntp", b"GROUP none\nQUIT\n", True),
        ("smtp", b"EHLO x\nMAIL FROM:<a@x>\nRCPT TO:<b@lab.test>\nQUIT\n", True),
        ("ftp", b"USER alice\nPASS wrong\nQUIT\n", True),
        ("ftp", b"USER alice\nPASS hunter2\nQUIT\n", False),
        ("imap", b"a LOGIN alice wrong\nb LOGIN alice hunter2\nc LOGOUT\n", False),
        ("smtp", b"EHLO x\nMAIL FROM:<a@x>\nRCPT TO:<b@lab.test>\nRCPT TO:<b@other.test>\nQUIT\n", True),
    ),
)
def test_each_of_several_commands_sent_ahead_has_its_own_reply(lab, tmp_path, protocol, said, refused):
    server = lab.start(protocol)
    with lab.mallory(Vector(), at=server) as mallory:
        typed(lab, mallory, server, tmp_path, said)
    assert mallory.verdict.outcome == ("broken" if refused else "unharmed"), mallory.verdict


def test_a_mail_that_one_of_its_recipients_does_not_get_is_no_work_done(lab, tmp_path):
    server = lab.smtp()
    with lab.mallory(Vector(), at=server) as mallory:
        address, port = mallory.address(server)
        to = ["--server", address, "--port", str(port), "--from", "a@x.test", "--timeout", "20"]
        run([tool("swaks"), *to, "--to", "bob@lab.test,bob@other.test", "--tls"])
    assert (mallory.verdict.outcome, len(lab.mailbox("bob"))) == ("broken", 1)
    assert "550" in mallory.verdict.evidence[0]


def bind(host, port, password):
    import ldap3

    client = ldap3.Connection(ldap3.Server(host, port, get_info=ldap3.NONE), "uid=alice,dc=lab,dc=test", password)
    client.open()
    client.start_tls()
    client.bind()
    client.unbind()


def connect(host, port, password):
    import asyncpg

    async def visit():
        to = {"host": host, "port": port, "user": "alice", "password": password, "database": "lab"}
        with suppress(asyncpg.PostgresError):
            await (await asyncpg.connect(**to, ssl=ssl._create_unverified_context())).close()

    asyncio.run(visit())


@pytest.mark.parametrize(("protocol", "program"), (("ldap", bind), ("postgresql", connect)))
@pytest.mark.parametrize("password", ("hunter2", "wrong"))
def test_a_login_in_records_that_was_refused_is_no_work_done(lab, protocol, program, password):
    server = lab.start(protocol)
    with lab.mallory(Vector(), at=server) as mallory:
        program(*mallory.address(server), password)
    assert mallory.verdict.outcome == ("unharmed" if password == "hunter2" else "broken"), mallory.verdict


LHLO = [(SERVER, b"220 x LMTP\r\n"), (CLIENT, b"LHLO a\r\n"), (SERVER, b"250 x\r\n")]
MANY = [f"b{number}@lab.test" for number in range(300)]


def test_each_of_hundreds_of_recipients_has_its_own_reply():
    ahead = "MAIL FROM:<a@x>\r\n" + "".join(f"RCPT TO:<{one}>\r\n" for one in MANY) + "DATA\r\n"
    replies = b"250 ok\r\n" + b"250 ok\r\n550 no\r\n" * 150 + b"354 go\r\n"
    turns = [(CLIENT, ahead.encode()), (SERVER, replies), (CLIENT, b"Subject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n")]
    stored = b"250 ok\r\n" * 149 + b"452 full\r\n221 bye\r\n"
    said = enumerate([*LHLO, *turns, (SERVER, stored)], 1)
    chunks = [(number, number, side, "data", data, len(data)) for number, (side, data) in said]
    ends = Endpoint("192.0.2.1", 50000), Endpoint("192.0.2.2", 24)
    found = deeds(read(Conversation(*ends, [(0, 0, CLIENT, "syn", b"", 0), *chunks])))
    done = {deed.values: deed.accepted for deed in found}
    assert [done[one, ""] for one in MANY] == [True, False] * 150
    assert [done[one, "x\nhi"] for one in MANY[::2]] == [True] * 149 + [False], "RFC 2033 §4.2"


# ---- what cannot be known


@contextmanager
def stranger(lab, port=587):
    """A server in the lab that is not the lab's: its secrets are not logged."""
    listener = lab.network.host("mail").listen(port)
    context = server_context(lab.authority.certificate())

    def serve():
        with suppress(OSError):
            sock, _ = listener.socket.accept()
            with sock:
                sock.sendall(b"220 stranger ESMTP\r\n")
                sock.recv(1000)
                sock.sendall(b"250-stranger\r\n250 STARTTLS\r\n")
                sock.recv(1000)
                sock.sendall(b"220 go\r\n")
                with context.wrap_socket(sock, server_side=True) as tls:
                    for reply in (b"250-x\r\n250 AUTH PLAIN\r\n", b"235 ok\r\n", *[b"250 ok\r\n"] * 2, b"354 go\r\n"):
                        tls.recv(1000)
                        tls.sendall(reply)
                    data = b""
                    while not data.endswith(b"\r\n.\r\n"):
                        data += tls.recv(1000)
                    tls.sendall(b"250 stored\r\n")
                    tls.recv(1000)
                    tls.sendall(b"221 bye\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield Target("mail", port, SMTP, False)
    listener.close()
    thread.join(30)


def test_a_server_whose_secrets_are_not_there_makes_the_verdict_unknown_and_it_says_what_is_missing(lab, tmp_path):
    with (
        stranger(lab) as target,
        Interceptor(lab.network, Vector(), [target], lab.authority) as interceptor,
    ):
        address, port = interceptor.address(587)
        base = [tool("swaks"), "--server", address, "--port", str(port), "--to", "bob@lab.test", "--tls"]
        done = run([*base, "--auth", "PLAIN", "--auth-user", "alice", "--auth-password", "hunter2", "--timeout", "5"])
    assert b"250 stored" in done.stdout, done.stdout
    case = Case(interceptor.vector, [Evidence(one, {}) for one in interceptor.sessions], False, [])
    verdict = judge(case)
    assert verdict.outcome == "unknown" and "inside TLS" in verdict.why and "secret" in verdict.why


# ---- command injection is proven by a reply that only it can have caused


@pytest.mark.parametrize(
    ("protocol", "said"),
    (
        ("smtp", b"VRFY mallory\nEHLO x\nQUIT\n"),
        ("smtp", b"VRFY bob\nQUIT\n"),
        ("pop3", b"STAT\nCAPA\nQUIT\n"),
        ("pop3", b"AUTH X-MALLORY\nQUIT\n"),
        ("imap", b"mallory NOOP\na LOGOUT\n"),
        ("imap", b"a NOOP\nmallory LOGOUT\n"),
    ),
)
@pytest.mark.parametrize("kept", (False, True), ids=("a good server", "a server that keeps its buffer"))
def test_a_victim_that_says_the_injected_command_itself_is_not_deceived_unless_it_ran_twice(
    lab, tmp_path, protocol, said, kept
):
    server = getattr(lab, protocol)(auth="always", quirks=("keeps the buffer",) if kept else ())
    with lab.mallory(attacks.CommandInjection(), at=server) as mallory:
        typed(lab, mallory, server, tmp_path, said)
    assert mallory.edits
    assert (mallory.verdict.outcome == "deceived") == kept, mallory.verdict


def test_a_victim_whose_words_became_the_attackers_mail_is_deceived_though_that_was_never_stored(lab):
    """The server has verified nothing of it, so not even the wrong password was refused."""
    server = lab.smtp(auth="always", quirks=("keeps the buffer",), replace=True)
    with lab.mallory(attacks.StealByInjection(), at=server) as mallory:
        client = smtplib.SMTP(*mallory.address(server), timeout=60)
        client.starttls()
        client.login("alice", "wrong")
        client.quit()
    assert mallory.verdict.outcome == "deceived", mallory.verdict
    shown = mallory.verdict.evidence[0]
    assert shown.startswith(("250-mail.lab.test", "235 2.7.0")), "the first reply that came before its command"


# ---- what was not secret


def test_a_client_that_asks_inside_the_attackers_tls_is_deceived_and_one_that_takes_its_leave_is_not(lab, tmp_path):
    server = lab.start("nntp", auth="always")
    for said, outcome in ((b"GROUP x\nQUIT\n", "deceived"), (b"QUIT\n", "stopped")):
        with lab.mallory(attacks.SelfSigned(), at=server) as mallory:
            typed(lab, mallory, server, tmp_path, said)
        assert (mallory.verdict.outcome, mallory.loot.secrets) == (outcome, ()), mallory.verdict


def test_a_client_that_said_nothing_secret_in_clear_text_is_not_said_to_have_said_nothing(lab):
    server = lab.smtp()
    with lab.mallory(attacks.StripCapability(), at=server) as mallory:
        spoken(lab, mallory, server, b"EHLO a\nMAIL FROM:<a@lab.test>\nRCPT TO:<b@lab.test>\nQUIT\n")
    assert mallory.verdict.outcome == "stopped" and "nothing in clear text that is secret" in mallory.verdict.why


# ---- two victims are two


def test_two_victims_of_different_age_are_not_one_that_tries_again_with_less(lab, tmp_path):
    server = lab.smtp(auth="always")
    with lab.mallory(Vector(), at=server) as mallory:
        typed(lab, mallory, server, tmp_path, b"EHLO x\nQUIT\n")
        typed(lab, mallory, server, tmp_path, b"EHLO x\nQUIT\n", "-tls1_2")
        assert lab.send(server, "x", policy=policies.verified)
    assert mallory.verdict.outcome != "deceived"
    assert len(mallory.verdict.each) == 3


def test_each_of_two_victims_is_told(lab):
    server = lab.smtp(auth="always")
    with lab.mallory(attacks.StripCapability(), at=server) as mallory:
        lab.send(server, "The PIN is 4921", login=LOGIN, policy=policies.verified)
        lab.send(server, "The PIN is 4921", login=LOGIN, policy=policies.opportunistic)
    assert [verdict.outcome for verdict in mallory.verdict.each] == ["stopped", "leaked"]
    assert mallory.verdict.outcome == "leaked" and "victim 1, stopped" in repr(mallory.verdict)
    agrees(mallory)


def test_of_two_victims_at_once_the_one_that_was_refused_is_told(lab):
    server, meeting = lab.smtp(auth="always"), threading.Barrier(2, timeout=LONGEST_WAIT)

    def visit(password):
        meeting.wait()
        lab.send(server, "x", login=("alice", password), policy=policies.verified, timeout=LONGEST_WAIT)

    with lab.mallory(Vector(), at=server) as mallory:
        both = [threading.Thread(target=visit, args=(password,)) for password in ("wrong", "hunter2")]
        for one in both:
            one.start()
        for one in both:
            one.join(LONGEST_WAIT)
    assert mallory.verdict.outcome == "broken" and "refused the victim's login" in repr(mallory.verdict)


# ---- visitors that show nothing


def knock(lab, server, said):
    """Connect as a port scan does, read the greeting if there is one, send this, and leave."""
    with lab.alice.connect(server.host, server.port) as client:
        client.settimeout(LONGEST_WAIT)
        if server.protocol in ("SMTP", "IMAP"):
            client.recv(1024)
        client.sendall(said)
        client.shutdown(socket.SHUT_WR)
        while client.recv(1024):
            pass


@pytest.mark.parametrize(
    ("protocol", "said"),
    (
        ("smtp", b""),
        ("smtp", b"QUIT\r\n"),
        ("smtp", b"EHL"),
        ("imap", b""),
        ("imap", b"x LOGOUT\r\n"),
        ("xmpp", b""),
        ("ldap", b""),
        ("postgresql", b""),
    ),
)
def test_a_visitor_that_asks_for_nothing_shows_nothing(lab, protocol, said):
    server = lab.start(protocol)
    with lab.mallory(Vector(), at=server) as mallory:
        knock(lab, server, said)
    assert mallory.verdict.outcome == "unknown" and "asked for nothing" in mallory.verdict.why
    assert mallory.sessions == 1


def test_a_visitor_that_asks_what_is_offered_and_leaves_went_no_further(lab):
    server = lab.smtp()
    with lab.mallory(attacks.StripCapability(), at=server) as mallory:
        knock(lab, server, b"EHLO x\r\nQUIT\r\n")
    assert mallory.verdict.outcome == "stopped"


def test_a_visitor_that_asks_for_nothing_does_not_hide_what_became_of_a_client(lab):
    server = lab.smtp(auth="always")
    with lab.mallory(Vector(), at=server) as mallory:
        knock(lab, server, b"")
        assert lab.send(server, "x", policy=policies.verified)
        knock(lab, server, b"QUIT\r\n")
    assert mallory.verdict.outcome == "unharmed" and mallory.sessions == 3


def test_a_client_that_never_connects_is_unknown_in_its_own_words(lab):
    server, other = lab.smtp(), lab.smtp(port=2525)
    with lab.mallory(attacks.StripCapability(), at=server) as mallory:
        outcome = lab.send(other, "x", policy=policies.verified)
    assert mallory.verdict.outcome == "unknown" and mallory.verdict.evidence == (repr(outcome),)


# ---- session fixation, and a recipient that the attacker has rewritten


@pytest.mark.parametrize("protocol", ("imap", "pop3"))
def test_a_server_that_keeps_the_attackers_login_is_deceived(lab, tmp_path, protocol):
    for quirks, outcome in ((("keeps the login",), "deceived"), ((), None)):
        server = getattr(lab, protocol)(auth="always", quirks=quirks, replace=True)
        with lab.mallory(attacks.SessionFixation(), at=server) as mallory:
            curl(lab, mallory, server, tmp_path, "--ssl-reqd")
        assert (mallory.verdict.outcome == "deceived") == (outcome == "deceived"), mallory.verdict


class Redirecting(Vector):
    """Has the mail go to another recipient."""

    def on_line(self, line):
        if line.title == "RCPT":
            return Replace(b"RCPT TO:<mallory@lab.test>\r\n")
        return attacks.StripCapability().on_line(line) or Pass()


def test_a_recipient_that_was_rewritten_is_in_the_verdict(lab, tmp_path):
    server = lab.smtp(auth="always")
    with lab.mallory(Redirecting(), at=server) as mallory:
        swaks(lab, mallory, server, tmp_path, "--tls-optional")
    assert len(lab.mailbox("mallory")) == 1
    assert mallory.verdict.outcome == "leaked"
    assert "the mail for bob@lab.test went to mallory@lab.test" in repr(mallory.verdict)


class Lying(Vector):
    """Changes a number in the second mail, in what either end says, and the address of the sender."""

    def on_line(self, line):
        changed = line.data.replace(b"PIN is 1", b"PIN is 0").replace(b"FROM:<alice", b"FROM:<eve")
        return attacks.StripCapability().on_line(line) or Replace(changed)


@pytest.mark.parametrize("protocol", ("smtp", "imap", "pop3"))
def test_a_mail_that_was_changed_on_its_way_is_in_the_verdict(lab, protocol):
    server = getattr(lab, protocol)(auth="always")
    for text in ("The PIN is 9", "The PIN is 1"):
        trials.deliver(lab, "alice", text)
    with lab.mallory(Lying(), at=server) as mallory:
        if protocol == "smtp":
            said = b"EHLO a\nMAIL FROM:<alice@lab.test>\nRCPT TO:<bob@lab.test>\nDATA\nfor The PIN is 9\n.\n"
            spoken(lab, mallory, server, said + said.partition(b"\n")[2].replace(b"9", b"1"))
        else:
            lab.fetch(server, login=LOGIN, policy=policies.none)
    told = repr(mallory.verdict)
    if protocol == "smtp":
        assert "the message 'for The PIN is 1' went on as 'for The PIN is 0'" in told
        assert "the sender 'alice@lab.test' went on as 'eve@lab.test'" in told
    else:
        assert "the message 'The PIN is 1' reached the victim as 'The PIN is 0'" in told
    assert mallory.verdict.outcome == "leaked"
    assert "PIN is 9' went" not in told and "PIN is 9' reached" not in told


class Swapping(Vector):
    """Exchanges two recipients."""

    def on_line(self, line):
        if line.title == "RCPT":
            return Replace(line.data.translate(bytes.maketrans(b"xy", b"yx")))
        return attacks.StripCapability().on_line(line) or Pass()


def test_recipients_that_were_exchanged_are_rewritten(lab, tmp_path):
    server = lab.smtp(auth="always")
    with lab.mallory(Swapping(), at=server) as mallory:
        said = b"EHLO a\nMAIL FROM:<alice@lab.test>\nRCPT TO:<x@lab.test>\nDATA\nfor x\n.\n"
        spoken(lab, mallory, server, said + said.partition(b"\n")[2].replace(b"x", b"y"))
    assert "the mail for x@lab.test, y@lab.test went to y@lab.test, x@lab.test" in repr(mallory.verdict)


def spoken(lab, mallory, server, said):
    """What a person types in clear text, line by line."""
    with socket.create_connection(mallory.address(server), LONGEST_WAIT) as sock, sock.makefile("rb") as heard:
        heard.readline()
        for line in said.splitlines(keepends=True):
            sock.sendall(line.replace(b"\n", b"\r\n"))
            while not line.startswith(b"for") and heard.readline()[3:4] == b"-":
                pass


def test_a_mail_that_the_victim_itself_writes_to_the_attacker_is_not_stolen(lab):
    server = lab.smtp()
    with lab.mallory(Vector(), at=server) as mallory:
        for one in ("mallory@lab.test", "bob@lab.test, mallory@lab.test"):
            lab.send(server, "The PIN is 4921", login=LOGIN, policy=policies.verified, recipient=one)
    assert len(lab.mailbox("mallory")) == 2
    assert (mallory.verdict.outcome, mallory.loot.secrets) == ("unharmed", ())


# ---- records, not prose and not addresses of objects


def test_new_mail_is_new_after_other_mail_was_deleted(lab):
    server = lab.smtp(quirks=("keeps the buffer",))
    for _ in range(20):
        lab.send(lab.smtp(port=25), "old", recipient="mallory@lab.test") if (("mail", 25) not in lab.servers) else None
        lab.send(lab.servers["mail", 25], "old", recipient="mallory@lab.test")
    for number in range(5):
        with lab.mallory(attacks.StealByInjection(), at=server) as mallory:
            inbox = lab.mailbox("mallory")
            inbox.remove(inbox.entries[: len(inbox.entries) - number])
            lab.send(server, "The PIN is 4921", login=LOGIN, policy=policies.verified)
        assert mallory.verdict.outcome == "leaked", number
        read = [(item.what, item.value) for item in mallory.loot if item.what in ("password", "message")]
        assert read == [("password", "hunter2"), ("message", "The PIN is 4921")], "each once, in their order"


@pytest.mark.parametrize("capture", ("auto", "tap"))
def test_a_connection_to_a_server_of_the_attackers_own_is_not_part_of_the_attack(capture):
    with Lab("loopback", capture=capture) as lab:
        server, own = lab.smtp(auth="always"), lab.smtp(port=2525, host="mallory")
        with lab.mallory(attacks.StripCapability(), at=server) as mallory:
            lab.send(own, "x", policy=policies.none)
            lab.send(server, "x")
            with lab.mallory.connect("mail", 587) as sock:
                sock.recv(100)
        assert [d.server_name for d in mallory.victim_side.dialogues] == ["mallory posing as mail"]
        assert len(mallory.server_side.dialogues) == 1


def test_a_session_that_is_over_is_read_once_however_often_the_verdict_is_asked_for(lab, monkeypatch):
    server, read = lab.smtp(), []
    real = evidence.read
    monkeypatch.setattr(evidence, "read", lambda *given, **how: read.append(given) or real(*given, **how))
    with lab.mallory(Vector(), at=server) as mallory:
        for _ in range(10):
            with lab.alice.connect("mail", 587) as sock:
                sock.sendall(b"\xff\x00rubbish\r\n" * 200)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass
    first = mallory.verdict
    once = len(read)
    assert mallory.verdict is first and repr(mallory) and mallory.loot == []
    assert len(read) == once


@pytest.mark.parametrize("port", [24, 2526])
def test_what_she_read_inside_her_own_tls_is_known_on_a_port_that_tells_nothing_or_lies(lab, port):
    server = lab.smtp(port=port)
    with lab.mallory(attacks.SelfSigned(), at=server) as mallory:
        lab.send(server, "The PIN is 4921", login=LOGIN, policy=policies.mandatory)
    assert mallory.verdict.outcome == "leaked" and {"password", "message"} <= set(mallory.verdict.secrets)
    agrees(mallory)


def test_the_lessons_name_every_outcome():
    from labkit.attacks.verdict import OUTCOMES

    lesson = (Path(__file__).parents[2] / "notebooks" / "08_stripping.ipynb").read_text(encoding="utf-8")
    assert all(f"*{outcome}*" in lesson for outcome in OUTCOMES) and "one of six words" in lesson
