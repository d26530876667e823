"""A provider relays for its customers, and drops what its policy does not let out of the house."""

import re

import pytest
from wire import connected

from labkit import Lab, policies

LOGIN = ("alice", "hunter2")


@pytest.fixture
def lab():
    with Lab(hosts=("provider",)) as lab:
        yield lab


def test_what_a_customer_sends_arrives_with_the_trace_of_the_provider(lab):
    provider = lab.provider(next_hop=lab.smtp(port=25))
    assert lab.send(provider, "The PIN is 4921", login=LOGIN)
    (message,) = lab.mailbox()
    assert message.text == "The PIN is 4921" and message.over == "TLS 1.3"
    trace = rb"Received: from alice\.lab\.test by provider\.lab\.test with ESMTPSA; .* \+0000\r\nFrom: alice"
    assert re.match(trace, message.data)
    assert provider.mailbox[0].user == "alice" and provider.relayed[0].how == "explicit TLS" and not provider.blocks
    assert repr(provider.blocks) == "The provider has dropped no message."


def test_a_provider_is_opportunistic_unless_told_otherwise(lab):
    provider = lab.provider(next_hop=lab.smtp(port=25, starttls="off"))
    assert lab.send(provider, "x", login=LOGIN).how == "explicit TLS"  # the customer sees only his own hop
    assert provider.relayed[0].how == lab.mailbox()[0].over == "clear text"
    assert "policy 'opportunistic' goes on without TLS" in provider.relayed[0].why


@pytest.mark.parametrize(
    "policy, hop, reason",
    (
        (policies.mandatory, {"starttls": "off"}, "the server offers no STARTTLS, and the policy 'mandatory' stops"),
        (policies.verified, {"starttls": "off"}, "the server offers no STARTTLS, and the policy 'verified' stops"),
        (policies.verified, {"certificate": "expired"}, "the certificate does not fit: certificate has expired"),
    ),
)
def test_enforced_tls_drops_the_message_and_records_a_block_event(lab, policy, hop, reason):
    provider = lab.provider(next_hop=lab.smtp(port=25, **hop), policy=policy)
    assert lab.send(provider, "x", login=LOGIN)  # the provider has taken it
    (event,) = provider.blocks
    assert event.recipient == "bob@lab.test" and event.reason.startswith(reason) and event.time.utcoffset().seconds == 0
    assert not lab.mailbox() and not provider.relayed[0]
    assert reason in repr(provider.blocks) and f"{event.time:%H:%M:%S}" in repr(provider.blocks)


def test_a_hop_that_is_not_there_is_a_reason_too(lab):
    hop = lab.smtp(port=25)
    provider = lab.provider(next_hop=hop)
    hop.close()
    lab.send(provider, "x", login=LOGIN)
    assert "Nothing listens on port 25 of mail" in provider.blocks[0].reason


def test_only_customers_may_send(lab):
    provider = lab.provider(next_hop=lab.smtp(port=25))
    assert "530 5.7.0 Customers log in first" in lab.send(provider, "x").why
    assert not provider.mailbox and not lab.mailbox()


def test_every_recipient_has_an_event_of_his_own(lab):
    provider = lab.provider(next_hop=lab.smtp(port=25, starttls="off"), policy=policies.mandatory, auth="always")
    with connected(lab, provider) as wire:
        wire.say(b"EHLO x")
        wire.say(b"AUTH PLAIN AGFsaWNlAGh1bnRlcjI=")
        recipients = (b"bob@lab.test", b"mallory@lab.test")
        for line in (
            b"MAIL FROM:<alice@lab.test>",
            *(b"RCPT TO:<%s>" % recipient for recipient in recipients),
            b"DATA",
        ):
            wire.say(line)
        assert wire.say(b"\r\n.").startswith("250")
    assert [event.recipient for event in provider.blocks] == ["bob@lab.test", "mallory@lab.test"]


def test_a_provider_says_what_it_is(lab):
    provider = lab.provider(next_hop=lab.smtp(port=25), policy=policies.verified)
    assert repr(provider).startswith("<SMTP server on provider, port 587")
    assert repr(provider).endswith("certificate: right, relays under the policy verified>")
