"""A policy of MTA-STS is read as RFC 8461 says, and a sender's cache keeps it until it expires."""

from importlib.metadata import version

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughly import examples

from labkit.defences.mta_sts import (
    LONGEST,
    MODES,
    Cache,
    NoPolicy,
    STSPolicy,
    discover,
    matches,
    read_policy,
    record_id,
)
from labkit.errors import LabError

POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mail.bob.test\r\nmx: *.bob.test\r\nmax_age: 604800\r\n"
RECORD = "v=STSv1; id=20260101T000000Z;"
DAY = 86_400

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
hosts = st.lists(labels, min_size=1, max_size=5).map(".".join)
patterns = st.builds(lambda wild, host: f"*.{host}" if wild else host, st.booleans(), hosts)


@pytest.mark.parametrize(
    "texts, id",
    (
        ((RECORD,), "20260101T000000Z"),
        (("v=STSv1;id=a",), "a"),
        (("v=STSv1; x-y.z=1; id=B2",), "B2"),
        (("v=spf1 -all", RECORD, "verification=abc"), "20260101T000000Z"),
        (("v=STSv1; id=first; id=second",), "first"),
        (("v=STSv1; id=" + "9" * 32,), "9" * 32),
    ),
)
def test_a_record_announces_the_id_of_a_policy(texts, id):
    assert record_id(texts) == id


@pytest.mark.parametrize(
    "texts",
    (
        (),
        ("v=STSv1",),
        ("v=STSV1; id=1",),
        ("v=stsv1; id=1",),
        ("id=1; v=STSv1;",),
        (" v=STSv1; id=1",),
        ("v=STSv1; id=",),
        ("v=STSv1; ID=1",),
        ("v=STSv1; id=" + "9" * 33,),
        ("v=STSv1; id=a-b",),
        ("v=STSv1; id=1; broken",),
        ("v=STSv1;; id=1",),
        ("v=STSv1; id=\u0661",),
        (RECORD, RECORD),
        (RECORD, "v=STSv1; id=2"),
    ),
)
def test_no_record_or_two_or_a_broken_one_announces_nothing(texts):
    with pytest.raises(NoPolicy):
        record_id(texts)


@settings(max_examples=examples(300))
@given(st.lists(st.text(max_size=60) | st.text(max_size=40).map("v=STSv1;".__add__), max_size=3))
def test_any_texts_are_a_record_or_none(texts):
    try:
        id = record_id(texts)
    except NoPolicy as error:
        assert str(error)
    else:
        assert id.isascii() and id.isalnum() and 1 <= len(id) <= 32


@given(
    st.sampled_from(MODES),
    st.lists(patterns, min_size=1, max_size=4).map(tuple),
    st.integers(0, LONGEST),
    st.booleans(),
)
def test_what_is_written_is_read_again_with_either_end_of_line(mode, mx, max_age, crlf):
    policy = STSPolicy(mode, mx, max_age, "id1")
    text = policy.text if crlf else policy.text.replace("\r\n", "\n")
    assert read_policy(text.encode(), "id1") == policy
    assert "".join(f"{line}\r\n" for line in policy.lines) == policy.text


@settings(max_examples=examples(300))
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_policy_or_the_result_sts_policy_invalid(body):
    try:
        policy = read_policy(body)
    except NoPolicy as error:
        assert error.result == "sts-policy-invalid" and str(error).startswith("the policy is not valid: ")
    else:
        assert policy.mode in MODES and 0 <= policy.max_age <= LONGEST


@pytest.mark.parametrize(
    "old, new",
    (
        (b"mode: enforce", b"mode: enforce\r\nmode: none"),  # the first one counts
        (b"max_age: 604800", b"max_age: 604800\r\nmax_age: 1"),
        (b"mode: enforce", b"later_field: we don't know: this\r\nmode: enforce"),
        (b"mode: enforce", b"mode:enforce"),
        (b"mode: enforce", b"mode: \t enforce \t "),
        (b"max_age: 604800\r\n", b"max_age: 0000604800"),
        (b"version: STSv1\r\n", b"version: STSv1\n\n"),
    ),
)
def test_what_the_grammar_allows_is_the_same_policy(old, new):
    assert read_policy(POLICY.replace(old, new)) == read_policy(POLICY)


@pytest.mark.parametrize(
    "old, new, why",
    (
        (b"version: STSv1\r\n", b"", "version is 'missing'"),
        (b"STSv1", b"STSv2", "'STSv2'"),
        (b"STSv1", b"stsv1", "'stsv1'"),
        (b"mode: enforce", b"mode: Enforce", "'Enforce'"),
        (b"mode: enforce\r\n", b"", "mode is"),
        (b"604800", b"31557601", "0 to 31557600"),
        (b"604800", b"-1", "not a number of seconds"),
        (b"604800", b"1e6", "not a number of seconds"),
        (b"604800", b"9" * 11, "not a number of seconds"),
        (b"mx: mail.bob.test\r\nmx: *.bob.test\r\n", b"", "at least one mx"),
        (b"*.bob.test", b"mail.*.test", "mail.*.test"),
        (b"*.bob.test", b"*bob.test", "*bob.test"),
        (b"mode: enforce", b"mode = enforce", "not a field"),
        (b"mode: enforce", b"\xff\xfe", "not text"),
        (b"mode: enforce", b"x: " + b"a" * 70000, "longer than 65536 bytes"),
    ),
)
def test_what_the_grammar_forbids_is_no_policy_and_the_reason_names_it(old, new, why):
    with pytest.raises(NoPolicy, match="not valid") as caught:
        read_policy(POLICY.replace(old, new))
    assert why in str(caught.value)


def test_a_policy_that_asks_for_nothing_needs_no_mx():
    assert read_policy(b"version: STSv1\nmode: none\nmax_age: 0\n").mx == ()


@pytest.mark.parametrize(
    "pattern, host, fits",
    (
        ("mail.bob.test", "MAIL.bob.test.", True),
        ("mail.bob.test", "mail2.bob.test", False),
        ("*.bob.test", "mail.bob.test", True),
        ("*.bob.test", "bob.test", False),
        ("*.bob.test", "a.b.bob.test", False),
        ("*.bob.test", ".bob.test", False),
        ("*.bob.test", "mailbob.test", False),
    ),
)
def test_a_wildcard_stands_for_exactly_one_label(pattern, host, fits):
    assert matches(pattern, host) == fits


@given(hosts, labels, labels)
def test_a_wildcard_never_matches_the_domain_itself_or_two_labels(domain, one, two):
    pattern = f"*.{domain}"
    assert matches(pattern, f"{one}.{domain}") and not matches(pattern, domain)
    assert not matches(pattern, f"{two}.{one}.{domain}")


class Clock:
    now = 1_790_000_000.0

    def __call__(self):
        return self.now


def finding(*bodies):
    """A fetch that gives these one after the other."""
    left = list(bodies)

    def fetch(domain):
        body = left.pop(0)
        if isinstance(body, NoPolicy):
            raise body
        return body

    return fetch


def unasked(domain):
    raise AssertionError("nothing is fetched")


FAILED = NoPolicy("the policy host does not answer", "sts-policy-fetch-error")


def test_a_policy_is_fetched_once_and_kept_until_it_expires():
    cache = Cache(Clock())
    policy, failure = discover("bob.test", (RECORD,), finding(POLICY), cache)
    assert policy.mode == "enforce" and failure is None
    cache.clock.now += 604_799
    assert discover("BOB.test", (RECORD,), unasked, cache) == (policy, None)
    cache.clock.now += 1
    assert cache.get("bob.test") is None


def test_a_new_id_fetches_a_new_policy_at_once():
    cache = Cache(Clock())
    discover("bob.test", (RECORD,), finding(POLICY), cache)
    policy, _ = discover("bob.test", ("v=STSv1; id=2",), finding(POLICY.replace(b"enforce", b"none")), cache)
    assert policy.mode == "none" and policy.id == "2"


@pytest.mark.parametrize("texts, fetch", (((), unasked), ((RECORD + " x",), unasked), (("v=STSv1; id=2",), None)))
def test_who_hides_the_record_or_the_policy_gains_nothing_while_one_is_kept_and_everything_when_it_has_expired(
    texts, fetch
):
    cache = Cache(Clock())
    kept, _ = discover("bob.test", (RECORD,), finding(POLICY), cache)
    policy, failure = discover("bob.test", texts, fetch or finding(FAILED), cache)
    assert policy == kept and failure
    cache.clock.now += 604_800
    assert discover("bob.test", texts, fetch or finding(FAILED), cache)[0] is None


def test_a_failed_fetch_is_not_tried_again_for_five_minutes_but_a_new_id_is():
    cache = Cache(Clock())
    assert discover("bob.test", (RECORD,), finding(FAILED), cache) == (None, FAILED)
    cache.clock.now += 299
    policy, failure = discover("bob.test", (RECORD,), unasked, cache)
    assert policy is None and "less than 300 s ago" in str(failure)
    assert discover("bob.test", ("v=STSv1; id=2",), finding(POLICY), cache)[0]
    cache.clock.now += 1
    assert discover("bob.test", (RECORD,), finding(POLICY), cache)[0]


def test_a_clock_that_is_set_back_neither_loses_a_policy_nor_blocks_a_fetch():
    cache = Cache(Clock())
    policy, _ = discover("bob.test", (RECORD,), finding(POLICY), cache)
    cache.clock.now -= 10 * DAY
    assert discover("bob.test", (RECORD,), unasked, cache) == (policy, None)
    cache.fail("carol.test", "1")
    cache.clock.now -= DAY
    assert discover("carol.test", ("v=STSv1; id=1",), finding(POLICY), cache)[0]


@given(
    st.lists(
        st.tuples(st.sampled_from(((RECORD,), (), ("v=STSv1; id=2",))), st.sampled_from((POLICY, FAILED, b"?"))),
        max_size=8,
    ),
    st.lists(st.integers(-DAY, DAY), min_size=8, max_size=8),
)
def test_whatever_happens_a_policy_that_has_not_expired_still_counts(events, steps):
    cache = Cache(Clock())
    discover("bob.test", (RECORD,), finding(POLICY), cache)
    for (texts, body), step in zip(events, steps, strict=False):
        cache.clock.now += step
        kept = cache.get("bob.test")
        found, _ = discover("bob.test", texts, finding(body), cache)
        assert found is not None or kept is None


@pytest.mark.parametrize(
    "arguments", (("deny", ("a.test",), 1), ("enforce", (), 1), ("enforce", "a.test", 1), ("none", (), -1))
)
def test_a_policy_that_cannot_be_is_said_so(arguments):
    with pytest.raises(LabError, match="policy"):
        STSPolicy(*arguments)


def test_the_checker_of_another_project_reads_what_is_written_and_refuses_what_is_refused():
    import checkdmarc.mta_sts as checker  # 0.7 s, in each process of pytest-xdist if it stood above

    policy = STSPolicy("enforce", ("mail.bob.test", "*.bob.test"), 604_800)
    assert checker.parse_mta_sts_policy(policy.text)["policy"]["mx"] == list(policy.mx)
    for wrong in ("604800", "31557601"), ("enforce", "Enforce"), ("STSv1", "STSv2"), ("max_age", "maxage"):
        for read in (lambda text: read_policy(text.encode()), checker.parse_mta_sts_policy):
            with pytest.raises((NoPolicy, checker.MTASTSPolicyError)):
                read(policy.text.replace(*wrong))
    hosts = ["mail.bob.test", "a.bob.test", "bob.test"]
    if int(version("checkdmarc").split(".")[0]) >= 6:  # before, its * stood for several labels, against RFC 8461 §4.1
        hosts.append("a.b.bob.test")
    for host in hosts:
        assert checker.mx_in_mta_sts_patterns(host, list(policy.mx)) == policy.names(host)
