"""Handshakes as they were before TLS 1.3, for the tests of decoding: OpenSSL below its usual security level for TLS 1.0
to 1.2, tlslite-ng for SSL 3.0. What crosses is kept.
"""

import functools
import socket
import ssl
import threading

import trustme
from tls_sessions import NAME, Chunks, Talk
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey

from labkit.decode.event import CLIENT, SERVER
from labkit.scratch import ScratchFile

CODES = {"TLS 1.0": ssl.TLSVersion.TLSv1, "TLS 1.1": ssl.TLSVersion.TLSv1_1, "TLS 1.2": ssl.TLSVersion.TLSv1_2}

FFDHE2048 = b"""\
-----BEGIN X9.42 DH PARAMETERS-----
MIICDAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAgKCAQB//////////9b8KixRXaVN
V+4rEBOennjsXOLB5xabStTwmyCKMhn95knO5xJNn3y+l/GxsYY67HtA2QFXYjC9
ae+Paur+srCSGfqPr4M3aEKxsqqe9o152quJrz+r5JrMJ4Y4cHNFu/FTRO159/Q5
DvisUJtW85qYVmUnpB08vV4FWMFZkn2w6IRUpdlkcf3ctW1bsGv6NA6noVHvHKb6
Vyt287G5XYyFg9PkdwU2uE8BfnDm+/F2YBoCZpQaF7DIuX9OdMLB/8cniRl3eUDB
4f8djaY31rmd2v5eF2EQAuLHeMG+i0HZY3mlE2DZd/1ENaEcMJQuS///////////
-----END X9.42 DH PARAMETERS-----
"""
"""The group of RFC 7919 §A.1."""


@functools.cache
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.RSA)


@functools.cache
def certificate() -> trustme.LeafCert:
    """With an RSA key, as old key exchanges need one."""
    return authority().issue_cert(NAME, key_type=trustme.KeyType.RSA)


def with_openssl(version: str, ciphers: str, both_show_certificates: bool = False) -> Chunks:
    """A handshake in memory with these suites, in OpenSSL's notation."""
    contexts = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for context in contexts:
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = CODES[version]
        authority().configure_trust(context)
    client, server = contexts
    certificate().configure_cert(server)
    with ScratchFile(FFDHE2048) as file:
        server.load_dh_params(file.path)
    if both_show_certificates:
        certificate().configure_cert(client)
        server.verify_mode = ssl.CERT_REQUIRED
    talk = Talk(client, server).shake_hands()
    talk.close()
    return talk.chunks


def with_tlslite(exchange: str, asks_for_certificate: bool = False) -> Chunks:
    """A handshake of SSL 3.0 with a key exchange in tlslite-ng's words: ``rsa``, ``dhe_rsa``, ``ecdhe_rsa``."""
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 0)
    settings.versions, settings.keyExchangeNames = [(3, 0)], [exchange]
    settings.useExtendedMasterSecret = False
    chain, key = X509CertChain(), _pem(certificate().private_key_pem)
    chain.parsePemList("".join(_pem(blob) for blob in certificate().cert_chain_pems))
    near, far = socket.socketpair()
    chunks: Chunks = []
    client, server = TLSConnection(_Kept(near, CLIENT, chunks)), TLSConnection(_Kept(far, SERVER, chunks))
    options = {"certChain": chain, "privateKey": parsePEMKey(key, private=True), "settings": settings}
    serving = threading.Thread(target=server.handshakeServer, kwargs={**options, "reqCert": asks_for_certificate})
    with near, far:
        serving.start()
        client.handshakeClientCert(settings=settings)
        serving.join(60)
    return chunks


def _pem(blob: trustme.Blob) -> str:
    return blob.bytes().decode("ascii")


class _Kept:
    """A socket that keeps what is sent through it."""

    def __init__(self, sock: socket.socket, side: str, chunks: Chunks) -> None:
        self._sock, self._side, self._chunks = sock, side, chunks

    def send(self, data: bytes) -> int:
        self._chunks.append((self._side, bytes(data)))
        self._sock.sendall(data)
        return len(data)

    def sendall(self, data: bytes) -> None:
        self.send(data)

    def recv(self, size: int) -> bytes:
        return self._sock.recv(size)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)
