"""Which defence stops each attack of the catalogue, and the lesson that shows it.

Every attack has an entry by its number, those on publications too. If several defences stop an attack, the entry names
the cheapest one; the evidence is in the cells of the lessons' matrices.
"""

from typing import NamedTuple


class Remedy(NamedTuple):
    """What stops an attack."""

    defence: str
    lesson: str
    """The number of the lesson that is about it."""


STOPS = "a client that insists on TLS (mandatory, RFC 8314 §5.2)"
VERIFIES = "a client that verifies the certificate and its name (RFC 9525)"
FORGETS = "ends that forget their buffer at the upgrade (RFC 3207 §4.2), or implicit TLS"
CLIENT_FORGETS = "a client that forgets what it heard before TLS (RFC 9051 §6.2.1), or implicit TLS"
SERVER_FORGETS = "a server that forgets a login from before TLS (RFC 3207 §4.2), or implicit TLS"
SILENT = "a client that shows nothing from before TLS (RFC 9051 §7.1), or implicit TLS"
NO_LESS = "a client that takes a failed handshake for an error, and does not try again with less (RFC 7507)"
SIGNED = "a signed zone and a resolver that validates (RFC 4035)"
KEPT = "a policy that the sender has kept or was given before, or DANE (RFC 7672)"
ISSUED = "DANE: no certificate that an authority was deceived about fits (RFC 7672)"

_FAMILIES = {
    "N": Remedy(STOPS, "08"),
    "C": Remedy(VERIFIES, "09"),
    "X": Remedy(VERIFIES, "09"),
    "B": Remedy(FORGETS, "10"),
    "T": Remedy(CLIENT_FORGETS, "10"),
    "S": Remedy(SERVER_FORGETS, "10"),
    "U": Remedy(SILENT, "10"),
    "P": Remedy(SIGNED, "11"),
}
"""The letter of a section -> what stops its attacks, unless `_OWN` says otherwise."""
_OWN = {
    "C6": Remedy(NO_LESS, "04"),
    "C7": Remedy("TLS itself: both ends hash what they have said and heard (RFC 8446 §4.4.4)", "04"),
    "T3": Remedy(STOPS, "10"),
    "X2": Remedy(STOPS, "08"),
    "P6": Remedy(KEPT, "11"),
    "P7": Remedy(KEPT, "11"),
    "P8": Remedy(KEPT, "11"),
    "P9": Remedy(KEPT, "11"),
    "P10": Remedy(ISSUED, "11"),
}


def remedy(number: str) -> Remedy:
    """What stops the attack with that number. Raises KeyError where nothing stands here."""
    return _OWN.get(number) or _FAMILIES[number[:1]]
