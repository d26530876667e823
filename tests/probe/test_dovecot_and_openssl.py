"""Servers that nobody here wrote: Dovecot as it should be set has no fault, and each bad setting is caught until it is
mended; `openssl s_server` shows what a library alone would do.
"""

from dataclasses import replace

import pytest
from dovecot import dovecot
from tls_sessions import authority

from labkit.dialects.writing import Credentials
from labkit.network import make
from labkit.probe.probe_report import probe
from labkit.probe.target import outside

RIGHT = "disable_plaintext_auth = yes\nssl = required\n"


@pytest.fixture(scope="module")
def alice():
    network = make("loopback")
    yield network.host("alice")
    network.close()


def reports(alice, more: str):
    """Protocol -> the report on this Dovecot, which counts as the lab's own."""
    found = {}
    with dovecot(more) as places:
        for name, (host, port) in places.items():
            target = outside(f"{host}:{port}", name.rstrip("s"), implicit=name.endswith("s"), trust=_trust)
            login = Credentials("alice", "hunter2", "alice@lab.test")
            found[name] = probe(replace(target, name="mail.lab.test", inside=alice, login=login))
    return found


def _trust(context):
    authority().configure_trust(context)


def faults(found):
    return {name: {finding.id for finding in report.faults} for name, report in found.items()}


def test_a_dovecot_that_is_set_right_has_no_fault(alice):
    found = reports(alice, RIGHT)
    assert not any(faults(found).values())
    for name in ("imap", "pop3"):
        assert found[name]["injection"].verdict == "good"
        assert found[name]["login-kept"].verdict == "good"
        assert found[name]["clear-login"].verdict == "good"
    assert not any(report.unknown for report in found.values())


def test_each_bad_setting_is_caught_where_it_counts(alice):
    found = faults(
        reports(alice, "disable_plaintext_auth = no\nssl_min_protocol = TLSv1\nssl_cipher_list = ALL:@SECLEVEL=0\n")
    )
    tls = {"old-versions", "weak-suites"}
    assert found["imap"] == {"clear-login", *tls}
    # Dovecot remembers a USER from before STLS, which RFC 2595 §4 tells it to forget.
    assert found["pop3"] == {"clear-login", "state-kept", *tls}
    assert found["imaps"] == found["pop3s"] == tls
