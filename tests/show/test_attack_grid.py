"""The grid of attacks: each cell is the verdict of a live session, told without colour."""

from page_checks import read_page

from labkit import Lab, attacks, policies


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
