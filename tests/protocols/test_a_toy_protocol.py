"""A protocol is added from outside, in one temporary file, and everything that the lab does knows it from then on."""

import importlib
import socket
import sys

import pytest

import labkit.servers
from labkit import Lab, attack_table, attacks, dialect_table, dialects, step_table
from labkit.attacks.verdict import LEAKED, STOPPED
from labkit.decode.steps import steps
from labkit.trust.contexts import client_context

TOY = '''
"""TOY: HELLO, SECURE, LOGIN and BYE; the server says HI, CAN, YES, NO and GO."""

import asyncio
import re

from labkit.dialects import Dialect
from labkit.dialects.framing.coded_lines import CodedLineReader, CodedLines
from labkit.dialects.reader import WAIT
from labkit.dialects.writing import Injected, Writer, lines, listed, untagged_command, willing
from labkit.servers.server import Server
from labkit.servers.session import Session

COMMANDS = {"HELLO": "Asks.", "SECURE": "Asks to start TLS.", "LOGIN": "Logs in.", "BYE": "Ends."}


class Reader(CodedLineReader):
    _lines = CodedLines(
        verbs={verb.encode(): verb for verb in COMMANDS},
        greetings={"HI"},
        go_aheads={"SECURE": "GO"},
        after_command={"SECURE": WAIT},
    )
    _longest = 1000

    def _status(self, reply):
        found = re.match(rb"(HI|CAN|YES|NO|GO)\\b", reply)
        return found[1].decode() if found else None


DIALECT = Dialect(
    name="Toy",
    source="this file",
    explicit_ports=(7007,),
    implicit_ports=(),
    ask="HELLO",
    token="SECURE",
    upgrade="SECURE",
    go_ahead="GO",
    messages=lambda _: (),
    sasl=r"(?!)(?P<mechanism>)(?P<initial>)",
    reader=Reader,
    writes=Writer(
        command=untagged_command,
        replies=lines(done="YES {text}", refused="NO {text}", go_ahead="GO"),
        willing=willing({}, b"YES\\r\\n"),
        login=lambda user, password, tag: f"LOGIN {user} {password}\\r\\n".encode(),
        capabilities=listed(
            rb"(?P<head>CAN)(?P<list>[^\\r\\n]*)(?P<tail>\\r\\n)",
            lambda text: tuple(text.split()),
            lambda wanted: "".join(f" {one}" for one in wanted),
            "CAN{list}\\r\\n",
        ),
        injected=Injected("HELLO mallory", r"CAN"),
    ),
    recognises=lambda server, client: server.startswith(b"HI toy"),
    explain=lambda kind, title, line: COMMANDS.get(title, "The server answers."),
    commands=COMMANDS,
    discloses={"LOGIN": r"LOGIN (?P<user_name>\\S+) (?P<password>\\S+)"},
)


class ToyServer(Server):
    protocol = "Toy"
    ports = {False: 7007}

    def _session(self, note):
        return Talk(self, note)


class Talk(Session):
    idle_limit = 5.0

    def parting(self, why):
        return f"NO {why}\\r\\n".encode()

    async def talk(self):
        await self.send(b"HI toy\\r\\n")
        while (line := await self.line()) != b"BYE":
            if line == b"SECURE" and self.settings.upgrade_now(self.encrypted):
                await self.send(b"GO\\r\\n")
                await self.start_tls()
            elif line == b"HELLO":
                await self.send(b"CAN LOGIN" + b" SECURE" * self.settings.upgrade_now(self.encrypted) + b"\\r\\n")
            else:
                await self.send(b"YES\\r\\n" if line.startswith(b"LOGIN") else b"NO\\r\\n")


SERVER = ToyServer
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The dialect of the temporary file."""
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(labkit.servers, "__path__", [*labkit.servers.__path__, str(tmp_path)])
    module = importlib.import_module("labkit.servers.toy")
    dialects.add(module.DIALECT)
    yield module.DIALECT
    dialects.ALL.remove(module.DIALECT)
    dialects.for_port.cache_clear()
    del sys.modules["labkit.servers.toy"]


def visit(lab, careful):
    """A client that upgrades if that is offered, or else, where it is careful, goes no further."""
    with lab.alice.connect("mail", 7007, timeout=30) as sock:
        assert sock.recv(100) == b"HI toy\r\n"
        sock.sendall(b"HELLO\r\n")
        if b"SECURE" in sock.recv(100):
            sock.sendall(b"SECURE\r\n")
            assert sock.recv(100) == b"GO\r\n"
            sock = client_context(lab.authority, True, keylog=lab.keylog.path).wrap_socket(
                sock, server_hostname="mail.lab.test"
            )
            sock.sendall(b"HELLO\r\n")
            sock.recv(100)
        elif careful:
            sock.sendall(b"BYE\r\n")
            return
        sock.sendall(b"LOGIN alice hunter2\r\n")
        assert sock.recv(100) == b"YES\r\n"
        sock.sendall(b"BYE\r\n")
        sock.shutdown(socket.SHUT_RDWR)
        sock.close()


def test_a_session_is_decoded_with_its_steps(toy):
    with Lab("loopback") as lab:
        lab.start("toy")
        with lab.capture() as capture:
            visit(lab, careful=True)
        opened = capture.decrypted()
    assert capture.dialogue.dialect is toy and "hunter2" not in capture.transcript().text
    assert [step.number for step in steps(opened.dialogue)] == [1, 2, 3, 4, 5, 6, 7]
    assert "LOGIN alice hunter2" in opened.transcript().text and opened.ladder(opened.steps().notes)
    assert "SECURE" in step_table({"toy": opened}).text.splitlines()[4]


def test_a_strip_attack_has_a_verdict(toy):
    for careful, outcome in ((False, LEAKED), (True, STOPPED)):
        with Lab("loopback") as lab:
            lab.start("toy")
            with lab.mallory(attacks.StripCapability()) as mallory:
                visit(lab, careful)
            assert mallory.edits and mallory.verdict.outcome == outcome
            assert ("password" in mallory.verdict.secrets) is (outcome == LEAKED)


def test_it_has_a_place_in_every_table(toy):
    assert "Toy" in dialect_table().text and "7007" in dialect_table("toy").text
    assert "Toy" in attack_table([attacks.StripCapability]).text
