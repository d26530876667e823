"""Postfix's own client, posttls-finger, looks at the same domains from the same host, with unbound as its resolver.

It runs on the private LAN, where ports are real, and under fakeroot, because it gives up privileges that it has not.
"""

import re
import threading
import time

import pytest
from thoroughly import every
from tools import tool
from unbound_conf import unbound_conf

from labkit import Lab
from labkit.defences import registration
from labkit.defences.nameserver import NameServer
from labkit.defences.sending import Configuration
from labkit.errors import NetworkUnavailable
from labkit.mail.message import compose

MAIN_CF = """
compatibility_level = 3.6
smtp_dns_support_level = dnssec
inet_protocols = ipv4
myhostname = provider.lab.test
"""
LEVELS = ("may", "encrypt", "verify", "dane")
DOMAINS = {
    "plain": ({}, lambda bob: bob),
    "no TLS": ({"starttls": "off"}, lambda bob: bob),
    "wrong name": ({}, lambda bob: bob.certificate("wrong name")),
    "expired": ({}, lambda bob: bob.certificate("expired")),
    "unknown root": ({}, lambda bob: bob.certificate("unknown root")),
    "3 1 1": ({}, lambda bob: bob.sign().tlsa("3 1 1")),
    "3 1 1, expired": ({}, lambda bob: bob.sign().certificate("expired").tlsa("3 1 1")),
    "3 1 1, self-signed": ({}, lambda bob: bob.sign().certificate("self-signed").tlsa("3 1 1")),
    "3 1 1, another key": ({}, lambda bob: bob.sign().tlsa("3 1 1").new_key()),
    "3 1 1, no TLS": ({"starttls": "off"}, lambda bob: bob.sign().tlsa("3 1 1")),
    "3 1 1, not signed": ({}, lambda bob: bob.tlsa("3 1 1").new_key()),
    "2 0 1": ({}, lambda bob: bob.sign().tlsa("2 0 1")),
    "2 0 1, expired": ({}, lambda bob: bob.sign().certificate("expired").tlsa("2 0 1")),
    "2 0 1, wrong name": ({}, lambda bob: bob.sign().certificate("wrong name").tlsa("2 0 1")),
    "1 1 1": ({}, lambda bob: bob.sign().tlsa("1 1 1").new_key()),
    "1 1 1, no TLS": ({"starttls": "off"}, lambda bob: bob.sign().tlsa("1 1 1")),
    "signed, no TLSA": ({}, lambda bob: bob.sign().certificate("expired")),
}

FIRST = ("plain", "no TLS", "wrong name", "3 1 1", "3 1 1, another key", "3 1 1, not signed", "2 0 1, wrong name")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A lab whose name server is on the host auth, and unbound on the host dns."""
    for name in ("/usr/sbin/unbound", "/usr/sbin/posttls-finger", "fakeroot"):
        tool(name)
    try:
        lab = Lab("namespace", hosts=("dns", "www", "provider", "auth"))
    except NetworkUnavailable as refusal:
        pytest.skip(str(refusal))
    folder = tmp_path_factory.mktemp("postfix")
    with lab, pytest.MonkeyPatch.context() as patch:
        patch.setattr(registration, "NameServer", lambda _, zones: NameServer(lab.network.host("auth"), zones))
        conf = folder / "unbound.conf"
        server = lab.network.published("auth")
        uncached = "cache-max-ttl: 0", "cache-max-negative-ttl: 0"
        reached = "interface: 0.0.0.0", "access-control: 0.0.0.0/0 allow"
        conf.write_text(unbound_conf(folder, lab.registry.top.ds, server, *reached, *uncached))
        (folder / "main.cf").write_text(MAIN_CF)
        (folder / "ca.pem").write_bytes(lab.authority.pem)
        lab.folder = folder
        stop = folder / "stop"
        command = f"/usr/sbin/unbound -d -c {conf} & while [ ! -e {stop} ]; do sleep 0.2; done; kill $!; wait"
        unbound = threading.Thread(target=lab.network.host("dns").run, args=(["sh", "-c", command], b"", 250.0))
        unbound.start()
        _until_it_answers(lab)
        yield lab
        stop.touch()
        unbound.join(60)


def _until_it_answers(lab):
    end = time.monotonic() + 90
    while time.monotonic() < end:
        if lab.resolve("test", "SOA").secure:
            return
        time.sleep(0.2)
    raise AssertionError("unbound does not answer")


def _postfix(lab, level, domain):
    """What posttls-finger says when it goes to the domain at this level."""
    command = ["fakeroot", "env", f"MAIL_CONFIG={lab.folder}", "/usr/sbin/posttls-finger", "-t", "5", "-T", "5"]
    done = lab.network.host("provider").run([*command, "-l", level, "-F", f"{lab.folder}/ca.pem", domain])
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def _delivers(said, level, tlsa):
    """Whether Postfix would hand over a message after what its client has seen; `tlsa` is what the signed DNS has."""
    encrypted = "TLS connection established" in said
    verified = "Verified TLS connection established" in said
    if level == "may" or (level == "dane" and not tlsa):
        return "> QUIT" in said
    if level == "encrypt" or (level == "dane" and tlsa == "unusable"):
        return encrypted
    return verified


@pytest.mark.parametrize("name", every(DOMAINS, once=FIRST))
def test_the_sender_delivers_where_postfix_would_and_holds_where_it_would(lab, name):
    settings, change = DOMAINS[name]
    domain = f"d{list(DOMAINS).index(name)}.test"  # unbound keeps what it knows of another one's keys
    change(lab.domain(domain, **settings))
    signed = name[:1].isdigit() and "not signed" not in name
    tlsa = ("unusable" if name.startswith("1") else "usable") if signed else ""
    for level in LEVELS:
        own = {"dane": "may"}.get(level, level)
        sender = lab.registry.sender(
            lab.network.host("provider"), Configuration(level=own, mta_sts="never", dane=level == "dane")
        )
        outcome = sender.send(compose("hello", "x", "alice@lab.test", f"bob@{domain}"))
        said = _postfix(lab, level, domain)
        assert (outcome.state == "delivered") == _delivers(said, level, tlsa), (level, outcome, said)


def test_postfix_matches_the_record_that_the_lab_has_published(lab):
    bob = lab.domain("published.test").sign().tlsa("3 1 1")
    (record,) = bob.zone.get("_25._tcp.mail", "TLSA")
    said = _postfix(lab, "dane", "published.test")
    assert re.search(r"[Mm]atched DANE EE certificate at depth 0: 3 1 1 (\w+)", said)[1].lower() == record.split()[3]


def test_what_unbound_finds_bogus_the_lab_does_not_deliver_to(lab):
    bob = lab.domain("bogus.test").sign().tlsa("3 1 1")
    bob.zone.sign_with(registration.ZoneKey())
    sender = lab.registry.sender(lab.network.host("provider"), Configuration())
    assert sender.send(compose("hello", "x", "alice@lab.test", "bob@bogus.test")).state == "held"
    assert "TLS connection established" not in _postfix(lab, "dane", "bogus.test")
