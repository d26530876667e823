import re

from page_checks import read_page

from labkit.show.diagnosis import INSTEAD, MISSING, WORKS, Check, Diagnosis

CHECKS = [
    Check("Python", WORKS, "Python 3.13 on <Plan 9>."),
    Check("packet socket", INSTEAD, "The tap captures instead, " + "and says so at some length " * 8 + "too."),
]
GONE = Check("scapy", MISSING, "scapy is not installed: run make lab.")


def test_the_report_says_the_same_in_a_notebook_and_in_a_terminal():
    report = Diagnosis([*CHECKS, GONE])
    words = "".join(read_page(report._repr_html_()).words)
    text = re.sub(r"\s+", " ", repr(report))
    for check in report.checks:
        for said in (check.name, check.verdict, check.said):
            assert said in words and said in text
    assert report.headline in words and report.headline in text


def test_what_is_missing_decides_and_stands_in_the_headline():
    assert Diagnosis(CHECKS) and "runs on this machine" in Diagnosis(CHECKS).headline
    report = Diagnosis([*CHECKS, GONE])
    assert not report and "cannot run" in report.headline and "scapy" in report.headline


def test_a_verdict_is_told_by_a_word_and_a_sign_and_not_by_colour_alone():
    page = "".join(read_page(Diagnosis([*CHECKS, GONE]).html).words)
    for sign, word in (("✓", "works"), ("~", "instead"), ("✗", "missing")):
        assert f"{sign} {word}" in page


def test_the_plain_report_fits_a_terminal():
    assert max(map(len, repr(Diagnosis(CHECKS)).splitlines())) <= 110
