"""Sessions of the lab as they are captured a moment ago, each of them once."""

from functools import cache

from labkit import Capture, Lab, policies
from labkit.decode.event import TEXT, Dialogue

MAIL = "The PIN is 4921"
LOGIN = ("alice", "hunter2")


@cache
def session(
    policy: str = "opportunistic", tls: str = "TLS 1.3", ciphers: str | None = None, method: str = "tap", **server
) -> Capture:
    """One message sent with a login, in a lab of its own."""
    with Lab(network="loopback", capture=method) as lab:
        running = lab.smtp(tls=tls, ciphers=ciphers, implicit=policy == "implicit", **server)
        with lab.capture() as capture:
            assert lab.send(running, MAIL, login=LOGIN, policy=getattr(policies, policy))
    return capture


def opened(capture: Capture) -> Dialogue:
    """Its only dialogue, with the secrets of its session."""
    (dialogue,) = capture.decrypted().dialogues
    return dialogue


def told(dialogue: Dialogue) -> list[tuple]:
    """All of its events but for when they happened, and in which frames."""
    return [event[2:9] for event in dialogue.events]


def titles(dialogue: Dialogue, *layers: str) -> list[str]:
    """What happened, without the signals of TCP unless they are asked for."""
    return [event.title for event in dialogue.events if event.layer in (layers or (TEXT, "tls"))]


def said(dialogue: Dialogue) -> list[tuple[str, str]]:
    """Who said what, phrase by phrase, on the first line."""
    return [(event.sender, event.text.split("\r\n")[0]) for event in dialogue.events if event.layer == TEXT]
