"""Mistakes that real servers made: each is made when it is asked for, and not otherwise."""

import pytest
from wire import connected, plain

from labkit import policies
from labkit.servers.quirks import ALL, KEEPS_BUFFER, KEEPS_LOGIN, KEEPS_OFFER, PREAUTH, REFUSES

PROTOCOLS = ("SMTP", "IMAP", "POP3")
HARMLESS = {"SMTP": (b"EHLO evil.lab.test", "250-mail"), "IMAP": (b"x CAPABILITY", "* CAPA"), "POP3": (b"CAPA", "+OK")}
"""A command that may stand behind STARTTLS -> how the answer to it begins."""


def _start(lab, protocol, *quirks):
    return {"SMTP": lab.smtp, "IMAP": lab.imap, "POP3": lab.pop3}[protocol](auth="always", quirks=quirks)


def _log_in(wire, user, password):
    if hasattr(wire, "log_in"):
        return wire.log_in(user, password)
    wire.say(b"EHLO x")
    return wire.say(plain(user, password))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_that_keeps_its_buffer_answers_inside_tls_what_was_said_before(lab, trusting, protocol):
    command, answer = HARMLESS[protocol]
    with connected(lab, _start(lab, protocol, KEEPS_BUFFER)) as wire:
        assert wire.goes_ahead(wire.starttls(trusting, command))
        assert wire.reply().startswith(answer)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_any_other_server_throws_away_what_stands_behind_starttls(lab, trusting, protocol):
    server = _start(lab, protocol, KEEPS_LOGIN)
    command, _ = HARMLESS[protocol]
    with connected(lab, server) as wire:
        assert wire.goes_ahead(wire.starttls(trusting, command))
        wire.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            wire.sock.recv(1)
    assert f"{len(command) + 2} bytes behind the command that starts TLS are thrown away" in repr(server.log)
    assert f"C: {command.decode()}" not in repr(server.log)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_half_a_command_is_completed_by_what_the_client_says_inside_tls(lab, trusting, protocol):
    command, answer = HARMLESS[protocol]
    with connected(lab, _start(lab, protocol, KEEPS_BUFFER)) as wire:
        wire.send(wire.upgrade + b"\r\n" + command[:3])
        assert wire.goes_ahead(wire.reply())
        wire.sock = trusting.wrap_socket(wire.sock, server_hostname="mail.lab.test")
        wire._file = wire.sock.makefile("rb")
        assert wire.say(command[3:]).startswith(answer)


def test_an_injected_upload_swallows_what_the_client_says_first(lab, trusting):
    injected = (b"a LOGIN mallory letmein", b"b APPEND Drafts {31+}")
    with connected(lab, _start(lab, "IMAP", KEEPS_BUFFER)) as wire:
        wire.starttls(trusting, *injected)
        assert wire.line().startswith("a OK")
        wire.send(b"x LOGIN bob swordfish\r\nx LIST a\r\n")
        assert wire.line().startswith("b OK")
    (stolen,) = lab.mailbox("mallory", "Drafts")
    assert stolen.data == b"x LOGIN bob swordfish\r\nx LIST a"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_login_before_tls_survives_where_a_server_keeps_it(lab, trusting, protocol):
    with connected(lab, _start(lab, protocol, KEEPS_LOGIN)) as wire:
        _log_in(wire, b"mallory", b"letmein")
        assert wire.goes_ahead(wire.starttls(trusting))
        again = _log_in(wire, b"bob", b"swordfish")
        assert again.startswith(("503 Already authenticated", "x BAD LOGIN is not possible", "-ERR PASS is not"))


@pytest.mark.parametrize(
    "protocol, refusal", (("IMAP", "x BAD STARTTLS is not possible"), ("POP3", "-ERR STLS is not"))
)
def test_any_other_imap_and_pop3_server_refuses_tls_after_a_login(lab, trusting, protocol, refusal):
    with connected(lab, _start(lab, protocol, KEEPS_BUFFER)) as wire:
        _log_in(wire, b"mallory", b"letmein")
        assert wire.starttls(trusting).startswith(refusal)


def test_any_other_smtp_server_forgets_the_login(lab, trusting):
    with connected(lab, _start(lab, "SMTP", KEEPS_BUFFER)) as wire:
        _log_in(wire, b"mallory", b"letmein")
        wire.starttls(trusting)
        assert _log_in(wire, b"alice", b"hunter2").startswith("235")


def test_mail_that_is_sent_under_a_fixed_login_counts_as_the_attackers(lab, trusting):
    server = _start(lab, "SMTP", KEEPS_LOGIN)
    with connected(lab, server) as wire:
        _log_in(wire, b"mallory", b"letmein")
        wire.starttls(trusting)
        for line in (b"EHLO x", b"MAIL FROM:<alice@lab.test>", b"RCPT TO:<bob@lab.test>", b"DATA", b"\r\n."):
            answer = wire.say(line)
        assert answer.startswith("250")
    assert (server.mailbox[0].user, server.mailbox[0].over) == ("mallory", "TLS 1.3")


def test_preauth_leaves_no_way_to_tls(lab, trusting):
    with connected(lab, lab.imap(quirks=(PREAUTH,)), greeting="* PREAUTH [CAPABILITY IMAP4rev1") as wire:
        assert "STARTTLS" not in wire.do(b"CAPABILITY")
        assert wire.say(b"x STARTTLS").startswith("x BAD")
        assert "EXISTS" in wire.do(b"SELECT INBOX")


def test_only_a_client_that_stops_without_tls_stops_at_preauth(lab):
    lab.send(lab.smtp(), "The PIN is 4921")
    server = lab.imap(quirks=(PREAUTH,))
    exposed = lab.fetch(server)
    assert exposed.how == "clear text" and "PREAUTH" in exposed.why and exposed.messages[0].text == "The PIN is 4921"
    for policy in (policies.mandatory, policies.verified):
        outcome = lab.fetch(server, policy=policy)
        assert not outcome and "PREAUTH" in outcome.why and not outcome.messages


def test_every_quirk_says_what_it_is_what_it_breaks_and_where_it_was_seen():
    assert [quirk.name for quirk in ALL] == [KEEPS_BUFFER, KEEPS_LOGIN, PREAUTH, REFUSES, KEEPS_OFFER]
    for quirk in ALL:
        assert quirk.what and "RFC" in quirk.rule and all("CVE-" in place for place in quirk.seen)
