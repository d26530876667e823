"""Where a private LAN is not allowed the lab runs on loopback, and says why and what could be done about it."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from refusals import NO_UNSHARE

from labkit import network as networks
from labkit.errors import NetworkUnavailable
from labkit.network import broker, make, obstacles

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != networks.CHOICE}

NO_NAMESPACES = """
import os, sys
sys.path.insert(0, "labkit/network/inside")
import syscalls
user, group = os.geteuid(), os.getegid()
syscalls.unshare(syscalls.USERS)
for name, line in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
    open(f"/proc/self/{name}", "w").write(line)
open("/proc/sys/user/max_user_namespaces", "w").write("0")
"""
THEN = """
from labkit import Lab, policies
with Lab() as lab:
    assert lab.send(lab.smtp(), "over loopback", policy=policies.verified)
    print(lab.network.kind, repr(lab))
"""


def _after(forbidding: str) -> str:
    command = [sys.executable, "-c", forbidding + THEN]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_user_namespaces_the_lab_runs_on_loopback_and_says_what_could_be_done():
    said = _after(NO_NAMESPACES)
    assert said.startswith("loopback")
    assert "A private LAN cannot be made here: making a user namespace failed (No space left on device)" in said
    assert "set user.max_user_namespaces to 10000" in said


def test_a_container_that_forbids_namespaces_is_told_apart():
    said = _after(NO_UNSHARE)
    assert said.startswith("loopback")
    assert "making a user namespace failed (Operation not permitted)" in said
    assert "--security-opt seccomp=unconfined" in said


FORBIDDING = {
    "max_user_namespaces": "0\n",
    "max_net_namespaces": "0\n",
    "unprivileged_userns_clone": "0\n",
    "status": "Name:\tpython\nSeccomp:\t2\nSeccomp_filters:\t1\n",
    "apparmor_restrict_unprivileged_userns": "1\n",
}
ALLOWING = {**dict.fromkeys(FORBIDDING, "10000\n"), "status": "Seccomp:\t0\n"}
ALLOWING["apparmor_restrict_unprivileged_userns"] = "0\n"


@pytest.mark.parametrize("cause", obstacles.CAUSES, ids=lambda cause: Path(cause.path).name)
def test_every_way_of_forbidding_it_has_its_remedy(cause, tmp_path, monkeypatch):
    moved = tuple(each._replace(path=str(tmp_path / Path(each.path).name)) for each in obstacles.CAUSES)
    monkeypatch.setattr(obstacles, "CAUSES", moved)
    for name, contents in ALLOWING.items():
        (tmp_path / name).write_text(contents)
    assert obstacles.obstacle("x", 1, "") == "A private LAN cannot be made here: x failed (Operation not permitted)."
    name = Path(cause.path).name
    (tmp_path / name).write_text(FORBIDDING[name])
    assert obstacles.obstacle("x", 0, "some error").endswith(f"x failed (some error). {cause.sentence}")


def test_a_system_that_is_not_linux_is_named(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NetworkUnavailable, match="of Linux"):
        make("namespace")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(broker, "find_spec", lambda name: None)
    with pytest.raises(NetworkUnavailable, match="pip install pyroute2"):
        make("namespace")


def test_a_broken_package_is_named(monkeypatch, tmp_path):
    (tmp_path / "netlink.py").write_text("raise RuntimeError('broken')")
    monkeypatch.setattr(broker, "find_spec", lambda name: type("Spec", (), {"origin": str(tmp_path / "__init__.py")}))
    with pytest.raises(NetworkUnavailable, match=r"loading pyroute2 failed \(broken\)|making a user namespace failed"):
        make("namespace")


def test_the_environment_decides_for_auto_and_only_for_auto(monkeypatch):
    monkeypatch.setenv(networks.CHOICE, "loopback")
    with closing(make()) as network:
        assert (network.kind, network.instead) == ("loopback", "")
    monkeypatch.setenv(networks.CHOICE, "namespace")
    with closing(make("loopback")) as network:
        assert network.kind == "loopback"


def test_auto_is_the_private_lan_where_it_is_allowed(monkeypatch):
    monkeypatch.delenv(networks.CHOICE, raising=False)
    try:
        make("namespace").close()
        best = "namespace"
    except NetworkUnavailable:
        best = "loopback"
    with closing(make()) as network:
        assert network.kind == best
