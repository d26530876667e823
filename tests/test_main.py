"""The commands in a terminal: what they print, their error messages, and their exit status."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from thoroughly import every
from tools import tool

from labkit import Lab, checkup, read_capture, recorded
from labkit.__main__ import main
from labkit.capture.pcap import write_pcapng
from labkit.show.recordings import FOLDER, names

STARTTLS = FOLDER / "starttls_tls13.pcapng"
SEVERAL = ("clear_smtp_auth_plain", "starttls_tls12", "starttls_tls13", "implicit_tls13", "starttls_wrong_name")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-X", "dev", "-m", "labkit", *map(str, arguments)]


def run(*arguments: object, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    console = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(command(*arguments), capture_output=True, encoding=encoding, timeout=60, env=console)


def dialogues(*arguments: object) -> list[dict]:
    result = run("decode", "--json", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def titles(dialogue: dict) -> list[str]:
    return [event["title"] for event in dialogue["events"]]


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> Path:
    """One file with the sessions of several recordings."""
    path = tmp_path_factory.mktemp("several") / "several.pcapng"
    captures = [recorded(name) for name in SEVERAL]
    frames = [frame for capture in captures for frame in capture.frames]
    write_pcapng(path, frames, "".join(capture.keylog for capture in captures))
    return path


@pytest.fixture
def closed(tmp_path) -> Path:
    """A capture without its secrets."""
    write_pcapng(tmp_path / "closed.pcapng", recorded("starttls_tls13").frames)
    return tmp_path / "closed.pcapng"


# ---- doctor


def test_the_doctor_says_that_the_lab_runs_here():
    result = run("doctor")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("The lab runs on this machine.\n") and "loopback network" in result.stdout


def test_the_exit_status_tells_that_the_lab_cannot_run(monkeypatch, capsys):
    monkeypatch.setattr(checkup, "PYTHON", (9, 9))
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.startswith("The lab cannot run on this machine yet: Python.\n")


# ---- demo


def test_the_demo_shows_the_eavesdroppers_view_and_how_to_open_it():
    result = run("demo")
    assert (result.returncode, result.stderr) == (0, "")
    assert "250-STARTTLS" in result.stdout and "ClientHello" in result.stdout and "encrypted record" in result.stdout
    assert "The PIN is 4921" not in result.stdout
    assert "--decrypted" in result.stdout.splitlines()[-1]


def test_the_demo_opens_its_session_on_request():
    result = run("demo", "--decrypted")
    assert (result.returncode, result.stderr) == (0, "")
    assert "The PIN is 4921" in result.stdout and "--decrypted" not in result.stdout


def test_what_the_demo_saves_is_a_capture_that_others_open(tmp_path):
    result = run("demo", "--save", tmp_path / "demo.pcapng")
    assert result.returncode == 0 and str(tmp_path / "demo.pcapng") in result.stdout.splitlines()[-1]
    shark = [
        tool("tshark"),
        "-r",
        str(tmp_path / "demo.pcapng"),
        "-2",
        "-Y",
        "imf",
        "-T",
        "fields",
        "-e",
        "imf.subject",
    ]
    assert subprocess.run(shark, capture_output=True, text=True, timeout=60).stdout == "Hello from the lab\n"
    assert "The PIN is 4921" in run("decode", tmp_path / "demo.pcapng").stdout


def test_a_demo_that_sends_nothing_says_why_and_fails(monkeypatch, capsys):
    real = Lab.smtp
    monkeypatch.setattr(Lab, "smtp", lambda lab: real(lab, certificate="expired"))
    assert main(["demo"]) == 1
    assert "expired" in capsys.readouterr().err


# ---- decode


@pytest.mark.parametrize("name", names())
def test_every_recording_is_printed_as_a_learner_would_see_it_opened(name, capsys):
    assert main(["decode", str(FOLDER / f"{name}.pcapng")]) == 0
    printed, complaints = capsys.readouterr()
    opened = recorded(name).decrypted()
    assert not complaints
    # A file is over, and told, before the conversation of FTP that names it; questions to a name server come last.
    if opened.dialogues and opened.dialogue.dialect.name == "FTP":
        assert repr(opened).partition("\nclient (")[0].rstrip("\n") in printed
        return
    assert printed.rstrip("\n") == repr(opened)


def test_json_is_one_conversation_a_line_as_many_as_tshark_counts(several):
    shark = [tool("tshark"), "-r", str(several), "-T", "fields", "-e", "tcp.stream"]
    streams = set(subprocess.run(shark, capture_output=True, text=True, timeout=60).stdout.split())
    found = dialogues(several)
    assert len(found) == len(streams) == len(SEVERAL)
    for dialogue, name in zip(found, SEVERAL, strict=True):
        assert titles(dialogue) == [event.title for event in recorded(name).decrypted().dialogue.events]


def test_json_says_everything_of_a_session(several):
    clear, tls12, tls13, implicit, wrong = dialogues(several)
    assert set(clear) == {"client", "server", "protocol", "protocol_by", "tls", "events", "readable"}
    assert clear["server"] == {"host": "127.0.0.1", "port": 587, "name": "server"}
    assert (clear["protocol"], clear["protocol_by"], clear["tls"]) == ("SMTP", "words", None)
    assert {"what": "password", "value": "hunter2"}.items() <= clear["readable"][2].items()
    assert [d["tls"]["started"] for d in (tls12, tls13, implicit)] == ["explicit", "explicit", "implicit"]
    assert [d["tls"]["version"] for d in (tls12, tls13, wrong)] == ["TLS 1.2", "TLS 1.3", "TLS 1.3"]
    assert tls13["tls"]["opened"] and not wrong["tls"]["opened"]
    inside = next(event for event in tls13["events"] if event["title"] == "message")
    assert inside["encrypted"] and "4921" in inside["text"] and inside["base64"] is None
    hello = next(event for event in tls13["events"] if event["title"] == "ClientHello")
    assert hello["text"] is None and base64.b64decode(hello["base64"])[0] == 1 and not hello["encrypted"]


def test_json_keeps_bytes_that_are_not_text(tmp_path):
    said = b"EHLO caf\xe9\r\n"
    with Lab(capture="tap") as lab, lab.capture() as capture:
        server = lab.smtp()
        with lab.alice.connect(server.host, server.port, timeout=30) as client:
            client.recv(4096)
            client.sendall(said)
            client.recv(4096)
    capture.save(tmp_path / "odd.pcapng")
    (dialogue,) = dialogues(tmp_path / "odd.pcapng")
    event = next(event for event in dialogue["events"] if event["sender"] == "client" and event["layer"] == "text")
    assert event["text"] == "EHLO caf\\xe9\r\n" and base64.b64decode(event["base64"]) == said


def test_a_key_log_opens_a_capture_without_secrets(closed, tmp_path):
    (tmp_path / "keys.log").write_text(recorded("starttls_tls13").keylog)
    assert "AUTH" not in titles(*dialogues(closed))
    assert "AUTH" in titles(*dialogues(closed, "--keylog", tmp_path / "keys.log"))


# ---- what cannot be read


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """The one sentence on standard error."""
    (line,) = result.stderr.splitlines()
    assert line.startswith("labkit: ") and line.endswith((".", "?", ")."))
    return line


@pytest.mark.parametrize("form", every(([], ["--json"]), once=([],)))
@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (None, "cannot be read"),
        (b"", "is empty"),
        (b"Dear Bob, this is no capture.", "neither pcap nor pcapng"),
        (STARTTLS.read_bytes()[:6], "There is no TCP conversation|damaged"),
        (b"\xd4\xc3\xb2\xa1\x02\x00", "ends inside its header"),
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(12) + b"\x93\x00\x00\x00", "link type 147"),
    ],
    ids=["missing", "empty", "text", "cut at once", "cut header", "unknown link type"],
)
def test_what_is_not_a_capture_is_told_in_a_sentence(tmp_path, contents, said, form):
    path = tmp_path / "given.pcapng"
    if contents is not None:
        path.write_bytes(contents)
    result = run("decode", path, *form)
    assert result.returncode in (1, 2) and result.stdout == ""
    assert any(re.search(said, line) for line in result.stderr.splitlines()) and "Traceback" not in result.stderr


def test_a_file_that_is_cut_shows_what_comes_before(several, tmp_path):
    (tmp_path / "cut.pcapng").write_bytes(several.read_bytes()[:-1000])
    result = run("decode", "--json", tmp_path / "cut.pcapng")
    assert result.returncode == 1 and "cut or damaged" in complaint(result)
    assert len(result.stdout.splitlines()) == len(SEVERAL)


def test_a_capture_of_something_else_says_that_there_is_no_conversation(tmp_path):
    write_pcapng(tmp_path / "quiet.pcapng", [])
    result = run("decode", tmp_path / "quiet.pcapng")
    assert (result.returncode, result.stdout) == (1, "") and "no TCP conversation" in complaint(result)


@pytest.mark.parametrize(
    ("log", "status", "said"),
    [
        (recorded("starttls_tls12").keylog, 1, "opens no TLS session in"),
        ("this is no key log\n", 2, "holds no TLS secret"),
        (None, 2, "cannot be read"),
    ],
    ids=["of another session", "not a key log", "missing"],
)
def test_a_key_log_that_does_not_fit_is_told_in_a_sentence(closed, tmp_path, log, status, said):
    if log is not None:
        (tmp_path / "keys.log").write_text(log)
    result = run("decode", closed, "--keylog", tmp_path / "keys.log")
    assert result.returncode == status and said in complaint(result)
    assert ("ClientHello" in result.stdout) == (status == 1)


def test_a_place_that_cannot_be_written_is_told_in_a_sentence(tmp_path):
    result = run("demo", "--save", tmp_path / "nowhere" / "demo.pcapng")
    assert result.returncode == 2 and "cannot be written" in complaint(result)


def test_without_a_command_the_usage_is_shown():
    result = run()
    assert result.returncode == 2 and result.stderr.startswith("usage: python -m labkit")


def test_a_package_that_is_missing_leads_to_the_doctor(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "labkit.commands.decode", raising=False)
    monkeypatch.setitem(sys.modules, "labkit.decode.shares", None)  # as Python marks a module that cannot be imported
    assert main(["decode", str(STARTTLS)]) == 1
    assert "python -m labkit doctor tells what is missing" in capsys.readouterr().err


# ---- where it is printed


def test_a_package_that_is_missing_is_told_once_although_it_is_loaded_ahead(tmp_path):
    (tmp_path / "aiosmtpd.py").write_text("raise ModuleNotFoundError('No module named aiosmtpd')")
    away = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command("demo"), capture_output=True, text=True, timeout=60, env=away)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "No module named aiosmtpd: python -m labkit doctor" in done.stderr


def test_a_reader_that_has_seen_enough_is_not_answered_with_a_traceback(several, tmp_path):
    capture, long = read_capture(several), tmp_path / "long.pcapng"
    write_pcapng(long, capture.frames * 20, capture.keylog)  # more than a pipe holds
    with subprocess.Popen(command("decode", long), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert b"127.0.0.1:587" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait(30) in (0, 1)


@pytest.mark.skipif(os.name == "nt", reason="needs a shell that closes descriptors")
def test_without_an_output_there_is_no_traceback():
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *command("decode", STARTTLS)], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only where there is a device that is always full")
def test_a_full_disk_is_told_in_a_sentence():
    with open("/dev/full", "w") as full:
        result = subprocess.run(command("decode", STARTTLS), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert result.returncode == 1 and complaint(result) == "labkit: No space left on device."


@pytest.mark.parametrize("encoding", ("ascii", "cp1252", "cp850"))
def test_a_console_with_few_characters_gets_them_spelled_out(encoding):
    result = run("decode", STARTTLS, encoding=encoding)
    assert (result.returncode, result.stderr) == (0, "")
    assert "client (127.0.0.1:" in result.stdout and "\\u2192 server (127.0.0.1:587)" in result.stdout


def test_an_interrupt_ends_it_quietly(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("labkit.commands.doctor.doctor", interrupted)
    assert main(["doctor"]) == 130 and capsys.readouterr() == ("", "")
