"""The mistake of aiosmtpd before 1.4.6 (CVE-2024-34083), in the real program and in the lab's model of it."""

import pytest

from labkit import Lab, attacks, policies
from labkit.errors import LabError

LOGIN = ("alice", "hunter2")


def older(lab, version):
    try:
        return lab.older_smtp(version)
    except LabError as error:
        pytest.skip(str(error))


def verdicts(lab, server):
    """What becomes of a client that verifies the certificate, under both kinds of command injection."""
    found = []
    for kind in (attacks.CommandInjection, attacks.StealByInjection):
        with lab.mallory(kind(), at=server) as mallory:
            lab.send(server, "The PIN is 4921", login=LOGIN, policy=policies.verified)
        found.append((mallory.verdict.outcome, mallory.verdict.secrets))
    return found


ALL = ("password", "user name", "message", "subject")


@pytest.mark.parametrize(
    ("version", "expected"),
    (("1.4.5", [("deceived", ()), ("leaked", ALL)]), ("1.4.6", [("unharmed", ()), ("unharmed", ())])),
)
def test_the_older_program_is_open_to_command_injection_and_the_newer_is_not(version, expected):
    with Lab("loopback") as lab:
        server = older(lab, version)
        assert server.version == version and version in repr(server)
        assert verdicts(lab, server) == expected


@pytest.mark.parametrize(
    ("quirks", "expected"),
    ((("keeps the buffer",), [("deceived", ()), ("leaked", ALL)]), ((), [("unharmed", ()), ("unharmed", ())])),
)
def test_the_model_of_the_mistake_gives_the_same_verdicts(quirks, expected):
    with Lab("loopback") as lab:
        assert verdicts(lab, lab.smtp(quirks=quirks, auth="always")) == expected


def test_what_the_older_program_takes_lies_in_the_labs_mailboxes():
    with Lab("loopback") as lab:
        server = older(lab, "1.4.5")
        assert lab.send(server, "The PIN is 4921", login=LOGIN, policy=policies.verified)
        (message,) = lab.mailbox("bob")
        assert (message.text, message.user, message.over) == ("The PIN is 4921", "alice", "TLS 1.3")
        assert list(server.mailbox) == [message]


def test_a_version_that_does_not_exist_is_a_clear_sentence():
    with Lab("loopback") as lab, pytest.raises(LabError, match=r"aiosmtpd 0\.0\.1 could not be fetched: use lab\.smtp"):
        lab.older_smtp("0.0.1")
