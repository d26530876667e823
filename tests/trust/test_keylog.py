"""The key log and the files that leave nothing behind."""

import json
import os
import sys
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughly import examples

from labkit import Lab, policies, scratch
from labkit.errors import CaptureError
from labkit.scratch import ScratchFile
from labkit.trust.keylog import KeyLog, parse, plain, with_secrets

LABELS = st.from_regex(r"[A-Z0-9_]{1,40}", fullmatch=True)
RANDOMS = st.binary(min_size=32, max_size=32)
SECRETS = st.dictionaries(
    RANDOMS, st.dictionaries(LABELS, st.binary(min_size=1, max_size=64), min_size=1, max_size=5), max_size=5
)
TLS_1_3 = {
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
    "EXPORTER_SECRET",
}


def _written(secrets):
    return [
        f"{label} {random.hex()} {secret.hex()}"
        for random, by_label in secrets.items()
        for label, secret in by_label.items()
    ]


@settings(deadline=None, max_examples=examples(100))
@given(SECRETS, st.sampled_from(("\n", "\r\n")), st.booleans())
def test_what_was_written_is_read_again(secrets, ending, upper):
    lines = [line.upper() if upper else line for line in _written(secrets)]
    assert parse(ending.join(lines)) == secrets


@settings(deadline=None, max_examples=examples(100))
@given(
    SECRETS,
    st.lists(st.sampled_from(("", "# a comment", "   ", "CLIENT_RANDOM 00 11", "no key log at all"))),
    st.data(),
)
def test_comments_blank_lines_and_broken_lines_are_passed_over(secrets, noise, data):
    lines = data.draw(st.permutations(_written(secrets) + noise))
    assert parse("\n".join(lines)) == secrets


@settings(deadline=None, max_examples=examples(200))
@given(st.text())
def test_no_text_is_too_strange_to_be_read(text):
    assert isinstance(parse(text), dict)


FIRST, SECOND = (f"CLIENT_RANDOM {'a1' * 32} {'b2' * 48}", f"CLIENT_TRAFFIC_SECRET_0 {'c3' * 32} {'d4' * 32}")
WRAPPED = {
    "quoted": f"'{FIRST}'\n\"{SECOND}\"",
    "behind what a program puts before": f"[app] {FIRST}\n[app] {SECOND}",
    "as syslog has them": f"Nov 30 10:00:00 mail app[#1]: {FIRST}\nNov 30 10:00:00 mail app[#1]: {SECOND}",
    "a JSON string": json.dumps(f"{FIRST}\n{SECOND}"),
    "JSON with NUL": json.dumps({"log": [f"{FIRST}\0{SECOND}"]}),
    "JSON fields": "\n".join(json.dumps(dict(zip("abc", line.split(), strict=True))) for line in (FIRST, SECOND)),
    "joined by NUL": f"{FIRST}\0{SECOND}\0",
    "joined by semicolons": f"{FIRST};{SECOND};",
    "separated by commas": f"{FIRST}\n{SECOND}".replace(" ", ","),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_what_stands_around_a_line_does_not_hide_it(name):
    assert parse(WRAPPED[name]) == parse(f"{FIRST}\n{SECOND}")
    assert len(parse(WRAPPED[name])) == 2
    assert plain(WRAPPED[name]) == f"{FIRST}\n{SECOND}\n"
    assert parse(f"# {WRAPPED[name]}".replace("\n", "\n # ")) == {}


@pytest.mark.parametrize(
    "line", (FIRST[14:], FIRST.replace("a1", "", 1), FIRST.split()[0] + "=", FIRST.replace("b2", "x"))
)
def test_a_line_that_only_looks_like_a_secret_is_named(line):
    with pytest.raises(CaptureError, match="line 2 has no label, client random of 64 digits and secret"):
        with_secrets(f"# {FIRST}\n{line}\n", "This")


def test_a_line_cut_in_the_middle_is_no_secret():
    line = f"CLIENT_RANDOM {'ab' * 32} {'cd' * 48}"
    assert not any(parse(line[:end]) for end in range(len("CLIENT_RANDOM ") + 65))
    assert len(next(iter(parse(line).values()))["CLIENT_RANDOM"]) == 48


@pytest.mark.parametrize("version", ("TLS 1.2", "TLS 1.3"))
def test_clients_and_servers_write_the_same_secrets_while_the_session_lasts(version):
    with Lab() as lab:
        server = lab.smtp(tls=version)
        assert not parse(lab.keylog.text())
        lab.send(server, "one")
        first = parse(lab.keylog.text())
        lab.send(server, "two", policy=policies.verified)
        both = parse(lab.keylog.text())
    assert len(first) == 1 and len(both) == 2 and first.items() <= both.items()
    assert all(labels.keys() == (TLS_1_3 if version == "TLS 1.3" else {"CLIENT_RANDOM"}) for labels in both.values())


def test_a_line_that_both_ends_wrote_is_there_once():
    with KeyLog() as keylog:
        for _ in range(2):
            with open(keylog.path, "a", encoding="ascii") as file:
                file.write("# the same\n")
        assert keylog.text() == "# the same\n"


def test_every_lab_has_a_log_of_its_own():
    labs = [Lab() for _ in range(5)]
    try:
        servers = [lab.smtp() for lab in labs]
        for lab, server in zip(labs, servers, strict=True):
            assert lab.send(server, "x")
        randoms = [set(parse(lab.keylog.text())) for lab in labs]
    finally:
        for lab in labs:
            lab.close()
    assert all(len(own) == 1 for own in randoms) and len(set().union(*randoms)) == len(labs)


def test_a_closed_log_is_empty_and_closes_twice():
    keylog = KeyLog()
    keylog.close()
    keylog.close()
    assert keylog.text() == ""


def test_a_program_that_still_holds_a_closed_log_open_finds_nothing_in_it():
    keylog = KeyLog()
    with open(keylog.path, "a+", encoding="ascii") as held:
        held.write("CLIENT_RANDOM and so on\n")
        held.flush()
        keylog.close()
        held.seek(0)
        assert held.read() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="memfd_create(2) is Linux's")
def test_on_linux_nothing_is_ever_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ScratchFile(b"secret") as file:
        assert file.read() == b"secret"
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ("memfd_create", "/proc"))
def test_elsewhere_a_private_file_serves_until_it_is_closed(tmp_path, monkeypatch, missing):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if missing == "memfd_create":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    else:
        monkeypatch.setattr(scratch.os.path, "exists", lambda _: False)
    with Lab() as lab:
        assert lab.send(lab.smtp(), "x")
        assert len(parse(lab.keylog.text())) == 1
        (path,) = tmp_path.iterdir()
        assert str(path) == lab.keylog.path
        assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.iterdir())
