"""Every answer is secure, insecure, bogus or indeterminate, and an attacker on the path cannot make a forged one
secure."""

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thoroughly import examples
from zones import NOON, World

from labkit.defences.resource_records import BOGUS, INDETERMINATE, INSECURE, MX, SECURE, TLSA
from labkit.defences.zone import LIFETIME, ZoneKey
from labkit.errors import LabError

WORLD = World()
PRESENT = (
    ("bob.test", "MX", (MX(10, "mail.bob.test"), MX(20, "backup.bob.test"))),
    ("mail.bob.test", "A", ("192.0.2.25",)),
    ("_25._tcp.mail.bob.test", "TLSA", (TLSA(3, 1, 1, b"\xab" * 32),)),
    ("_mta-sts.bob.test", "TXT", ("v=STSv1; id=1",)),
    ("alias.bob.test", "A", ("192.0.2.25",)),
    ("MAIL.bob.TEST.", "A", ("192.0.2.25",)),
    ("any.wild.bob.test", "A", ("192.0.2.80",)),
    ("one.two.wild.bob.test", "A", ("192.0.2.80",)),
)
ABSENT = (
    ("mail.bob.test", "TLSA", "mail.bob.test has no TLSA record"),
    ("_tcp.mail.bob.test", "TLSA", "only names below it have"),
    ("nobody.bob.test", "A", "nobody.bob.test does not exist"),
    ("x.mail.bob.test", "A", "x.mail.bob.test does not exist"),
    ("zzz.bob.test", "A", "zzz.bob.test does not exist"),
    ("any.wild.bob.test", "MX", "*.wild.bob.test has no MX record"),
    ("x.deep.wild.bob.test", "A", "does not exist"),
    ("dave.test", "MX", "dave.test does not exist"),
    ("bob.test", "CAA", "bob.test has no CAA record"),
    ("carol.test", "DS", "carol.test has no DS record"),
)
EVERY = [(name, type) for name, type, _ in (*PRESENT, *ABSENT)]


@pytest.mark.parametrize("name, type, records", PRESENT)
def test_what_a_signed_zone_has_is_secure(name, type, records):
    answer = WORLD.resolve(name, type)
    assert (answer.status, answer.records, answer.why) == (SECURE, records, "")


@pytest.mark.parametrize("name, type, why", ABSENT)
def test_what_a_signed_zone_has_not_is_proven_to_be_absent(name, type, why):
    answer = WORLD.resolve(name, type)
    assert answer.status == SECURE and not answer.records and not answer and why in answer.why


@pytest.mark.parametrize("name, type", (("carol.test", "MX"), ("nobody.carol.test", "A"), ("any.wild.carol.test", "A")))
def test_an_unsigned_zone_is_insecure_because_its_parent_proves_that_it_has_no_ds(name, type):
    answer = WORLD.resolve(name, type)
    assert answer.status == INSECURE and "test has no DS record for it" in answer.why
    assert bool(answer) == (name != "nobody.carol.test")


def test_a_chain_of_aliases_is_as_weak_as_its_weakest_step():
    out, into = WORLD.resolve("out.bob.test", "A"), WORLD.resolve("in.carol.test", "A")
    assert (out.status, out.first, out.canonical) == (INSECURE, SECURE, "mail.carol.test")
    assert (into.status, into.first, into.canonical) == (INSECURE, INSECURE, "mail.bob.test")


def test_without_a_trust_anchor_above_it_everything_is_insecure():
    resolver = World().resolver()
    resolver._anchors = {}
    assert resolver.resolve("bob.test", "MX").status == INSECURE


def rewriting(change):
    """Mallory on the path to the name server: every response goes through `change`."""

    def ask(query):
        response = dns.message.from_wire(WORLD.ask(query))
        change(response)
        return response.to_wire(max_size=65535)

    return ask


def drop_signatures(response):
    for section in (response.answer, response.authority):
        section[:] = [rrset for rrset in section if rrset.rdtype != dns.rdatatype.RRSIG]


def forge(kind, text):
    def change(response):
        for rrset in response.answer:
            if rrset.rdtype == dns.rdatatype.from_text(kind):
                forged = dns.rrset.from_text(rrset.name, rrset.ttl, "IN", kind, text)
                rrset.clear()
                rrset.update(forged)

    return change


def empty(kind):
    def change(response):
        if response.question[0].rdtype == dns.rdatatype.from_text(kind):
            response.answer.clear()

    return change


def deny_with_another_name(kind):
    """Mallory answers with the proof that the zone gives for a name that really is absent."""

    def change(response):
        if response.question[0].rdtype == dns.rdatatype.from_text(kind):
            query = dns.message.make_query("zzz.bob.test", kind, want_dnssec=True)
            other = dns.message.from_wire(WORLD.ask(query.to_wire()))
            response.answer, response.authority = [], other.authority
            response.set_rcode(dns.rcode.NXDOMAIN)

    return change


def parents_proof(response):
    """The parent's NSEC record of the delegation, which says nothing of what is below."""
    if response.question[0].rdtype == dns.rdatatype.TLSA:
        query = dns.message.make_query("bobby.test", "A", want_dnssec=True)
        response.answer, response.authority = [], dns.message.from_wire(WORLD.ask(query.to_wire())).authority


@pytest.mark.parametrize(
    "change, name, type",
    (
        (drop_signatures, "bob.test", "MX"),
        (drop_signatures, "nobody.bob.test", "A"),
        (drop_signatures, "any.wild.bob.test", "A"),
        (forge("MX", "10 mail.mallory.test."), "bob.test", "MX"),
        (forge("TLSA", "3 1 1 " + "cd" * 32), "_25._tcp.mail.bob.test", "TLSA"),
        (forge("CNAME", "mail.carol.test."), "alias.bob.test", "A"),
        (empty("TLSA"), "_25._tcp.mail.bob.test", "TLSA"),
        (deny_with_another_name("TLSA"), "_25._tcp.mail.bob.test", "TLSA"),
        (deny_with_another_name("A"), "deep.wild.bob.test", "A"),
        (parents_proof, "_25._tcp.mail.bob.test", "TLSA"),
        (empty("DNSKEY"), "bob.test", "MX"),
        (empty("DS"), "bob.test", "MX"),
    ),
)
def test_what_mallory_forges_or_hides_is_bogus(change, name, type):
    answer = WORLD.resolve(name, type, rewriting(change))
    assert answer.status == BOGUS and answer.failed and not answer.records and answer.why


def hashed(key):
    """The response of a zone that denies hashed names (RFC 5155), signed with this key."""

    def change(response):
        if response.authority:
            owner = dns.name.from_text(dns.dnssec.nsec3_hash(response.question[0].name, "ab", 0, "SHA1"), BOB)
            denied = dns.rrset.from_text(owner, 300, "IN", "NSEC3", f"1 0 0 ab {owner.labels[0].decode()} A RRSIG")
            signature = dns.dnssec.sign(denied, key.private, BOB, key.record, int(NOON), int(NOON) + 60)
            signatures = dns.rrset.from_rdata(owner, 300, signature)
            response.authority = [denied, signatures]

    return change


BOB = dns.name.from_text("bob.test")


@pytest.mark.parametrize("name, type", [(name, type) for name, type, _ in ABSENT if name.endswith("bob.test")])
def test_a_proof_with_nsec3_is_indeterminate_and_says_so_and_a_forged_one_is_bogus(name, type):
    answer = WORLD.resolve(name, type, rewriting(hashed(WORLD.bob.key)))
    assert answer.status == INDETERMINATE and answer.failed and "NSEC3 (RFC 5155)" in answer.why
    assert WORLD.resolve(name, type, rewriting(hashed(ZoneKey()))).status == BOGUS


def test_a_wildcard_cannot_stand_in_for_a_name_that_exists():
    def change(response):
        if response.question[0].name.to_text() == "deep.wild.bob.test.":
            wild = dns.message.from_wire(
                WORLD.ask(dns.message.make_query("a.wild.bob.test", "A", want_dnssec=True).to_wire())
            )
            response.authority = wild.authority
            response.answer = []
            for rrset in wild.answer:
                moved = dns.rrset.RRset(response.question[0].name, rrset.rdclass, rrset.rdtype, rrset.covers)
                moved.update(rrset)
                response.answer.append(moved)

    assert WORLD.resolve("deep.wild.bob.test", "A", rewriting(change)).status == BOGUS


@pytest.mark.parametrize("name, type", EVERY)
@settings(deadline=None, max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_of_any_answer_can_be_changed_so_that_a_forged_one_is_secure(name, type, data):
    true = WORLD.resolve(name, type)
    which, flip = data.draw(st.integers(0, 5)), data.draw(st.integers(1, 255))
    place = data.draw(st.floats(0, 1, exclude_max=True))
    count = iter(range(1000))

    def ask(query):
        wire = bytearray(WORLD.ask(query))
        if next(count) == which:
            wire[int(place * len(wire))] ^= flip
        return bytes(wire)

    answer = WORLD.resolve(name, type, ask)
    assert answer.status != INSECURE, "what is signed cannot be made to look unsigned"
    assert not answer.secure or answer.records == true.records


@settings(deadline=None, max_examples=examples(200))
@given(st.binary(max_size=200))
def test_bytes_that_are_no_answer_are_indeterminate(noise):
    answer = WORLD.resolve("bob.test", "MX", lambda query: query[:2] + noise)
    assert answer.status == INDETERMINATE and answer.why


def test_a_name_server_that_is_silent_or_fails_makes_an_answer_indeterminate_and_never_absent():
    def silent(_):
        raise LabError("dns did not answer within 1 s.")

    assert "dns did not answer within 1 s" in WORLD.resolve("bob.test", "MX", silent).why
    failing = rewriting(lambda response: response.set_rcode(dns.rcode.SERVFAIL))
    answer = WORLD.resolve("_25._tcp.mail.bob.test", "TLSA", failing)
    assert answer.status == INDETERMINATE and answer.why == (
        "the name server says SERVFAIL about _25._tcp.mail.bob.test TLSA"
    )


def test_an_answer_to_another_question_does_not_count():
    other = dns.message.make_query("mail.bob.test", "A", want_dnssec=True).to_wire()
    assert WORLD.resolve("bob.test", "MX", lambda _: WORLD.ask(other)).status == INDETERMINATE


def test_signatures_are_valid_for_an_hour_and_made_again_when_the_clock_has_moved():
    world = World()
    recorded = {}

    def replay(query):
        key = query[2:]
        recorded.setdefault(key, world.ask(query))
        return query[:2] + recorded[key][2:]

    for later in (0, LIFETIME + 1, 31 * 86400, -86400):
        world.now = NOON + later
        assert world.resolve("bob.test", "MX").status == SECURE
        replayed = world.resolver(replay).resolve("bob.test", "MX")
        assert replayed.status == (BOGUS if later else SECURE), later


def test_an_old_answer_that_mallory_has_kept_is_bogus_and_says_why():
    world = World()
    old = {}
    world.resolver(lambda query: old.setdefault(query[12:], world.ask(query))).resolve("bob.test", "MX")
    world.now += LIFETIME + 1
    replayed = world.resolver(lambda query: query[:2] + old[query[12:]][2:]).resolve("bob.test", "MX")
    assert replayed.status == BOGUS and "has expired" in replayed.why


def test_a_zone_signed_with_a_new_key_is_bogus_until_its_parent_knows_the_key():
    world = World()
    world.bob.sign_with(ZoneKey())
    assert world.resolve("bob.test", "MX").status == BOGUS
    world.test.put("bob.test.", "DS", world.bob.ds)
    assert world.resolve("bob.test", "MX").status == SECURE


def test_a_zone_that_forgets_to_sign_is_bogus_as_long_as_its_parent_says_that_it_signs():
    world = World()
    world.bob.sign_with(None)
    assert world.resolve("bob.test", "MX").status == BOGUS
    world.test.put("bob.test.", "DS")
    assert world.resolve("bob.test", "MX").status == INSECURE


@pytest.mark.parametrize("length", (1, 2, 5, 9, 12))
def test_aliases_that_lead_in_a_circle_or_are_too_many_end(length):
    world = World()
    for number in range(length):
        world.bob.put(f"a{number}", "CNAME", f"a{(number + 1) % length}")
    answer = world.resolve("a0.bob.test", "A")
    assert answer.status == INDETERMINATE and "circle or are too many" in answer.why and world.asked < 20


def test_a_very_deep_name_takes_a_bounded_number_of_questions_whatever_comes():
    world = World()
    name = ".".join("a" * 110) + ".bob.test"
    assert world.resolve(name, "A").status == SECURE and world.asked < 8
    world.asked = 0
    resolver = world.resolver(lambda query: rewriting(drop_signatures)(query))
    assert resolver.resolve(name, "A").status == BOGUS and world.asked < 130


def test_an_answer_with_very_many_keys_and_signatures_is_refused_and_not_tried_out():
    world = World()
    keys = [ZoneKey().record for _ in range(40)]

    def many(response):
        for rrset in response.answer:
            if rrset.rdtype == dns.rdatatype.DNSKEY:
                for key in keys:
                    rrset.add(key)

    answer = WORLD.resolve("bob.test", "MX", rewriting(many))
    assert answer.status == BOGUS and "41 keys, more than 16" in answer.why
    assert world.resolve("bob.test", "MX").status == SECURE


@pytest.mark.parametrize("name", ("a..b", "x" * 64 + ".test", "\ud800.test", ".".join(["abcdefgh"] * 40)))
def test_what_cannot_be_a_name_is_said_so(name):
    with pytest.raises(LabError, match="cannot be a name in the DNS"):
        WORLD.resolve(name, "A")


def test_an_answer_is_a_sentence():
    assert repr(WORLD.resolve("mail.bob.test", "A")) == "<mail.bob.test A: secure, 192.0.2.25>"
    forged = WORLD.resolve("bob.test", "MX", rewriting(drop_signatures))
    assert repr(forged).startswith("<bob.test MX: bogus, nothing that counts (")


def referral(response):
    """The name server leads on to itself: every answer is that another one, of the same name, is to be asked."""
    asked = response.question[0].name
    response.answer = []
    response.authority = [dns.rrset.from_text(asked, 300, "IN", "NS", "ns.bob.test.")]
    response.flags &= ~dns.flags.AA
    response.set_rcode(dns.rcode.NOERROR)


@pytest.mark.parametrize("name, type", (("bob.test", "MX"), ("a.b.c.d.bob.test", "A"), ("carol.test", "MX")))
def test_delegations_that_lead_in_a_circle_end_and_count_for_nothing(name, type):
    world = World()

    def ask(query):
        response = dns.message.from_wire(world.ask(query))
        if response.question[0].name.is_subdomain(dns.name.from_text(name)):
            referral(response)
        return response.to_wire()

    answer = world.resolver(ask).resolve(name, type)
    assert answer.failed and not answer.records and answer.why and world.asked < 20


def test_an_answer_as_large_as_a_message_can_be_is_read_and_validated():
    world = World()
    world.bob.put("big", "TXT", *(f'"{number:05}{"x" * 245}"' for number in range(240)))
    wire = world.ask(dns.message.make_query("big.bob.test", "TXT", want_dnssec=True).to_wire())
    assert 60_000 < len(wire) <= 65_535
    answer = world.resolve("big.bob.test", "TXT")
    assert answer.secure and len(answer.records) == 240
