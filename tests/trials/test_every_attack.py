"""For every attack, over the wire: a client that falls for it, and one that does not."""

from functools import partial

import pytest
from thoroughly import every

from labkit import Lab, attacks, policies
from labkit.attacks import victims
from labkit.attacks.verdict import BROKEN, DECEIVED, LEAKED, STOPPED, UNHARMED
from labkit.dialects import IMAP, POP3, SMTP
from labkit.errors import LabError
from labkit.trials.attacks import every_attack

WITH_CLIENTS = (SMTP, IMAP, POP3)
LOOPBACK = partial(Lab, "loopback")

ALL = ("password", "user name", "message", "subject")
LOGIN = ("password", "user name")
MAIL = ("message", "subject")

EVERY = ("SMTP", "IMAP", "POP3")
FALLS = {
    "N1": dict.fromkeys(EVERY, ("if offered", LEAKED, ALL)),
    "N2": dict.fromkeys(EVERY, ("without looking", LEAKED, ALL)),
    "N3": dict.fromkeys(("SMTP", "IMAP"), ("without looking", LEAKED, ALL)),
    "N4": {"SMTP": ("without looking", LEAKED, ALL), "IMAP": ("careful (tagless)", LEAKED, ALL)},
    "N5": dict.fromkeys(EVERY, ("tries again", LEAKED, ALL)),
    "N6": {
        "SMTP": ("relays", LEAKED, MAIL),
        "IMAP": ("if offered", LEAKED, ALL),
        "POP3": ("forgets without list", LEAKED, ALL),
    },
    "N7": dict.fromkeys(EVERY, ("if offered", LEAKED, LOGIN)),
    "N8": {"IMAP": ("if offered", LEAKED, MAIL)},
    "N10": {"IMAP": ("follows referral", LEAKED, ALL)},
    "N11": {"IMAP": ("careful (early)", LEAKED, ALL)},
    "N12": dict.fromkeys(EVERY, ("tries again", LEAKED, ALL)),
    "N13": dict.fromkeys(EVERY, ("tries again", LEAKED, ALL)),
    "N14": dict.fromkeys(EVERY, ("auto detects", LEAKED, ALL)),
    "N15": {"SMTP": ("if offered", LEAKED, ALL)},
    "N16": {
        "SMTP": ("only for login", LEAKED, MAIL),
        "IMAP": ("forgets after greeting", LEAKED, LOGIN),
        "POP3": ("forgets without list", LEAKED, ALL),
    },
    "B1": dict.fromkeys(EVERY, ("careful", DECEIVED, ())),
    "B2": dict.fromkeys(EVERY, ("careful (keeping)", DECEIVED, ())),
    "B3": {"SMTP": ("careful", LEAKED, ALL), "IMAP": ("looks", LEAKED, LOGIN)},
    "B4": {"IMAP": ("browses", DECEIVED, ())},
    "B5": dict.fromkeys(EVERY, ("careful (keeping)", DECEIVED, ())),
    "T1": {"IMAP": ("careful", DECEIVED, ())},
    "T2": dict.fromkeys(EVERY, ("remembers", DECEIVED, ())),
    "T3": {"IMAP": ("careful (tagless)", LEAKED, ALL)},
    "S1": {
        "SMTP": ("careful", DECEIVED, ()),
        "IMAP": ("careful (bold)", LEAKED, ("user name", *MAIL)),
        "POP3": ("ignores login", DECEIVED, ()),
    },
    "U1": {"IMAP": ("careful (alerting)", DECEIVED, ())},
    "U2": dict.fromkeys(EVERY, ("careful", DECEIVED, ())),
    **{number: dict.fromkeys(EVERY, ("without context", LEAKED, ALL)) for number in ("C1", "C2", "C3", "C4", "C5")},
    **{number: dict.fromkeys(EVERY, ("older tls", DECEIVED, ())) for number in ("C6", "C7")},
    "X1": dict.fromkeys(EVERY, ("if offered", LEAKED, ALL)),
    "X2": dict.fromkeys(EVERY, ("if offered", LEAKED, ALL)),
    "X3": dict.fromkeys(EVERY, ("without context", LEAKED, ALL)),
}
"""Number -> protocol -> (victim, outcome, what is read)."""

STANDS = {
    **dict.fromkeys(("B1", "B3", "S1", "U2"), ("implicit", UNHARMED)),
    **dict.fromkeys(("B2", "B5", "T2", "U1"), ("careful", UNHARMED)),
    "B4": ("browses strictly", STOPPED),
    "T1": ("careful (forgetful)", UNHARMED),
    ("N16", "SMTP"): ("careful", UNHARMED),  # nothing is done to those who upgrade anyway
}
"""Number, or number and protocol -> (victim that does not fall for it, what becomes of it); else the careful one, which
stops."""

CASES = [(number, protocol) for number, protocols in FALLS.items() for protocol in protocols]


def test_the_table_has_every_attack_in_every_protocol_that_it_knows():
    assert {number: set(protocols) for number, protocols in FALLS.items()} == {
        vector.id: {dialect.name for dialect in WITH_CLIENTS if vector.applies_to(dialect)}
        for vector in attacks.catalogue.on_conversations(attacks.ALL)
    }


@pytest.mark.parametrize(("number", "protocol"), CASES)
def test_a_client_falls_for_it_and_another_does_not(number, protocol):
    falls, outcome, secrets = FALLS[number][protocol]
    stands, end = STANDS.get((number, protocol)) or STANDS.get(number, ("careful", STOPPED))
    pair = [victims.named(f"{protocol}, {name}") for name in (falls, stands)]
    matrix = every_attack(LOOPBACK, [type(attacks.vector(number))], pair, [protocol])
    victim, other = (matrix.verdict(protocol, number, one.name) for one in pair)
    assert (victim.outcome, victim.secrets) == (outcome, secrets), victim
    assert (other.outcome, other.secrets) == (end, ()), other


def test_policies_fare_as_the_books_say():
    matrix = [cell for cell in every_attack(LOOPBACK, clients=policies.ALL) if cell.vector != "B4"]  # for browsers
    for cell in matrix:
        assert cell.verdict.outcome in (LEAKED, DECEIVED, STOPPED, UNHARMED, BROKEN)
    outcomes = {(c.protocol, c.vector, c.client): c.verdict.outcome for c in matrix}
    negotiation = [number for number in FALLS if number.startswith("N")]
    for protocol, number, policy in outcomes:
        if policy in ("mandatory", "verified", "implicit") and number in negotiation:
            assert outcomes[protocol, number, policy] in (STOPPED, UNHARMED)
        if policy == "verified" and number[0] in "CX":
            assert outcomes[protocol, number, policy] == STOPPED
        if policy == "implicit":
            assert outcomes[protocol, number, policy] in (STOPPED, UNHARMED)
    for protocol in EVERY:
        assert outcomes[protocol, "N1", "opportunistic"] == LEAKED
        assert outcomes[protocol, "C1", "mandatory"] == LEAKED
        assert outcomes[protocol, "B1", "verified"] == DECEIVED
    assert outcomes["SMTP", "B3", "verified"] == LEAKED


@pytest.mark.parametrize("protocol", every(EVERY, once=("SMTP",)))
def test_the_same_attacks_have_the_same_verdicts_every_time(protocol):
    again = [attacks.StripCapability, attacks.BreakHandshake, attacks.CommandInjection, attacks.SessionFixation]
    runs = [every_attack(LOOPBACK, [*again, attacks.FullInterception], policies.ALL, [protocol]) for _ in range(4)]
    verdicts = [[(*cell[:3], cell.verdict.outcome, cell.verdict.secrets) for cell in run] for run in runs]
    assert all(found == verdicts[0] for found in verdicts)


@pytest.mark.parametrize("name, says", (("XMPP", "'XMPP, if offered'"), ("x", "'PostgreSQL, careful'")))
def test_a_victim_that_does_not_exist_is_told_in_what_there_is(name, says):
    with pytest.raises(LabError, match=f"There is no victim '{name}': its name is a protocol and a habit.*{says}"):
        victims.named(name)
