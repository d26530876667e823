"""Postfix as its documentation sets it up has no fault; each bad setting is caught, and gone when it is mended."""

from dataclasses import replace

import pytest
from postfix import postfix

from labkit.dialects.writing import Credentials
from labkit.network import make
from labkit.probe.probe_report import probe
from labkit.probe.target import outside
from labkit.trust.certificates import Authority

RIGHT = """
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_protocols = >=TLSv1.2
smtpd_tls_mandatory_protocols = >=TLSv1.2
"""
OLD = "smtpd_tls_ciphers = low\ntls_low_cipherlist = ALL:eNULL:@SECLEVEL=0\n"


@pytest.fixture(scope="module")
def alice():
    network = make("loopback")
    yield network.host("alice")
    network.close()


def reports(alice, authority, more, kind="right"):
    shown = authority.certificate(kind)
    login = Credentials("alice", "hunter2", "alice@lab.test")
    with postfix(shown.key + shown.pem, more) as ports:
        for how, port in ports.items():
            target = outside(f"127.0.0.1:{port}", "smtp", implicit=how == "implicit", trust=authority.trust)
            yield how, probe(replace(target, name="mail.lab.test", inside=alice, login=login))


def test_a_postfix_that_is_set_right_has_no_fault(alice):
    found = dict(reports(alice, Authority(), RIGHT))
    for report in found.values():
        assert (report.faults, report.unknown, report.grade) == ((), (), "A")
    assert found["explicit"]["injection"].verdict == "good"
    assert found["explicit"]["state-kept"].verdict == "good"
    # Postfix lets clients that verify nothing go without a certificate; those that verify do not ask for that.
    assert found["explicit"]["anonymous"].verdict == "note"


def test_bad_settings_are_caught_and_mended_by_the_lines_that_the_report_gives(alice):
    bad = "smtpd_tls_security_level = may\nsmtpd_tls_protocols = >=TLSv1\n" + OLD
    authority = Authority()
    caught = dict(reports(alice, authority, bad, "expired"))["explicit"]
    assert {finding.id for finding in caught.faults} == {"old-versions", "weak-suites", "dates"}
    mended = [finding.mend["Postfix"] for finding in caught.faults if "Postfix" in finding.mend]
    assert not dict(reports(alice, authority, "\n".join([bad, *mended])))["explicit"].faults
