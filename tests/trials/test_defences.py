"""Every attack on mail between servers against every defence: what the RFCs say should happen is what happens."""

import pytest
from defence_table import expected

from labkit import Lab
from labkit.errors import LabError
from labkit.trials.defences import OUTCOMES
from labkit.trials.threats import COLUMNS, FETCHED_LATER, ROWS, count


@pytest.fixture(scope="module")
def matrix():
    with Lab("loopback") as lab:
        return lab.defences()


def test_every_cell_is_as_the_rfcs_say(matrix):
    assert {cell: finding.outcome for cell, finding in matrix.items()} == expected()


def test_every_cell_has_a_reason_and_evidence(matrix):
    assert len(matrix) == count() == 165
    for cell, finding in matrix.items():
        assert finding.outcome in OUTCOMES and finding.why, cell
        assert finding.evidence, cell


def test_no_policy_about_certificates_stops_what_is_injected_and_implicit_tls_does(matrix):
    for row in ("15", "16", "17"):
        assert {matrix[row, column.name].outcome for column in COLUMNS} == {"injected", "safe"}
        assert matrix[row, "implicit TLS"].outcome == "safe"


def test_mta_sts_is_evaded_only_at_first_contact_or_after_its_policy_has_expired(matrix):
    for row in ("10", "11", "12", "12b"):
        assert matrix[row, "MTA-STS, kept"].outcome == "held"
        assert matrix[row, "MTA-STS, first contact"].outcome == "leaked"
    assert matrix["13", "MTA-STS, kept"].outcome == "leaked"


def test_a_sender_that_fetches_policies_afterwards_sends_its_first_message_as_one_without_mta_sts():
    """RFC 8461 §5.1: no attacker has to block anything."""
    rows = ("1", "2", "3", "5", "8", "18", "22")
    with Lab("loopback") as lab:
        found = lab.defences(rows, ["may", FETCHED_LATER.name])
    assert FETCHED_LATER not in COLUMNS
    for row in rows:
        assert found[row, FETCHED_LATER.name].outcome == found[row, "may"].outcome, row


def test_dane_is_evaded_when_the_domain_is_not_signed(matrix):
    assert (matrix["8", "DANE"].outcome, matrix["8b", "DANE"].outcome) == ("held", "theft")
    assert "· does not apply" in repr(matrix), "8b means nothing without DANE"


def test_the_evidence_names_what_was_seen(matrix):
    assert "in clear text" in matrix["2", "may"].why and "The PIN is 4921" in matrix["2", "may"].evidence[0]
    assert "inside TLS of her own" in matrix["5", "encrypt"].why
    assert "nothing proves that _25._tcp.mail.bob.test has no TLSA record" in matrix["9", "DANE"].why
    assert "302 and not 200" in repr(matrix["12b", "MTA-STS, first contact"])
    assert repr(matrix.why("8", "DANE")).startswith("held: whom bob.test names as its mail servers cannot be known")
    with pytest.raises(LabError, match="There is no cell"):
        matrix.why("9", "may")


def test_the_matrix_is_a_picture_in_which_every_cell_is_told_without_colour(matrix):
    grid = matrix.grid
    text, html = repr(grid), grid.html
    assert "165 live messages" in text and "✘ leaked" in text and "✔ safe" in text
    assert all(row.what in text for row in ROWS) and html.count("<tr>") == len(ROWS) + 1


def test_some_rows_and_columns_can_be_asked_for_and_what_does_not_exist_is_said_so():
    with Lab("loopback") as lab:
        part = lab.defences(rows=["1", "9"], columns=["DANE", "may"])
        assert set(part) == {("1", "DANE"), ("1", "may"), ("9", "DANE")}
        with pytest.raises(LabError, match="There is no row '99'"):
            lab.defences(rows=["99"])
        with pytest.raises(LabError, match="There is no column 'SPF'"):
            lab.defences(columns=["SPF"])
