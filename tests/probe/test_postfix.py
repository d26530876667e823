"""Postfix as its documentation sets it up has no fault; each bad setting is caught until the report's own lines mend
it.
"""

import os

import pytest
from postfix_home import postfix_home

from labkit import Lab

RIGHT = "smtpd_tls_auth_only = yes\n"
BAD = """
smtpd_tls_protocols = >=TLSv1
smtpd_tls_ciphers = low
tls_low_cipherlist = ALL:eNULL:@SECLEVEL=0
"""


def probed(more: str, kind: str = "right"):
    """The report on a Postfix with these further settings."""
    with Lab() as lab:  # on a LAN, where there can be one: no other program takes its port
        shown = lab.authority.certificate(kind)
        at = f"{lab.mail.address}:{lab.mail.free_port(25)}"
        with postfix_home(shown.key + shown.pem, at, more) as command, lab.mail.start(command, as_root=True):
            return lab.probe(lab.adopt("mail", 25, "smtp", timeout=30), timeout=30)


pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="Postfix changes its user")


def test_a_postfix_that_is_set_right_has_no_fault():
    report = probed(RIGHT)
    assert (report.faults, report.left_out, report.grade) == ((), (), "A")
    for tried in ("injection", "login-kept", "state-kept", "clear-login"):
        assert report[tried].verdict == "good"
    # Postfix lets clients that verify nothing go without a certificate; those that verify do not ask for that.
    assert report["anonymous"].verdict == "note"


def test_bad_settings_are_caught_and_mended_by_the_lines_that_the_report_gives():
    caught = probed(BAD, "expired")
    assert {finding.id for finding in caught.faults} == {"old-versions", "weak-suites", "dates"}
    mended = [finding.mend["Postfix"] for finding in caught.faults if "Postfix" in finding.mend]
    assert not probed("\n".join([BAD, *mended])).faults
