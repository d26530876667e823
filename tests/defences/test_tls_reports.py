"""Reports are written as RFC 8460 says and read however they come."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughly import examples

from labkit.defences.tls_reports import (
    LARGEST,
    POLICY_TYPES,
    RESULTS,
    Applied,
    Failure,
    TLSReport,
    compressed,
    day_of,
    read_report,
    report_addresses,
)
from labkit.errors import LabError

words = st.text(max_size=20)
failures = st.builds(
    Failure,
    st.sampled_from(sorted(RESULTS)),
    words,
    st.integers(1, 9),
    words,
    st.just("192.0.2.1"),
    st.just("192.0.2.2"),
)


@st.composite
def applied(draw):
    found = tuple(draw(st.lists(failures, max_size=3)))
    type = draw(st.sampled_from(POLICY_TYPES))
    return Applied(
        type,
        "bob.test",
        draw(st.integers(0, 99)),
        found,
        tuple(draw(st.lists(words, max_size=3))),
        ("mail.bob.test",) if type == "sts" else (),
        sum(each.count for each in found) + draw(st.integers(0, 3)),
    )


moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC, microsecond=0)
)
reports = st.builds(
    lambda begin, policies: TLSReport("lab.test", "tls@lab.test", begin, begin + timedelta(hours=1), "1", policies),
    moments,
    st.lists(applied(), min_size=1, max_size=3).map(tuple),
)
REPORT = TLSReport(
    "provider.lab.test",
    "tls-reports@lab.test",
    *day_of(1_790_000_000),
    "2026-1",
    (
        Applied(
            "sts", "bob.test", 2, (Failure("starttls-not-supported", "mail.bob.test", 3),), ("version: STSv1",), (), 3
        ),
    ),
)


@given(reports)
def test_what_is_written_is_read_again_compressed_or_not(report):
    assert read_report(report.json) == report == read_report(compressed(report))


def test_a_report_has_the_fields_of_the_rfc_and_covers_a_day_in_utc():
    written = json.loads(REPORT.json)
    assert written["date-range"] == {"start-datetime": "2026-09-21T00:00:00Z", "end-datetime": "2026-09-21T23:59:59Z"}
    (policy,) = written["policies"]
    assert policy["policy"] == {"policy-type": "sts", "policy-string": ["version: STSv1"], "policy-domain": "bob.test"}
    assert policy["summary"] == {"total-successful-session-count": 2, "total-failure-session-count": 3}
    assert policy["failure-details"][0]["failed-session-count"] == 3
    assert REPORT.file_name == "provider.lab.test!bob.test!1789948800!1790035199!2026-1.json.gz"


def test_a_report_says_in_words_what_happened():
    assert "bob.test (MTA-STS): 2 good, 3 failed" in repr(REPORT)
    assert "3 x starttls-not-supported: the server did not offer STARTTLS" in repr(REPORT)


@pytest.mark.parametrize(
    "wrong",
    (
        {"contact": "nobody"},
        {"organization": ""},
        {"end": REPORT.begin},
        {"begin": datetime(2026, 1, 1)},
        {"policies": (Applied("tls", "bob.test"),)},
        {"policies": (Applied("sts", "bob.test", 0, (Failure("stripped"),), failed=1),)},
        {"policies": (Applied("sts", "bob.test", 0, (Failure("tlsa-invalid", count=2),), failed=1),)},
    ),
)
def test_a_report_that_the_rfc_does_not_allow_is_not_written(wrong):
    from dataclasses import replace

    with pytest.raises(LabError):
        _ = replace(REPORT, **wrong).json


def test_reports_from_outside_lack_fields_or_hold_null_and_are_read_all_the_same():
    """As those of large providers do: no addresses, contact-info null, policy-string a text, counts as texts."""
    report = read_report(
        json.dumps(
            {
                "organization-name": "Large",
                "contact-info": None,
                "date-range": {"start-datetime": "2026-01-01T00:00:00Z"},
                "policies": [
                    {
                        "policy": {"policy-type": "no-policy-found", "policy-string": "none"},
                        "summary": {"total-successful-session-count": "7", "total-failure-session-count": -1},
                        "failure-details": [{"result-type": "something new", "additional-info-uri": 1}, None],
                    },
                    "noise",
                ],
            }
        ).encode()
    )
    assert report.contact == "" and report.policies[0].successes == 7 and report.policies[0].failed == 0
    assert report.policies[0].policy == ("none",) and report.policies[0].failures[0].result == "something new"
    assert "not a result of RFC 8460" in repr(report)


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("policies", "policy", "summary", "failure-details", "date-range", "start-datetime", "x")),
            inner,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=examples(300))
@given(trees.map(lambda tree: json.dumps(tree).encode()) | st.binary(max_size=60))
def test_anything_else_is_a_report_or_said_to_be_none(data):
    try:
        report = read_report(data)
    except LabError as error:
        assert "report" in str(error)
    else:
        assert repr(report)


def test_a_report_that_unpacks_to_very_much_is_refused():
    with pytest.raises(LabError, match="longer than"):
        read_report(gzip.compress(b" " * (LARGEST + 1)))
    with pytest.raises(LabError, match="damaged"):
        read_report(compressed(REPORT)[:20] + b"\xff" * 20)
    with pytest.raises(LabError, match="not a TLS report"):
        read_report(b"[" * 100_000)


@pytest.mark.parametrize(
    "texts, found",
    (
        (("v=TLSRPTv1; rua=mailto:tls@bob.test",), ("mailto:tls@bob.test",)),
        (
            ("v=TLSRPTv1;rua=mailto:tls@bob.test,https://bob.test/tls;",),
            ("mailto:tls@bob.test", "https://bob.test/tls"),
        ),
        (("other", "v=TLSRPTv1; rua=https://bob.test/"), ("https://bob.test/",)),
        (("v=TLSRPTv1; rua=mailto:a@b", "v=TLSRPTv1; rua=mailto:a@b"), ()),
        (("v=TLSRPTv2; rua=mailto:a@b",), ()),
        (("v=TLSRPTv1; rua=ftp://bob.test",), ()),
        (("v=TLSRPTv1",), ()),
        ((), ()),
    ),
)
def test_a_record_says_where_reports_go(texts, found):
    assert report_addresses(texts) == found
    if found and len(texts) == 1:
        import checkdmarc.smtp_tls_reporting as checker  # 0.7 s, in each process of pytest-xdist if it stood above

        assert checker.parse_smtp_tls_reporting_record(texts[0])["tags"]["rua"]["value"] == list(found)
