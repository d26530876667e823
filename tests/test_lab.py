"""The lab as a whole: what it tells, what it replaces, and what it loads."""

import threading
from contextlib import suppress

import pytest
from tools import python

from labkit import Lab, attacks, policies
from labkit.errors import LabError

SESSION = "from labkit import Lab\nlab = Lab()\nassert lab.send(lab.smtp(), 'x', login=('alice', 'hunter2'))\n"


def test_a_server_in_the_place_of_one_that_runs_is_refused_and_the_error_says_how_to_replace_it():
    with Lab() as lab:
        first = lab.smtp()
        with pytest.raises(LabError, match=r"Port 587 of mail has a server already.*close\(\).*replace=True"):
            lab.smtp(starttls="off")
        assert lab.send(first, "still the first").how == "explicit TLS"
        first.close()
        assert lab.send(lab.smtp(starttls="off"), "the second").how == "clear text"


def test_a_server_on_the_same_port_replaces_the_first_if_it_is_told_to():
    with Lab() as lab:
        first = lab.smtp()
        client = lab.alice.connect("mail", 587, timeout=30)
        second = lab.smtp(starttls="off", replace=True)
        with client, suppress(ConnectionResetError):
            while client.recv(4096):
                pass
        assert lab.send(second, "to the second").how == "clear text"
        assert (len(first.mailbox), len(second.mailbox)) == (0, 1)
        for verb in (
            lambda: lab.send(first, "to the first"),
            lambda: lab.mallory(attacks.StripCapability(), at=first),
            lambda: lab.probe(first),
        ):
            with pytest.raises(LabError, match=r"closed.* was replaced: in its place runs .*STARTTLS off"):
                verb()
        assert "closed" in repr(first) and list(lab.servers.values()) == [second]


def test_a_server_that_cannot_start_leaves_the_first_running():
    with Lab() as lab:
        first = lab.smtp()
        with pytest.raises(LabError):
            lab.smtp(ciphers="ROT13")
        assert lab.send(first, "still here") and lab.servers["mail", 587] is first


def test_servers_run_side_by_side_on_any_host():
    with Lab() as lab:
        servers = [lab.smtp(), lab.smtp(implicit=True), lab.smtp(port=25), lab.smtp(host="mallory")]
        for server in servers:
            assert lab.send(server, "x", policy=policies.implicit if server.port == 465 else policies.verified)
        assert [len(server.mailbox) for server in servers] == [1, 1, 1, 1]
        assert repr(lab).count("<SMTP server on") == 4


def test_a_closed_lab_says_so():
    lab = Lab()
    server = lab.smtp()
    lab.close()
    lab.close()
    for act in (
        lab.smtp,
        lambda: lab.send(server, "x"),
        lambda: lab.capture().__enter__(),
        lambda: lab.mail.listen(25),
        lambda: lab.alice.connect("mail", 587),
        lambda: lab.__enter__(),
    ):
        with pytest.raises(LabError, match="closed: make a new one"):
            act()
    assert repr(lab) == "<Lab, closed>" and "Lab, closed" in lab._repr_html_()
    assert "closed" in repr(server) and repr(server.mailbox) == "<an empty mailbox>"


def test_a_lab_tells_what_is_on_the_stage():
    with Lab() as lab:
        assert "alice, mail, mallory" in repr(lab) and "start one with lab.smtp()" in repr(lab)
        lab.smtp()
        assert "<SMTP server on mail, port 587" in repr(lab)
        assert [host.name for host in (lab.alice, lab.mail, lab.mallory)] == ["alice", "mail", "mallory"]


def test_what_are_no_names_of_hosts_is_refused():
    for hosts in ("provider", ("my host",), ("../x",), ("",), ("x" * 16,), (3,), 5, None):
        with pytest.raises(LabError, match="Hosts are given as a tuple of names"):
            Lab(hosts=hosts)
    with Lab(hosts=["provider"]) as lab:
        assert "provider" in lab.network.hosts


def test_importing_labkit_loads_nothing_heavy(tmp_path):
    heavy = ("scapy", "matplotlib", "IPython", "ipywidgets", "cryptography", "aiosmtpd", "asyncio", "ssl")
    code = f"import sys, labkit; print([name for name in {heavy!r} if name in sys.modules])"
    out, _ = python(code, tmp_path).communicate(timeout=60)
    assert out == "[]\n"


def test_a_session_loads_neither_scapy_nor_matplotlib(tmp_path):
    code = SESSION + "import sys; print([name for name in ('scapy', 'matplotlib', 'IPython') if name in sys.modules])"
    out, _ = python(code, tmp_path).communicate(timeout=60)
    assert out == "[]\n"


def test_many_clients_at_once_are_served():
    with Lab() as lab:
        server = lab.smtp()
        threads = [threading.Thread(target=lab.send, args=(server, f"number {n}")) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(message.text for message in server.mailbox) == sorted(f"number {n}" for n in range(20))
