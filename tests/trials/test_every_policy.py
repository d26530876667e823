"""Every policy at every kind of server, live: what the policies promise is what happens."""

import pytest

from labkit import Lab


@pytest.fixture(scope="module")
def grid():
    with Lab() as lab:
        return lab.policies()


def test_a_client_that_verifies_reaches_only_the_right_server(grid):
    through = {server for (policy, server), cell in grid.cells.items() if policy == "verified" and cell.mark == "✔"}
    assert through == {"STARTTLS, good certificate", "STARTTLS required"}
    assert "Hostname mismatch" in grid.why("verified", "STARTTLS, wrong name")


def test_an_opportunistic_client_never_stops_where_it_can_go_on_in_the_clear(grid):
    assert grid.cells["opportunistic", "no TLS"].mark == "✘"
    assert grid.cells["opportunistic", "STARTTLS, self-signed"].mark == "!"


def test_a_mandatory_client_sends_nothing_in_the_clear(grid):
    for policy in ("mandatory", "verified", "implicit"):
        assert "✘" not in {cell.mark for (name, _), cell in grid.cells.items() if name == policy}


def test_implicit_tls_and_starttls_do_not_understand_each_other(grid):
    assert grid.cells["implicit", "STARTTLS, good certificate"].mark == "∅"
    assert "not TLS" in grid.why("implicit", "STARTTLS, good certificate")
    assert grid.cells["verified", "implicit TLS"].mark == "∅" and "time limit" in grid.why("verified", "implicit TLS")
    assert grid.cells["implicit", "implicit TLS"].mark == "✔"
