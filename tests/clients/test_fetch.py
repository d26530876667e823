"""Fetching mail over IMAP and POP3: each policy against each server, and what servers and the wire can do."""

import gc
import socket
import sys
import time
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from leaks import left, what_is_open
from peers import HELD, PATIENCE, hang_up, limit, reset, scripted, then
from thoroughly import examples

from labkit import Lab, policies
from labkit.errors import LabError, OutsideTheLab
from labkit.mail.mailbox import Message
from labkit.mail.message import compose

CLEAR, EXPLICIT, IMPLICIT = "clear text", "explicit TLS", "implicit TLS"
PROTOCOLS = ("IMAP", "POP3")
UPGRADE = {"IMAP": "STARTTLS", "POP3": "STLS"}
SERVERS = {
    "offered": {"starttls": "offered"},
    "off": {"starttls": "off"},
    "required": {"starttls": "required"},
    "implicit": {"implicit": True},
}
TABLE = {
    ("none", "offered"): CLEAR,
    ("none", "off"): CLEAR,
    ("none", "required"): "in this state of the connection, which is clear text",
    ("none", "implicit"): "ran out before the greeting",
    ("opportunistic", "offered"): EXPLICIT,
    ("opportunistic", "off"): CLEAR,
    ("opportunistic", "required"): EXPLICIT,
    ("mandatory", "offered"): EXPLICIT,
    ("mandatory", "off"): "offers no {}, and the policy 'mandatory' stops without TLS",
    ("verified", "offered"): EXPLICIT,
    ("verified", "off"): "offers no {}, and the policy 'verified' stops without TLS",
    ("implicit", "offered"): "what the server sent is not TLS",
    ("implicit", "implicit"): IMPLICIT,
}
"""(policy, server) -> how the mail was fetched, or words of why not. Every server takes the login before TLS, too."""


@pytest.fixture
def lab():
    with Lab() as lab:
        yield lab


@pytest.fixture
def loopback():
    """For what depends on no network: the words of a scripted server, and mistakes of the learner."""
    with Lab("loopback") as lab:
        yield lab


def _start(lab, protocol, **settings):
    return {"IMAP": lab.imap, "POP3": lab.pop3}[protocol](**settings)


def _fill(lab, *texts, user="bob"):
    for text in texts:
        data = compose(text, f"about {text[:9]}", "alice@lab.test", "bob@lab.test").data
        lab.mailbox(user).keep(Message("alice@lab.test", ("bob@lab.test",), data, "clear text", ""))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("policy, kind", TABLE, ids=map("-".join, TABLE))
def test_what_happens(lab, protocol, policy, kind):
    expected = TABLE[policy, kind]
    _fill(lab, "The PIN is 4921")
    server = _start(lab, protocol, auth="always", **SERVERS[kind])
    outcome = lab.fetch(server, policy=getattr(policies, policy), timeout=limit(expected))
    assert outcome.policy == policy
    if expected in (CLEAR, EXPLICIT, IMPLICIT):
        assert outcome and outcome.how == outcome.password == expected
        assert [message.text for message in outcome.messages] == ["The PIN is 4921"]
        assert repr(outcome).startswith(
            f"Fetched 1 message {'in clear text' if expected == CLEAR else 'over ' + expected}"
        )
    else:
        assert not outcome and not outcome.messages
        assert expected.format(UPGRADE[protocol]) in outcome.why and repr(outcome).startswith("Not fetched: ")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_was_sent_is_fetched_and_stays_on_the_server(lab, protocol):
    smtp, server = lab.smtp(), _start(lab, protocol)
    for text in ("first", ".\n..dots\n.", "Köln"):
        assert lab.send(smtp, text, subject=f"on {text[:2].strip()}")
    for _ in range(2):
        outcome = lab.fetch(server, policy=policies.verified)
        assert outcome.verified and [mail.text for mail in outcome.messages] == ["first", ".\n..dots\n.", "Köln"]
    assert [mail.data for mail in outcome.messages] == [mail.data for mail in smtp.mailbox]
    assert repr(outcome.messages[0]) == "<mail from alice@lab.test: 'on fi'>"
    assert all(not entry.flags for entry in lab.mailbox().entries)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_user_fetches_the_mail_in_his_own_mailbox(lab, protocol):
    server = _start(lab, protocol)
    smtp = lab.smtp()
    lab.send(smtp, "for mallory", recipient="mallory@lab.test")
    lab.send(smtp, "for nobody", login=("alice", "hunter2"), recipient="carol@example.org")
    assert [mail.text for mail in lab.fetch(server, login=("mallory", "letmein")).messages] == ["for mallory"]
    assert lab.fetch(server).messages == () and repr(lab.fetch(server)).startswith("Fetched 0 messages ")


@pytest.mark.parametrize("protocol, said", (("IMAP", "NO [AUTHENTICATIONFAILED]"), ("POP3", "-ERR [AUTH]")))
def test_a_wrong_password_is_refused_and_counts_as_sent(lab, protocol, said):
    outcome = lab.fetch(_start(lab, protocol, auth="always", starttls="off"), login=("bob", 'a "wrong\\ one'))
    assert not outcome and outcome.password == CLEAR
    assert outcome.why == f"the server refused the login with {said} The user or the password is wrong"
    assert repr(outcome).endswith("The password went in clear text too.") and "wrong\\" not in repr(outcome)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_password_stays_at_home_where_no_login_is_offered(lab, protocol):
    server = _start(lab, protocol, starttls="off")
    outcome = lab.fetch(server)
    assert not outcome and outcome.password == "" and "which is clear text" in outcome.why
    assert "swordfish" not in repr(server.log) and "LOGIN *" not in repr(server.log) and "USER" not in repr(server.log)


@pytest.mark.parametrize("protocol", PROTOCOLS)
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
def test_only_a_client_that_verifies_minds_a_certificate_that_does_not_fit(lab, protocol, kind, said):
    explicit = _start(lab, protocol, certificate=kind)
    implicit = _start(lab, protocol, certificate=kind, implicit=True)
    for server, policy in ((explicit, policies.verified), (implicit, policies.implicit)):
        outcome = lab.fetch(server, policy=policy)
        assert not outcome and not outcome.verified and outcome.password == ""
        assert outcome.why.replace("self signed", "self-signed") == f"the certificate does not fit: {said}"
    assert lab.fetch(explicit, policy=policies.mandatory)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("version", ("TLS 1.2", "TLS 1.3"))
def test_tls_is_closed_properly_at_the_end(lab, protocol, version):
    _fill(lab, "x")
    server = _start(lab, protocol, tls=version)
    assert lab.fetch(server).version == version
    assert "connection lost" not in repr(server.log)


# ---- servers that misbehave

TLS = b"\x16\x03"
RESET = "reset" if sys.version_info < (3, 14) else "closed"
"""What a client of imaplib can say of a reset: from Python 3.14 on, imaplib takes it for an end."""
GREETING = {"IMAP": b"* OK hello\r\n", "POP3": b"+OK hello\r\n"}


def _talks(protocol, answer):
    """A script: the greeting, then for each command what `answer` makes of its verb and tag."""

    def script(sock):
        sock.sendall(GREETING[protocol])
        while (data := sock.recv(65536)) and not data.startswith(TLS):
            words = data.decode("latin-1").split()
            tag, verb = (words[0], words[1]) if protocol == "IMAP" else ("", words[0])
            sock.sendall(answer(verb, tag.encode()))

    return script


def _imap(**answers):
    def answer(verb, tag):
        said = answers.get(verb, b"")
        if callable(said):
            return said(tag)
        capability = b"* CAPABILITY IMAP4rev1 STARTTLS\r\n" * (verb == "CAPABILITY" and not said)
        return capability + said + tag + b" OK done\r\n"

    return _talks("IMAP", answer)


def _pop3(**answers):
    usual = {"CAPA": b"+OK\r\nSTLS\r\nUSER\r\n.\r\n", "STAT": b"+OK 1 3\r\n", "RETR": b"+OK\r\nx\r\n.\r\n"}
    return _talks("POP3", lambda verb, _: answers.get(verb, usual.get(verb, b"+OK\r\n")))


def _tagged(said):
    return lambda tag: tag + b" " + said + b"\r\n"


def silent(sock):
    """Accept, and never say a word."""


def says(*data):
    def script(sock):
        for piece in data:
            sock.sendall(piece)

    return script


def drip(sock):
    for _ in range(400):
        sock.sendall(b"* 1 EXISTS\r\n")
        time.sleep(0.01)


CASES = {
    ("IMAP", "never answers"): (silent, "none", f"the time limit of {HELD} s ran out before the greeting"),
    ("IMAP", "hangs up at once"): (socket.socket.close, "none", "the server closed the connection before the greeting"),
    ("IMAP", "greets as SMTP"): (says(b"220 hello\r\n"), "none", "greeted with something that is not IMAP"),
    ("IMAP", "greets with garbage"): (says(b"\0\xff\r\n"), "none", "greeted with something that is not IMAP"),
    ("IMAP", "is full"): (says(b"* BYE too many\r\n"), "none", "greeted with * BYE too many, not with * OK"),
    ("IMAP", "greets without end"): (says(b"* OK" + b"x" * 1_100_000), "none", "is longer than a line may be"),
    ("IMAP", "never ends its greeting"): (
        then(says(b"* OK half"), lambda sock: sock.shutdown(socket.SHUT_RDWR)),
        "none",
        "the server closed the connection in the middle of its answer before the greeting",
    ),
    ("IMAP", "talks without end"): (then(says(GREETING["IMAP"]), drip), "none", "ran out after CAPABILITY"),
    ("IMAP", "hangs up"): (then(says(GREETING["IMAP"]), hang_up), "none", "closed the connection after CAPABILITY"),
    ("IMAP", "resets"): (then(says(GREETING["IMAP"]), reset), "none", f"{RESET} the connection after CAPABILITY"),
    ("IMAP", "speaks another protocol"): (_imap(CAPABILITY=lambda _: b"250 OK\r\n"), "none", "CAPABILITY is not IMAP"),
    ("IMAP", "answers another tag"): (_imap(CAPABILITY=lambda _: b"zz OK\r\n"), "none", "CAPABILITY is not IMAP"),
    ("IMAP", "says goodbye"): (_imap(LOGIN=lambda _: b"* BYE maintenance\r\n"), "none", "BYE maintenance after LOGIN"),
    ("IMAP", "refuses STARTTLS for now"): (
        _imap(STARTTLS=_tagged(b"NO not now")),
        "mandatory",
        "the server refused STARTTLS with NO not now, and the policy 'mandatory' stops without TLS",
    ),
    ("IMAP", "refuses STARTTLS for ever"): (
        _imap(STARTTLS=_tagged(b"BAD what?")),
        "verified",
        "the server refused STARTTLS with BAD what?, and the policy 'verified' stops without TLS",
    ),
    ("IMAP", "is silent in the handshake"): (_imap(), "opportunistic", "ran out during the TLS handshake"),
    ("IMAP", "sends text for a handshake"): (
        _imap(STARTTLS=lambda tag: tag + b" OK go\r\n" + b"* 1 EXISTS\r\n" * 9000),
        "opportunistic",
        "the TLS handshake failed: ",
    ),
    ("IMAP", "refuses the mailbox"): (_imap(EXAMINE=_tagged(b"NO gone")), "none", "answered NO gone after EXAMINE"),
    ("IMAP", "counts to many"): (_imap(EXAMINE=b"* many EXISTS\r\n"), "none", "answer after EXAMINE is not IMAP"),
    ("IMAP", "sends no message"): (_imap(EXAMINE=b"* 1 EXISTS\r\n"), "none", "answer after FETCH holds no message"),
    ("IMAP", "ends in a literal"): (
        then(_imap(EXAMINE=b"* 1 EXISTS\r\n", FETCH=lambda _: b"* 1 FETCH (BODY[] {99}\r\nx"), silent),
        "none",
        "ran out after FETCH",
    ),
    ("POP3", "never answers"): (silent, "none", f"the time limit of {HELD} s ran out before the greeting"),
    ("POP3", "hangs up at once"): (socket.socket.close, "none", "the server closed the connection before the greeting"),
    ("POP3", "greets as SMTP"): (says(b"220 hello\r\n"), "none", "greeted with something that is not POP3"),
    ("POP3", "is full"): (says(b"-ERR [IN-USE] later\r\n"), "none", "greeted with -ERR [IN-USE] later, not with +OK"),
    ("POP3", "greets without end"): (says(b"+OK" + b"x" * 9000), "none", "is longer than a line may be"),
    ("POP3", "hangs up"): (then(says(GREETING["POP3"]), hang_up), "none", "closed the connection after CAPA"),
    ("POP3", "resets"): (then(says(GREETING["POP3"]), reset), "none", "reset the connection after CAPA"),
    ("POP3", "speaks another protocol"): (
        _pop3(CAPA=b"250 OK\r\n"),
        "none",
        "the server's answer after CAPA is not POP3",
    ),
    ("POP3", "offers nothing in an empty line"): (_pop3(CAPA=b"+OK\r\n\r\n.\r\n"), "none", "after CAPA makes no sense"),
    ("POP3", "knows no CAPA"): (
        _pop3(CAPA=b"-ERR\r\n"),
        "mandatory",
        "offers no STLS, and the policy 'mandatory' stops",
    ),
    ("POP3", "refuses STLS"): (
        _pop3(STLS=b"-ERR not now\r\n"),
        "mandatory",
        "the server refused STLS with -ERR not now, and the policy 'mandatory' stops without TLS",
    ),
    ("POP3", "is silent in the handshake"): (_pop3(), "opportunistic", "ran out during the TLS handshake"),
    ("POP3", "refuses the user"): (_pop3(USER=b"-ERR who?\r\n"), "none", "refused the login with -ERR who?"),
    ("POP3", "counts to many"): (_pop3(STAT=b"+OK many\r\n"), "none", "the server's answer after STAT makes no sense"),
    ("POP3", "refuses the message"): (_pop3(RETR=b"-ERR gone\r\n"), "none", "answered -ERR gone after RETR"),
    ("POP3", "never ends the message"): (_pop3(RETR=b"+OK\r\nx\r\n"), "none", "ran out after RETR"),
}
"""(protocol, what the server does) -> (its script, the client's policy, words of the outcome)."""


@pytest.mark.parametrize("protocol, what", CASES, ids=map(" ".join, CASES))
def test_a_server_that(loopback, protocol, what):
    script, policy, words = CASES[protocol, what]
    with scripted(loopback, script, port=143):
        began = time.monotonic()
        peer = SimpleNamespace(host="mail", port=143, protocol=protocol)
        outcome = loopback.fetch(peer, policy=getattr(policies, policy), timeout=HELD)
        lasted = time.monotonic() - began
    assert not outcome and not outcome.messages
    assert words in outcome.why
    assert repr(outcome).startswith(f"Not fetched: {outcome.why}.")
    assert lasted < HELD + PATIENCE


@pytest.mark.parametrize("protocol, script", (("IMAP", _imap(STARTTLS=_tagged(b"NO"), EXAMINE=b"* 0 EXISTS\r\n")),
                                              ("POP3", _pop3(STLS=b"-ERR no\r\n", STAT=b"+OK 0 0\r\n"))))  # fmt: skip
def test_an_opportunistic_client_goes_on_when_tls_is_refused(loopback, protocol, script):
    with scripted(loopback, script, port=143):
        outcome = loopback.fetch(SimpleNamespace(host="mail", port=143, protocol=protocol), timeout=PATIENCE)
    assert outcome and outcome.how == outcome.password == CLEAR
    assert f"refused {UPGRADE[protocol]}" in outcome.why and "goes on without TLS" in outcome.why


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=80),
    st.sampled_from((b"", b"* OK ", b"* PREAUTH ", b"+OK ", b"* OK hello\r\n", b"+OK\r\n+OK\r\n")),
)
def test_any_bytes_of_a_server_are_an_outcome(loopback, protocol, said, greeting):
    with scripted(
        loopback, then(says(greeting + said + b"\r\n"), lambda sock: sock.shutdown(socket.SHUT_RDWR)), port=143
    ):
        outcome = loopback.fetch(SimpleNamespace(host="mail", port=143, protocol=protocol), timeout=0.2)
    assert not outcome and outcome.why and "\n" not in repr(outcome)


def test_a_port_without_a_server_and_a_server_outside_are_said(lab):
    for protocol in PROTOCOLS:
        missing = SimpleNamespace(host="mail", port=143, protocol=protocol)
        assert "Nothing listens on port 143 of mail" in lab.fetch(missing).why
        with pytest.raises(OutsideTheLab):
            lab.fetch(SimpleNamespace(host="8.8.8.8", port=143, protocol=protocol))


@pytest.mark.parametrize(
    "wrong",
    ({"timeout": 0}, {"login": "bob"}, {"login": ("bob",)}, {"login": ("bob", "pä")}, {"login": ("bob\r\n", "x")}),
    ids=repr,
)
def test_what_cannot_be_sent_is_an_error_of_the_learner(loopback, wrong):
    for server in (loopback.imap(), loopback.pop3()):
        with pytest.raises(LabError):
            loopback.fetch(server, **wrong)
        assert len(server.log) == 0
    with pytest.raises(LabError, match=r"lab\.imap\(\) or lab\.pop3\(\)"):
        loopback.fetch(loopback.smtp())


def test_nothing_stays_open_whatever_the_server_did(lab):
    def everything():
        for protocol in PROTOCOLS:
            talks = {"IMAP": _imap, "POP3": _pop3}[protocol]()
            for script in (silent, hang_up, reset, says(b"\xff\r\n"), says(GREETING[protocol]), talks):
                with scripted(lab, script, port=143):
                    lab.fetch(SimpleNamespace(host="mail", port=143, protocol=protocol), timeout=0.1)
        gc.collect()

    everything()
    before = what_is_open()
    everything()
    assert not left(before)
