"""What the doctor says of a machine: of this one, and of one where something is missing."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest

from labkit import checkup, doctor
from labkit.errors import NetworkUnavailable
from labkit.network import CHOICE, KINDS
from labkit.network.loopback import Loopback
from labkit.show.diagnosis import INSTEAD, MISSING, WORKS
from labkit.trust.contexts import VERSIONS


def checks():
    return {check.name: check for check in doctor().checks}


def test_the_lab_runs_on_this_machine_and_the_doctor_says_so_in_whole_sentences():
    report = doctor()
    assert report and report.headline == "The lab runs on this machine."
    names = [check.name for check in report.checks]
    assert {"Python", "packages", "capture", "OpenSSL", "recordings", *VERSIONS, *checkup.TOOLS} <= set(names)
    for check in report.checks:
        assert check.said.endswith(".") and check.verdict in (WORKS, INSTEAD)


def test_every_kind_of_network_is_tried_and_one_is_said_to_be_used():
    found = checks()
    assert {f"{kind} network" for kind in KINDS} <= set(found)
    assert len([check for check in found.values() if check.said.endswith("Lab() uses it.")]) == 1


def test_a_network_that_this_machine_refuses_says_why_and_what_is_used_instead(monkeypatch):
    class Refused(Loopback):
        def __init__(self, hosts):
            raise NetworkUnavailable("This machine allows no such network.")

    monkeypatch.setitem(KINDS, "refused", Refused)
    check = checks()["refused network"]
    assert check.verdict == INSTEAD and check.said.startswith("This machine allows no such network. The ")


def test_without_packet_sockets_the_tap_captures_instead(monkeypatch):
    monkeypatch.delattr(socket, "AF_PACKET", raising=False)  # as on macOS and Windows
    monkeypatch.setenv(CHOICE, "loopback")
    report = doctor()
    check = {check.name: check for check in report.checks}["capture"]
    assert report and check.verdict == INSTEAD
    assert check.said == "Packet sockets exist only on Linux: the tap captures here instead."


def test_without_tools_the_lab_runs_all_the_same(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    report = doctor()
    found = {check.name: check for check in report.checks}
    assert report and all(found[name].verdict == INSTEAD for name in checkup.TOOLS)
    assert "the lab's own client" in found["swaks"].said


def test_without_recordings_the_lab_runs_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr("labkit.show.recordings.FOLDER", tmp_path)
    report = doctor()
    assert report and {check.name: check.verdict for check in report.checks}["recordings"] == INSTEAD


@pytest.mark.parametrize(("version", "complaint"), [(None, "is not installed in"), ("2.5.1", "2.5.1 is too old")])
def test_a_package_that_is_missing_or_too_old_stops_the_lab(monkeypatch, version, complaint):
    real = metadata.version

    def one_is_wrong(name):
        if name != "scapy":
            return real(name)
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", one_is_wrong)
    report = doctor()
    (wrong,) = [check for check in report.checks if check.verdict == MISSING]
    assert not report and wrong.name == "scapy" and complaint in wrong.said and "make lab" in wrong.said
    assert report.headline == "The lab cannot run on this machine yet: scapy."


def test_a_python_without_labkit_is_told_how_to_install_it(monkeypatch):
    def unknown(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", unknown)
    report = doctor()
    (wrong,) = [check.said for check in report.checks if check.verdict == MISSING]
    assert not report and "labkit is not installed" in wrong and "pip install --editable ." in wrong


def test_the_oldest_python_is_the_one_that_the_installation_asks_for():
    assert metadata.metadata("labkit")["Requires-Python"] == f">={'.'.join(map(str, checkup.PYTHON))}"


def test_too_old_a_python_stops_the_lab(monkeypatch):
    monkeypatch.setattr(checkup, "PYTHON", (sys.version_info.major, sys.version_info.minor + 1))
    report = doctor()
    assert not report and "is too old" in report.text and {"packages", "capture"}.isdisjoint(checks())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_version_of_tls_that_cannot_be_spoken_does_not_stop_the_others(monkeypatch):
    monkeypatch.setitem(VERSIONS, "SSL 3.0", ssl.TLSVersion.SSLv3)
    report = doctor()
    found = {check.name: check for check in report.checks}
    assert report and found["SSL 3.0"].verdict == INSTEAD and found["TLS 1.3"].verdict == WORKS


def test_the_doctor_loads_neither_scapy_nor_matplotlib():
    code = (
        "from labkit import doctor; doctor()\nimport sys; print({'scapy', 'matplotlib', 'IPython'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=os.environ)
    assert (result.stdout, result.stderr) == ("set()\n", "")


@pytest.mark.parametrize(("users", "verdicts"), ((None, []), (1, [INSTEAD]), (65537, [WORKS])))
def test_a_lan_with_one_user_is_said_to_be_too_small_for_servers_that_change_theirs(users, verdicts):
    found = list(checkup._users(SimpleNamespace(users=users)))
    assert [check.verdict for check in found] == verdicts
    assert all("Postfix" in check.said for check in found)
