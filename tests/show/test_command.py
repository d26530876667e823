"""A tool from elsewhere speaks to a server of the lab; where it is missing, its recorded output is shown."""

import ast
import json
import shutil

import pytest
from page_checks import read_page
from tools import tool

from labkit import Lab, attacks, command
from labkit.errors import LabError
from labkit.show.command import RECORDED
from labkit.show.recordings import FOLDER

NOTEBOOKS = sorted((FOLDER.parent / "notebooks").glob("*.ipynb"))
OPENSSL = "openssl s_client -connect {host}:{port} -starttls smtp -noservername -brief -CAfile {authority}"


def run_by(path):
    """The command lines that a notebook runs: the third argument of each call, from the strings before it."""
    names, found = {}, []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                names[ast.unparse(node.targets[0])] = node.value.value
            elif isinstance(node, ast.AugAssign) and isinstance(node.value, ast.Constant):
                names[ast.unparse(node.target)] += node.value.value
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        lines = [call.args[2] for call in calls if getattr(call.func, "id", "") == "command"]
        found += [eval(compile(ast.Expression(line), path.name, "eval"), {}, names) for line in lines]
    return found


def test_every_line_that_a_lesson_runs_is_recorded():
    lines = [line for path in NOTEBOOKS for line in run_by(path)]
    assert len(lines) >= 7
    assert set(lines) == set(json.loads(RECORDED.read_text("utf-8")))


def test_openssl_upgrades_at_a_server_of_the_lab_and_verifies_its_certificate():
    tool("openssl")
    with Lab() as lab:
        shown = command(lab, lab.smtp(), OPENSSL, "QUIT\n")
    assert shown.text.startswith("$ openssl s_client -connect ") and "-CAfile authority.pem" in shown.text
    assert "Verification: OK" in shown.text
    read_page(shown.html)


def test_a_tool_that_runs_meets_the_attacker_on_the_path():
    tool("openssl")
    with Lab() as lab:
        mail = lab.smtp()
        with lab.mallory(attacks.UnknownRoot()):
            shown = command(lab, mail, OPENSSL, "QUIT\n")
    assert "Verification error" in shown.text


def test_where_a_tool_is_missing_the_recording_is_shown_and_said_to_be_one(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    shown = command(None, None, OPENSSL)
    assert shown.text.startswith("openssl is not installed here: this was recorded.") and "OK" in shown.text
    assert "$ openssl s_client -connect 192.0.2.25:587" in shown.text
    with pytest.raises(LabError, match="'nosuchtool' is not installed here, and this line was not recorded"):
        command(None, None, "nosuchtool {host}")
