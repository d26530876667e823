"""The TLS settings of the lab's servers and clients: versions, cipher suites, trusted authorities, where secrets are
logged.

RFC 9325 recommends what the defaults are: TLS 1.2 and 1.3, forward secrecy, AEAD. TLS 1.0 and 1.1 are deprecated
(RFC 8996) and spoken only when asked for by name. Certificates are made in `certificates`.
"""

import ssl
import warnings
from collections.abc import Collection, Sequence

from labkit.errors import LabError
from labkit.trust.certificates import Authority, Certificate
from labkit.trust.keylog import log_secrets

VERSIONS = {
    "TLS 1.0": ssl.TLSVersion.TLSv1,
    "TLS 1.1": ssl.TLSVersion.TLSv1_1,
    "TLS 1.2": ssl.TLSVersion.TLSv1_2,
    "TLS 1.3": ssl.TLSVersion.TLSv1_3,
}
"""The versions that may be spoken, oldest first."""
CURRENT = ("TLS 1.2", "TLS 1.3")
"""Those that are spoken unless others are asked for."""

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""The default cipher suites of TLS 1.2; TLS 1.3 has suites of its own, all of this kind (RFC 8446 §9.1)."""
_OLD_CIPHERS = f"{_CIPHERS}:ECDHE+AES:@SECLEVEL=0"
"""With CBC suites for TLS 1.0 and 1.1, and OpenSSL's security level at which SHA-1 signatures are still taken."""


def spoken(version: str | None) -> str:
    """The name of a version as OpenSSL reports it: ``TLS 1.0`` for ``TLSv1``; empty for none."""
    return {"TLSv1": "TLS 1.0"}.get(version or "", (version or "").replace("TLSv", "TLS "))


def versions(tls: str | Sequence[str]) -> tuple[str, ...]:
    """The names in `tls` (one alone needs no tuple), oldest first. Raises `LabError` for none or an unknown one."""
    wanted = (tls,) if isinstance(tls, str) else tls
    if not isinstance(wanted, Collection) or not wanted or any(name not in tuple(VERSIONS) for name in wanted):
        raise LabError(f"TLS versions are given as a tuple of {', '.join(map(repr, VERSIONS))}, not as {tls!r}.")
    return tuple(name for name in VERSIONS if name in wanted)


def server_context(
    certificate: Certificate,
    tls: Sequence[str] = CURRENT,
    ciphers: str | None = None,
    keylog: str | None = None,
) -> ssl.SSLContext:
    """How a server speaks TLS: `tls` version names, `ciphers` in OpenSSL's notation for TLS 1.2, `keylog` a path.

    Raises `LabError` for versions or ciphers that do not exist here.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, tls, ciphers, keylog)
    certificate.load_into(context)
    return context


def client_context(
    authority: Authority,
    verify: bool,
    tls: Sequence[str] = CURRENT,
    keylog: str | None = None,
) -> ssl.SSLContext:
    """How a client speaks TLS; with `verify` it compares the certificate with `authority` and the name it wanted.

    Raises `LabError` for versions that do not exist here.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, tls, None, keylog)
    authority.trust(context)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _context(side: int, tls: Sequence[str], ciphers: str | None, keylog: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    wanted = versions(tls)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 was asked for by name
        context.minimum_version = VERSIONS[wanted[0]]
        context.maximum_version = VERSIONS[wanted[-1]]
    try:
        context.set_ciphers(ciphers or (_CIPHERS if wanted[0] in CURRENT else _OLD_CIPHERS))
    except ssl.SSLError as error:
        raise LabError(
            f"OpenSSL knows no cipher suite {ciphers!r}: 'ECDHE-ECDSA-AES128-GCM-SHA256' is one that fits."
        ) from error
    if keylog is not None:
        log_secrets(context, keylog)
    return context
