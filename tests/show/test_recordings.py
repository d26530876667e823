"""The recordings of data/: whole, opened by what is in them, read alike by tshark, and what the lab records today."""

import csv
import importlib.util
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from networks import refusal, require
from thoroughly import every
from tools import tool

from labkit import read_capture, recorded
from labkit.decode.event import SERVER, TEXT, TLS
from labkit.errors import LabError
from labkit.show.recordings import FOLDER, names

_SPEC = importlib.util.spec_from_file_location("record", FOLDER / "record.py")
record = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(record)

ALL = [recording.name for recording in record.RECORDINGS]
CAPTURED = {"loopback": "Captured with a tap", "namespace": "Captured with a packet socket"}
LARGEST = 20_000
"""Bytes of a file that is looked at whole."""


def _said(capture):
    """(conversation, sender) -> the titles of its events, in order, without FIN and RST: which end closes first
    differs from run to run."""
    said = defaultdict(list)
    for number, dialogue in enumerate(capture.decrypted().dialogues):
        for event in (event for event in dialogue.events if event.kind not in ("fin", "rst")):
            said[number, event.sender].append(event.title)
    return said


def test_every_recording_is_a_row_of_the_table_and_the_other_way_round():
    assert names() == sorted(ALL) and len(set(ALL)) == len(ALL)


@pytest.mark.parametrize("recording", record.RECORDINGS, ids=ALL)
def test_the_readme_says_what_is_in_it_and_so_does_the_file(recording):
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"| `{recording.name}.pcapng` | {recording.holds} |" in readme
    assert recorded(recording.name).how.startswith(f"{recording.holds} {CAPTURED[recording.network]}")


@pytest.mark.parametrize("name", ALL)
def test_a_recording_is_small_and_decodes_without_a_gap(name):
    assert (FOLDER / f"{name}.pcapng").stat().st_size < LARGEST
    for dialogue in recorded(name).decrypted().dialogues:
        if dialogue.dialect is None:
            assert name.startswith("ftp_")  # a data connection, which holds a file and nothing else
            continue
        assert [event.title for event in dialogue.events[:3]] == ["SYN", "SYN, ACK", "ACK"]
        assert not [event for event in dialogue.events if event.kind in ("gap", "unknown", "injected")]
        assert dialogue.session is None or not dialogue.session.problem


@pytest.mark.parametrize("recording", record.RECORDINGS, ids=ALL)
def test_a_recording_is_what_the_lab_records_today(recording, tmp_path):
    require(recording.network)
    assert _said(read_capture(record.record(recording, tmp_path))) == _said(recorded(recording.name))


FIELDS = ("tcp.stream", "smtp.req.command", "smtp.response.code", "tls.handshake.type")


FIRST = (
    *("clear_smtp_auth_plain", "starttls_tls12", "starttls_tls13", "starttls_wrong_name", "lmtp_starttls_tls13"),
    *("imap_starttls_tls13", "postgresql_stripped", "ftp_half_protected"),
)


@pytest.mark.parametrize("name", every(ALL, once=FIRST))
def test_tshark_reads_the_same_out_of_it(name):
    every = recorded(name).decrypted().dialogues
    dialogues = [dialogue for dialogue in every if dialogue.dialect is not None]  # tshark leaves FTP's data unread
    rows = _tshark(FOLDER / f"{name}.pcapng", *(word for one in dialogues for word in _decoded_as(one)))
    assert len({row["tcp.stream"] for row in rows if row["tcp.stream"]}) == len(every)
    smtp = [
        event
        for d in dialogues
        if d.dialect and d.dialect.name in ("SMTP", "LMTP")
        for event in d.events
        if event.layer == TEXT
    ]
    # tshark shows the first four letters of a command, in lower case if it does not know the command.
    assert [verb.upper() for verb in _all(rows, "smtp.req.command")] == [
        event.title[:4] for event in smtp if event.kind == "command"
    ]
    assert _all(rows, "smtp.response.code") == [event.title for event in smtp if event.sender == SERVER]
    messages = [event for d in dialogues for event in d.events if event.layer == TLS and event.kind == "handshake"]
    assert sorted(map(int, _all(rows, "tls.handshake.type"))) == sorted(event.data[0] for event in messages)


def _decoded_as(dialogue) -> tuple[str, ...]:
    """What tshark has to be told of a conversation that it does not recognise by its port."""
    return ("-d", f"tcp.port=={dialogue.server.port},smtp") if dialogue.dialect.name == "LMTP" else ()


def _tshark(path: Path, *options: str) -> list[dict[str, str]]:
    fields = [word for field in FIELDS for word in ("-e", field)]
    command = [
        tool("tshark"),
        "-r",
        str(path),
        *options,
        "-2",
        "-T",
        "fields",
        "-E",
        "header=y",
        "-E",
        "separator=/t",
        *fields,
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return list(csv.DictReader(result.stdout.splitlines(), delimiter="\t"))


def _all(rows: list[dict[str, str]], field: str) -> list[str]:
    return [value for row in rows for value in row[field].split(",") if value]


def test_a_recording_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert recorded("starttls_tls13").dialogue.session.version == "TLS 1.3"
    assert recorded("starttls_tls12.pcapng").dialogue.session.version == "TLS 1.2"


def test_an_unknown_name_leads_to_the_known_ones():
    with pytest.raises(LabError, match=r"no recording 'nothing': there are .*starttls_tls13"):
        recorded("nothing")


def test_an_installation_that_has_lost_its_recordings_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr("labkit.show.recordings.FOLDER", tmp_path / "data")
    with pytest.raises(LabError, match="install labkit again, from its wheel or in the folder of the lab"):
        recorded("starttls_tls13")


@pytest.mark.thorough  # each row is recorded above
def test_the_command_records_every_row_into_the_folder_that_it_is_given(tmp_path):
    command = [sys.executable, str(FOLDER / "record.py"), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    possible = [each.name for each in record.RECORDINGS if not refusal(each.network)]
    assert sorted(os.listdir(tmp_path)) == sorted(
        [*(f"{name}.svg" for name in ("ladder", "compared", "entropy")), *(f"{name}.pcapng" for name in possible)]
    )
    assert all(each.name in result.stdout for each in record.RECORDINGS)
