"""IMAP and POP3 between programs from elsewhere are decoded, and opened, as tshark does it."""

import csv
import imaplib
import os
import poplib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from dovecot import dovecot
from dovecot_home import MAIL, PORTS
from thoroughly import every
from tools import tool

from labkit import Lab, policies, read_capture
from labkit.decode.event import CLIENT, SERVER, TEXT, TLS, Dialogue
from labkit.decode.privacy import visible

LOGIN = ("alice", "hunter2")
LETTER = b"Subject: kept\r\n\r\nFrom me to me\r\n"
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
WAYS = [("clear", "")] + [(way, version) for way in ("explicit", "implicit") for version in VERSIONS]
TODAY = [("clear", ""), ("explicit", "TLS 1.3"), ("implicit", "TLS 1.3")]


class Caught(NamedTuple):
    """What was captured of one conversation."""

    path: Path
    clear: Dialogue
    opened: Dialogue


@pytest.fixture(scope="module")
def server():
    with dovecot() as addresses:
        yield addresses


@pytest.fixture
def lab():
    with Lab(network="loopback", capture="tap") as lab:
        yield lab


@pytest.fixture
def catch(lab, server, tmp_path):
    """Capture one conversation: ``with catch("imap") as (address, keylog, caught)``; `caught` is filled at the end."""

    @contextmanager
    def catching(protocol: str) -> Iterator[tuple[tuple[str, int], Path, list[Caught]]]:
        keylog, path, caught = tmp_path / "keys.txt", tmp_path / "caught.pcapng", []
        keylog.touch()
        with lab.capture() as capture:
            yield lab.network.diversion("alice", "mail", PORTS[protocol], server[protocol]), keylog, caught
        capture.keylog = keylog.read_text()
        capture.save(path)
        caught.append(Caught(path, read_capture(path).dialogue, read_capture(path).decrypted().dialogue))

    return catching


def context(keylog: Path, version: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.minimum_version = made.maximum_version = VERSIONS[version]
    made.keylog_filename = str(keylog)
    return made


# ---- sessions


def with_imaplib(address, keylog, way, version):
    if way == "implicit":
        client = imaplib.IMAP4_SSL(*address, ssl_context=context(keylog, version), timeout=60)
    else:
        client = imaplib.IMAP4(*address, timeout=60)
    if way == "explicit":
        client.starttls(context(keylog, version))
    client.login(*LOGIN)
    client.list()
    client.status("INBOX", "(MESSAGES UNSEEN)")
    client.append("INBOX", r"(\Flagged)", None, LETTER)
    client.select("INBOX")
    client.search(None, "SUBJECT", '"kept"')
    client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[TEXT])")
    client.fetch("1", "(RFC822)")
    client.store("1", "+FLAGS", r"(\Seen)")
    client.noop()
    client.logout()


def with_poplib(address, keylog, way, version):
    if way == "implicit":
        client = poplib.POP3_SSL(*address, context=context(keylog, version), timeout=60)
    else:
        client = poplib.POP3(*address, timeout=60)
    client.capa()
    if way == "explicit":
        client.stls(context(keylog, version))
        client.capa()
    client.user(LOGIN[0])
    client.pass_(LOGIN[1])
    client.stat()
    client.list()
    client.list(1)
    client.uidl()
    client.top(1, 0)
    client.retr(1)
    client.dele(1)
    client.rset()
    client.noop()
    client.quit()


SESSIONS = {"imap": with_imaplib, "pop3": with_poplib}


def curl(address, keylog, scheme, path, *more):
    command = [tool("curl"), "-sS", "--noproxy", "*", "-k", "-u", ":".join(LOGIN), *more]
    command.append("{}://{}:{}/{}".format(scheme, *address, path))
    environment = {**os.environ, "SSLKEYLOGFILE": str(keylog)}
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True).stdout


# ---- what tshark says

FIELDS = ("imap.request", "imap.response", "pop.request.command", "pop.response.indicator")
FIELDS += ("tls.handshake.type", "tls.alert_message.desc")


def tshark(path: Path) -> dict[str, list[str]]:
    """All values of each of `FIELDS`, in order."""
    wanted = [word for field in FIELDS for word in ("-e", field)]
    command = [tool("tshark"), "-r", str(path), "-2", "-T", "fields", "-E", "header=y", "-E", "separator=/t", *wanted]
    output = subprocess.run(
        [*command, "-E", "aggregator=~"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    rows = list(csv.DictReader(output.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    return {field: [value for row in rows for value in row[field].split("~") if value] for field in FIELDS}


def agrees_with_tshark(caught: Caught) -> None:
    said = tshark(caught.path)
    texts = [event for event in caught.opened.events if event.layer == TEXT]
    if caught.opened.dialect.name == "IMAP":
        asked = [event for event in texts if event.kind == "command" and event.title != "DONE"]
        tags = {event.text.split()[0] for event in asked}
        # tshark takes what follows a literal, and each part of a login, for another request.
        assert _tagged(said["imap.request"], tags) == [event.text for event in asked]
        tagged = [event for event in texts if event.kind in ("reply", "go-ahead", "refusal") and event.title != "+"]
        assert _tagged(said["imap.response"], tags) == [event.text for event in tagged]
    else:
        answers = ["+OK" if event.kind == "message" else event.title for event in texts if event.sender == SERVER]
        assert said["pop.response.indicator"] == [title for title in answers if title != "+"]
        asked = [event.title for event in texts if event.kind == "command"]
        assert [word for word in said["pop.request.command"] if word.isupper()] == asked
    messages = [event for event in caught.opened.events if event.layer == TLS]
    assert said["tls.handshake.type"] == [str(event.data[0]) for event in messages if event.kind == "handshake"]
    assert said["tls.alert_message.desc"] == [str(event.data[1]) for event in messages if event.kind == "alert"]


def _tagged(lines: list[str], tags: set[str]) -> list[str]:
    return [line for line in lines if line.split(" ", 1)[0] in tags]


# ---- claims


@pytest.mark.parametrize("session", every(WAYS, once=[("explicit", "TLS 1.3")]), ids="-".join)
@pytest.mark.parametrize("protocol", SESSIONS)
def test_a_session_of_pythons_own_client_is_read_as_tshark_reads_it(catch, protocol, session):
    way, version = session
    with catch(f"{protocol}s" if way == "implicit" else protocol) as (address, keylog, caught):
        SESSIONS[protocol](address, keylog, way, version)
    (one,) = caught
    agrees_with_tshark(one)
    assert all(event.kind != "unknown" and "unknown" not in event.title for event in one.opened.events)
    session = one.opened.session
    assert (session.started, session.version, session.opened) == (way, version, True) if session else way == "clear"
    inside = [event for event in one.opened.events if event.kind == "message" and event.sender == SERVER]
    assert all(event.encrypted == (way != "clear") for event in inside) and len(inside) >= 2


@pytest.mark.parametrize("protocol", SESSIONS)
def test_what_is_read_on_the_way_is_everything_in_clear_text_and_no_secret_with_tls(catch, protocol):
    with catch(protocol) as (address, keylog, caught):
        SESSIONS[protocol](address, keylog, "clear", "")
    told = {(exposure.what, exposure.value) for exposure in visible(caught[0].clear)}
    assert {("user name", "alice"), ("password", "hunter2"), ("subject", "dots"), ("from", "bob@lab.test")} <= told
    assert any(what == "message" and "PIN 4921" in text for what, text in told)
    with catch(protocol) as (address, keylog, caught):
        SESSIONS[protocol](address, keylog, "explicit", "TLS 1.3")
    told = {what for what, _ in ((e.what, e.value) for e in visible(caught[0].opened))}
    assert told <= {"server name", "cipher suite"}


def test_the_mailboxes_that_a_client_opens_and_lists_and_what_it_looks_for_can_be_read(catch):
    with catch("imap") as (address, keylog, caught):
        with_imaplib(address, keylog, "clear", "")
    told = [(exposure.what, exposure.value) for exposure in visible(caught[0].clear)]
    assert told.count(("mailbox", "INBOX")) >= 4
    assert ("search", 'SUBJECT "kept"') in told and ("message", "From me to me") in told


@pytest.mark.parametrize(
    ("protocol", "path", "options"),
    [
        ("imap", "INBOX;MAILINDEX=1", ()),
        ("imap", "INBOX;MAILINDEX=1", ("--ssl-reqd", "--tls-max", "1.2")),
        ("imap", "INBOX;MAILINDEX=1", ("--ssl-reqd", "--login-options", "AUTH=LOGIN")),
        ("imaps", "INBOX;MAILINDEX=1", ()),
        ("pop3", "1", ()),
        ("pop3", "1", ("--ssl-reqd", "--tls-max", "1.2")),
        ("pop3", "1", ("--ssl-reqd", "--login-options", "AUTH=LOGIN")),
        ("pop3s", "1", ("--tls-max", "1.2")),
    ],
)
def test_curl_reads_the_mail_and_so_do_we(catch, protocol, path, options):
    with catch(protocol) as (address, keylog, caught):
        assert curl(address, keylog, protocol, path, *options) == MAIL
    agrees_with_tshark(caught[0])
    dialogue = caught[0].opened
    (message,) = (event for event in dialogue.events if event.kind == "message")
    ((start, end),) = dialogue.dialect.messages(message.data)
    stuffed = MAIL.replace(b"\r\n.", b"\r\n..")
    assert message.data[start:end] == (stuffed if dialogue.dialect.name == "POP3" else MAIL)


TYPED = {
    "imap": [(b"a1 LOGIN alice hunter2", b"a1 OK"), (b"a2 SELECT INBOX", b"a2 OK"), (b"a3 LOGOUT", b"a3 OK")],
    "pop3": [(b"CAPA", b"."), (b"USER alice", b"+OK"), (b"PASS hunter2", b"+OK"), (b"QUIT", b"+OK")],
}


@pytest.mark.parametrize("protocol", SESSIONS)
def test_openssl_upgrades_and_what_is_typed_into_it_is_read(catch, protocol):
    with catch(protocol) as (address, keylog, caught):
        options = ["-starttls", protocol, "-crlf", "-ign_eof", "-keylogfile", str(keylog)]
        command = [tool("openssl"), "s_client", "-connect", "{}:{}".format(*address), *options]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as client:
            for line, answer in TYPED[protocol]:
                client.stdin.write(line + b"\n")
                client.stdin.flush()
                while not client.stdout.readline().startswith(answer):
                    pass
    agrees_with_tshark(caught[0])
    inside = (event for event in caught[0].opened.events if event.encrypted and event.layer == TEXT)
    assert [event.text for event in inside if event.sender == CLIENT] == [line.decode() for line, _ in TYPED[protocol]]


def test_literals_idle_and_commands_sent_ahead_are_followed_with_a_real_server(catch):
    with catch("imap") as (address, _, caught), socket.create_connection(address, 10) as client:
        answers = client.makefile("rb")

        def say(data: bytes, until: bytes) -> None:
            client.sendall(data)
            while not answers.readline().startswith(until):
                pass

        say(b"a1 LOGIN {5}\r\n", b"+")
        say(b"alice {7}\r\n", b"+")
        say(b"hunter2\r\n", b"a1 OK")
        say(b"a2 APPEND INBOX {%d+}\r\n%s\r\na3 SELECT {5+}\r\nINBOX\r\na4 IDLE\r\n" % (len(LETTER), LETTER), b"+")
        say(b"DONE\r\na5 NOOP\r\na6 LOGOUT\r\n", b"a6 OK")
    said = [event for event in caught[0].clear.events if (event.sender, event.layer) == (CLIENT, TEXT)]
    assert [(event.kind, event.title) for event in said] == [
        *(("command", "LOGIN"), ("continuation", "LOGIN"), ("continuation", "LOGIN")),
        *(("command", "APPEND"), ("message", "message"), ("command", "SELECT"), ("continuation", "SELECT")),
        *(("command", "IDLE"), ("command", "DONE"), ("command", "NOOP"), ("command", "LOGOUT")),
    ]
    told = [(exposure.what, exposure.value) for exposure in visible(caught[0].clear)]
    assert told[:2] == [("user name", "alice"), ("password", "hunter2")] and ("subject", "kept") in told


# ---- captures that dumpcap made of Dovecot with curl and openssl, on the real ports


@pytest.mark.parametrize(
    ("name", "started", "version", "titles"),
    [
        ("imap_curl.pcap", "", "", ["CAPABILITY", "AUTHENTICATE", "SELECT", "FETCH", "LOGOUT"]),
        ("imap_starttls_curl_tls13.pcapng", "explicit", "TLS 1.3", ["CAPABILITY", "STARTTLS", "CAPABILITY"]),
        ("pop3_curl.pcap", "", "", ["CAPA", "AUTH", "RETR", "QUIT"]),
        (
            "pop3_stls_openssl_tls12.pcapng",
            "explicit",
            "TLS 1.2",
            ["STLS", "CAPA", "USER", "PASS", "LIST", "TOP", "QUIT"],
        ),
    ],
)
def test_a_capture_of_others_is_read_and_opened_by_what_is_in_it(name, started, version, titles):
    path = Path(__file__).parent / "captures" / name
    one = Caught(path, read_capture(path).dialogue, read_capture(path).decrypted().dialogue)
    agrees_with_tshark(one)
    assert [event.title for event in one.opened.events if event.kind == "command"][: len(titles)] == titles
    session = one.opened.session
    assert (session.started, session.version, session.opened) == (started, version, True) if started else not session
    assert any(event.kind == "message" and b"PIN 4921" in event.data for event in one.opened.events) or "TOP" in titles
    assert ("password", "hunter2") in {(e.what, e.value) for e in visible(one.clear)} or started


# ---- the lab's own clients and servers


@pytest.mark.parametrize("session", every(WAYS, once=TODAY), ids="-".join)
@pytest.mark.parametrize("protocol", SESSIONS)
def test_what_the_lab_itself_says_is_read_as_tshark_reads_it(lab, tmp_path, protocol, session):
    way, version = session
    policy = {"clear": policies.none, "explicit": policies.mandatory, "implicit": policies.implicit}[way]
    server = getattr(lab, protocol)(auth="always", implicit=way == "implicit", tls=(version or "TLS 1.3",))
    assert lab.send(lab.smtp(), "PIN 4921", subject="fetched")
    with lab.capture() as capture:
        (message,) = lab.fetch(server, policy=policy, tls=(version or "TLS 1.3",)).messages
    assert message.subject == "fetched"
    capture.save(tmp_path / "lab.pcapng")
    one = Caught(tmp_path / "lab.pcapng", capture.dialogue, capture.decrypted().dialogue)
    agrees_with_tshark(one)
    told = {(exposure.what, exposure.value) for exposure in visible(one.clear)}
    secrets = {("user name", "bob"), ("password", "swordfish"), ("subject", "fetched")}
    assert secrets <= told if way == "clear" else not secrets & told
    assert not any("unknown" in (event.kind, event.title[:7]) for event in one.opened.events)
