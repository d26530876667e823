"""What a sender decides, whatever the DNS, the policy and the server say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughly import examples

from labkit.defences.decision import (
    BOUNCE,
    DANE,
    DELIVER,
    ENCRYPT,
    LEVELS,
    MAY,
    NEXT,
    NO_CHECK,
    VERIFY,
    Seen,
    Stop,
    Terms,
    candidates,
    judge,
    requiring_tls,
    terms,
    without_tls_required,
)
from labkit.defences.mta_sts import MODES, STSPolicy
from labkit.defences.resource_records import BOGUS, INDETERMINATE, INSECURE, MX, SECURE, STATES, TLSA, DNSAnswer

HOST, DOMAIN, NOW = "mail.bob.test", "bob.test", 1_790_000_000.0
EE = TLSA(3, 1, 1, b"\xab" * 32)
PKIX_ONLY = TLSA(1, 1, 1, b"\xab" * 32)

statuses = st.sampled_from(STATES)
tlsas = st.lists(st.sampled_from((EE, PKIX_ONLY, TLSA(2, 0, 1, b"\1" * 32), TLSA(3, 1, 1, b"short"))), max_size=3)
policies = st.none() | st.builds(
    STSPolicy, st.sampled_from(MODES), st.sampled_from(((HOST,), ("*.bob.test",), ("other.test",))), st.just(86400)
)
seen = st.builds(
    Seen,
    connected=st.booleans(),
    offered=st.booleans(),
    version=st.sampled_from(("", "TLS 1.3")),
    chain=st.sampled_from(((), (b"noise",))),
    fault=st.sampled_from(("", "certificate-expired", "certificate-host-mismatch", "certificate-not-trusted")),
)
mxs = st.builds(lambda status: DNSAnswer(DOMAIN, "MX", status, (MX(10, HOST),)), statuses)
addresses = st.builds(lambda status, some: DNSAnswer(HOST, "A", status, some), statuses, st.sampled_from((("x",), ())))
tlsa_answers = st.none() | st.builds(
    lambda status, found: DNSAnswer(f"_25._tcp.{HOST}", "TLSA", status, tuple(found)), statuses, tlsas
)
levels = st.sampled_from(LEVELS)

GOOD_MX = DNSAnswer(DOMAIN, "MX", SECURE, (MX(10, HOST),))
GOOD_ADDRESS = DNSAnswer(HOST, "A", SECURE, ("192.0.2.25",))
ENFORCE, TESTING = (STSPolicy(mode, (HOST,), 86400) for mode in ("enforce", "testing"))
CLEAR = Seen(offered=False)


def asked(level=MAY, mx=GOOD_MX, address=GOOD_ADDRESS, tlsa=None, policy=None, host=HOST):
    return terms(DOMAIN, level, mx, host, address, tlsa, policy)


def of(status, *found):
    return DNSAnswer(f"_25._tcp.{HOST}", "TLSA", status, found, "as it is")


@settings(max_examples=examples(400))
@given(levels, mxs, addresses, tlsa_answers, policies, seen)
def test_nothing_goes_in_clear_text_under_enforce_or_usable_tlsa_or_a_level_that_asks_for_tls(
    level, mx, address, tlsa, policy, server
):
    found = asked(level, mx, address, tlsa, policy)
    verdict = judge(found, server, NOW) if isinstance(found, Terms) else None
    if verdict is None or verdict.action != DELIVER or server.version:
        return
    assert level == MAY
    assert not (tlsa and tlsa.secure and tlsa.records)
    assert policy is None or policy.mode != "enforce"


@settings(max_examples=examples(400))
@given(levels, mxs, addresses, tlsa_answers, policies, seen)
def test_a_lookup_that_failed_never_delivers(level, mx, address, tlsa, policy, server):
    found = asked(level, mx, address, tlsa, policy)
    if address.failed or not address.records or (tlsa is not None and tlsa.failed):
        assert isinstance(found, Stop) and found.why
        assert found.action == NEXT or not (address.failed or mx.records)
    if mx.failed:
        assert isinstance(candidates(DOMAIN, mx), Stop)


@settings(max_examples=examples(400))
@given(levels, mxs, tlsa_answers, policies, seen)
def test_a_policy_of_mta_sts_never_overrides_dane(level, mx, tlsa, policy, server):
    with_policy = asked(level, mx, GOOD_ADDRESS, tlsa, policy)
    if isinstance(with_policy, Terms) and with_policy.check == DANE:
        assert with_policy == asked(level, mx, GOOD_ADDRESS, tlsa, None)
        assert judge(with_policy, server, NOW).action == NEXT  # no chain of these fits the records


@settings(max_examples=examples(300))
@given(levels, mxs, tlsa_answers, policies, seen, seen)
def test_a_sender_that_asks_for_more_never_delivers_more(level, mx, tlsa, policy, server, _):
    order = [
        judge(found, server, NOW).action
        if isinstance(found := asked(each, mx, tlsa=tlsa, policy=policy), Terms)
        else NEXT
        for each in LEVELS
    ]
    assert order == sorted(order, key=(DELIVER, NEXT).index)


@settings(max_examples=examples(300))
@given(mxs, tlsa_answers, policies, seen)
def test_a_message_that_requires_tls_goes_only_inside_tls_with_a_certificate_and_a_vouched_name(
    mx, tlsa, policy, server
):
    found = asked(MAY, mx, tlsa=tlsa, policy=policy)
    if isinstance(found, Stop):
        return
    strict = requiring_tls(mx, policy, HOST, found)
    if isinstance(strict, Stop):
        assert strict.action == BOUNCE and not mx.secure
        return
    verdict = judge(strict, server, NOW)
    if verdict.action == DELIVER:
        assert server.version and verdict.verified and not server.fault


@given(mxs, tlsa_answers, policies, seen)
def test_a_message_that_waives_tls_goes_to_every_server_that_answers(mx, tlsa, policy, server):
    found = asked(MAY, mx, tlsa=tlsa, policy=policy)
    if isinstance(found, Terms):
        verdict = judge(without_tls_required(found), server, NOW)
        assert (verdict.action == DELIVER) == server.connected


@pytest.mark.parametrize(
    "tlsa, what",
    (
        (of(SECURE, EE), (True, DANE)),
        (of(SECURE, EE, PKIX_ONLY), (True, DANE)),
        (of(SECURE, PKIX_ONLY), (True, NO_CHECK)),
        (of(SECURE), (False, NO_CHECK)),
        (of(INSECURE, EE), (False, NO_CHECK)),
        (of(BOGUS, EE), None),
        (of(INDETERMINATE), None),
    ),
)
def test_the_four_answers_for_tlsa_records_lead_to_four_actions(tlsa, what):
    """RFC 7672 §2.2."""
    found = asked(tlsa=tlsa)
    assert (None if isinstance(found, Stop) else (found.tls, found.check)) == what
    if tlsa.records == (PKIX_ONLY,):
        assert found.note == "tlsa-invalid"
    if tlsa.status == BOGUS:
        assert (found.result, found.source) == ("dnssec-invalid", "tlsa")


def test_reference_identifiers_for_dane_are_the_server_and_the_domain_if_the_mx_is_secure():
    insecure = DNSAnswer(DOMAIN, "MX", INSECURE, (MX(10, HOST),))
    assert asked(tlsa=of(SECURE, EE)).names == (HOST, DOMAIN)
    assert asked(mx=insecure, tlsa=of(SECURE, EE)).names == (HOST,)


@pytest.mark.parametrize("level", LEVELS)
def test_a_policy_that_does_not_name_the_server_stops_it_only_when_it_is_enforced(level):
    enforced = asked(level, policy=ENFORCE, host="mallory.test")
    assert isinstance(enforced, Stop) and enforced.result == "validation-failure" and enforced.source == "sts"
    tested = asked(level, policy=TESTING, host="mallory.test")
    assert isinstance(tested, Terms) and tested.note == "validation-failure"


@pytest.mark.parametrize(
    "terms_, server, action, result",
    (
        (asked(), CLEAR, DELIVER, ""),
        (asked(ENCRYPT), CLEAR, NEXT, "starttls-not-supported"),
        (asked(VERIFY), CLEAR, NEXT, "starttls-not-supported"),
        (asked(policy=ENFORCE), CLEAR, NEXT, "starttls-not-supported"),
        (asked(policy=TESTING), CLEAR, DELIVER, "starttls-not-supported"),
        (asked(tlsa=of(SECURE, EE)), CLEAR, NEXT, "starttls-not-supported"),
        (asked(tlsa=of(SECURE, PKIX_ONLY)), CLEAR, NEXT, "starttls-not-supported"),
        (asked(tlsa=of(SECURE, PKIX_ONLY)), Seen(version="TLS 1.3"), DELIVER, "tlsa-invalid"),
        (asked(ENCRYPT), Seen(version="TLS 1.3", fault="certificate-expired"), DELIVER, ""),
        (asked(VERIFY), Seen(version="TLS 1.3", fault="certificate-expired"), NEXT, "certificate-expired"),
        (asked(policy=TESTING), Seen(version="TLS 1.3", fault="certificate-expired"), DELIVER, "certificate-expired"),
        (
            asked(VERIFY, policy=TESTING),
            Seen(version="TLS 1.3", fault="certificate-expired"),
            NEXT,
            "certificate-expired",
        ),
        (asked(policy=ENFORCE), Seen(), NEXT, "validation-failure"),
        (asked(policy=ENFORCE), Seen(connected=False), NEXT, ""),
    ),
)
def test_what_a_server_shows_is_compared_with_what_is_asked(terms_, server, action, result):
    verdict = judge(terms_, server, NOW)
    assert (verdict.action, verdict.result) == (action, result)


def test_a_certificate_that_meets_the_terms_is_verified_also_where_they_are_only_tested():
    good = Seen(version="TLS 1.3")
    assert [judge(asked(policy=policy), good, NOW).verified for policy in (None, TESTING, ENFORCE)] == [
        False,
        True,
        True,
    ]


def test_servers_come_in_the_order_of_their_preference_and_a_domain_without_mx_is_its_own():
    answer = DNSAnswer(DOMAIN, "MX", SECURE, (MX(20, "b.test"), MX(10, "c.test"), MX(10, "a.test")))
    assert [mx.host for mx in candidates(DOMAIN, answer)] == ["a.test", "c.test", "b.test"]
    assert candidates(DOMAIN, DNSAnswer(DOMAIN, "MX", INSECURE)) == (MX(0, DOMAIN),)


def test_a_null_mx_gives_the_message_back():
    found = candidates(DOMAIN, DNSAnswer(DOMAIN, "MX", SECURE, (MX(0, ""),)))
    assert found.action == BOUNCE and "RFC 7505" in found.why
