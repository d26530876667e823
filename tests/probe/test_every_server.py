"""Every mistake that a server of the lab can make is found by the probe, in every protocol, and nothing where it makes
none. What is found is said of the server that runs, whatever its protocol is called.
"""

import pytest

from labkit import Lab, attacks
from labkit.dialects import ALL
from labkit.probe.findings import FAULT, GRADES
from labkit.servers import server_for
from labkit.trust.certificates import KINDS

PROTOCOLS = [dialect.name for dialect in ALL]
QUIRKS = [(name, quirk) for name in PROTOCOLS for quirk in server_for(name).quirks]
FINDINGS = {
    "keeps the buffer": "injection",
    "keeps the login": "login-kept",
    "PREAUTH": "preauth",
    "refuses the upgrade": "go-ahead",
    "keeps the offer": "list-inside",
}
CERTIFICATES = {"wrong name": "name", "expired": "dates", "self-signed": "issuer", "unknown root": "issuer"}


@pytest.fixture(scope="module")
def lab():
    with Lab("loopback") as lab:
        yield lab


def faults(lab, protocol, **settings):
    server = lab.start(protocol, **settings)
    try:
        report = lab.probe(server)
    finally:
        server.close()
    return report, {finding.id for finding in report.faults}


@pytest.mark.parametrize("implicit", [False, True], ids=["explicit", "implicit"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_without_a_mistake_gets_the_best_grade_and_nothing_is_unknown(lab, protocol, implicit):
    if implicit and True not in server_for(protocol).ports:
        return
    report, found = faults(lab, protocol, implicit=implicit)
    assert not found
    assert (report.grade, bool(report), report.unknown) == ("A", True, ())
    assert report["handshake"].said == "The handshake ends well, in TLS 1.3 with TLS_AES_256_GCM_SHA384."
    assert set(report.versions) == {"TLS 1.2", "TLS 1.3"}
    assert ("injection" in report) is not implicit


@pytest.mark.parametrize(("protocol", "quirk"), QUIRKS)
def test_a_quirk_is_found_and_only_where_it_is(lab, protocol, quirk):
    with_it, found = faults(lab, protocol, auth="always", quirks=(quirk,))
    _, without = faults(lab, protocol, auth="always")
    assert found - without >= {FINDINGS[quirk]}
    assert without == {"clear-login"}, "a login in clear text is the only fault that is left"
    assert with_it.grade == ("D" if quirk == "keeps the offer" else "F")
    follows = {"go-ahead"} if quirk == "PREAUTH" else set()  # STARTTLS comes too late then
    assert not {FINDINGS[other] for other in FINDINGS if other != quirk} & found - follows


@pytest.mark.parametrize("kind", CERTIFICATES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_bad_certificate_is_found_and_what_is_bad_about_it(lab, protocol, kind):
    report, found = faults(lab, protocol, certificate=kind)
    assert found == {CERTIFICATES[kind]}
    assert report.grade == "D"


def test_every_kind_of_certificate_and_quirk_is_tried_here():
    assert {*CERTIFICATES, "right"} == set(KINDS)
    assert set(FINDINGS) == {quirk for _, quirk in QUIRKS}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_that_does_not_start_tls_is_found(lab, protocol):
    report, found = faults(lab, protocol, starttls="off")
    assert found <= {"offer", "go-ahead"}
    assert "go-ahead" in found
    assert report.grade == "F"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_that_requires_tls_has_no_fault(lab, protocol):
    assert not faults(lab, protocol, starttls="required")[1]


def test_old_versions_and_broken_suites_are_found(lab):
    report, found = faults(lab, "imap", tls=("TLS 1.0", "TLS 1.2"), ciphers="ALL:eNULL:@SECLEVEL=0")
    assert found == {"old-versions", "weak-suites"}
    assert "TLS 1.0 and TLS 1.1" in report["old-versions"].said
    assert "ECDHE_ECDSA_WITH_NULL_SHA" in report["weak-suites"].said
    assert "anon" in report["anonymous"].said
    assert report.grade == "C"


def test_a_server_that_has_only_one_version_is_asked_for_it_alone(lab):
    report, found = faults(lab, "pop3", tls=("TLS 1.3",))
    assert not found
    assert set(report.versions) == {"TLS 1.3"}


def test_a_fault_says_what_it_means_and_how_to_mend_it_in_the_programs_that_speak_the_protocol(lab):
    report, _ = faults(lab, "imap", auth="always", tls=("TLS 1.1", "TLS 1.2"))
    assert report["clear-login"].rule == "RFC 9051 §6.2.3"
    assert "ssl_min_protocol = TLSv1.2" in report["old-versions"].mend["Dovecot"]
    assert not any("Postfix" in finding.mend for finding in report.findings)
    for finding in report.findings:
        assert bool(finding.means) is (finding.verdict == FAULT)
        assert finding.leaves in GRADES


def test_what_the_domain_publishes_is_compared_with_the_server():
    with Lab("loopback", hosts=("dns", "www")) as lab:
        domain = lab.domain("bob.test").sign().tlsa("3 1 1").sts("enforce").reports().caa("ca.lab.test")
        right = lab.probe(domain.server)
        domain.new_key().sts("enforce", mx=("other.bob.test",))
        wrong = lab.probe(domain.server)
    names = ("mta-sts", "dane", "tls-rpt", "caa")
    assert [right[name].verdict for name in names] == ["good"] * 4
    assert [wrong[name].verdict for name in names] == ["fault", "fault", "good", "good"]
    assert "mta-sts" not in lab_report(587)


def lab_report(port):
    with Lab("loopback") as lab:
        return lab.probe(lab.smtp(port))


def test_a_server_between_servers_in_a_lab_that_publishes_nothing_has_that_as_unknown():
    report = lab_report(25)
    assert report["mta-sts"].said == "Unknown, because this lab publishes no domain."
    assert report.grade == "A"


def test_a_real_aiosmtpd_has_the_fault_that_its_next_version_has_not(lab):
    found = {}
    for version in ("1.4.5", "1.4.6"):
        server = lab.older_smtp(version, auth="after TLS")
        found[version] = {finding.id for finding in lab.probe(server).faults}
        server.close()
    assert found == {"1.4.5": {"injection"}, "1.4.6": set()}


def test_a_probe_on_a_path_with_an_attacker_sees_what_the_clients_on_that_path_see(lab):
    server = lab.smtp()
    with lab.mallory(attacks.StripCapability()):
        stripped = lab.probe(server)
    free = lab.probe(server)
    server.close()
    assert [finding.id for finding in stripped.faults] == ["offer"]
    assert stripped["go-ahead"].verdict == "good", "the server itself would start TLS"
    assert free.grade == "A"
