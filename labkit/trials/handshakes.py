"""The libraries that shake hands: OpenSSL for TLS 1.0 to 1.3, tlslite-ng where SSL 3.0 is wanted, `ssl2` for SSL 2.0.

An engine takes a connected socket with a time limit and gives a `Channel`, or raises `HandshakeRefused`.
The SMTP around the handshake is in `versions`.
"""

import socket
import ssl
from collections.abc import Callable
from typing import Any, NamedTuple

from labkit.clients.failures import HANDSHAKE, put
from labkit.decode.tls.registry import ALERTS
from labkit.errors import LabError
from labkit.trials import ssl2
from labkit.trials.channel import ALL, SSL2, SSL3, Channel, HandshakeRefused
from labkit.trust.certificates import SERVER_NAME, Authority
from labkit.trust.contexts import client_context, server_context, spoken

_CODES = {SSL3: (3, 0), "TLS 1.0": (3, 1), "TLS 1.1": (3, 2), "TLS 1.2": (3, 3), "TLS 1.3": (3, 4)}
"""Version -> what is written for it in the hellos of the first three, and in supported_versions."""


class Engine(NamedTuple):
    """How the two sides shake hands."""

    client: Callable[[socket.socket, tuple[str, ...], Authority], Channel]
    server: Callable[[socket.socket, tuple[str, ...], Authority], Channel]


def engine(versions: tuple[str, ...]) -> Engine:
    """The library that can speak these versions. Raises `LabError` when none can speak them together."""
    if not versions or not set(versions) <= set(ALL):
        raise LabError(f"A range of versions is a tuple of {', '.join(map(repr, ALL))}, not {versions!r}.")
    if versions == (SSL2,):
        return Engine(ssl2.client, ssl2.server)
    if SSL2 in versions:
        raise LabError("SSL 2.0 has a record format of its own and is tried alone: give it a range of one version.")
    return _TLSLITE if SSL3 in versions else _OPENSSL


def _openssl_client(sock: socket.socket, versions: tuple[str, ...], authority: Authority) -> Channel:
    context = client_context(authority, verify=True, tls=versions)
    return _openssl(lambda: context.wrap_socket(sock, server_hostname=SERVER_NAME), _clients_words)


def _openssl_server(sock: socket.socket, versions: tuple[str, ...], authority: Authority) -> Channel:
    context = server_context(authority.certificate("right"), versions)
    return _openssl(lambda: context.wrap_socket(sock, server_side=True), _servers_words)


def _clients_words(error: OSError) -> str:
    return put(error, HANDSHAKE, {})


def _servers_words(error: OSError) -> str:
    reason = getattr(error, "reason", None)
    return reason.replace("_", " ").lower() if reason else f"the client closed the connection {HANDSHAKE}"


def _openssl(shake: Callable[[], ssl.SSLSocket], in_words: Callable[[OSError], str]) -> Channel:
    try:
        stream = shake()
    except OSError as error:
        raise HandshakeRefused(in_words(error)) from error
    return Channel(spoken(stream.version()), (stream.cipher() or ("",))[0], stream)


def _tlslite_client(sock: socket.socket, versions: tuple[str, ...], _: Authority) -> Channel:
    from tlslite.api import TLSConnection

    connection = TLSConnection(sock)
    settings = _settings(versions)
    return _tlslite(connection, lambda: connection.handshakeClientCert(settings=settings, serverName=SERVER_NAME))


def _tlslite_server(sock: socket.socket, versions: tuple[str, ...], authority: Authority) -> Channel:
    from tlslite.api import TLSConnection, X509CertChain, parsePEMKey

    shown = authority.with_rsa_key()
    chain = X509CertChain()
    chain.parsePemList(shown.pem.decode("ascii"))
    key = parsePEMKey(shown.key.decode("ascii"), private=True)
    connection = TLSConnection(sock)
    settings = _settings(versions)
    return _tlslite(connection, lambda: connection.handshakeServer(certChain=chain, privateKey=key, settings=settings))


def _settings(versions: tuple[str, ...]) -> Any:
    from tlslite.api import HandshakeSettings

    settings = HandshakeSettings()
    settings.minVersion, settings.maxVersion = _CODES[versions[0]], _CODES[versions[-1]]
    settings.versions = [_CODES[version] for version in reversed(versions)]
    settings.useExtendedMasterSecret = False  # tlslite-ng negotiates it in SSL 3.0 too, where it cannot be computed
    return settings


def _tlslite(connection: Any, shake: Callable[[], None]) -> Channel:
    from tlslite.errors import TLSError, TLSLocalAlert, TLSRemoteAlert

    try:
        shake()
    except TLSRemoteAlert as alert:
        raise HandshakeRefused(f"the other side sent the alert {_alert(alert.description)}") from alert
    except TLSLocalAlert as alert:
        raise HandshakeRefused(f"it stopped with the alert {_alert(alert.description)}") from alert
    except (TLSError, OSError) as error:
        raise HandshakeRefused(f"the other side closed the connection {HANDSHAKE}") from error
    version = next(name for name, code in _CODES.items() if code == connection.version)
    return Channel(version, connection.session.getCipherName(), connection)


def _alert(number: int) -> str:
    return ALERTS.get(number, str(number))


_OPENSSL = Engine(_openssl_client, _openssl_server)
_TLSLITE = Engine(_tlslite_client, _tlslite_server)
