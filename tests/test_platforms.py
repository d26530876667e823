"""Where the lab runs: the README and the doctor say the same, and the place of this process is told by its signs."""

from pathlib import Path

import pytest

from labkit import doctor
from labkit.platforms import PLATFORMS, here, platforms_table

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def test_the_readme_has_the_table_that_the_doctor_shows():
    section = README.partition("### Where it runs")[2].partition("\n\n")[2].partition("\n\n")[0]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in section.splitlines()[2:]]
    assert rows == [(found.name, found.runs, found.known) for found in PLATFORMS]


@pytest.mark.parametrize(
    ("environment", "system", "name"),
    [
        ({}, "Linux", "laptop or server with Linux"),
        ({}, "Darwin", "macOS"),
        ({}, "Windows", "Windows"),
        ({"VSCODE_PID": "1"}, "Windows", "VS Code"),
        ({"JUPYTERHUB_USER": "anna"}, "Linux", "JupyterHub"),
        ({"JUPYTERHUB_USER": "x", "BINDER_REPO_URL": "https://lab.test"}, "Linux", "Binder"),
        ({"COLAB_RELEASE_TAG": "1"}, "Linux", "Colab"),
        ({"COLAB_RELEASE_TAG": ""}, "Linux", "laptop or server with Linux"),
    ],
)
def test_a_place_is_told_by_what_its_software_sets(environment, system, name):
    assert here(environment, system).name == name


def test_an_unknown_system_is_no_place_of_the_list():
    assert here({}, "Plan9") is None


def test_the_doctor_marks_the_place_in_which_it_runs(monkeypatch):
    for sign in (sign for found in PLATFORMS for sign in found.signs):
        monkeypatch.delenv(sign, raising=False)
    monkeypatch.setenv("BINDER_REPO_URL", "https://lab.test")
    assert platforms_table().text.count("(here)") == 1 and "Binder (here)" in doctor().text
    assert "Where the lab runs" in doctor().html
