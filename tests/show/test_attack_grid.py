"""The grid of attacks: each cell is the verdict of a live session, told without colour; and the table of them."""

import pytest
from page_checks import read_page

from labkit import Lab, attack_table, attacks, policies
from labkit.errors import LabError


def test_a_row_for_each_attack_and_a_column_for_each_client():
    with Lab() as lab:
        matrix = lab.attacks([attacks.StripCapability, attacks.SelfSigned], [policies.opportunistic, policies.verified])
    grid = matrix.grid
    assert {names: cell.word for names, cell in grid.cells.items()} == {
        ("N1 StripCapability", "opportunistic"): "leaked",
        ("N1 StripCapability", "verified"): "stopped",
        ("C1 SelfSigned", "opportunistic"): "leaked",
        ("C1 SelfSigned", "verified"): "stopped",
    }
    assert "✘ leaked" in grid.text and "∅ stopped" in grid.text
    assert "POP3: stopped" in grid.why("C1 SelfSigned", "verified")
    read_page(matrix._repr_html_())


def test_protocols_that_differ_are_named_in_the_cell():
    with Lab() as lab:
        grid = lab.attacks([attacks.UnexpectedSuccess], [policies.opportunistic]).grid
    (cell,) = grid.cells.values()
    assert cell.mark == "≠" and cell.role == "wrong"
    assert cell.word == "SMTP\N{NO-BREAK SPACE}✘, IMAP\N{NO-BREAK SPACE}∅"
    assert "not the same in every protocol" in grid.text


def test_the_table_has_every_attack_by_its_number_and_says_which_are_not_run():
    page = attack_table()
    numbers = [line.split()[1] for line in page.text.splitlines() if line.startswith("number ")]
    assert set(numbers) == {kind.id for kind in attacks.ALL} | set(attacks.NOT_RUN)
    assert numbers.index("N8") + 1 == numbers.index("N9") == numbers.index("N10") - 1
    read_page(page._repr_html_())


def test_the_table_of_some_attacks_keeps_to_their_sections():
    text = attack_table([attacks.StripCapability]).text
    assert "N1" in text and "N9" in text and "N2" not in text and "X4" not in text


def test_attacks_of_ones_own_stand_in_the_table_without_a_number():
    one, other = (type(name, (attacks.Vector,), {"__doc__": f"Does {name}."}) for name in ("Mine", "Yours"))
    text = attack_table([attacks.StripCapability, one, other]).text
    assert text.index("Does Mine.") < text.index("Does Yours.") < text.index("N1")


@pytest.mark.parametrize("wrong", ([], ["N1"], [attacks.StripCapability()], [int], "N1", None))
def test_what_is_no_attack_has_no_place_in_the_table_and_is_not_run(wrong):
    with pytest.raises(LabError, match="list of classes"):
        attack_table(wrong)
    with Lab(network="loopback") as lab, pytest.raises(LabError, match="list of classes"):
        lab.attacks(wrong if wrong is not None else [None])


@pytest.mark.parametrize("wrong", ([], ["verified"], "verified", 3))
def test_what_is_no_client_meets_no_attack(wrong):
    with Lab(network="loopback") as lab, pytest.raises(LabError, match="a list of policies or victims"):
        lab.attacks([attacks.StripCapability], wrong)
