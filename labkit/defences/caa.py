"""CAA (RFC 8659): a domain says which authorities may issue for it. Only an authority asks; a mail server never does.

`permits` is the rule, pure. `issuing` climbs the tree with a resolver, as an authority does before it signs.
"""

import re
from collections.abc import Callable, Sequence

from labkit.defences.resource_records import CAA, DNSAnswer

_CRITICAL = 0x80
_KNOWN = ("issue", "issuewild", "iodef")
_LABEL = r"[A-Za-z0-9](?:-*[A-Za-z0-9])*"
_ISSUER = re.compile(
    rf"[ \t]*(?P<issuer>{_LABEL}(?:\.{_LABEL})*)?[ \t]*"
    rf"(?:;[ \t]*(?:{_LABEL}[ \t]*=[ \t]*[!-:<-~]*[ \t]*(?:;[ \t]*|$))*)?",
    re.ASCII,
)


def permits(records: Sequence[CAA], issuer: str, wildcard: bool = False) -> str:
    """Why the authority `issuer` may not issue under these records (§4); empty when it may.

    `wildcard` says whether the certificate is for ``*.`` and a domain.
    """
    tags = {record.tag.lower() for record in records}
    unknown = [record.tag for record in records if record.flags & _CRITICAL and record.tag.lower() not in _KNOWN]
    if unknown:
        return f"the critical property {unknown[0]!r} is not understood"
    tag = "issuewild" if wildcard and "issuewild" in tags else "issue"
    values = [record.value for record in records if record.tag.lower() == tag]
    if not values or issuer.lower() in map(_issuer, values):
        return ""
    allowed = " and ".join(filter(None, map(_issuer, values))) or "no authority"
    return f"the domain allows {allowed}, not {issuer}"


def _issuer(value: str) -> str:
    """The authority that a value names; empty for none, and for a value that does not follow the grammar (§4.2)."""
    read = _ISSUER.fullmatch(value)
    return (read["issuer"] or "").lower() if read else ""


def issuing(name: str, issuer: str, resolve: Callable[[str, str], DNSAnswer]) -> str:
    """Why the authority `issuer` may not issue a certificate for this name; empty when it may (§3).

    The first domain with CAA records counts, from the name upwards. An answer that failed forbids.
    """
    wildcard = name.startswith("*.")
    here = name.removeprefix("*.").rstrip(".")
    while here:
        answer = resolve(here, "CAA")
        if answer.failed:
            return f"the CAA records of {here} cannot be known: {answer.why}"
        records = [record for record in answer.records if isinstance(record, CAA)]
        if records:
            return permits(records, issuer, wildcard)
        here = here.partition(".")[2]
    return ""
