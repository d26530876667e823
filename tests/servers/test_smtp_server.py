"""The SMTP server, one line at a time: what it offers when, and what it forgets."""

import base64

import pytest
from wire import connected, plain

from labkit import Lab
from labkit.errors import LabError

EHLO = b"EHLO alice.lab.test"
ENVELOPE = (b"MAIL FROM:<alice@lab.test>", b"RCPT TO:<bob@lab.test>", b"DATA")


def _deliver(wire, data: bytes) -> str:
    for line, code in zip(ENVELOPE, ("250", "250", "354"), strict=True):
        assert wire.say(line).startswith(code)
    return wire.say(data + b".")


def test_starttls_is_offered_before_tls_and_login_only_after(lab, trusting):
    with connected(lab, lab.smtp()) as wire:
        before = wire.say(EHLO)
        assert "STARTTLS" in before and "AUTH" not in before
        assert wire.say(plain(b"alice", b"hunter2")).startswith("538")
        assert wire.starttls(trusting).startswith("220")
        after = wire.say(EHLO)
        assert "STARTTLS" not in after and "250-AUTH LOGIN PLAIN" in after.split("\n")
        assert wire.say(b"STARTTLS").startswith("503")


def test_a_reply_to_ehlo_is_one_segment(lab):
    with connected(lab, lab.smtp()) as wire:
        wire.sock.sendall(EHLO + b"\r\n")
        segment = wire.sock.recv(4096)
        assert segment.endswith(b"\r\n250 HELP\r\n") and segment.count(b"\r\n250-") >= 2


@pytest.mark.parametrize("starttls", ("offered", "off"))
def test_login_before_tls_is_offered_when_the_lesson_wants_it(lab, starttls):
    with connected(lab, lab.smtp(auth="always", starttls=starttls)) as wire:
        assert "AUTH LOGIN PLAIN" in wire.say(EHLO)
        assert wire.say(plain(b"alice", b"hunter2")).startswith("235")


def test_without_mechanisms_no_login_is_offered_or_possible(lab, trusting):
    with connected(lab, lab.smtp(auth="none")) as wire:
        wire.say(EHLO)
        wire.starttls(trusting)
        assert "AUTH" not in wire.say(EHLO)
        assert wire.say(plain(b"alice", b"hunter2")).startswith("504")


def test_a_single_mechanism_can_be_offered(lab):
    with connected(lab, lab.smtp(auth="always", mechanisms=("LOGIN",))) as wire:
        assert "250-AUTH LOGIN\n" in wire.say(EHLO)
        assert wire.say(plain(b"alice", b"hunter2")).startswith("504")
        challenges = [base64.b64decode(wire.say(line)[4:]) for line in (b"AUTH LOGIN", base64.b64encode(b"alice"))]
        assert challenges == [b"Username:", b"Password:"]
        assert wire.say(base64.b64encode(b"hunter2")).startswith("235")


@pytest.mark.parametrize(
    "attempt", ((b"alice", b"hunter3"), (b"bob", b"hunter2"), (b"", b""), (b"alice", b""), (b"\xff", b"\xfe"))
)
def test_a_wrong_login_is_refused(lab, attempt):
    with connected(lab, lab.smtp(auth="always")) as wire:
        wire.say(EHLO)
        assert wire.say(plain(*attempt)).startswith("535")
        assert wire.say(plain(b"alice", b"hunter2")).startswith("235")


@pytest.mark.parametrize("line", (b"AUTH", b"AUTH PLAIN !!!!", b"AUTH PLAIN YQ==", b"AUTH CRAM-MD5", b"AUTH PLAIN a b"))
def test_a_malformed_login_is_answered_and_the_session_goes_on(lab, line):
    with connected(lab, lab.smtp(auth="always")) as wire:
        wire.say(EHLO)
        assert wire.say(line)[0] == "5"
        assert wire.say(b"NOOP").startswith("250")


def test_a_login_can_be_given_up(lab):
    with connected(lab, lab.smtp(auth="always")) as wire:
        wire.say(EHLO)
        assert wire.say(b"AUTH LOGIN").startswith("334")
        assert wire.say(b"*").startswith("501")
        assert wire.say(b"NOOP").startswith("250")


def test_required_means_nothing_but_starttls_before_tls(lab, trusting):
    with connected(lab, lab.smtp(starttls="required", auth="always")) as wire:
        assert "STARTTLS" in wire.say(EHLO)
        for line in (plain(b"alice", b"hunter2"), *ENVELOPE):
            assert wire.say(line).startswith("530")
        assert wire.starttls(trusting).startswith("220")
        wire.say(EHLO)
        assert _deliver(wire, b"\r\n").startswith("250")


def test_off_means_neither_offered_nor_known(lab):
    with connected(lab, lab.smtp(starttls="off")) as wire:
        assert "STARTTLS" not in wire.say(EHLO)
        assert wire.say(b"STARTTLS").startswith("502")


def test_implicit_tls_offers_login_and_no_starttls(lab, trusting):
    server = lab.smtp(implicit=True)
    assert server.port == 465
    with connected(lab, server, context=trusting) as wire:
        offered = wire.say(EHLO)
        assert "STARTTLS" not in offered and "AUTH" in offered
        assert wire.say(b"STARTTLS").startswith("503")
        assert _deliver(wire, b"Subject: x\r\n\r\n").startswith("250")
    assert server.mailbox[0].over == "TLS 1.3"


def test_commands_behind_starttls_are_not_carried_into_tls(lab, trusting):
    server = lab.smtp(auth="always")
    with connected(lab, server) as wire:
        wire.say(EHLO)
        injected = (b"EHLO evil.lab.test", b"MAIL FROM:<mallory@lab.test>", b"RSET", b"NOOP")
        assert wire.starttls(trusting, *injected).startswith("220")
        assert wire.say(b"NOOP").startswith("250")
        wire.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            wire.sock.recv(1)
    assert "evil" not in repr(server.log)


def test_what_was_said_before_tls_is_forgotten(lab, trusting):
    with connected(lab, lab.smtp(auth="always")) as wire:
        wire.say(EHLO)
        assert wire.say(plain(b"alice", b"hunter2")).startswith("235")
        assert wire.say(ENVELOPE[0]).startswith("250")
        wire.starttls(trusting)
        assert wire.say(ENVELOPE[0]).startswith("503")
        wire.say(EHLO)
        assert wire.say(ENVELOPE[1]).startswith("503")
        assert _deliver(wire, b"\r\n").startswith("250")
    assert lab.servers["mail", 587].mailbox[0].user == ""


def test_helo_is_answered_without_capabilities(lab):
    with connected(lab, lab.smtp()) as wire:
        assert wire.say(b"HELO alice.lab.test") == "250 mail.lab.test"
        assert _deliver(wire, b"\r\n").startswith("250")


def test_dots_are_taken_away_and_every_other_byte_is_kept(lab):
    server = lab.smtp()
    with connected(lab, server) as wire:
        wire.say(EHLO)
        assert _deliver(wire, b"..\r\n...two\r\n\xff\x00.\r\n").startswith("250")
    assert server.mailbox[0].data == b".\r\n..two\r\n\xff\x00.\r\n"


@pytest.mark.parametrize("line", (b"XYZZY", b"", b"\xff\xfe", b"NOOP \xc3\xa9", b"A" * 600, b"NOOP " + b"B" * 9000))
def test_what_is_no_command_is_answered_and_the_session_goes_on(lab, line):
    with connected(lab, lab.smtp()) as wire:
        assert wire.say(line).startswith("500")
        assert wire.say(b"NOOP").startswith("250")


def test_a_line_that_is_too_long_spoils_its_message_alone(lab):
    server = lab.smtp()
    with connected(lab, server) as wire:
        wire.say(EHLO)
        assert _deliver(wire, b"x" * 1500 + b"\r\n")[0] == "5"
        assert _deliver(wire, b"x" * 998 + b"\r\n").startswith("250")
    assert [len(message.data) for message in server.mailbox] == [1000]


def test_too_many_unknown_commands_end_the_session(lab):
    with connected(lab, lab.smtp()) as wire:
        answers = []
        while not answers or answers[-1].startswith("500"):
            answers.append(wire.say(b"GET / HTTP/1.1"))
        assert answers[-1].startswith("421 4.7.0") and len(answers) < 20
        assert wire.reply() == ""


def test_the_log_tells_the_session_and_not_the_password(lab, trusting):
    server = lab.smtp()
    with connected(lab, server) as wire:
        wire.say(EHLO)
        wire.starttls(trusting)
        wire.say(EHLO)
        wire.say(plain(b"alice", b"hunter2"))
        wire.say(b"QUIT")
    text = repr(server.log)
    assert "#1 C: STARTTLS\n#1 S: 220 Ready to start TLS\n#1 TLS 1.3 with TLS_AES_256_GCM_SHA384\n" in text
    assert "#1 S: 250-SIZE" in text
    assert "hunter2" not in text and plain(b"alice", b"hunter2").decode() not in text
    assert "235" in text and "\n#1 C: QUIT\n#1 S: 221 Bye" in text


def test_settings_that_mean_nothing_are_named(lab):
    for name, wrong in {
        "starttls": "on",
        "auth": "before",
        "mechanisms": ["CRAM-MD5"],
        "certificate": "forged",
    }.items():
        with pytest.raises(LabError, match=f"{wrong[0] if name == 'mechanisms' else wrong}"):
            lab.smtp(**{name: wrong})
    for port in (0, 70000, "587"):
        with pytest.raises(LabError, match="from 1 to 65535"):
            lab.smtp(port=port)
    for wrong in ({"tls": "SSL 3.0"}, {"ciphers": "ROT13"}, {"host": "bob"}):
        with pytest.raises(LabError):
            lab.smtp(**wrong)
    assert not lab.servers


def test_a_server_tells_in_one_line_what_it_does(lab):
    server = lab.smtp(tls="TLS 1.2", certificate="expired", auth="always")
    text = repr(server)
    assert "mail, port 587" in text and "STARTTLS offered, login always, TLS 1.2," in text
    assert "certificate: expired" in text and "closed" not in text
    server.close()
    server.close()
    assert repr(server).endswith(", closed>")


def test_a_server_names_its_real_port_where_it_only_stands_for_another():
    with Lab("loopback") as lab:
        server = lab.smtp()
        assert f"port 587 (really 127.0.0.1:{server.address[1]})" in repr(server)
