"""One hop between mail servers: a client that connects to a server, compares it with terms, and delivers a message or
not.

The terms are made in `decision`. The choice of the server, and the end of a message that no server gets, are in
`sending`.
"""

import io
import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from labkit.clients.attempt import Attempt
from labkit.clients.failures import HANDSHAKE, Stopped, put
from labkit.clients.outcome import Sent
from labkit.clients.policies import EXPLICIT, GO_ON, STOP, Policy
from labkit.clients.smtp import SMTPClient, refusals, reply
from labkit.defences.decision import DELIVER, NEXT, PKIX, Judgement, Seen, Terms, judge
from labkit.defences.requiretls import REQUIRETLS
from labkit.mail.message import Outgoing
from labkit.network import Host
from labkit.trust.certificates import DOMAIN

PORT = 25
VERIFYING, ANY, CLEAR = "verifying", "any certificate", "clear text"
"""How a connection is tried: with a context that verifies, with one that does not, or without TLS."""
_UNFIT = {
    10: "certificate-expired",
    9: "certificate-expired",
    62: "certificate-host-mismatch",
}
"""OpenSSL's number for what is wrong with a certificate (X509_V_ERR_*) -> the result type of RFC 8460 §4.3.1."""


@dataclass(frozen=True)
class Hop:
    """The outcome of offering a message to one server."""

    sent: Sent
    verdict: Judgement
    """The judgement on the first connection to the server."""
    permanent: bool = False
    """Whether the server met the terms and refused the message for good (5xx)."""
    unsupported: bool = False
    """Whether it lacks REQUIRETLS, which the message asks for."""
    offered: tuple[str, ...] = ()
    """Its capabilities, as the client has read them."""


def hand_over(
    host: Host,
    name: str,
    address: str,
    mail: Outgoing,
    terms: Terms,
    contexts: Mapping[str, ssl.SSLContext],
    clock: Callable[[], float],
    patience: float,
    careless: bool = False,
) -> Hop:
    """Give a message to the mail server `name` at an address, if it meets the terms.

    `contexts` has one for `VERIFYING` and one for `ANY`; `patience` is in seconds, for each connection; a `careless`
    client keeps across STARTTLS what it had read before, the mistake of CVE-2021-22947 and others. A failed TLS
    handshake ends a connection, so what is allowed after it, another try with less, takes a new one.
    """
    policy = Policy(_named(terms), EXPLICIT, STOP if terms.tls else GO_ON, terms.check == PKIX)
    mode = VERIFYING if PKIX in (terms.check, terms.tested.check if terms.tested else "") else ANY
    first: Judgement | None = None
    while True:
        attempt = Attempt(host, policy, contexts[VERIFYING if mode == VERIFYING else ANY], patience, name)
        client = (_CarelessClient if careless else _RelayClient)(attempt, f"{host.name}.{DOMAIN}", mode, terms, clock)
        sent = attempt.run(client, Sent, partial(client.relay, address, mail))
        first = first or client.verdict
        if client.again is None or mode == CLEAR:
            verdict = first or Judgement(NEXT, sent.why)
            done = replace(sent, verified=verdict.verified and client.mode != CLEAR)
            return Hop(done, verdict, client.permanent, client.unsupported, tuple(client.esmtp_features))
        mode = client.again
        terms = replace(terms, tested=None)  # that is known now


def _named(terms: Terms) -> str:
    return {"tlsa": "DANE", "sts": "MTA-STS"}.get(terms.source, "no policy of the domain")


class _RelayClient(SMTPClient):
    """One connection to a server."""

    def __init__(self, attempt: Attempt, helo: str, mode: str, terms: Terms, clock: Callable[[], float]) -> None:
        super().__init__(attempt, helo)
        self.mode = mode
        self.verdict: Judgement | None = None
        self.again: str | None = None
        """How to try once more; None if that is not allowed."""
        self.permanent = False
        self.unsupported = False
        self._terms = terms
        self._clock = clock

    def relay(self, address: str, mail: Outgoing) -> dict[str, Any]:
        """The whole conversation up to the reply that the server has the message, or up to the judgement."""
        self.greet(address, PORT)
        seen = self._look()
        self.verdict = judge(self._terms, seen, self._clock())
        if self.verdict.action != DELIVER:
            raise Stopped(self.verdict.why)
        if self.mode != CLEAR and seen.offered and not seen.version:  # TLS failed, and the terms allow less
            self.again = ANY if seen.fault.startswith("certificate") else CLEAR
            raise Stopped(seen.why)
        self.ehlo_or_helo_if_needed()
        requires = REQUIRETLS in mail.options
        if requires and not self.has_extn("requiretls"):
            self.unsupported = True
            raise Stopped("the server does not offer REQUIRETLS inside TLS")
        try:
            refused = self.sendmail(mail.sender, mail.recipients, mail.data, [REQUIRETLS] * requires)
        except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as refusal:
            self.permanent = 500 <= _code(refusal) < 600
            raise
        return {"refused": refusals(refused)}

    def _look(self) -> Seen:
        """Upgrade where the server offers it, and say what was seen."""
        if self.mode == CLEAR or not self.has_extn("starttls"):
            return Seen(offered=False)
        try:
            self.starttls(context=self._attempt)
        except smtplib.SMTPResponseException as refusal:
            if refusal.smtp_code == -1:
                raise
            said = reply(refusal.smtp_code, refusal.smtp_error)
            return Seen(offered=False, why=f"the server refused STARTTLS with {said}")
        except (ssl.SSLError, OSError, ValueError) as error:
            if self._attempt.step != HANDSHAKE:
                raise
            return Seen(fault=_fault(error), why=put(error, HANDSHAKE, self.words))
        return Seen(version=self._attempt.version, chain=chain(self.sock))


class _CarelessClient(_RelayClient):
    """A client with a mistake: answers that came in clear text after the go-ahead are taken as if from inside TLS."""

    def getreply(self) -> tuple[int, bytes]:
        code, text = super().getreply()
        if self._attempt.step == "after STARTTLS" and code == 220:
            self._left = self._unread()
        return code, text

    def starttls(self, *arguments: Any, **how: Any) -> tuple[int, bytes]:
        said = super().starttls(*arguments, **how)
        if self._left:
            self.file = _Stitched(self._left, self.sock.makefile("rb"))
        return said

    def _unread(self) -> bytes:
        """What is in the buffer already; nothing is waited for."""
        self.sock.setblocking(False)
        try:
            return self.file.peek()
        except (OSError, ValueError):
            return b""
        finally:
            self.sock.settimeout(2 * self._attempt.timeout)


class _Stitched(io.BufferedIOBase):
    """A buffered reader over leftover bytes, then a file."""

    def __init__(self, left: bytes, rest: Any) -> None:
        self._left = io.BytesIO(left)
        self._rest = rest

    def readline(self, size: int = -1) -> bytes:  # type: ignore[override]
        return self._left.readline(size) or self._rest.readline(size)

    def close(self) -> None:
        self._rest.close()


def chain(sock: ssl.SSLSocket) -> tuple[bytes, ...]:
    """The certificates that the server showed, DER, its own first; also those that did not verify."""
    public = getattr(sock, "get_unverified_chain", None)
    if public is not None:  # Python 3.13 and newer
        return tuple(public())
    shown = sock._sslobj.get_unverified_chain() or ()
    return tuple(ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in shown)


def _fault(error: Exception) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "validation-failure"
    return _UNFIT.get(error.verify_code, "certificate-not-trusted")


def _code(refusal: smtplib.SMTPException) -> int:
    if isinstance(refusal, smtplib.SMTPRecipientsRefused):
        return next(iter(refusal.recipients.values()))[0]
    return refusal.smtp_code
