"""mallory on the way to the name server and the policy host: what she forges, and what a sender makes of it."""

import pytest
from networks import BEST
from thoroughly import every

from labkit import Lab, attack_table, attacks
from labkit.attacks.vectors.publication import BLOCK, PASS, PublicationVector, Served, Together
from labkit.defences.answering import respond
from labkit.defences.forging import question
from labkit.defences.resource_records import Question
from labkit.defences.zone import Zone, ZoneKey
from labkit.errors import LabError, NetworkUnavailable
from labkit.network import KINDS

PUBLISHED = [kind for kind in attacks.ALL if issubclass(kind, PublicationVector)]
LOGIN = ("alice", "hunter2")


@pytest.fixture(params=every(KINDS, once=BEST))
def lab(request):
    try:
        lab = Lab(request.param, hosts=("dns", "www", "provider"))
    except NetworkUnavailable as refusal:
        pytest.skip(str(refusal))
    with lab:
        yield lab


def sent(lab, provider):
    lab.send(provider, "The PIN is 4921", login=LOGIN, recipient="bob@bob.test")
    return provider.relayed[-1]


@pytest.mark.parametrize(
    "vector, why",
    (
        (attacks.DropSignatures(), "has no signature (RRSIG)"),
        (attacks.ForgeMX("bob.test", "mail.mallory.test"), "has a signature that does not fit"),
        (attacks.ForgeTLSA(), "has a signature that does not fit"),
        (attacks.HideTLSA(), "nothing proves that _25._tcp.mail.bob.test has no TLSA record"),
        (attacks.DenyTLSA(), "no NSEC record proves that _25._tcp.mail.bob.test has no TLSA record"),
    ),
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_is_forged_in_a_signed_domain_is_noticed_and_the_mail_is_held(lab, vector, why):
    lab.domain("bob.test").sign().tlsa("3 1 1")
    provider = lab.provider()
    with lab.spoof(vector) as misleader:
        outcome = sent(lab, provider)
    assert outcome.state == "held" and why in outcome.why
    assert misleader.forgeries and "forged" in repr(misleader)
    assert provider.sender.retry()[0].state == "delivered", "she is gone"


def test_mail_for_an_unsigned_domain_goes_to_the_host_that_she_names(lab):
    lab.domain("bob.test")
    hers = lab.domain("mallory.test", mx={"mail": "mallory"})
    with lab.spoof(attacks.ForgeMX("bob.test", "mail.mallory.test")):
        assert sent(lab, lab.provider()).mx == "mail.mallory.test"
    assert hers.server.mailbox[0].text == "The PIN is 4921" and not lab.mailbox()


@pytest.mark.parametrize(
    "vector, why",
    (
        (attacks.BlockPolicyRecord(), "no record begins with 'v=STSv1;'"),
        (attacks.BlockPolicyHost(), "cannot be fetched"),
        (attacks.OwnPolicyHost(), "the certificate of mta-sts.bob.test does not fit"),
        (attacks.RedirectPolicy(), "302 and not 200"),
    ),
    ids=lambda value: getattr(value, "name", ""),
)
def test_who_blocks_a_policy_wins_at_first_contact_and_never_after_it(lab, vector, why):
    lab.domain("bob.test", starttls="off").sts("enforce")
    first, knowing = lab.provider(), lab.registry
    with lab.spoof(vector):
        assert sent(lab, first).how == "clear text"
        assert any(why in line for line in first.sender.story), first.sender.story
    knows = lab.provider(replace=True)
    assert sent(lab, knows).state == "held" and knowing.domains["bob.test"].policy.mode == "enforce"
    with lab.spoof(vector):
        assert sent(lab, knows).state == "held"


def test_a_planted_policy_holds_mail_long_after_she_has_gone(lab):
    lab.domain("bob.test")
    provider = lab.provider()
    with lab.spoof(attacks.PlantPolicy("bob.test", "mail.mallory.test")):
        sent(lab, provider)
    lab.clock.advance(days=300)
    outcome = sent(lab, provider)
    assert outcome.state == "held" and "the policy names mail.mallory.test, not mail.bob.test" in outcome.why


def test_hidden_reports_are_not_sent(lab):
    lab.domain("bob.test").reports()
    provider = lab.provider()
    sent(lab, provider)
    with lab.spoof(attacks.HideReports()):
        assert provider.sender.report() == ()
    assert len(provider.sender.report()) == 1


def test_she_lets_everything_else_pass_over_udp_and_tcp(lab):
    bob = lab.domain("bob.test").sign().tlsa("3 1 1").sts("enforce")
    bob.zone.put("big", "TXT", *(f'"{letter * 200}"' for letter in "abcdefgh"))
    with lab.spoof(PublicationVector()) as misleader:
        assert len(lab.resolve("big.bob.test", "TXT").records) == 8
        assert sent(lab, lab.provider()).verified
    assert not misleader.forgeries


def test_what_is_no_such_vector_is_said_so(lab):
    lab.domain("bob.test")
    with pytest.raises(LabError, match="no vector against what is published"), lab.spoof(attacks.StripCapability()):
        pass
    with (
        lab.spoof(PublicationVector()),
        pytest.raises(LabError, match="close that interception first"),
        lab.spoof(PublicationVector()),
    ):
        pass


def test_vectors_are_pure_and_say_what_they_do():
    zone = Zone("bob.test", ZoneKey())
    zone.put("@", "MX", "10 mail")
    import dns.message

    query = dns.message.make_query("bob.test", "MX", want_dnssec=True).to_wire()
    answer = respond([zone], query, "TCP")
    asked = question(answer)
    assert asked == Question("bob.test", "MX")
    for kind in PUBLISHED:
        vector = kind()
        assert vector.id and vector.source and vector.summary.endswith(".") and vector.id in repr(vector)
        assert vector.on_answer(asked, answer) == vector.on_answer(asked, answer)
        assert vector.on_policy() in (PASS, BLOCK) or isinstance(vector.on_policy(), Served)
    both = Together(attacks.BlockPolicyHost(), attacks.ForgeMX("bob.test", "mail.mallory.test"))
    assert both.on_policy() == BLOCK and b"mallory" in both.on_answer(asked, answer)


def test_an_attack_that_does_not_exist_is_no_attribute():
    with pytest.raises(AttributeError, match="NoSuchThing"):
        _ = attacks.NoSuchThing


def test_attacks_on_what_is_published_are_told_apart_from_those_on_a_conversation():
    assert [kind.id for kind in PUBLISHED] == [f"P{number}" for number in range(1, 12)]
    assert attacks.HideTLSA.spoken() == ("DNS",) and attacks.PlantPolicy.spoken() == ("DNS", "HTTPS")
    assert attacks.vector("P4").name == "HideTLSA" and attacks.BlockPolicyHost.spoken() == ("HTTPS",)
    assert "P11" in attack_table().text and "DNS, HTTPS" in attack_table([attacks.PlantPolicy]).text
    with Lab("loopback", hosts=("dns", "www")) as lab:
        with pytest.raises(LabError, match=r"HideTLSA: attacks on what a domain publishes .* Use lab\.spoof"):
            lab.attacks([attacks.HideTLSA])
        with pytest.raises(LabError, match="This is no vector against what is published"):
            lab.spoof(attacks.StripCapability()).__enter__()
        with pytest.raises(LabError, match=r"use lab\.spoof\(attacks\.HideTLSA\(\)\)"):
            lab.mallory(attacks.HideTLSA())
