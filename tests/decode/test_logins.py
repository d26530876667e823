"""Every way to log in tells an eavesdropper a password, a token, or a hash with which passwords can be tried.

curl logs in, in three protocols; passwords are then tried with what was readable, as an attacker would do it.
"""

import hashlib
import hmac
import re
import socket
import subprocess
import threading
from base64 import b64decode, b64encode
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from thoroughly import examples
from tools import tool
from transcripts import turns

from labkit.capture.conversation import Chunk, Conversation, Endpoint
from labkit.decode.dialogue import read
from labkit.decode.privacy import visible
from labkit.dialects import CLIENT, IMAP, POP3, SERVER, SMTP, sasl
from labkit.dialects.managesieve import MANAGESIEVE
from labkit.dialects.nntp import NNTP
from labkit.show.transcript import Reading, plain_text

CRAM = b"<1896.697170952@mail.lab.test>"
DIGEST = b'realm="lab.test",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8'
NTLM = (
    b"NTLMSSP\0\2\0\0\0\6\0\6\x008\0\0\0\x35\x82\x89\xe2\x01\x23\x45\x67\x89\xab\xcd\xef\0\0\0\0\0\0\0\0"
    b"\x0e\0\x0e\0>\0\0\0\6\1\xb1\x1d\0\0\0\x0fL\0A\0B\0\2\0\6\0L\0A\0B\0\0\0\0\0"
)
"""Challenges; the last is a CHALLENGE_MESSAGE as in [MS-NLMP] §4.2.4.3, for the domain LAB."""
CHALLENGES = {"CRAM-MD5": CRAM, "DIGEST-MD5": DIGEST, "NTLM": NTLM}


def seen(port, said):
    chunks = [Chunk(n, n, side, "data", data, len(data)) for n, (side, data) in enumerate(said, 1)]
    ends = Endpoint("192.0.2.1", 50000), Endpoint("192.0.2.2", port)
    dialogue = read(Conversation(*ends, [Chunk(0, 0, CLIENT, "syn", b"", 0), *chunks]))
    found = visible(dialogue)
    assert all(dialogue.events[one.event_index].data[one.start : one.end] for one in found)
    assert str(plain_text(Reading(dialogue, found)))
    return [(what, value) for what, value, *_ in found]


# ---- live: curl against a server of a few lines


def smtp(mechanism, line):
    if line.startswith("EHLO"):
        return f"250-mail.lab.test\r\n250 AUTH {mechanism}\r\n".encode()
    return b"250 OK\r\n"


def imap(mechanism, line):
    tag, verb, *_ = [*line.split(), "", ""]
    offered = f"* CAPABILITY IMAP4rev1 SASL-IR AUTH={mechanism}\r\n" if verb == "CAPABILITY" else ""
    return f"{offered}{tag} OK\r\n".encode()


def pop3(mechanism, line):
    offered = "" if mechanism == "APOP" else f"SASL {mechanism}\r\n"
    return {"CAPA": f"+OK\r\n{offered}.\r\n".encode(), "LIST": b"+OK\r\n.\r\n"}.get(line, b"+OK\r\n")


SERVERS = {
    "smtp": (25, smtp, b"220 mail.lab.test ESMTP\r\n", b"334 %s\r\n", b"235 OK\r\n", re.compile("AUTH")),
    "imap": (143, imap, b"* OK hello\r\n", b"+ %s\r\n", b"%s OK\r\n", re.compile(r"\S+ AUTHENTICATE")),
    "pop3": (110, pop3, b"+OK ready " + CRAM + b"\r\n", b"+ %s\r\n", b"+OK\r\n", re.compile("AUTH")),
}


def serve(listener, protocol, mechanism, said):
    """Take one client through a login with this mechanism and note what both say."""
    _, answer, greeting, challenge, done, begins = SERVERS[protocol]
    sock, _ = listener.accept()
    with sock, suppress(OSError):
        sock.settimeout(60)
        file = sock.makefile("rb")

        def tell(data):
            said.append((SERVER, data))
            sock.sendall(data)

        tell(greeting)
        for line in file:
            said.append((CLIENT, line))
            text = line.decode().strip()
            if not begins.match(text):
                tell(answer(mechanism, text))
                continue
            tag = text.split()[0].encode() if protocol == "imap" else b""
            expected = {"LOGIN": 2, "NTLM": 2, "DIGEST-MD5": 2, "PLAIN": 1}.get(mechanism, 1)
            given = len(text.split()) - (3 if protocol == "imap" else 2)
            for number in range(given, expected):
                # NTLM's first response is only an offer; everything else answers the challenge at once.
                wanted = CHALLENGES.get(mechanism, b"") if mechanism != "NTLM" or number else b""
                tell(challenge % b64encode(wanted if number == given or mechanism == "NTLM" else b"rspauth=x"))
                said.append((CLIENT, file.readline()))
            tell(done % tag if b"%s" in done else done)


def log_in(protocol, mechanism, password="hunter2"):
    """What can be read when curl logs alice in, who has this password or token."""
    said = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        thread = threading.Thread(target=serve, args=(listener, protocol, mechanism, said), daemon=True)
        thread.start()
        url = f"{protocol}://127.0.0.1:{listener.getsockname()[1]}/"
        secret = ["--oauth2-bearer", password] if "OAUTH" in mechanism or mechanism == "OAUTHBEARER" else []
        login = f"AUTH={'+' if mechanism == 'APOP' else ''}{mechanism}"
        user = ["-u", "alice" if secret else f"alice:{password}", "--login-options", login, "--sasl-ir"]
        to = ["--mail-from", "a@lab.test", "--mail-rcpt", "b@lab.test", "-T", "/dev/null"] if protocol == "smtp" else []
        command = [tool("curl"), "-sv", "--max-time", "10", url, *user, *secret, *to]
        subprocess.run(command, capture_output=True, timeout=30, check=False)
        thread.join(60)
    found = dict(seen(SERVERS[protocol][0], said))
    assert found["user name"] == "alice", said
    return found


PROTOCOLS = pytest.mark.parametrize("protocol", SERVERS)


@PROTOCOLS
@pytest.mark.parametrize("mechanism", ("PLAIN", "LOGIN"))
def test_a_password_is_told(protocol, mechanism):
    assert log_in(protocol, mechanism)["password"] == "hunter2"


@PROTOCOLS
@pytest.mark.parametrize("mechanism", ("XOAUTH2", "OAUTHBEARER"))
def test_a_token_is_told_which_is_as_good_as_a_password(protocol, mechanism):
    assert log_in(protocol, mechanism, "ya29.SECRET-token")["bearer token"] == "ya29.SECRET-token"


def _md5(data):
    return hashlib.md5(data)


def _digest_md5(password, challenge):
    """RFC 2831 §2.1.2.1, from what was told alone."""
    given = dict(part.split("=", 1) for part in challenge.split(","))
    start = _md5(f"alice:{given.get('realm', '')}:{password}".encode()).digest()
    first = _md5(start + f":{given['nonce']}:{given['cnonce']}".encode()).hexdigest()
    second = _md5(f"AUTHENTICATE:{given['digest-uri']}".encode()).hexdigest()
    return _md5(
        ":".join((first, given["nonce"], given["nc"], given["cnonce"], given["qop"], second)).encode()
    ).hexdigest()


TRIED = {
    "CRAM-MD5": lambda password, challenge: hmac.new(password.encode(), challenge.encode(), "md5").hexdigest(),
    "APOP": lambda password, challenge: _md5((challenge + password).encode()).hexdigest(),
    "DIGEST-MD5": _digest_md5,
}
"""Mechanism -> the hash of a password that an attacker tries."""


@pytest.mark.parametrize(
    ("protocol", "mechanism"),
    [*((protocol, mechanism) for protocol in SERVERS for mechanism in ("CRAM-MD5", "DIGEST-MD5")), ("pop3", "APOP")],
)
def test_a_hash_is_told_with_which_passwords_are_tried(protocol, mechanism):
    told = log_in(protocol, mechanism)["password hash"]
    how, challenge, response = re.fullmatch(
        r"can be tried offline: (\S+), challenge (.*), response (\w+)", told
    ).groups()
    words = ("swordfish", "letmein", "hunter2", "hunter3")
    assert how == mechanism
    assert [word for word in words if TRIED[mechanism](word, challenge) == response] == ["hunter2"]


@PROTOCOLS
def test_ntlm_tells_a_line_for_programs_that_try_passwords(protocol):
    told = log_in(protocol, "NTLM")
    line = re.fullmatch(
        r"can be tried offline: NTLMv2, challenge 0123456789abcdef, response (\S+)", told["password hash"]
    )[1]
    user, _, domain, challenge, proof, blob = line.split(":")
    assert (user, challenge) == ("alice", "0123456789abcdef")
    command = [tool("openssl"), "dgst", "-md4", "-binary", "-provider", "legacy", "-provider", "default"]
    found = []
    for word in ("letmein", "hunter2"):
        hashed = subprocess.run(command, input=word.encode("utf-16-le"), capture_output=True, timeout=30).stdout
        key = hmac.new(hashed, (user.upper() + domain).encode("utf-16-le"), "md5").digest()
        tried = hmac.new(key, bytes.fromhex(challenge + blob), "md5").hexdigest()
        found += [word] if tried == proof else []
    assert found == ["hunter2"]


# ---- examples of the RFCs

C, S = CLIENT, SERVER
SCRAM = [
    (C, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
    (S, b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
    (
        C,
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    ),
    (S, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
    (C, b""),
]
"""RFC 7677 §3: user and pencil, with SHA-256."""


def exchange(mechanism, said):
    login, told = sasl.Login(mechanism), []
    for side, payload in said:
        told += login.respond(payload) if side == CLIENT else login.challenge(payload) or []
    return told


def test_scram_tells_the_user_and_all_that_is_needed_to_try_passwords():
    user, (what, told) = exchange("SCRAM-SHA-256", SCRAM)
    assert user == ("user name", "user") and what == "password hash"
    first, challenge, final = (SCRAM[at][1].decode() for at in (0, 1, 2))
    assert told == f"can be tried offline: SCRAM-SHA-256, challenge {challenge}, response {first} {final}"
    salt, rounds = b64decode(re.search("s=([^,]+)", told)[1]), int(re.search("i=([0-9]+)", told)[1])
    without, _, proof = final.rpartition(",p=")
    message = ",".join((first[3:], challenge, without)).encode()

    def fits(password):
        key = hmac.digest(hashlib.pbkdf2_hmac("sha256", password, salt, rounds), b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        return bytes(a ^ b for a, b in zip(key, signature, strict=True)) == b64decode(proof)

    assert fits(b"pencil") and not fits(b"hunter2")


@pytest.mark.parametrize(
    ("mechanism", "said", "told"),
    (
        ("scram-sha-1", [(C, b"y,a=boss,n=a=2Cl=3Dice,r=x")], [("user name", "a,l=ice")]),
        ("PLAIN", [(C, b"admin\0bob\0secret")], [("user name", "bob"), ("password", "secret")]),
        ("PLAIN", [(C, b"\0bob")], [("user name", "bob")]),
        (
            "LOGIN",
            [(S, b"User"), (C, b"bob"), (S, b"Pass"), (C, b"x"), (C, b"y")],
            [("user name", "bob"), ("password", "x")],
        ),
        ("EXTERNAL", [(C, b"bob")], [("user name", "bob")]),
        ("OTP", [(C, b"\0tim"), (S, b"otp-md5 123 ke1234 ext"), (C, b"hex:11d4c147e227c1f1")], [("user name", "tim")]),
        ("ANONYMOUS", [(C, b"sirhc")], [("trace", "sirhc")]),
        (
            "XOAUTH2",
            [(C, b"user=a@b\1auth=Bearer t.k\1\1"), (S, b"{}"), (C, b"")],
            [("user name", "a@b"), ("bearer token", "t.k")],
        ),
        (
            "OAUTHBEARER",
            [(C, b"n,a=a@b,\1host=x\1port=1\1auth=bearer t\1\1"), (C, b"\1")],
            [("user name", "a@b"), ("bearer token", "t")],
        ),
        ("OAUTHBEARER", [(C, b"n,,\1auth=Bearer t\1\1")], [("bearer token", "t")]),
        ("NTLM", [(C, NTLM), (C, b"NTLMSSP\0\3\0\0\0")], []),
        ("X-NEVER-HEARD-OF", [(C, b"bob\0secret")], []),
    ),
)
def test_a_mechanism_tells(mechanism, said, told):
    assert exchange(mechanism, said) == told


@settings(max_examples=examples(300))
@given(
    st.sampled_from((*sasl._MECHANISMS, "SCRAM-SHA-1", "CRAM-SHA1", "?")),
    st.lists(
        st.tuples(st.sampled_from((C, S)), st.binary() | st.sampled_from((NTLM, DIGEST, SCRAM[0][1], SCRAM[1][1])))
    ),
)
@example("NTLM", [(C, NTLM.replace(b"\2\0\0\0\6", b"\3\0\0\0\6"))])
def test_any_payloads_are_read_and_tell_text(mechanism, said):
    assert all(value and value.encode() for _, value in exchange(mechanism, said))


# ---- as protocols carry them

PLAIN, TOKEN = (b64encode(text).decode() for text in (b"\0alice\0hunter2", b"user=alice\1auth=Bearer SECRET\1\1"))
CASES = (
    (SMTP, f"S: 220 x ESMTP\nC: AUTH XOAUTH2\nS: 334 \nC: {TOKEN}\nS: 334 eyJ9\nC: \nS: 535 no"),
    (IMAP, f"S: * OK hi\nC: a AUTHENTICATE XOAUTH2\nS: + \nC: {TOKEN}\nS: + eyJ9\nC: \nS: a NO no"),
    (IMAP, f"S: * OK hi\nC: a AUTHENTICATE XOAUTH2 {TOKEN}\nS: a OK"),
    (POP3, f"S: +OK\nC: AUTH XOAUTH2\nS: + \nC: {TOKEN}\nS: +OK"),
    (POP3, f"S: +OK\nC: AUTH XOAUTH2 {TOKEN}\nS: +OK"),
    (NNTP, f"S: 200 hi\nC: AUTHINFO SASL XOAUTH2\nS: 383 =\nC: {TOKEN}\nS: 281 OK"),
    (MANAGESIEVE, f'S: "IMPLEMENTATION" "x"\nS: OK\nC: AUTHENTICATE "XOAUTH2"\nS: ""\nC: "{TOKEN}"\nS: OK'),
    (MANAGESIEVE, f'S: "IMPLEMENTATION" "x"\nS: OK\nC: AUTHENTICATE "XOAUTH2" "{TOKEN}"\nS: OK'),
)


@pytest.mark.parametrize(("dialect", "transcript"), CASES)
def test_a_response_is_read_in_the_command_and_behind_a_challenge(dialect, transcript):
    told = seen(dialect.explicit_ports[0], turns(transcript))
    assert told == [("user name", "alice"), ("bearer token", "SECRET")]


@pytest.mark.parametrize(
    ("dialect", "transcript"),
    (
        (SMTP, "S: 220 x ESMTP\nC: AUTH CRAM-MD5\nS: 334 PDFAeD4=\nC: *\nS: 501 off\nC: AUTH PLAIN =\nS: 535 no"),
        (IMAP, "S: * OK hi\nC: a AUTHENTICATE CRAM-MD5\nS: + PDFAeD4=\nC: *\nS: a BAD off"),
        (POP3, "S: +OK\nC: AUTH CRAM-MD5\nS: + PDFAeD4=\nC: *\nS: -ERR off"),
    ),
)
def test_a_login_that_is_called_off_tells_nothing(dialect, transcript):
    assert seen(dialect.explicit_ports[0], turns(transcript)) == []


def test_a_hash_without_its_challenge_is_told_and_what_is_missing():
    told = dict(seen(25, turns(f"C: AUTH CRAM-MD5 {b64encode(b'alice 0123').decode()}")))
    assert told["user name"] == "alice"
    assert told["password hash"] == (
        "CRAM-MD5, response 0123; the challenge, which is needed to try passwords, was not seen"
    )
