"""Dovecot, a mail server from elsewhere, adopted by the lab: set right it has no fault, and each bad setting is caught
until the report's own lines mend it.
"""

from contextlib import contextmanager

import pytest
from dovecot_home import PORTS, dovecot_home

from labkit import Lab

RIGHT = "disable_plaintext_auth = yes\nssl = required\n"
BAD = "disable_plaintext_auth = no\nssl_min_protocol = TLSv1\nssl_cipher_list = ALL:eNULL:@SECLEVEL=0\n"
TLS = {"old-versions", "weak-suites"}
IMPLICIT = ("imaps", "pop3s")


@pytest.fixture(scope="module")
def lab():
    with Lab("loopback") as lab:
        yield lab


@contextmanager
def running(lab, more, kind="right"):
    """Dovecot on the host mail with these further settings: name of the port -> the server."""
    shown = lab.authority.certificate(kind)
    ports = {name: lab.mail.free_port(port) for name, port in PORTS.items()}
    with dovecot_home(shown.key + shown.pem, ports, lab.mail.address, more=more) as command:
        program = lab.mail.start(command)
        servers = {name: lab.adopt("mail", port, name[:4], name in IMPLICIT) for name, port in PORTS.items()}
        try:
            yield servers
        finally:
            program.close()
            for server in servers.values():
                server.close()


def reports(lab, more, kind="right"):
    with running(lab, more, kind) as servers:
        return {name: lab.probe(server) for name, server in servers.items()}


def faults(found):
    return {name: {finding.id for finding in report.faults} for name, report in found.items()}


def test_a_dovecot_that_is_set_right_has_no_fault_and_is_attacked_like_the_labs_own(lab):
    found = reports(lab, RIGHT)
    for name, report in found.items():
        assert (report.faults, report.unknown, report.grade) == ((), (), "A"), name
    for name in ("imap", "pop3"):
        for tried in ("injection", "login-kept", "clear-login", "implicit"):
            assert found[name][tried].verdict == "good", (name, tried)
        assert not found[name].left_out


def test_each_bad_setting_is_caught_where_it_counts_and_mended_by_the_lines_that_the_report_gives(lab):
    found = reports(lab, BAD)
    # Dovecot remembers a USER from before STLS, which RFC 2595 §4 tells it to forget.
    explicit = {"clear-login", *TLS}
    assert faults(found) == {"imap": explicit, "pop3": {*explicit, "state-kept"}, "imaps": TLS, "pop3s": TLS}
    lines = {finding.mend["Dovecot"] for finding in found["imap"].faults}
    assert not any(faults(reports(lab, "\n".join([BAD, *lines]))).values())


@pytest.mark.thorough  # the lab's own servers are caught with each, and this one with bad settings above
def test_a_bad_certificate_is_caught(lab):
    assert set.union(*faults(reports(lab, RIGHT, "wrong name")).values()) == {"name"}
