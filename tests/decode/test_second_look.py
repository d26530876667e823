"""Secrets are found wherever they stand: behind the packets, in an older form, in an editor's encoding."""

import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tcp_frames import Connection, frames
from tls_sessions import in_memory

from labkit import read_capture
from labkit.__main__ import main
from labkit.capture.pcap import read_frames, write_pcapng
from labkit.decode import shares
from labkit.decode.file import dialogues
from labkit.errors import CaptureError
from labkit.show.recordings import recorded
from labkit.trust.keylog import parse, read


def behind_the_packets(path: Path, where: int) -> Path:
    """A recording whose secrets stand behind `where` packets of it."""
    capture = recorded("starttls_tls12")
    write_pcapng(path.with_suffix(".plain"), capture.frames)
    write_pcapng(path.with_suffix(".keys"), capture.frames[:0], capture.keylog)
    plain, secrets = (path.with_suffix(suffix).read_bytes() for suffix in (".plain", ".keys"))
    secrets = secrets[int.from_bytes(secrets[4:8], "little") :]
    blocks, at = [], 0
    while at < len(plain):
        size = int.from_bytes(plain[at + 4 : at + 8], "little")
        blocks.append(plain[at : at + size])
        at += size
    blocks.insert(2 + where, secrets)
    path.write_bytes(b"".join(blocks))
    return path


@pytest.mark.parametrize("where", (0, 20, 10_000))
@pytest.mark.parametrize("compressed", (False, True))
def test_secrets_behind_the_packets_open_them(where, compressed, tmp_path, capsys):
    path = behind_the_packets(tmp_path / "late.pcapng", where)
    if compressed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    (dialogue,) = dialogues(read_frames(path), {})
    assert dialogue.session.opened
    assert read_capture(path).decrypted().dialogue.session.opened
    assert main(["decode", str(path)]) == 0
    assert "Opened with the session's secrets" in capsys.readouterr().out


def test_each_process_of_a_long_file_finds_them(tmp_path, monkeypatch):
    monkeypatch.setattr(shares, "_LONG", 1)
    monkeypatch.setattr(shares.os, "sched_getaffinity", lambda _: range(3), raising=False)
    path = behind_the_packets(tmp_path / "late.pcapng", 10_000)
    assert list(shares.told(read_frames(path), {}, _opened)) == [True]


def _opened(_, dialogue):
    return dialogue.session.opened


# ---- where a capture comes from


def test_a_compressed_capture_is_read_and_a_damaged_one_is_said_to_be(tmp_path):
    capture = recorded("starttls_tls13")
    capture.save(tmp_path / "plain.pcapng")
    data = gzip.compress((tmp_path / "plain.pcapng").read_bytes())
    path = tmp_path / "compressed.pcapng.gz"
    path.write_bytes(data)
    assert read_capture(path).frames == capture.frames and not read_frames(path).problem
    path.write_bytes(data[: len(data) // 2])
    cut = read_capture(path)
    assert capture.frames[: len(cut.frames)] == cut.frames != capture.frames and "cut or damaged" in cut.how
    path.write_bytes(data[:9])
    with pytest.raises(CaptureError, match="gzip file and is damaged"):
        read_capture(path)


@pytest.mark.parametrize("form", ([], ["--json"]))
@pytest.mark.parametrize("compressed", (False, True))
def test_standard_input_is_read(form, compressed, tmp_path):
    path = behind_the_packets(tmp_path / "late.pcapng", 10_000)
    data = gzip.compress(path.read_bytes()) if compressed else path.read_bytes()
    command = [sys.executable, "-X", "dev", "-m", "labkit", "decode", "-", *form]
    done = subprocess.run(command, input=data, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"") and b"4921" in done.stdout
    nothing = subprocess.run(command, input=b"", capture_output=True, timeout=60)
    assert nothing.returncode == 2 and nothing.stderr.startswith(b"labkit: Standard input is empty")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_read_more_than_once(tmp_path):
    data = behind_the_packets(tmp_path / "late.pcapng", 10_000).read_bytes()
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,))
    writer.start()
    (dialogue,) = dialogues(read_frames(tmp_path / "pipe"), {})
    writer.join()
    assert dialogue.session.opened


# ---- key logs


def log_of(name="starttls_tls12"):
    lines = recorded(name).keylog.splitlines()
    return [line for line in lines if line and not line.startswith("#")]


WRITTEN = {
    "UTF-8 with a mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, big endian": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16, big endian, without a mark": lambda text: text.encode("utf-16-be"),
    "with a comment": lambda text: text.replace("\n", " # my own\n").encode(),
    "with words behind": lambda text: text.replace("\n", " of alice\n").encode(),
    "with other line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "with tabs": lambda text: text.replace(" ", "\t").encode(),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_key_log_is_read_however_it_was_written(how, tmp_path):
    text = "".join(f"{line}\n" for line in log_of())
    (tmp_path / "keys").write_bytes(WRITTEN[how](text))
    assert parse(read(tmp_path / "keys")) == parse(text) != {}


def test_a_key_log_of_premaster_secrets_says_that_it_opens_nothing(tmp_path, capsys):
    write_pcapng(tmp_path / "closed.pcapng", recorded("starttls_tls12").frames)
    (tmp_path / "keys").write_text(f"RSA {'ab' * 8} {'cd' * 48}\n")
    assert main(["decode", str(tmp_path / "closed.pcapng"), "--keylog", str(tmp_path / "keys")]) == 1
    said = capsys.readouterr()
    assert "only premaster secrets of RSA key exchanges" in said.err and len(said.err.splitlines()) == 1
    assert "use the" not in said.err + said.out


def test_a_key_log_of_comments_is_one_and_opens_nothing(tmp_path, capsys):
    write_pcapng(tmp_path / "closed.pcapng", recorded("starttls_tls12").frames)
    (tmp_path / "keys").write_text("# SSL/TLS secrets log file, generated by OpenSSL\n")
    assert main(["decode", str(tmp_path / "closed.pcapng"), "--keylog", str(tmp_path / "keys")]) == 1
    said = capsys.readouterr()
    assert "holds comments and no secret" in said.err and "ClientHello" in said.out


def test_where_the_suite_is_the_reason_no_other_key_log_is_advised(tmp_path, capsys):
    chunks, secrets = in_memory("TLS 1.2", "ECDHE-ECDSA-ARIA256-GCM-SHA384")
    connection = Connection(to=465).open()
    for sender, data in chunks:
        connection.say(sender, data)
    write_pcapng(tmp_path / "aria.pcapng", frames(connection.close().segments))
    for log in (secrets, parse("".join(log_of()))):
        lines = [
            f"{label} {name.hex()} {secret.hex()}" for name, found in log.items() for label, secret in found.items()
        ]
        (tmp_path / "keys").write_text("\n".join(lines))
        assert main(["decode", str(tmp_path / "aria.pcapng"), "--keylog", str(tmp_path / "keys")]) == 1
        said = capsys.readouterr()
        assert "TLS_ECDHE_ECDSA_WITH_ARIA_256_GCM_SHA384 cannot be opened here" in said.err
        assert "use the" not in said.err + said.out.replace("to use", "")
