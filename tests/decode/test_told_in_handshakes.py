"""Whom a handshake names in clear, between OpenSSL's own programs: keys by their identity, certificates, protocols."""

import ssl
import subprocess

import pytest
from conversations import conversation
from tls_sessions import Recorded, Talk, contexts, in_memory, openssl
from tools import tool

from labkit.capture.conversation import CLIENT, SERVER
from labkit.decode.dialogue import read
from labkit.decode.privacy import visible
from labkit.trust.keylog import KeyLog, parse

KEY = ["-psk", "0123456789abcdef0123456789abcdef", "-psk_identity", "alice-laptop"]
SUITE13 = ["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"]


def dialogue(recorded: Recorded):
    return read(conversation(recorded.chunks, 465))


def told(found):
    return {(one.what, one.value) for one in visible(found)}


@pytest.mark.parametrize(
    "options", (SUITE13, *(["-tls1_2", "-cipher", name] for name in ("PSK+AES", "DHE-PSK-AES128-GCM-SHA256")))
)
def test_the_identity_of_a_key_that_both_were_given_is_told_and_no_session_is_resumed(options, tmp_path):
    server = [*options[:1], *KEY]
    found = dialogue(openssl(tool("openssl"), tmp_path, server, [*options, *KEY], [(b"Q\n", SERVER)]))
    assert ("key identity", "alice-laptop") in told(found)
    assert found.session.resumed is False
    assert found.session.pre_shared_key is (options == SUITE13)


def test_the_ticket_of_an_earlier_session_is_no_name_and_resumes_it():
    found = dialogue(in_memory("TLS 1.3", resumed=True))
    assert "key identity" not in dict(told(found))
    assert found.session.resumed and found.session.pre_shared_key


def test_the_protocols_and_the_mail_address_in_a_client_certificate_are_told(tmp_path):
    pem = tmp_path / "client.pem"
    names = ["-subj", "/CN=Alice", "-addext", "subjectAltName=email:alice@home.test"]
    make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", pem, "-out", tmp_path / "public.pem", *names]
    subprocess.run([tool("openssl"), *make], check=True, capture_output=True, timeout=60)
    pem.write_bytes(pem.read_bytes() + (tmp_path / "public.pem").read_bytes())
    asking = ["-tls1_2", "-alpn", "imap", "-cert", str(pem), "-key", str(pem)]
    found = dialogue(openssl(tool("openssl"), tmp_path, ["-tls1_2", "-Verify", "1"], asking, [(b"Q\n", SERVER)]))
    assert {
        ("application protocol", "imap"),
        ("certificate of", "CN=Alice"),
        ("mail address", "alice@home.test"),
    } <= told(found)


@pytest.mark.parametrize("version", ("TLS 1.2", "TLS 1.3"))
def test_a_client_that_is_asked_for_a_certificate_and_has_none_discloses_no_name(version):
    with KeyLog() as keylog:
        client, server = contexts(version, keylog.path)
        server.verify_mode = ssl.CERT_OPTIONAL
        chunks, secrets = Talk(client, server).shake_hands().chunks, parse(keylog.text())
    found = read(conversation(chunks, 465), secrets)
    said = {event.sender: event.meaning for event in found.events if event.title == "Certificate"}
    assert said[CLIENT].startswith("No certificate") and said[SERVER].startswith("The sender's certificate")
