"""Why a session stays closed, in sentences: what is missing or does not fit, and what would help."""

from functools import lru_cache

from labkit.decode.tls.ciphers import cipher_of
from labkit.decode.tls.suites import SUITES

NO_SECRETS = "No secrets were used: this is what anybody on the path sees."


_NOTHING = "The key log has no secret of this session"
_PREMASTERS = "The key log has only premaster secrets"


def no_hello(which: str) -> str:
    """A hello that is not in the capture."""
    return (
        f"The {which} of this session is missing, so nothing tells which keys to use: capture from the first packet on."
    )


def not_in_key_log(random: bytes, outer: bool) -> str:
    """A key log of other sessions; `outer` of a ClientHello in which another may be encrypted."""
    other = " Its secrets may also stand under the client random of the encrypted ClientHello." if outer else ""
    use = "use the key log that was written while this session ran"
    return f"{_NOTHING} (client random {random.hex()[:16]}…): {use}.{other}"


def lacks_secret(problem: str) -> bool:
    """Whether another key log would help against this problem."""
    return problem == NO_SECRETS or problem.startswith("The key log has ")


def of_other_sessions(problem: str) -> bool:
    """Whether it says that the key log has nothing of this session."""
    return problem.startswith((NO_SECRETS, _NOTHING, _PREMASTERS))


def premasters_alone(cipher: str) -> str:
    """A key log that has only lines ``RSA``, which no other key exchange needs, or none of this session."""
    exchange, with_, _ = cipher.removeprefix("TLS_").partition("_WITH_")
    other = f"and this session used {exchange}" if with_ else "which TLS 1.3 does not use"
    found = "and none of this session" if exchange == "RSA" else other
    return f"{_PREMASTERS} of RSA key exchanges (lines that begin with RSA), {found}."


def not_encrypted(cipher: str) -> str:
    """A cipher suite that authenticates only."""
    return f"{cipher} encrypts nothing: everyone on the path can read what this session says, without any secret."


def compressed(method: str) -> str:
    """A way to compress records that is not DEFLATE."""
    return f"The records are compressed with {method} before they are encrypted, which cannot be read here."


def label_missing(label: str, random: bytes) -> str:
    """A key log that has secrets of this session but not the one that is needed."""
    return (
        f"The key log has no {label} of this session (client random {random.hex()[:16]}…), "
        "so the records under that secret stay closed."
    )


def secrets_do_not_fit(sender: str) -> str:
    """The first protected record of a direction that does not open."""
    return (
        f"The secrets do not fit: the first encrypted record of the {sender} does not open with them, "
        "so either they belong to another session or its bytes were changed."
    )


def record_does_not_open(sender: str, number: int) -> str:
    """One that does not open although others did; `number` counts the encrypted records of that direction from 1."""
    return (
        f"Encrypted record {number} of the {sender} does not open although the secrets fit: "
        "its bytes were changed, or records are missing before it."
    )


def bytes_missing(sender: str) -> str:
    """A gap in the capture."""
    return (
        f"Bytes of the {sender} are missing from the capture: records are opened by their number, "
        "so what the gap hides leaves the rest of this direction closed."
    )


@lru_cache
def cannot_open(version: str, suite: int) -> str:
    """A version or cipher suite that is not for this lab; empty when it is."""
    draft = version.removeprefix(_DRAFT)
    if version not in _OPENED and not (draft.isdecimal() and int(draft) >= _FIRST_DRAFT):
        return f"{version} cannot be opened here: the lab opens TLS 1.0 to TLS 1.3."
    if cipher_of(suite) is None:
        name = SUITES.get(suite, f"cipher suite 0x{suite:04X}")
        return f"{name} cannot be opened here: {_CIPHERS}."
    return ""


_OPENED = ("TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3")
_DRAFT, _FIRST_DRAFT = "TLS 1.3 draft ", 20
"""Drafts before it made their keys differently."""
_CIPHERS = "the lab opens AES (GCM, CCM and CBC), ChaCha20-Poly1305, Camellia, SEED, IDEA and DES in CBC, and RC4"
