"""A protocol is added from outside, in one temporary file, and everything that the lab does knows it from then on."""

import importlib
import socket
import sys
from dataclasses import replace

import pytest

import labkit.servers
from labkit import Lab, attack_table, attacks, dialect_table, dialects, step_table
from labkit.attacks.verdict import LEAKED, STOPPED, UNHARMED, UNKNOWN
from labkit.decode.steps import steps
from labkit.dialects.writing import Writer
from labkit.errors import LabError
from labkit.show.fallback_grid import fallback_grid
from labkit.trials.fallbacks import every_fallback
from labkit.trust.contexts import client_context

TOY = '''
"""TOY: HELLO, SECURE, LOGIN and BYE; the server says HI, CAN, YES, NO and GO."""

import asyncio
import re

from labkit.dialects import Dialect
from labkit.dialects.framing.coded_lines import CodedLineReader, CodedLines
from labkit.dialects.writing import Injected, Writer, lines, listed, untagged_command, willing
from labkit.servers.server import Server
from labkit.servers.session import Session

COMMANDS = {"HELLO": "Asks.", "SECURE": "Asks to start TLS.", "LOGIN": "Logs in.", "BYE": "Ends."}


class Reader(CodedLineReader):
    _lines = CodedLines(
        verbs={verb.encode(): verb for verb in COMMANDS},
        greetings={"HI"},
        go_aheads={"SECURE": "GO"},
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
        injected=Injected("PING mallory", r"NO"),
        ask=lambda name, tag: b"HELLO\\r\\n",
        leave=lambda tag: b"BYE\\r\\n",
        welcome="YES",
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


CLIENT = '''
"""A client of TOY that takes what is offered, and otherwise gives its password away all the same."""

import socket, ssl, sys

host, port, authority, password = sys.argv[1:]
sock = socket.create_connection((host, int(port)), 5)
sock.recv(100)
sock.sendall(b"HELLO\\r\\n")
if b"SECURE" in sock.recv(100):
    sock.sendall(b"SECURE\\r\\n")
    assert sock.recv(100) == b"GO\\r\\n"
    sock = ssl.create_default_context(cafile=authority).wrap_socket(sock, server_hostname=host)
sock.sendall(f"LOGIN alice {password}\\r\\n".encode())
assert sock.recv(100) == b"YES\\r\\n"
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The dialect of the temporary file."""
    (tmp_path / "toy.py").write_text(TOY)
    (tmp_path / "client.py").write_text(CLIENT)
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
    object.__setattr__(toy, "ask", "")  # a protocol that asks nothing begins again with whatever the client says
    assert [step.number for step in steps(opened.dialogue)] == [1, 3, 4, 5, 6, 7]


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


def test_its_server_is_probed(toy):
    with Lab("loopback") as lab:
        good = lab.probe(lab.start("toy", auth="always"))
        bare = lab.probe(lab.start("toy", starttls="off", auth="always", replace=True))
    assert good["offer"].verdict == "good" and "Toy on port 7007 of mail" in repr(good)
    assert good["login-kept"].verdict == "unknown" and "logged in is not known" in good["login-kept"].said
    assert bare["offer"].verdict == "fault" and {found.id for found in good.faults} == {"clear-login"}, good


def test_what_it_does_not_say_is_unknown_to_a_probe(toy):
    for name, unsaid in (("ask", None), ("injected", None), ("welcome", Writer.welcome)):
        object.__setattr__(toy.writes, name, unsaid)
    with Lab("loopback") as lab:
        report = lab.probe(lab.start("toy", auth="always"))
    assert {report[check].verdict for check in ("injection", "clear-login")} == {"unknown"}


def test_its_client_is_tested(toy, tmp_path):
    command = [sys.executable, str(tmp_path / "client.py"), "{host}", "{port}", "{ca}", "{password}"]
    with Lab("loopback") as lab:
        tested = lab.victim(command, "toy", vectors=[attacks.StripCapability, attacks.UnknownRoot])
    assert tested.verdict().outcome == UNHARMED
    assert "password" in tested.verdict("N1").secrets and tested.verdict(attacks.UnknownRoot.id).outcome == STOPPED
    assert "N1" in tested.page.text


def test_without_a_client_of_the_labs_own_it_is_unknown_what_one_would_do(toy):
    found = every_fallback(lambda: Lab("loopback"), [toy])
    assert {one.verdict.outcome for one in found} == {UNKNOWN} and "There is no victim 'Toy, " in found[0].verdict.why
    assert "Toy: SECURE → GO, no client" in str(fallback_grid(found))


def test_a_protocol_without_a_go_ahead_is_no_dialect(toy):
    with pytest.raises(LabError, match="Toy has the upgrade command 'SECURE' and no go-ahead"):
        replace(toy, go_ahead="")


def test_a_dialect_without_a_server_says_so(toy, monkeypatch):
    with Lab("loopback") as lab, monkeypatch.context() as patch:
        patch.delitem(sys.modules, "labkit.servers.toy")
        patch.setattr(labkit.servers, "__path__", labkit.servers.__path__[:-1])
        with pytest.raises(LabError, match="has no server for it"):
            lab.start("toy")
