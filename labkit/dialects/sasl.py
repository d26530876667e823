"""What a SASL login says (RFC 4422), mechanism by mechanism.

A challenge or a response is its payload here, without the base64 in which most protocols carry it: what base64 or
binary framing a protocol adds is the dialect's. A mechanism is one row of `_MECHANISMS` or `_FAMILIES`.
"""

import base64
import binascii
import re
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

USER, PASSWORD, TOKEN, HASH = "user name", "password", "bearer token", "password hash"
"""What a login discloses: `Told.what`."""


class Told(NamedTuple):
    """One thing that a response discloses."""

    what: str
    value: str


class Login:
    """One login in progress: it takes the challenges and responses in the order in which they were sent."""

    def __init__(self, mechanism: str) -> None:
        self._name = mechanism.upper()
        self._read = _MECHANISMS.get(self._name) or next(
            (read for prefix, read in _FAMILIES.items() if self._name.startswith(prefix)), _silent
        )
        self._challenges: list[bytes] = []
        self._responses: list[bytes] = []

    def challenge(self, payload: bytes) -> None:
        """Take what the server says."""
        self._challenges.append(payload)

    def respond(self, payload: bytes) -> list[Told]:
        """Take a response. Returns what it discloses, in the order of the mechanism's own fields."""
        self._responses.append(payload)
        told = self._read(_Exchange(self._name, self._challenges, self._responses))
        return [Told(what, value if isinstance(value, str) else _text(value)) for what, value in told if value]


def offline(how: str, challenge: bytes, response: bytes) -> str:
    """A sentence for a hash of the password and a challenge, which can be tested against guesses offline."""
    if not challenge:
        return f"{how}, response {_text(response)}; the challenge, which is needed to try passwords, was not seen"
    return f"can be tried offline: {how}, challenge {_text(challenge)}, response {_text(response)}"


def read_plain(response: str | bytes) -> tuple[str, str] | None:
    """(user, password) of a response to AUTH PLAIN in base64 (RFC 4616 §2); None for anything else."""
    try:
        _, user, password = base64.b64decode(response, validate=True).split(b"\0")
    except (binascii.Error, ValueError):
        return None
    return user.decode("utf-8", "replace"), password.decode("utf-8", "replace")


# ---- how each mechanism is read


class _Exchange(NamedTuple):
    """A login up to a response, which is the last one."""

    mechanism: str
    challenges: Sequence[bytes]
    responses: Sequence[bytes]

    @property
    def response(self) -> bytes:
        return self.responses[-1]

    @property
    def first(self) -> bool:
        return len(self.responses) == 1

    @property
    def challenge(self) -> bytes:
        """The last challenge; empty where none was seen."""
        return self.challenges[-1] if self.challenges else b""


_Found = Sequence[tuple[str, bytes | str]]
_Read = Callable[[_Exchange], _Found]


def _text(payload: bytes) -> str:
    return payload.decode("utf-8", "backslashreplace")


def _silent(_: _Exchange) -> _Found:
    """A mechanism that is not known here, or whose payload discloses neither name nor secret."""
    return ()


def _plain(said: _Exchange) -> _Found:
    """RFC 4616: authorization identity, user name and password, with a NUL between them."""
    if not said.first:
        return ()
    identity, *rest = said.response.split(b"\0")
    if not rest:  # no PLAIN at all, or one that was cut
        return ((f"{USER} and {PASSWORD}", identity),) if _may_be_text(identity) else ()
    if len(rest) == 1 and not identity:
        return ((USER, rest[0]),)
    user, password = (identity, *rest)[-2:]
    return (USER, user), (PASSWORD, password)


def _may_be_text(data: bytes) -> bool:
    """Whether it is UTF-8, whose last letter may be cut; base64 whose beginning is missing gives other bytes."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.end == len(data) and error.reason == "unexpected end of data"
    return True


def _login(said: _Exchange) -> _Found:
    """LOGIN, which has no RFC: the user name, then the password, which the server asks for in English."""
    asked = _PROMPT.match(said.challenge)
    names = {1: PASSWORD if asked and asked["password"] else USER, 2: PASSWORD}
    return [(names[len(said.responses)], said.response)] if len(said.responses) in names else ()


_PROMPT = re.compile(rb"\s*(?:(?P<password>pass)|user)", re.IGNORECASE)
"""How the server's question for the password, or for the user name, begins."""


def without_beginning(challenge: bytes, response: bytes) -> Login | None:
    """The login of a challenge or response whose mechanism was not captured; None where they do not show it."""
    if _PROMPT.match(challenge):
        return Login("LOGIN")
    return Login("PLAIN") if response.count(b"\0") == 2 and _may_be_text(response) else None


def _one_name(said: _Exchange) -> _Found:
    """EXTERNAL (RFC 4422 appendix A) and SKEY (RFC 2222 §7.3): the first response is a name."""
    return ((USER, said.response),) if said.first else ()


def _two_names(said: _Exchange) -> _Found:
    """OTP (RFC 2444): authorization identity, NUL, user name; what follows holds for one login alone."""
    return ((USER, said.response.rpartition(b"\0")[2]),) if said.first else ()


def _trace(said: _Exchange) -> _Found:
    """ANONYMOUS (RFC 4505): a word by which the client lets itself be traced, often a mail address."""
    return (("trace", said.response),) if said.first else ()


def _cram(said: _Exchange) -> _Found:
    """CRAM-MD5 (RFC 2195) and its like: the user name, and the challenge hashed with the password as the key."""
    if not said.first:
        return ()
    user, _, digest = said.response.rpartition(b" ")
    return (USER, user), (HASH, offline(said.mechanism, said.challenge, digest))


_DIRECTIVE = re.compile(rb'([\w-]+) *= *(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')


def _digest(said: _Exchange) -> _Found:
    """DIGEST-MD5 (RFC 2831 §2.1.2): the response repeats all of the challenge that a guess needs."""
    given = {key.lower(): quoted or bare for key, quoted, bare in _DIRECTIVE.findall(said.response)}
    user, digest = given.get(b"username", b""), given.pop(b"response", b"")
    needed = (b"realm", b"nonce", b"cnonce", b"nc", b"qop", b"digest-uri", b"authzid")
    challenge = b",".join(b"%s=%s" % (key, given[key]) for key in needed if key in given)
    found = offline(said.mechanism, challenge if b"nonce" in given else b"", digest)
    return (USER, user), (HASH, found if digest else "")


def _scram(said: _Exchange) -> _Found:
    """SCRAM (RFC 5802 §5): the user name first; then a proof, made with the salt and rounds that the server names."""
    given = _attributes(said.response)
    if b"p" not in given or b"n" in given:
        return ((USER, given.get(b"n", b"").replace(b"=2C", b",").replace(b"=3D", b"=")),)
    complete = _attributes(said.challenge).keys() >= {b"r", b"s", b"i"}
    return ((HASH, offline(said.mechanism, said.challenge if complete else b"", b" ".join(said.responses))),)


def _attributes(message: bytes) -> dict[bytes, bytes]:
    """``n,,n=alice,r=nonce``: the letters before an equals sign (RFC 5802 §5.1)."""
    return {key: value for key, equals, value in (part.partition(b"=") for part in message.split(b",")) if equals}


def _bearer(said: _Exchange) -> _Found:
    """OAUTHBEARER (RFC 7628 §3.1) and XOAUTH2, which has no RFC: a user name, and a token in place of a password."""
    head, *pairs = said.response.split(b"\x01")
    given = {key.lower(): value for key, _, value in (pair.partition(b"=") for pair in (*head.split(b","), *pairs))}
    scheme, _, token = given.get(b"auth", b"").partition(b" ")
    return (USER, given.get(b"user") or given.get(b"a", b"")), (TOKEN, token.strip() or scheme)


def _plain_token(said: _Exchange) -> _Found:
    """X-OAUTH2 of XMPP, which has no RFC: PLAIN with a token in place of the password."""
    return [(TOKEN if what == PASSWORD else what, value) for what, value in _plain(said)]


_NTLM = b"NTLMSSP\0"


def _ntlm(said: _Exchange) -> _Found:
    """NTLM ([MS-NLMP] §2.2.1), bare or wrapped in SPNEGO: names, and a hash of the password and a challenge.

    The hash is written as the programs that try passwords take it: ``user::domain:challenge:proof:blob`` for NTLMv2.
    """
    message = _ntlm_message(said.response, 3)
    if len(message) < 52:
        return ()
    lm, nt, domain, user, host = (_ntlm_field(message, at) for at in (12, 20, 28, 36, 44))
    wide = len(message) < 64 or message[60] & 1
    domain, user, host = (name.decode("utf-16-le" if wide else "latin-1", "replace") for name in (domain, user, host))
    challenge = next((found[24:32] for one in said.challenges if (found := _ntlm_message(one, 2))), b"")
    names = (USER, user), ("domain", domain), ("client name", host)
    if len(nt) < 24:  # an anonymous login
        return names
    version = "NTLMv1" if len(nt) == 24 else "NTLMv2"
    parts = (lm, nt, challenge) if version == "NTLMv1" else (challenge, nt[:16], nt[16:])
    line = f"{user}::{domain}:{':'.join(part.hex() for part in parts)}".encode("utf-8", "backslashreplace")
    return *names, (HASH, offline(version, challenge.hex().encode(), line))


def _ntlm_message(payload: bytes, kind: int) -> bytes:
    """The NTLM message of that kind in a payload; empty where there is none."""
    start = payload.find(_NTLM + struct.pack("<I", kind))
    return payload[start:] if start >= 0 else b""


def _ntlm_field(message: bytes, at: int) -> bytes:
    size, _, offset = struct.unpack_from("<HHI", message, at)
    return message[offset : offset + size]


def _md5(said: _Exchange) -> _Found:
    """PostgreSQL's own: MD5 of the password and the user name, and MD5 of that and the salt, which is the challenge."""
    return ((HASH, offline("MD5 of PostgreSQL", said.challenge.hex().encode(), said.response)),) if said.first else ()


_MECHANISMS: dict[str, _Read] = {
    "POSTGRESQL-MD5": _md5,
    "PLAIN": _plain,
    "LOGIN": _login,
    "EXTERNAL": _one_name,
    "SKEY": _one_name,
    "OTP": _two_names,
    "ANONYMOUS": _trace,
    "DIGEST-MD5": _digest,
    "XOAUTH2": _bearer,
    "OAUTHBEARER": _bearer,
    "X-OAUTH2": _plain_token,
    "NTLM": _ntlm,
    "GSS-SPNEGO": _ntlm,
    "GSSAPI": _ntlm,
}
"""Name of a mechanism -> how a response of it is read."""
_FAMILIES: dict[str, _Read] = {"SCRAM-": _scram, "CRAM-": _cram}
"""How the names of a family of mechanisms begin -> how a response of it is read."""
