"""Reports are written as RFC 8460 §4.4 says, and a record says where they go."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.defences.tls_reports import (
    POLICY_TYPES,
    RESULTS,
    Applied,
    Failure,
    TLSReport,
    compressed,
    day_of,
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
def test_every_policy_and_failure_stands_in_the_json_that_travels(report):
    written = json.loads(gzip.decompress(compressed(report)))
    assert datetime.fromisoformat(written["date-range"]["start-datetime"]) == report.begin
    for applied, said in zip(report.policies, written["policies"], strict=True):
        assert said["policy"]["policy-type"] == applied.type
        assert tuple(said["policy"].get("policy-string", ())) == applied.policy
        assert tuple(said["policy"].get("mx-host", ())) == applied.mx
        assert list(said["summary"].values()) == [applied.successes, applied.failed]
        for failure, detail in zip(applied.failures, said.get("failure-details", ()), strict=True):
            assert (detail["result-type"], detail["failed-session-count"]) == (failure.result, failure.count)
            assert detail.get("receiving-mx-hostname", "") == failure.mx
            assert detail.get("failure-reason-code", "") == failure.reason
            assert (detail["sending-mta-ip"], detail["receiving-ip"]) == (failure.sender_ip, failure.receiver_ip)


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
