"""The table of mail programs in the README is what they do when they are run."""

import sys
from pathlib import Path

import pytest
from thoroughly import every
from tools import tool

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "examples" / "clients"))

import measure  # noqa: E402 (the examples are no package)

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_client_has_its_row():
    table = README.partition("| Program |")[2].partition("\n\n")[0]
    assert table.count("\n") == len(measure.CLIENTS) + 1
    assert all(f"| {client.name} |" in table for client in measure.CLIENTS)


ONE_OF_EACH = {client.needs: client for client in measure.CLIENTS}
FIRST = [one for one in ONE_OF_EACH.values() if one.name.startswith(("smtplib", "curl", "msmtp", "mutt"))]


@pytest.mark.parametrize("client", every(measure.CLIENTS, once=FIRST), ids=lambda client: client.name)
def test_a_client_does_what_its_row_says(client):
    if not client.installed:
        tool(client.needs)
    assert measure.row(client, measure.measured(client)) in README
