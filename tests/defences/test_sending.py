"""A sending server walks the mail servers of a domain, decides, holds, gives back, and reports; on both networks."""

import gzip
from email import message_from_bytes

import pytest
from leaks import left, what_is_open
from networks import BEST
from thoroughly import every

from labkit import Lab, attacks
from labkit.defences.mta_sts import STSPolicy
from labkit.errors import LabError, NetworkUnavailable
from labkit.network import KINDS

LOGIN = ("alice", "hunter2")
PIN = "The PIN is 4921"


def opened(kind, *hosts):
    try:
        return Lab(kind, hosts=("dns", "www", "provider", *hosts))
    except NetworkUnavailable as refusal:
        pytest.skip(str(refusal))


@pytest.fixture(params=every(KINDS, once=BEST))
def lab(request):
    with opened(request.param) as lab:
        yield lab


def sent(lab, provider, **how):
    """What became of a message on its way from the provider to bob."""
    assert lab.send(provider, PIN, login=LOGIN, recipient="bob@bob.test", **how)
    return provider.relayed[-1]


def raw(lab, provider, data=b"Subject: x\r\n\r\nhello\r\n", options=()):
    from labkit.mail.message import Outgoing

    return provider.sender.send(Outgoing("alice@lab.test", ("bob@bob.test",), data, options))


def test_a_plain_domain_gets_mail_over_tls_that_proves_nothing(lab):
    lab.domain("bob.test")
    outcome = sent(lab, lab.provider())
    assert outcome.state == "delivered" and outcome.mx == "mail.bob.test"
    assert outcome.how == "explicit TLS" and not outcome.verified
    assert lab.mailbox()[0].text == PIN and lab.mailbox()[0].over == "TLS 1.3"


def test_a_policy_and_tlsa_records_are_met_by_the_right_certificate(lab):
    bob = lab.domain("bob.test").sts("enforce")
    provider = lab.provider()
    assert sent(lab, provider).verified and sent(lab, provider).policy == "MTA-STS"
    bob.sign().tlsa("3 1 1", "2 0 1")
    assert sent(lab, provider).verified and sent(lab, provider).policy == "DANE"
    assert not provider.blocks and not provider.sender.queue


@pytest.mark.parametrize(
    "change, why",
    (
        (lambda bob: bob.sts("enforce").certificate("expired"), "certificate has expired"),
        (lambda bob: bob.sts("enforce").certificate("wrong name"), "not valid for 'mail.bob.test'"),
        (lambda bob: bob.sts("enforce").certificate("unknown root"), "nobody whom the client trusts"),
        (lambda bob: bob.sts("enforce", mx=("other.bob.test",)), "the policy names other.bob.test, not mail.bob.test"),
        (lambda bob: bob.sign().tlsa("3 1 1").new_key(), "matches no TLSA record"),
        (lambda bob: bob.sign().tlsa("2 0 1").certificate("expired"), "has expired"),
        (lambda bob: bob.sign().tlsa("2 0 1").certificate("wrong name"), "not for mail.bob.test or bob.test"),
    ),
)
def test_what_does_not_fit_is_held_and_goes_when_it_is_mended(lab, change, why):
    bob = lab.domain("bob.test")
    provider = lab.provider()
    change(bob)
    outcome = sent(lab, provider)
    assert outcome.state == "held" and not outcome and why in outcome.why
    assert repr(outcome).startswith("Held, to be tried again: ") and why in provider.blocks[0].reason
    assert not lab.mailbox() and len(provider.sender.queue) == 1
    (again,) = provider.sender.retry()
    assert again.state == "held" and provider.sender.queue[0].tries == 2
    bob.certificate("right").sts("enforce").tlsa("3 1 1")
    (again,) = provider.sender.retry()
    assert again.state == "delivered" and not provider.sender.queue and lab.mailbox()[0].text == PIN


def test_an_expired_certificate_of_another_name_is_good_enough_for_dane_ee(lab):
    bob = lab.domain("bob.test").sign().certificate("expired").tlsa("3 1 1")
    assert sent(lab, lab.provider()).verified
    bob.certificate("self-signed").tlsa("3 1 1")
    assert sent(lab, lab.provider(replace=True)).verified


def test_records_that_no_mail_server_can_use_still_promise_tls(lab):
    lab.domain("bob.test", starttls="off").sign().tlsa("1 1 1")
    outcome = sent(lab, lab.provider())
    assert outcome.state == "held" and "offers no STARTTLS" in outcome.why
    lab.domain("bob.test").sign().tlsa("1 1 1")
    provider = lab.provider(replace=True)
    assert sent(lab, provider).results == ("tlsa-invalid",) and provider.relayed[-1].done


def test_testing_delivers_and_reports(lab):
    lab.domain("bob.test", starttls="off").sts("testing").reports()
    provider = lab.provider()
    outcome = sent(lab, provider)
    assert outcome.state == "delivered" and outcome.how == "clear text"
    (report,) = provider.sender.report()
    assert "1 x starttls-not-supported" in repr(report)
    assert report.policies[0].type == "sts" and "mode: testing" in report.policies[0].policy


def test_a_domain_that_asks_for_no_reports_gets_none(lab):
    lab.domain("bob.test").sts("enforce")
    provider = lab.provider()
    sent(lab, provider)
    assert provider.sender.report() == () and "bob.test asks for no report" in provider.sender.story[-1]


def test_testing_takes_a_certificate_that_does_not_fit_and_says_so(lab):
    lab.domain("bob.test").certificate("wrong name").sts("testing")
    outcome = sent(lab, lab.provider())
    assert outcome.state == "delivered" and outcome.how == "explicit TLS" and not outcome.verified
    assert outcome.results == ("certificate-host-mismatch",)


@pytest.mark.parametrize("level, state", (("may", "delivered"), ("encrypt", "held"), ("verify", "held")))
def test_a_sender_that_insists_holds_what_a_server_without_tls_would_get(lab, level, state):
    lab.domain("bob.test", starttls="off")
    assert sent(lab, lab.provider(level=level)).state == state


def test_a_policy_counts_until_it_expires_although_it_has_been_taken_away(lab):
    bob = lab.domain("bob.test").sts("enforce")
    provider = lab.provider()
    sent(lab, provider)
    bob.sts(None)
    lab.domain("bob.test", starttls="off")
    lab.clock.advance(days=6.9)
    assert sent(lab, provider).state == "held"
    lab.clock.advance(days=0.2)
    assert sent(lab, provider).state == "delivered"


def test_the_first_message_may_go_unprotected_where_policies_are_fetched_afterwards(lab):
    lab.domain("bob.test", starttls="off").sts("enforce")
    provider = lab.provider(mta_sts="afterwards")
    assert [sent(lab, provider).state for _ in range(2)] == ["delivered", "held"]


def test_a_policy_given_by_hand_closes_that_hole(lab):
    lab.domain("bob.test", starttls="off").sts("enforce")
    preload = {"bob.test": STSPolicy("enforce", ("mail.bob.test",), 86400)}
    assert sent(lab, lab.provider(mta_sts="afterwards", preload=preload)).state == "held"


def test_mail_to_a_domain_that_takes_none_goes_back(lab):
    bob = lab.domain("bob.test")
    bob.zone.put("@", "MX", "0 .")
    provider = lab.provider()
    outcome = sent(lab, provider)
    assert (outcome.state, outcome.code) == ("returned", "5.1.10")
    (bounce,) = lab.mailbox("alice")
    assert "takes no mail (null MX, RFC 7505)" in bounce.text and "PIN is" not in bounce.text and bounce.sender == ""


def test_mail_for_a_domain_that_does_not_exist_goes_back_at_once(lab):
    lab.domain("bob.test")
    provider = lab.provider()
    lab.send(provider, PIN, login=LOGIN, recipient="bob@nowhere.test")
    outcome = provider.relayed[-1]
    assert (outcome.state, outcome.code) == ("returned", "5.1.2") and not provider.sender.queue
    assert "neither mail servers nor an address" in lab.mailbox("alice")[0].text


def test_a_domain_without_mx_is_its_own_mail_server(lab):
    bob = lab.domain("bob.test")
    bob.zone.put("@", "MX")
    bob.zone.put("@", "A", *bob.zone.get("mail", "A"))
    assert sent(lab, lab.provider()).mx == "bob.test"


@pytest.mark.parametrize("kind", every(KINDS, once=BEST))
def test_servers_are_tried_in_order_and_one_that_fails_its_terms_is_passed_over(kind):
    with opened(kind, "backup") as lab:
        bob = lab.domain("bob.test", mx=("mail", "backup")).sts("enforce")
        provider = lab.provider()
        assert sent(lab, provider).mx == "mail.bob.test"
        bob.servers["mail"].close()
        assert sent(lab, provider).mx == "backup.bob.test"
        lab.domain("bob.test", mx=("mail", "backup")).sts("enforce", mx=("backup.bob.test",))
        assert sent(lab, provider).mx == "backup.bob.test"
        assert any("mail.bob.test: gets nothing, because the policy names" in line for line in provider.sender.story)


def test_a_name_server_that_is_gone_holds_mail_and_delivers_none(lab):
    lab.domain("bob.test")
    provider = lab.provider()
    lab.registry.dns.close()
    outcome = sent(lab, provider)
    assert outcome.state == "held" and "whom bob.test names as its mail servers cannot be known" in outcome.why


REQUIRED = ("REQUIRETLS",)
WAIVED = b"Subject: your certificate\r\nTLS-Required: No\r\n\r\nhas expired\r\n"


@pytest.mark.parametrize(
    "settings, prepare, state, code",
    (
        ({"requiretls": True}, lambda bob: bob.sts("enforce"), "delivered", ""),
        ({"requiretls": True}, lambda bob: bob.sign(), "delivered", ""),
        ({"requiretls": True}, lambda bob: bob.sign().tlsa("3 1 1").certificate("right"), "delivered", ""),
        ({"requiretls": False}, lambda bob: bob.sign(), "returned", "5.7.30"),
        ({"requiretls": True, "starttls": "off"}, lambda bob: bob.sign(), "returned", "5.7.10"),
        ({"requiretls": True}, lambda bob: bob.sign().certificate("expired"), "returned", "5.7.10"),
        ({"requiretls": True}, lambda bob: bob, "returned", "5.7.10"),
    ),
)
def test_a_message_that_requires_tls_goes_on_protected_or_back(lab, settings, prepare, state, code):
    prepare(lab.domain("bob.test", **settings))
    outcome = raw(lab, lab.provider(), options=REQUIRED)
    assert (outcome.state, outcome.code) == (state, code), outcome
    if state == "returned":
        assert code in lab.mailbox("alice")[0].text and not lab.mailbox()
    else:
        assert "REQUIRETLS" in lab.mailbox()[0].options


def test_a_provider_takes_the_wish_of_its_customer_over_tls_only(lab):
    lab.domain("bob.test", requiretls=True).sign()
    provider = lab.provider(requiretls=True, auth="always")
    import smtplib
    import ssl

    with smtplib.SMTP() as client:
        client._get_socket = lambda host, port, timeout: lab.alice.connect("provider", 587, 5)
        client.connect("provider", 587)
        client.ehlo("alice.lab.test")
        assert not client.has_extn("requiretls")
        context = ssl.create_default_context(cadata=lab.authority.pem.decode())
        client._host = "mail.lab.test"
        client.starttls(context=context)
        client.ehlo("alice.lab.test")
        assert client.has_extn("requiretls")
        client.login(*LOGIN)
        client.sendmail("alice@lab.test", ["bob@bob.test"], b"Subject: x\r\n\r\ny\r\n", ["REQUIRETLS"])
    assert provider.relayed[0].state == "delivered" and "REQUIRETLS" in lab.mailbox()[0].options


def test_a_message_that_waives_tls_reaches_a_server_whose_certificate_has_expired(lab):
    lab.domain("bob.test").sts("enforce").certificate("expired")
    provider = lab.provider()
    assert sent(lab, provider).state == "held"
    assert raw(lab, provider, WAIVED).state == "delivered"
    lab.domain("bob.test", starttls="off").sts("enforce")
    assert raw(lab, provider, WAIVED).how == "clear text"


def test_an_authority_that_reads_caa_issues_only_for_who_allows_it(lab):
    bob = lab.domain("bob.test").caa("other.test")
    with pytest.raises(LabError, match=r"issues nothing for www\.bob\.test: the domain allows other\.test"):
        lab.registry.issue("www.bob.test", lab.alice)
    bob.caa("ca.lab.test")
    assert lab.registry.issue("www.bob.test", lab.alice).kind == "right"


def test_the_story_of_a_message_can_be_read(lab):
    lab.domain("bob.test").sts("enforce")
    provider = lab.provider()
    assert repr(provider.sender.story) == "<nothing was sent yet>"
    sent(lab, provider)
    assert repr(provider.sender.story) == (
        "a message for bob@bob.test\n"
        "bob.test: its policy is enforce, for mail.bob.test\n"
        "bob.test: mail.bob.test (insecure)\n"
        "mail.bob.test: TLS, and a certificate for mail.bob.test\n"
        "mail.bob.test: Sent over explicit TLS: TLS 1.3 with TLS_AES_256_GCM_SHA384, the certificate was verified"
    )
    assert "relays under the level may, DANE and MTA-STS fetched before" in repr(provider)


def test_what_cannot_be_is_said_so(lab):
    with pytest.raises(LabError, match=r"ends in \.test"):
        lab.domain("bob.example")
    with pytest.raises(LabError, match="no host 'nowhere'"):
        lab.domain("bob.test", mx=("nowhere",))
    with pytest.raises(LabError, match="tuple of hosts"):
        lab.domain("bob.test", mx="mail")
    with pytest.raises(LabError, match="level cannot be 'strict'"):
        lab.provider(level="strict")
    with pytest.raises(LabError, match="three numbers"):
        lab.domain("bob.test").tlsa("311")
    with pytest.raises(LabError, match="100000"):
        lab.clock.advance(days=10**9)
    with Lab("loopback") as bare, pytest.raises(LabError, match="no host dns and no www"):
        bare.domain("bob.test")


@pytest.mark.parametrize("name", ("BOB.Test", "bob.test.", "b\u00fccher.test", "a.b.test"))
def test_the_name_of_a_domain_may_be_written_in_any_way(lab, name):
    domain = lab.domain(name).sign().tlsa("3 1 1").sts("enforce")
    provider = lab.provider()
    assert lab.send(provider, PIN, login=LOGIN, recipient=f"bob@{domain.name.upper()}")
    assert provider.relayed[0].verified and lab.mailbox()[0].text == PIN


def test_nothing_is_left_of_a_lab_that_has_published_and_sent():
    import gc
    import weakref

    def once():
        lab = Lab("loopback", hosts=("dns", "www", "provider"))
        lab.domain("bob.test").sign().tlsa("3 1 1").sts("enforce")
        provider = lab.provider()
        with lab.spoof(attacks.BlockPolicyHost()):
            sent(lab, provider)
        return weakref.ref(lab)

    once()
    gc.collect()
    before = what_is_open()
    gone = once()
    gc.collect()
    assert gone() is None
    assert not left(before)


def test_the_stage_shows_who_publishes(lab):
    assert "lab.domain(&#34;bob.test&#34;)" in lab._repr_html_()
    lab.domain("bob.test").sign()
    shown = lab._repr_html_()
    assert "DNS, port 53" in shown and "HTTPS, port 443" in shown and "bob.test (signed)" in shown
    assert "name server on dns" in repr(lab)


def attached(message):
    """The JSON of the report in a mail (RFC 8460 §5.3)."""
    (part,) = (one for one in message_from_bytes(message).walk() if one.get_content_subtype() == "tlsrpt+gzip")
    return gzip.decompress(part.get_payload(decode=True))


def test_a_report_comes_by_mail_to_the_address_that_the_domain_names(lab):
    bob = lab.domain("bob.test").sts("testing").certificate("wrong name").reports()
    provider = lab.provider()
    sent(lab, provider)
    (report,) = provider.sender.report()
    message = bob.server.mailbox[-1]
    assert message.recipients == ("tls-reports@bob.test",) and message.over == "TLS 1.3"
    assert attached(message.data) == report.json and "1 x certificate-host-mismatch" in repr(report)
    header = message_from_bytes(message.data)
    assert header.get_content_type() == "multipart/report" and header.get_param("report-type") == "tlsrpt"
    assert (header["TLS-Report-Domain"], header["TLS-Report-Submitter"]) == ("bob.test", "provider.lab.test")


def test_what_a_report_tells_of_does_not_stop_it(lab):
    """RFC 8460 §3: the server has lost its TLS, the domain enforces it, and gets a report of that."""
    bob = lab.domain("bob.test", starttls="off").sts("enforce").reports()
    provider = lab.provider()
    assert sent(lab, provider).state == "held"
    (report,) = provider.sender.report()
    assert bob.server.mailbox[-1].over == "clear text" and attached(bob.server.mailbox[-1].data) == report.json
    assert len(provider.sender.queue) == 1, "the mail still waits"
    bob.sts("enforce", mx=("elsewhere.bob.test",))
    assert "the policy names elsewhere.bob.test" in sent(lab, provider).why
    (report,) = provider.sender.report()
    assert attached(bob.server.mailbox[-1].data) == report.json and "1 x validation-failure" in repr(report)
    assert report.policies[-1].successes == 0, "no report counts itself"


def test_a_report_is_posted_over_https_and_the_next_address_gets_it_where_that_fails(lab):
    uri = "https://mta-sts.bob.test/reports"
    bob = lab.domain("bob.test").sts("enforce").reports(uri)
    provider = lab.provider()
    sent(lab, provider)
    (report,) = provider.sender.report()
    (posted,) = lab.registry.www.posted
    assert (posted.name, posted.path) == ("mta-sts.bob.test", "/reports") and gzip.decompress(
        posted.body
    ) == report.json
    assert "answers the report with 201" in provider.sender.story[-1]
    bob.reports("https://mta-sts.bob.test/elsewhere")
    lab.registry.www.inboxes.clear()
    bob.zone.put("_smtp._tls", "TXT", f'"v=TLSRPTv1; rua={uri},mailto:tls-reports@bob.test"')
    provider.sender.report()
    assert "answers the report with 404" in str(provider.sender.story)
    assert bob.server.mailbox[-1].recipients == ("tls-reports@bob.test",)
