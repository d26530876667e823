"""Live sessions for answers that are captures."""

from labkit import Lab, policies


def captured(server=None, **send):
    """A capture in which one mail is sent to a server with these settings."""
    with Lab() as lab:
        mail = lab.smtp(**(server or {}))
        with lab.capture() as capture:
            lab.send(mail, "The PIN is 4921", **send)
    return capture


def fetched(protocol, server=None, **fetch):
    """A capture in which bob's mailbox, with one mail in it, is read over ``imap`` or ``pop3``."""
    with Lab() as lab:
        lab.send(lab.smtp(), "The PIN is 4921")
        reader = getattr(lab, protocol)(**(server or {}))
        with lab.capture() as capture:
            lab.fetch(reader, **fetch)
    return capture


def nothing_captured():
    """A capture of a quiet moment."""
    with Lab() as lab, lab.capture() as capture:
        pass
    return capture


CLEAR = {"starttls": "off", "auth": "always"}
LOGIN = {"login": ("alice", "hunter2")}
VERIFIED = {"policy": policies.verified}
