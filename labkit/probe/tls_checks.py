"""Checks of TLS itself and of the certificate: versions, suites, compression, resumption; name, issuer, dates, key."""

import re
from collections.abc import Iterable, Iterator

from labkit.probe.findings import CERTIFICATE, TLS, Said, ServerCheck, fault, good, note, unknown
from labkit.probe.observation import Observation, Unseen
from labkit.probe.tls_survey import VersionSupport

_OLD = ("SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1")
_NEW = ("TLS 1.2", "TLS 1.3")
_BROKEN = re.compile(r"EXPORT|_NULL_|RC4|RC2|_DES_|DES40|3DES|IDEA|_MD5$")
"""Suites that must not be used (RFC 9325 §4.1), and those with blocks of 64 bits (RFC 9325 §4.1, CVE-2016-2183)."""
_NO_FORWARD_SECRECY = re.compile(r"TLS_(?:RSA|DH_(?!anon)|ECDH_(?!anon))")
_SOON = 14
"""Days."""


def _known(seen: Observation, versions: Iterable[str]) -> Iterator[VersionSupport]:
    for version in versions:
        found = seen.versions.get(version)
        if isinstance(found, VersionSupport):
            yield found


def _blanks(seen: Observation, versions: Iterable[str]) -> str:
    """Why some of these versions are not known; empty where all are."""
    gaps = {version: seen.versions.get(version) for version in versions}
    unseen = [version for version, found in gaps.items() if isinstance(found, Unseen)]
    return f"{' and '.join(unseen)} could not be asked for: {gaps[unseen[0]].why}" if unseen else ""


def _old(seen: Observation) -> Said | None:
    if not seen.versions:
        return None
    spoken = [each.version for each in _known(seen, _OLD) if each.accepted]
    if spoken:
        return fault(f"The server still speaks {_and(spoken)}, which {_are(spoken)} forbidden or deprecated.")
    if blanks := _blanks(seen, _OLD):
        return unknown(blanks)
    return good("The server speaks neither SSL nor TLS 1.0 nor TLS 1.1.")


def _new(seen: Observation) -> Said | None:
    if not seen.versions:
        return None
    spoken = [each.version for each in _known(seen, _NEW) if each.accepted]
    if blanks := _blanks(seen, _NEW):
        return unknown(blanks)
    if not spoken:
        return fault("The server speaks neither TLS 1.2 nor TLS 1.3.")
    missing = [version for version in _NEW if version not in spoken]
    if missing == ["TLS 1.3"]:
        return note("The server speaks TLS 1.2 and not yet TLS 1.3.")
    return good(f"The server speaks {_and(spoken)}.")


def _weak_suites(seen: Observation) -> Said | None:
    suites = _suites(seen)
    if not suites:
        return None
    weak = [suite for suite in suites if _BROKEN.search(suite)]
    if weak:
        return fault(f"The server takes cipher suites that are broken: {_some(weak)}.")
    if not _whole(seen):
        return unknown("not all suites could be asked for in time")
    return good(f"None of the {len(suites)} cipher suites that the server takes is broken.")


def _anonymous(seen: Observation) -> Said | None:
    without = [suite for suite in _suites(seen) if "_anon_" in suite]
    if not without:
        return None
    return note(
        f"The server also takes suites without a certificate, {_some(without)}: a client that verifies offers none of "
        "them, and one that does not loses nothing."
    )


def _forward_secrecy(seen: Observation) -> Said | None:
    suites = _suites(seen)
    if not suites:
        return None
    without = [suite for suite in suites if _NO_FORWARD_SECRECY.match(suite)]
    if not without:
        return good("Every cipher suite that was found has forward secrecy.")
    if len(without) == len(suites):
        return fault("No cipher suite of the server has forward secrecy.")
    return note(f"Some cipher suites have no forward secrecy: {_some(without)}.")


def _suites(seen: Observation) -> list[str]:
    every = (suite for each in _known(seen, (*_OLD, *_NEW)) for suite in each.suites)
    return list(dict.fromkeys(every))


def _whole(seen: Observation) -> bool:
    return all(each.whole for each in _known(seen, (*_OLD, *_NEW))) and not _blanks(seen, (*_OLD, *_NEW))


def _compression(seen: Observation) -> Said | None:
    spoken = [each for each in _known(seen, (*_OLD, *_NEW)) if each.accepted]
    if not spoken:
        return None
    if any(each.compression for each in spoken):
        return fault("The server compresses inside TLS.")
    return good("The server does not compress inside TLS.")


def _resumption(seen: Observation) -> Said | None:
    if seen.resumed is None:
        return None
    if isinstance(seen.resumed, Unseen):
        return note(f"A session could not be resumed: {seen.resumed.why}.")
    if seen.resumed:
        return note("A session was resumed: the second visit had a shorter handshake.")
    return note("The server did not resume a session: every visit has a whole handshake.")


def _name(seen: Observation) -> Said | None:
    certificate = seen.certificate
    if certificate is None:
        return unknown("the server showed no certificate that can be read") if seen.version else None
    if certificate.names_fit(seen.name):
        return good(f"The certificate is for {seen.name}.")
    return fault(f"The certificate is not for {seen.name}: it names {_and(certificate.names) or 'no host'}.")


def _issuer(seen: Observation) -> Said | None:
    if seen.untrusted is None:
        return None
    if isinstance(seen.untrusted, Unseen):
        return unknown(seen.untrusted.why)
    if seen.untrusted:
        return fault(f"The certificate cannot be trusted: {seen.untrusted}.")
    shown = seen.certificate.chain if seen.certificate else 0
    return good(f"A trusted authority has issued the certificate; the server shows a chain of {shown}.")


def _dates(seen: Observation) -> Said | None:
    certificate = seen.certificate
    if certificate is None:
        return None
    left = certificate.days_left()
    if left < 0:
        return fault(f"The certificate has expired on {certificate.expires:%Y-%m-%d}.")
    if certificate.not_yet_valid():
        return fault(f"The certificate is valid only from {certificate.begins:%Y-%m-%d} on.")
    if left < _SOON:
        return note(f"The certificate expires in {left} days, on {certificate.expires:%Y-%m-%d}.")
    return good(f"The certificate is valid until {certificate.expires:%Y-%m-%d}, {left} days from now.")


def _key(seen: Observation) -> Said | None:
    certificate = seen.certificate
    if certificate is None:
        return None
    weak = certificate.weak_key or certificate.weak_signature
    if weak:
        return fault(f"The certificate is too weak: {weak}.")
    return good(f"Key ({certificate.key}) and signature of the certificate are strong enough.")


def _and(words: Iterable[str]) -> str:
    *most, last = words = list(words) or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _are(words: list[str]) -> str:
    return "is" if len(words) == 1 else "are"


def _some(words: list[str], most: int = 4) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


CHECKS = (
    ServerCheck(
        id="old-versions",
        title="Old versions",
        group=TLS,
        rule="RFC 8996, RFC 7568, RFC 6176",
        look=_old,
        means="An attacker on the path can have an old client speak a version whose weaknesses are known.",
        mend={
            "Postfix": "smtpd_tls_protocols = >=TLSv1.2\nsmtpd_tls_mandatory_protocols = >=TLSv1.2",
            "Dovecot": "ssl_min_protocol = TLSv1.2",
            "": "Let TLS 1.2 be the oldest version.",
        },
        leaves="C",
    ),
    ServerCheck(
        id="new-versions",
        title="Current versions",
        group=TLS,
        rule="RFC 9325 §3.1.1",
        look=_new,
        means="Current clients cannot connect, or speak a version whose weaknesses are known.",
        mend={"": "Update the server's TLS library, and allow TLS 1.2 and TLS 1.3."},
        leaves="C",
    ),
    ServerCheck(
        id="weak-suites",
        title="Cipher suites",
        group=TLS,
        rule="RFC 9325 §4.1",
        look=_weak_suites,
        means="Connections with such a suite can be read, or changed, with an effort that is within reach.",
        mend={
            "Postfix": "smtpd_tls_ciphers = high\nsmtpd_tls_exclude_ciphers = aNULL, eNULL, EXPORT, RC4, 3DES, MD5",
            "Dovecot": "ssl_cipher_list = ECDHE+AESGCM:ECDHE+CHACHA20",
            "": "Allow ECDHE with AES-GCM or ChaCha20 only.",
        },
        leaves="C",
    ),
    ServerCheck(id="anonymous", title="Anonymous suites", group=TLS, rule="RFC 5246 §F.1.1.1", look=_anonymous),
    ServerCheck(
        id="forward-secrecy",
        title="Forward secrecy",
        group=TLS,
        rule="RFC 9325 §4.1",
        look=_forward_secrecy,
        means="Who records the traffic today can read it as soon as the server's key is known.",
        mend={
            "Postfix": "smtpd_tls_exclude_ciphers = kRSA",
            "Dovecot": "ssl_cipher_list = ECDHE+AESGCM:ECDHE+CHACHA20",
            "": "Allow suites with ECDHE only.",
        },
        leaves="C",
    ),
    ServerCheck(
        id="compression",
        title="Compression",
        group=TLS,
        rule="RFC 9325 §3.3",
        look=_compression,
        means="The size of what is sent betrays secrets in it (CVE-2012-4929, CRIME).",
        mend={"Postfix": "tls_ssl_options = NO_COMPRESSION", "Dovecot": "ssl_options = no_compression", "": "Off."},
        leaves="C",
    ),
    ServerCheck(id="resumption", title="Resumption", group=TLS, rule="RFC 8446 §2.2", look=_resumption),
    ServerCheck(
        id="name",
        title="Name",
        group=CERTIFICATE,
        rule="RFC 9525 §6",
        look=_name,
        means="Clients that verify refuse the server; those that do not cannot tell it from an impostor.",
        mend={"": "Get a certificate with this name in subjectAltName, or give clients the name that is in it."},
        leaves="D",
    ),
    ServerCheck(
        id="issuer",
        title="Issuer",
        group=CERTIFICATE,
        rule="RFC 5280 §6",
        look=_issuer,
        means="Clients that verify refuse the server; those that do not cannot tell it from an impostor.",
        mend={
            "Postfix": "smtpd_tls_chain_files = /etc/postfix/server-with-chain.pem",
            "Dovecot": "ssl_cert = </etc/dovecot/server-with-chain.pem",
            "": "Get a certificate from an authority that clients trust, and show the whole chain but its root.",
        },
        leaves="D",
    ),
    ServerCheck(
        id="dates",
        title="Dates",
        group=CERTIFICATE,
        rule="RFC 5280 §4.1.2.5",
        look=_dates,
        means="Clients that verify refuse the server.",
        mend={"": "Renew the certificate, have that done by itself, and let the server read the new one."},
        leaves="D",
    ),
    ServerCheck(
        id="key",
        title="Key",
        group=CERTIFICATE,
        rule="RFC 9325 §4.5",
        look=_key,
        means="The key or the signature can be forged with an effort that is within reach.",
        mend={"": "Make a new key, EC P-256 or RSA with 2048 bits, and have it certified with SHA-256."},
        leaves="C",
    ),
)
