"""Postfix sends to a domain of the lab, under every attack, and does what the table of `test_defences` says.

The lab's own sending server is held against the same table.
"""

import os
from dataclasses import replace

import pytest
from defence_table import expected
from postfix_sending import postfix_sending
from thoroughly import every

from labkit import Lab
from labkit.attacks import RefuseForNow
from labkit.errors import NetworkUnavailable
from labkit.trials.defences import BOUNCED, HELD, HOSTS, SAFE, THEFT, every_defence
from labkit.trials.threats import COLUMNS, ROWS

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="Postfix changes its user")

BY_NAME = {column.name: column for column in COLUMNS}
SENDS = tuple(BY_NAME[name] for name in ("may", "encrypt", "verify", "DANE"))
"""Postfix does not do MTA-STS by itself, and implicit TLS is for mail programs."""
SECURE = replace(BY_NAME["verify"], sender={"level": "secure"})
"""As `verify`, but the names come from the domain and not from its MX records."""
BY_NUMBER = {row.number: row for row in ROWS}
CARELESS = "16"
"""There the lab's sender makes a mistake on purpose that Postfix does not make."""
LEFT_OUT = ("10", "11", "12", "12b", "13", "19", "20", CARELESS)
"""In row 13 time is put forward, which cannot be done to unbound. The others are row 2, or no attack, for a sender that
fetches no policies of MTA-STS and sends no reports."""
REFUSED = {("3", column.name): BOUNCED for column in SENDS[1:]}
"""Postfix takes a refusal of STARTTLS with 5xx for final, and gives the message back. The lab's sender holds it: that a
policy was not met is no reason to give it back (RFC 8461 §5)."""


@pytest.fixture(scope="module")
def lab():
    try:
        lab = Lab("namespace", hosts=HOSTS)
    except NetworkUnavailable as refusal:
        pytest.skip(str(refusal))
    with lab:
        yield lab


@pytest.fixture(scope="module")
def postfix(lab):
    with postfix_sending(lab) as postfix:
        yield postfix


def outcomes(matrix):
    return {cell: finding.outcome for cell, finding in matrix.items()}


SENT = [row for row in ROWS if row.number not in LEFT_OUT]
FIRST = [BY_NUMBER[number] for number in ("1", "3", "7", "8", "14")]


@pytest.mark.parametrize(
    "row", every(SENT, once=[BY_NUMBER[it] for it in ("1", "3", "7", "8", "14")]), ids=lambda row: row.number
)
def test_postfix_delivers_holds_and_leaks_what_the_lab_does(lab, postfix, row):
    found = every_defence(lab, [row], SENDS, sender=postfix.sender)
    assert outcomes(found) == {cell: {**expected(), **REFUSED}[cell] for cell in found}, repr(found)


def test_a_refusal_that_may_pass_holds_the_message_as_in_the_lab(lab, postfix):
    row = replace(BY_NUMBER["3"], vector=RefuseForNow)
    found = every_defence(lab, [row], SENDS, sender=postfix.sender)
    assert outcomes(found) == {cell: expected()[cell] for cell in found}, repr(found)


def test_postfix_believes_no_answer_that_came_before_tls(lab, postfix):
    found = every_defence(lab, [BY_NUMBER[CARELESS]], SENDS, sender=postfix.sender)
    assert not set(outcomes(found).values()) - {SAFE, HELD}, repr(found)


@pytest.mark.parametrize("number, outcome", (("1", SAFE), ("2", HELD), ("7", THEFT), ("8", HELD), ("14", THEFT)))
def test_names_from_the_domain_stop_a_forged_mx_unless_the_host_is_below_the_domain(lab, postfix, number, outcome):
    found = every_defence(lab, [BY_NUMBER[number]], [SECURE], sender=postfix.sender)
    assert set(outcomes(found).values()) == {outcome}, repr(found)
