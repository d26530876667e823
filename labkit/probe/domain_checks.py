"""Checks of what a domain publishes about mail to it. They apply where mail servers talk to each other."""

from collections.abc import Callable

from labkit.probe.findings import DOMAIN, Said, ServerCheck, fault, good, note, unknown
from labkit.probe.observation import DomainRecords, Observation, RecordCheck, Unseen


def _looked(
    part: Callable[[DomainRecords], RecordCheck], absent: str, fits: str, misfit: str
) -> Callable[..., Said | None]:
    def look(seen: Observation) -> Said | None:
        if seen.published is None:
            return None
        if isinstance(seen.published, Unseen):
            return unknown(seen.published.why)
        found = part(seen.published)
        if found.found is None:
            return unknown(found.said)
        if not found.found:
            return note(f"{absent}: {found.said}.")
        if found.fits is None:
            return note(f"It is published, and nothing of it concerns the server directly: {found.said}.")
        return good(f"{fits}: {found.said}.") if found.fits else fault(f"{misfit}: {found.said}.")

    return look


CHECKS = (
    ServerCheck(
        id="mta-sts",
        title="MTA-STS",
        group=DOMAIN,
        rule="RFC 8461 §3, §4.1",
        look=_looked(
            lambda published: published.mta_sts,
            "The domain has no policy that makes senders insist on TLS",
            "The domain has a policy that names this server",
            "The domain's policy does not fit this server",
        ),
        means="Senders that know the policy hold mail back, or have no policy although one is announced.",
        mend={
            "": "Serve a policy that names every mail server at https://mta-sts.DOMAIN/.well-known/mta-sts.txt, and "
            "renew the id at _mta-sts.DOMAIN after that."
        },
        leaves="D",
    ),
    ServerCheck(
        id="dane",
        title="DANE",
        group=DOMAIN,
        rule="RFC 7672 §2.2, RFC 7671 §5",
        look=_looked(
            lambda published: published.dane,
            "No signed TLSA record makes senders insist on TLS",
            "The certificate is the one that the signed DNS names",
            "The certificate is not the one that the signed DNS names",
        ),
        means="Senders that do DANE hold mail back.",
        mend={"": "Publish 3 1 1 for the key in use, and for the next one two TTLs before it is used (RFC 7671 §8.1)."},
        leaves="D",
    ),
    ServerCheck(
        id="tls-rpt",
        title="TLS-RPT",
        group=DOMAIN,
        rule="RFC 8460 §3",
        look=_looked(
            lambda published: published.tls_rpt,
            "The domain asks for no reports on failed TLS",
            "The domain asks for reports on failed TLS",
            "The domain's request for reports cannot be read",
        ),
        means="The domain hears nothing of attacks on mail to it, or of its own mistakes.",
        mend={"": 'Publish at _smtp._tls.DOMAIN: "v=TLSRPTv1; rua=mailto:tls-reports@DOMAIN".'},
        leaves="B",
    ),
    ServerCheck(
        id="caa",
        title="CAA",
        group=DOMAIN,
        rule="RFC 8659 §3",
        look=_looked(
            lambda published: published.caa,
            "Any authority may issue certificates for the server",
            "Only some authorities may issue certificates for the server",
            "The CAA records cannot be read",
        ),
    ),
)
