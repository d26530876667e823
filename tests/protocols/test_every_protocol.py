"""What is true of every protocol that can be upgraded: live, on both networks, with a client that is not ours."""

import subprocess

import pytest
from networks import BEST, require
from rows import NAMES, ROWS
from thoroughly import every
from tools import tool

from labkit import Lab, attacks, dialects
from labkit.attacks.vector import Vector
from labkit.attacks.verdict import DECEIVED, LEAKED, UNHARMED
from labkit.decode.event import TEXT
from labkit.decode.steps import steps
from labkit.errors import LabError
from labkit.network import KINDS

LOGIN = "hunter2"
every_row = pytest.mark.parametrize("row", ROWS, ids=NAMES)


@pytest.fixture(params=every(KINDS, once=BEST))
def lab(request):
    require(request.param)
    with Lab(network=request.param) as lab:
        yield lab


def visited(lab, victim, **settings):
    """A client's session: (report, capture)."""
    lab.start(victim.partition(",")[0], **settings)
    with lab.capture() as capture:
        report = lab.visit(victim)
    return report, capture


def said(capture):
    """All text of the main conversation, in clear or opened."""
    return "".join(event.text for event in capture.dialogues[0].events)


@every_row
def test_every_step_of_the_upgrade_is_seen_and_the_login_stands_inside_tls(row, lab):
    report, capture = visited(lab, f"{row.name}, careful")
    assert report.done, report.said
    dialogue = capture.dialogues[0]
    assert dialogue.dialect is dialects.named(row.name) and dialogue.session.started == "explicit"
    names = [step.name for step in steps(dialogue)]
    assert {"upgrade", "go-ahead", "handshake"} <= set(names) and names == sorted(names, key=names.index)
    assert not any(what.what == "password" for what in capture.visible())
    opened = capture.decrypted()
    assert opened.dialogues[0].session.opened and all(event.meaning for event in opened.dialogues[0].events)
    inside = next(at for at, event in enumerate(opened.dialogues[0].events) if event.encrypted and event.layer == TEXT)
    assert steps(opened.dialogues[0])[-1][1::2] == ("first words in TLS", inside)
    assert not [event for event in opened.dialogues[0].events if event.kind == "unknown"]


@every_row
def test_where_tls_is_not_offered_a_client_that_takes_what_is_there_sends_its_password_in_the_clear(row, lab):
    report, capture = visited(lab, f"{row.name}, if offered", starttls="off", auth="always")
    assert report.done, report.said
    assert LOGIN in {one.value for one in capture.visible() if one.what == "password"}
    assert capture.dialogues[0].session is None
    assert not [event for event in capture.dialogues[0].events if event.kind == "unknown"]


@pytest.mark.parametrize("row", [row for row in ROWS if row.implicit], ids=lambda row: row.name)
def test_on_the_implicit_port_tls_comes_first(row, lab):
    report, capture = visited(lab, f"{row.name}, implicit", implicit=True)
    assert report.done, report.said
    dialogue = capture.decrypted().dialogues[0]
    assert dialogue.session.started == "implicit" and dialogue.dialect is dialects.named(row.name)


@every_row
def test_a_server_that_requires_tls_takes_no_login_without_it(row):
    with Lab("loopback") as lab:
        lab.start(row.name, starttls="required", auth="after TLS")
        with lab.mallory(attacks.vector(row.stripped)) as mallory:
            report = lab.visit(f"{row.name}, if offered")
        assert not report.done and mallory.edits and repr(report).startswith("Not done: ")
        report = lab.visit(f"{row.name}, careful")
        assert report.done and repr(report).startswith("Done.")


@every_row
@pytest.mark.parametrize("number", ("stripped", "N2", "X1"))
def test_a_careless_client_leaks_and_a_careful_one_does_not(row, number):
    vector = row.stripped if number == "stripped" else number
    habit = "without looking" if number == "N2" else "if offered"
    with Lab("loopback") as lab:
        lab.start(row.name, auth="always")
        with lab.mallory(attacks.vector(vector)) as mallory:
            lab.visit(f"{row.name}, {habit}")
        if number == "N2" and row.refusal_ends:
            assert mallory.verdict.outcome != LEAKED
        else:
            assert mallory.verdict.outcome == LEAKED and "password" in mallory.verdict.secrets
        with lab.mallory(attacks.vector(vector)) as mallory:
            lab.visit(f"{row.name}, careful")
        assert mallory.verdict.outcome not in (LEAKED, DECEIVED)


@every_row
def test_a_client_that_did_its_work_inside_tls_is_unharmed(row):
    with Lab("loopback") as lab:
        lab.start(row.name)
        with lab.mallory(Vector()) as mallory:
            report = lab.visit(f"{row.name}, careful")
        assert (report.done, mallory.verdict.outcome) == (True, UNHARMED), mallory.verdict


@pytest.mark.parametrize("row", [row for row in ROWS if row.keeps_buffer], ids=lambda row: row.name)
def test_a_server_that_keeps_its_buffer_runs_what_was_injected_and_another_does_not(row):
    for quirks, outcome in ((("keeps the buffer",), True), ((), False)):
        with Lab("loopback") as lab:
            lab.start(row.name, quirks=quirks)
            with lab.mallory(attacks.CommandInjection()) as mallory:
                lab.visit(f"{row.name}, careful")
            assert (mallory.verdict.outcome == DECEIVED) is outcome


@every_row
def test_a_certificate_that_is_not_right_stops_a_careful_client(row):
    for certificate in ("wrong name", "expired", "self-signed", "unknown root"):
        with Lab("loopback") as lab:
            lab.start(row.name, certificate=certificate)
            assert not lab.visit(f"{row.name}, careful").done


@pytest.mark.parametrize("row", [row for row in ROWS if row.tshark], ids=lambda row: row.name)
def test_tshark_reads_the_same_in_the_clear_and_opened(row, tmp_path):
    for victim, settings in (("if offered", {"starttls": "off", "auth": "always"}), ("careful", {})):
        with Lab("loopback") as lab:
            _, capture = visited(lab, f"{row.name}, {victim}", **settings)
        path = tmp_path / "capture.pcapng"
        capture.save(path)
        port = capture.dialogues[0].server.port
        seen = _protocols(path, f"tcp.port=={port},{row.tshark}")
        assert row.tshark in seen
        assert ("tls" in seen) is (victim == "careful")


def _protocols(path, decode_as):
    command = [tool("tshark"), "-r", str(path), "-d", decode_as, "-T", "fields", "-e", "frame.protocols"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return {name for line in told.splitlines() for name in line.split(":")}


def test_what_the_lab_does_not_speak_is_refused():
    with Lab("loopback") as lab, pytest.raises(LabError, match="The lab does not speak 'gopher'"):
        lab.start("gopher")


@pytest.mark.parametrize("name", [dialect.name for dialect in dialects.ALL])
def test_a_setting_that_means_nothing_in_a_protocol_is_an_error_and_closes_no_server(name):
    row = next((row for row in ROWS if row.name == name), None)
    with Lab("loopback") as lab:
        running = lab.start(name)
        if name not in ("SMTP", "LMTP"):
            with pytest.raises(LabError, match=f"The setting mechanisms means nothing for {name}"):
                lab.start(name, mechanisms="PLAIN", replace=True)
        if row is not None and not row.implicit:
            for port in (None, running.port, 4443):
                with pytest.raises(LabError, match=f"{name} has no implicit TLS"):
                    lab.start(name, port, implicit=True, replace=True)
        with pytest.raises(LabError, match="given as a tuple"):
            lab.start(name, quirks=("forgets",), replace=True)
        assert not running.closed and len(lab.servers) == 1
