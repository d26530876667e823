"""What tshark reads in the captures that the lab saves, with the secrets inside, is what the lab reads in them."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pytest
from tools import tool

from labkit import Capture, Lab, policies, read_capture
from labkit.capture.conversation import CLIENT, SERVER, Conversation
from labkit.decode.event import TEXT, Dialogue, Event

LOGIN = ("alice", "hunter2")
SUITES13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
SUITES12 = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305")
EITHER = (CLIENT, SERVER)
EACH = 3
"""Messages that are sent to each server at the same time."""
FIELDS = (
    *("frame.number", "tcp.stream", "ip.src", "tcp.srcport", "tcp.dstport", "smtp.req.command", "smtp.req.parameter"),
    *("smtp.response.code", "smtp.rsp.parameter", "tls.handshake.type"),
)


class Row(NamedTuple):
    """One frame, as tshark sees it. What may occur several times is a list."""

    frame: int
    stream: int
    source: tuple[str, int]
    target: int
    verbs: list[str]
    parameters: list[str]
    codes: list[str]
    texts: list[str]
    handshakes: list[int]


def tshark(path: Path, *options: str) -> str:
    command = [tool("tshark"), "-n", "-r", str(path), *options]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def rows(path: Path) -> list[Row]:
    options = ["-T", "fields", "-E", "aggregator=\x1f", *(word for name in FIELDS for word in ("-e", name))]
    return [_row(line.split("\t")) for line in tshark(path, *options).splitlines()]


def _row(cells: list[str]) -> Row:
    number, stream, ip, source, target, *rest = cells
    *said, handshakes = (cell.split("\x1f") if cell else [] for cell in rest)
    return Row(int(number), int(stream), (ip, int(source)), int(target), *said, list(map(int, handshakes)))


def followed(path: Path, protocol: str, streams: int) -> list[tuple[int, bytes, bytes]]:
    """For each stream: the port of one end, the bytes that it sent, and those of the other one."""
    options = [word for number in range(streams) for word in ("-z", f"follow,{protocol},raw,{number}")]
    found: dict[int, tuple[int, bytes, bytes]] = {}
    for section in tshark(path, "-q", *options).split("Follow: ")[1:]:
        lines = section.splitlines()
        sides = {True: b"", False: b""}
        for line in lines[4 : lines.index("=" * 67)]:
            sides[line.startswith("\t")] += bytes.fromhex(line)
        number, first = int(lines[1].rsplit(" ", 1)[1]), int(lines[2].rsplit(":", 1)[1])
        found[number] = first, sides[False], sides[True]
    return [found[number] for number in range(streams)]


# ---- a capture with many sessions at once


def openssl(lab: Lab, port: int, suite: str) -> None:
    ip, real = lab.network.locate("mail", port, "alice")
    how = ["-starttls", "smtp"] if port == 587 else []
    command = [tool("openssl"), "s_client", "-connect", f"{ip}:{real}", "-crlf", "-ign_eof", "-ciphersuites", suite]
    done = lab.alice.run([*command, *how], input=b"EHLO openssl.lab.test\nNOOP\nQUIT\n")
    assert b"221 Bye" in done.stdout, done.stderr


def sessions(lab: Lab) -> Iterator[Callable[[], object]]:
    explicit, implicit = lab.smtp(), lab.smtp(implicit=True)
    for host, suite in zip(("mail", "mallory", "alice"), SUITES12, strict=True):
        server = lab.smtp(port=25, host=host, tls="TLS 1.2", ciphers=suite)
        yield from [lambda server=server: lab.send(server, "over TLS 1.2", login=LOGIN)] * EACH
    for suite in SUITES13:
        yield lambda suite=suite: openssl(lab, 587, suite)
        yield lambda suite=suite: openssl(lab, 465, suite)
    older = lab.smtp(host="mallory", implicit=True, tls="TLS 1.2", certificate="wrong name")
    clear = lab.smtp(host="alice", auth="always", mechanisms=("LOGIN",), starttls="off")
    yield from [lambda: lab.send(explicit, "over TLS 1.3", login=LOGIN, policy=policies.verified)] * EACH
    yield from [lambda: lab.send(implicit, "inside TLS 1.3", login=LOGIN, policy=policies.implicit)] * EACH
    yield from [lambda: lab.send(clear, "in clear\r\n.\r\n..text", login=LOGIN, policy=policies.none)] * EACH
    yield lambda: lab.send(older, "never sent", policy=policies.implicit)
    yield lambda: lab.send(clear, "never sent", policy=policies.mandatory)


METHODS = ("auto", "tap")
"""With a packet socket where that is allowed, and with the tap."""


@pytest.fixture(scope="module", params=METHODS)
def path(request, tmp_path_factory):
    """Saved by the lab."""
    with Lab(network="loopback", capture=request.param) as lab:
        threads = [threading.Thread(target=talk) for talk in sessions(lab)]
        with lab.capture() as capture:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    path = tmp_path_factory.mktemp(request.param) / "many.pcapng"
    capture.save(path)
    return path


@pytest.fixture(scope="module")
def ours(path) -> Capture:
    return read_capture(path).decrypted()


@pytest.fixture(scope="module")
def theirs(path) -> list[Row]:
    return rows(path)


def by_stream(table: list[Row], number: int, port: int) -> list[Row]:
    return [row for row in table if row.stream == number and row.source[1] == port]


def port(dialogue: Dialogue, side: str) -> int:
    return (dialogue.client if side == CLIENT else dialogue.server).port


def chosen(dialogue: Dialogue, side: str, test: Callable[[Event], bool]) -> list[Event]:
    return [event for event in dialogue.events if event.sender == side and test(event)]


def frames(events: list[Event]) -> Iterator[tuple[int, list[Event]]]:
    """The events of each frame."""
    return ((frame, list(group)) for frame, group in groupby(events, key=lambda event: event.frame))


def test_every_kind_of_session_is_there(ours):
    found = {(d.session.started, d.session.version, d.session.cipher) for d in ours.dialogues if d.session}
    assert {(started, "TLS 1.3", suite) for started in ("explicit", "implicit") for suite in SUITES13} <= found
    suites12 = {cipher for started, version, cipher in found if (started, version) == ("explicit", "TLS 1.2")}
    assert len(suites12) == len(SUITES12)
    assert len(ours.dialogues) == (len(SUITES12) + 3) * EACH + 2 * len(SUITES13) + 2


def test_tshark_finds_the_same_conversations(ours, theirs):
    first = {}
    for row in theirs:
        first.setdefault(row.stream, (row.source, row.target))
    assert [(tuple(d.client), d.server.port) for d in ours.dialogues] == [first[number] for number in sorted(first)]


def test_tshark_reads_the_same_commands_in_the_same_frames(ours, theirs):
    for number, dialogue in enumerate(ours.dialogues):
        read = by_stream(theirs, number, port(dialogue, CLIENT))
        commands = chosen(dialogue, CLIENT, lambda event: event.kind == "command")
        # tshark takes four letters for the verb, and makes STAR and TLS of STARTTLS.
        wanted = [
            (frame, [event.text[:4] for event in group], [rest for event in group if (rest := event.text[5:])])
            for frame, group in frames(commands)
        ]
        assert [(row.frame, row.verbs, row.parameters) for row in read if row.verbs] == wanted


def test_tshark_reads_the_same_replies_in_the_same_frames(ours, theirs):
    for number, dialogue in enumerate(ours.dialogues):
        read = by_stream(theirs, number, port(dialogue, SERVER))
        replies = chosen(dialogue, SERVER, lambda event: event.layer == TEXT)
        wanted = [
            (frame, [event.title for event in group], [line[4:] for e in group for line in e.text.split("\r\n")])
            for frame, group in frames(replies)
        ]
        assert [(row.frame, row.codes, row.texts) for row in read if row.codes] == wanted


@pytest.mark.parametrize("side", EITHER)
def test_tshark_reads_the_same_handshake_messages_in_the_same_frames(ours, theirs, side):
    for number, dialogue in enumerate(ours.dialogues):
        messages = chosen(dialogue, side, lambda event: event.kind == "handshake")
        own = by_stream(theirs, number, port(dialogue, side))
        read = [(row.frame, kind) for row in own for kind in row.handshakes]
        assert read == [(event.frame, event.data[0]) for event in messages]
        assert bool(messages) == (dialogue.session is not None)


def sides(dialogue: Dialogue | Conversation, first: int, its: bytes, others: bytes) -> dict[str, bytes]:
    """What either side sent, where tshark names one of them by its port."""
    return {CLIENT: its, SERVER: others} if first == dialogue.client.port else {CLIENT: others, SERVER: its}


def test_tshark_puts_the_same_streams_together(ours, path):
    for conversation, streams in zip(ours.conversations, followed(path, "tcp", len(ours.conversations)), strict=True):
        assert sides(conversation, *streams) == {side: conversation.stream(side) for side in EITHER}


def test_tshark_decrypts_the_same_bytes(ours, path):
    for dialogue, streams in zip(ours.dialogues, followed(path, "tls", len(ours.dialogues)), strict=True):
        texts = {side: chosen(dialogue, side, lambda event: event.encrypted and event.layer == TEXT) for side in EITHER}
        said = {side: b"".join(event.data for event in events) for side, events in texts.items()}
        assert sides(dialogue, *streams) == said
        if dialogue.session and dialogue.session.opened:
            assert all(said.values())


@pytest.mark.parametrize("tls", ("TLS 1.2", "TLS 1.3"))
@pytest.mark.parametrize("method", METHODS)
def test_tshark_decrypts_the_same_bytes_of_a_message_of_many_records(tmp_path, method, tls):
    with Lab(network="loopback", capture=method) as lab:
        server = lab.smtp(tls=tls)
        with lab.capture() as capture:
            assert lab.send(server, "A line of the message.\r\n" * 9000)
    capture.save(tmp_path / "large.pcapng")
    dialogue = read_capture(tmp_path / "large.pcapng").decrypted().dialogue
    ((first, *streams),) = followed(tmp_path / "large.pcapng", "tls", 1)
    said = chosen(dialogue, CLIENT, lambda event: event.encrypted and event.layer == TEXT)
    assert sides(dialogue, first, *streams)[CLIENT] == b"".join(event.data for event in said)
    assert [len(event.data) > 200_000 for event in said if event.kind == "message"] == [True]
