"""The report card: every finding with its rule, a grade whose rule is printed, and nothing that only a colour says."""

import json

import pytest
from impostors import listening, says
from page_checks import read_page

from labkit import Lab
from labkit.probe.findings import GRADES, RULE, ServerFinding
from labkit.probe.observation import Observation
from labkit.probe.probe_report import CHECKS, ProbeReport
from labkit.probe.target import outside


@pytest.fixture(scope="module")
def report():
    with Lab("loopback") as lab:
        return lab.probe(lab.imap(auth="always", quirks=("keeps the buffer",), tls=("TLS 1.1", "TLS 1.2")))


def test_the_page_is_html_that_a_screen_reader_can_follow(report):
    assert not read_page(report.page.html).unnamed
    for finding in report.findings:
        assert finding.title in report.page.html


def test_every_verdict_is_a_word_and_a_sign_besides_its_colour(report):
    for verdict, sign in {"good": "✔", "fault": "✘", "note": "i"}.items():
        assert f">{sign}</span>\N{NO-BREAK SPACE}{verdict}<" in report.page.html
        assert f"{sign} {verdict}" in repr(report)


def test_text_and_page_say_the_same_and_print_the_rule_and_what_no_test_shows(report):
    text = " ".join(repr(report).split())
    for said in (RULE, report.cannot_show, *(finding.said for finding in report.findings)):
        assert said in text
    assert "smtpd_tls" not in text, "Postfix does not speak IMAP"
    assert "ssl_min_protocol = TLSv1.2" in repr(report)


def test_the_report_for_programs_has_it_all(report):
    facts = json.loads(report.json)
    assert [one["id"] for one in facts["findings"]] == [finding.id for finding in report.findings]
    assert facts["grade"] == "F"
    assert facts["server"] == {"host": "mail", "port": 143, "protocol": "IMAP", "name": "mail.lab.test"}
    assert all(one["rule"] for one in facts["findings"])


def test_the_grade_is_the_worst_letter_and_unknown_lowers_none():
    seen = Observation(outside("m:25").dialect, "m", 25, "m", False, False, True)

    def graded(*verdicts):
        made = (ServerFinding(str(n), "", "", *one[:1], "", "", leaves=one[1]) for n, one in enumerate(verdicts))
        return ProbeReport(seen, tuple(made)).grade

    assert graded(("good", "A"), ("unknown", "F"), ("left out", "F"), ("note", "D")) == "A"
    assert graded(("fault", "B"), ("fault", "D"), ("fault", "C")) == "D"
    assert list(GRADES) == sorted(GRADES)


def test_every_check_has_an_id_of_its_own_a_rule_and_a_grade_that_exists():
    assert len({one.id for one in CHECKS}) == len(CHECKS)
    assert all(one.rule and one.leaves in GRADES for one in CHECKS)
    assert all("" in one.mend and one.means for one in CHECKS if one.leaves != "A"), "each fault can be mended"


def test_a_finding_that_does_not_exist_is_named_with_those_that_do(report):
    assert "injection" in report
    with pytest.raises(KeyError, match="clear-login"):
        report["nothing"]


def test_what_a_hostile_server_says_cannot_leave_its_place():
    nasty = b"220 <script>alert(1)</script>\x1b[31m ESMTP\r\n"
    with listening(says(nasty, b"250-m\r\n250 STARTTLS\r\n", b"554 <b>\x1b[0m\xff\r\n")) as (where, _), Lab() as lab:
        report = lab.probe(where, protocol="smtp")
    assert not read_page(report.page.html).unnamed
    assert "<script>" not in report.page.html
    assert "\x1b" not in repr(report) + report.page.html
    json.loads(report.json)


def test_what_is_no_server_is_refused():
    with Lab("loopback") as lab:
        from labkit.errors import LabError

        for nothing in (None, 587, lab.alice):
            with pytest.raises(LabError, match="takes a server"):
                lab.probe(nothing)
        with pytest.raises(LabError, match="cannot be told"):
            lab.probe("mail:4711")
        server = lab.smtp()
        assert lab.probe("mail:587").grade == lab.probe(server).grade == "A"
        server.close()
        assert "Nothing listens on port 587" in lab.probe(server)["reach"].said


def test_a_line_of_settings_breaks_where_the_page_is_narrow(report):
    assert '<pre class="lk-words">ssl_min_protocol' in report.page.html
    assert "<pre>" not in report.page.html, "only the class breaks lines"
