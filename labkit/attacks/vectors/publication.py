"""Attacks on what a domain publishes, P1 to P11: the attacker is on the way to the name server and the policy host.

A sender of mail learns there which server to send to, and what to ask of it (RFC 8461 §10, RFC 7672 §2.1). Like every
vector, one of these keeps nothing and touches no socket. The DNS loads when the first answer is forged.
"""

from types import ModuleType
from typing import NamedTuple

from labkit.attacks.described import Described
from labkit.defences.mta_sts import LONGEST, STSPolicy
from labkit.defences.policyhost import WebPage
from labkit.defences.resource_records import Question
from labkit.dialects.base import Dialect

_DOMAIN, _HOST = "bob.test", "mail.mallory.test"
"""The domain that is attacked, and the attacker's mail server, unless others are given."""


class Served(NamedTuple):
    """What the attacker serves in the place of a policy host."""

    page: WebPage
    certificate: str
    """A kind of `labkit.trust.certificates.KINDS`, for the policy host's name."""


class PublicationVector(Described):
    """Lets every answer and every policy pass. An attack overrides one of the four methods."""

    @classmethod
    def spoken(cls) -> tuple[str, ...]:
        """What it changes: ``DNS``, ``HTTPS``, or both."""
        changes = {"on_answer": "DNS", "on_proof": "DNS", "on_policy": "HTTPS"}
        own = {what for name, what in changes.items() if getattr(cls, name) is not getattr(PublicationVector, name)}
        return tuple(sorted(own))

    @classmethod
    def applies_to(cls, dialect: Dialect) -> bool:
        """It is tried on no conversation."""
        return False

    def on_answer(self, question: Question, answer: bytes) -> bytes | None:
        """The answer of the name server as it is passed on; None to pass nothing on."""
        return answer

    def proof(self, question: Question) -> Question | None:
        """Another question whose answer is wanted first: `on_proof` is then asked in the place of `on_answer`."""
        return None

    def on_proof(self, answer: bytes, proof: bytes) -> bytes:
        """The answer as it is passed on, where `proof` is the answer to the other question."""
        return answer

    def on_policy(self) -> Served | str:
        """What is done about a connection to the policy host: `PASS`, `BLOCK`, or a page of the attacker's own."""
        return PASS


PASS, BLOCK = "pass", "block"


class DropSignatures(PublicationVector):
    """Takes every signature out of the answers, as if the domain did not sign."""

    id = "P1"
    source = "RFC 4035 §5.5"

    def on_answer(self, question: Question, answer: bytes) -> bytes:
        return _forging().unsigned(answer)


class ForgeMX(PublicationVector):
    """Names a host of her own as the mail server of a domain."""

    id = "P2"
    source = "RFC 7672 §1.3.2; RFC 8461 §2"

    def __init__(self, domain: str = _DOMAIN, host: str = _HOST) -> None:
        self.domain = domain
        self.host = host
        """The full name of the mail server that she names."""

    def on_answer(self, question: Question, answer: bytes) -> bytes:
        asked = question == (self.domain, "MX")
        return _forging().saying(answer, f"10 {self.host}.") if asked else answer


class ForgeTLSA(PublicationVector):
    """Names a key of her own in every TLSA record."""

    id = "P3"
    source = "RFC 6698 §8"

    def on_answer(self, question: Question, answer: bytes) -> bytes:
        return _forging().saying(answer, f"3 1 1 {'4d' * 32}") if question.type == "TLSA" else answer


class HideTLSA(PublicationVector):
    """Says that there are no TLSA records."""

    id = "P4"
    source = "RFC 7672 §2.1.1"

    def on_answer(self, question: Question, answer: bytes) -> bytes:
        return _forging().absent(answer) if question.type == "TLSA" else answer


class DenyTLSA(PublicationVector):
    """Says that there are no TLSA records, with a genuine proof that the zone gave for another name."""

    id = "P5"
    source = "RFC 4035 §5.4"

    def proof(self, question: Question) -> Question | None:
        domain = ".".join(question.name.split(".")[-2:])
        return Question(f"zzz.{domain}", "TLSA") if question.type == "TLSA" else None

    def on_proof(self, answer: bytes, proof: bytes) -> bytes:
        return _forging().denied_by(answer, proof)


class BlockPolicyRecord(PublicationVector):
    """Says that there is no record that announces a policy of MTA-STS."""

    id = "P6"
    source = "RFC 8461 §10.2"

    def on_answer(self, question: Question, answer: bytes) -> bytes:
        return _forging().absent(answer) if question.name.startswith("_mta-sts.") else answer


class BlockPolicyHost(PublicationVector):
    """Closes every connection to the policy host."""

    id = "P7"
    source = "RFC 8461 §10.2"

    def on_policy(self) -> Served | str:
        return BLOCK


class OwnPolicyHost(PublicationVector):
    """Is the policy host, with a certificate from an untrusted authority, and a policy that asks nothing."""

    id = "P8"
    source = "RFC 8461 §3.3"

    def on_policy(self) -> Served | str:
        return Served(WebPage(STSPolicy("none", (), LONGEST).text.encode()), "unknown root")


class RedirectPolicy(PublicationVector):
    """Is the policy host, with a certificate that was issued by mistake, and leads elsewhere for the policy."""

    id = "P9"
    source = "RFC 8461 §3.3"

    def on_policy(self) -> Served | str:
        return Served(WebPage(b"", 302, location="https://www.mallory.test/mta-sts.txt"), "mis-issued")


class PlantPolicy(PublicationVector):
    """Announces and serves a policy of her own, with a certificate that was issued by mistake: it names her mail server
    alone, for as long as a policy may last."""

    id = "P10"
    source = "RFC 8461 §10.3"

    def __init__(self, domain: str = _DOMAIN, host: str = _HOST) -> None:
        self.domain = domain
        self.policy = STSPolicy("enforce", (host,), LONGEST, "4d616c6c6f7279")

    def on_answer(self, question: Question, answer: bytes) -> bytes:
        asked = question == (f"_mta-sts.{self.domain}", "TXT")
        return _forging().saying(answer, f'"v=STSv1; id={self.policy.id};"') if asked else answer

    def on_policy(self) -> Served | str:
        return Served(WebPage(self.policy.text.encode()), "mis-issued")


class HideReports(PublicationVector):
    """Says that the domain asks for no TLS reports."""

    id = "P11"
    source = "RFC 8460 §7"

    def on_answer(self, question: Question, answer: bytes) -> bytes:
        return _forging().absent(answer) if question.name.startswith("_smtp._tls.") else answer


class Together(PublicationVector):
    """Does what several vectors do, one after the other."""

    def __init__(self, *vectors: PublicationVector) -> None:
        self.vectors = vectors

    def on_answer(self, question: Question, answer: bytes) -> bytes | None:
        for vector in self.vectors:
            passed = vector.on_answer(question, answer)
            if passed is None:
                return None
            answer = passed
        return answer

    def on_policy(self) -> Served | str:
        decisions = (vector.on_policy() for vector in self.vectors)
        return next((decision for decision in decisions if decision != PASS), PASS)


def _forging() -> ModuleType:
    from labkit.defences import forging

    return forging
