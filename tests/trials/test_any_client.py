"""Any program against every attack: what is known of curl and swaks holds, and nothing that a program does hangs."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest
from networks import require
from thoroughly import every
from tools import tool

from labkit import Lab, attacks
from labkit.__main__ import main
from labkit.attacks.verdict import DECEIVED, LEAKED, STOPPED, UNHARMED, UNKNOWN
from labkit.dialects import ALL as DIALECTS
from labkit.errors import LabError
from labkit.trials.any_client import CLEAR, IMPLICIT, UPGRADED, count, every_run, mail_program

NETWORKS = ("loopback", "namespace")
NEGOTIATION = ("N1", "N2", "N3", "N4", "N5", "N6", "N7", "N12", "N13", "N15", "X2")
CERTIFICATES = ("C1", "C2", "C3", "C4", "C5", "X1")
MAIL = "--mail-from alice@lab.test --mail-rcpt bob@lab.test --upload-file {message}"
CURL = f"curl -sS --max-time 10 --cacert {{ca}} --user {{user}}:{{password}} {MAIL} {{scheme}}://{{host}}:{{port}}/"


def matrix_of(command, protocol="smtp", network="loopback", numbers="", **more):
    """The matrix of a command: under these attacks, or under all."""
    require(network)
    vectors = [type(attacks.vector(number)) for number in numbers.split()] or None
    with Lab(network) as lab:
        return lab.victim(command, protocol, vectors=vectors, **more)


def outcomes(matrix, mode=UPGRADED):
    return {trial.vector: trial.verdict.outcome for trial in matrix.trials if trial.mode == mode}


@pytest.fixture(scope="module")
def required():
    """curl that must have TLS, against everything."""
    tool("curl")
    return matrix_of(f"{CURL} --ssl-reqd", timeout=30.0)


ASKED_OF = " ".join(("N1", "N2", "N3", "N4", "N6", "N15", "X2", *CERTIFICATES))
"""Some of each family of attacks."""


@pytest.fixture(scope="module", params=every((ASKED_OF, ""), once=(ASKED_OF,)), ids=("some attacks", "all attacks"))
def wished(request):
    """curl that takes TLS where it is offered."""
    tool("curl")
    return matrix_of(f"{CURL} --ssl", timeout=30.0, numbers=request.param)


def test_curl_that_requires_tls_leaks_nothing_in_any_mode(required):
    assert not required.leaks
    assert required.verdict().outcome == required.verdict(mode=IMPLICIT).outcome == UNHARMED
    assert set(outcomes(required, CLEAR).values()) == {STOPPED}
    assert {outcomes(required)[number] for number in (*NEGOTIATION, *CERTIFICATES)} == {STOPPED}
    assert {outcomes(required, IMPLICIT)[number] for number in ("N1", "B1", "S1", "X3")} == {UNHARMED}


def test_curl_that_wishes_for_tls_leaks_where_it_is_taken_away_and_not_where_the_certificate_is_wrong(wished):
    found = outcomes(wished)
    assert {found[number] for number in ("N1", "N2", "N3", "N4", "N6", "N15", "X2")} == {LEAKED}
    assert {found[number] for number in CERTIFICATES} == {STOPPED}
    assert "password" in wished.verdict("N1").secrets and "message" in wished.verdict("N1").secrets
    assert LEAKED not in outcomes(wished, IMPLICIT).values()
    assert wished.verdict(mode=CLEAR).outcome == LEAKED


def test_every_attack_that_applies_has_a_row_in_every_mode(required):
    from labkit.attacks import ALL
    from labkit.dialects import SMTP

    rows = ["", *(kind.id for kind in ALL if kind.applies_to(SMTP))]
    assert [(trial.vector, trial.mode) for trial in required.trials] == [
        (row, mode) for row in rows for mode in (CLEAR, UPGRADED, IMPLICIT)
    ]


def test_the_matrix_is_told_as_a_picture_as_text_as_json_and_as_junit(wished):
    assert wished.grid.cells["N1 StripCapability", UPGRADED].word.startswith("leaked: password")
    assert "N1 StripCapability" in repr(wished) and "password 'hunter2' in" in repr(wished)
    told = json.loads(wished.json)
    headline = repr(wished).splitlines()[0]
    assert headline.startswith("SMTP, curl -sS") and "…: " in headline and len(headline) < 200
    assert told["leaked"] == len(wished.leaks) == sum(run["outcome"] == LEAKED for run in told["runs"])
    assert told["command"] == shlex.split(f"{CURL} --ssl")
    (suite,) = ElementTree.fromstring(wished.junit)
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) == len(wished.leaks)
    assert int(suite.get("tests")) == len(suite) == len(wished.trials)
    page = wished._repr_html_()
    assert page.count("<details>") >= 2 and "hunter2" in page and "<script" not in page


# ---- other programs, protocols and networks, with a few attacks each


@pytest.mark.parametrize(
    ("protocol", "network"),
    [("imap", "loopback"), pytest.param("imap", "namespace", marks=pytest.mark.thorough), ("pop3", "loopback")],
)
def test_curl_fetches_from_every_network(protocol, network):
    path = {"imap": "INBOX;MAILINDEX=1", "pop3": "1"}[protocol]
    words = ["--cacert", "{ca}", "--user", "{user}:{password}", f"{{scheme}}://{{host}}:{{port}}/{path}"]
    matrix = matrix_of([tool("curl"), "-sS", "--max-time", "5", "--ssl", *words], protocol, network, numbers="N1 C3")
    assert outcomes(matrix) == {"": UNHARMED, "N1": LEAKED, "C3": STOPPED}
    assert outcomes(matrix, IMPLICIT) == {"": UNHARMED, "N1": UNHARMED, "C3": STOPPED}
    assert {"password", "message"} <= set(matrix.verdict("N1").secrets)


SWAKS = "--server {host} --port {port} --from alice@lab.test --to bob@lab.test --auth PLAIN --timeout 5"
LOGIN = "--auth-user {user} --auth-password {password} --body 'The PIN is 4921'"


@pytest.mark.parametrize("network", every(NETWORKS, once=("loopback",)))
def test_swaks_stops_without_tls_when_told_and_verifies_nothing(network):
    swaks = f"{tool('swaks')} {SWAKS} {LOGIN}"
    matrix = matrix_of(f"{swaks} --tls", network=network, implicit=f"{swaks} --tls-on-connect", numbers="N1 C2 T2")
    assert outcomes(matrix) == {"": UNHARMED, "N1": STOPPED, "T2": UNHARMED, "C2": LEAKED}
    assert outcomes(matrix, IMPLICIT) == {"": UNHARMED, "N1": UNHARMED, "T2": UNHARMED, "C2": LEAKED}


PSQL = "psql -h {host} -p {port} -U {user} -c 'select 1' lab"
OTHERS = {
    ("ftp", "curl", "curl -sS --ssl --user {user}:{password} {scheme}://{host}:{port}/"): LEAKED,
    ("ftp", "curl", "curl -sS --ssl-reqd --user {user}:{password} {scheme}://{host}:{port}/"): STOPPED,
    ("postgresql", "psql", f"env PGPASSWORD={{password}} PGSSLMODE=prefer {PSQL}"): LEAKED,
    ("postgresql", "psql", f"env PGPASSWORD={{password}} PGSSLMODE=require {PSQL}"): STOPPED,
    ("lmtp", "swaks", "swaks --protocol LMTP --server {host} --port {port} --to bob@lab.test --tls-optional"): LEAKED,
    ("ldap", "ldapsearch", "ldapsearch -x -ZZ -H ldap://{host}:{port} -D uid={user} -w {password}"): STOPPED,
}
"""(protocol, tool, command) -> what becomes of it where the command that asks for TLS is refused."""


@pytest.mark.parametrize(("protocol", "name", "command"), OTHERS, ids=lambda word: word.split()[0])
def test_programs_of_other_protocols_are_told_apart_as_well(protocol, name, command):
    tool(name)
    matrix = matrix_of(command, protocol, numbers="N2")
    assert outcomes(matrix) == {"": UNHARMED, "N2": OTHERS[protocol, name, command]}


@pytest.mark.parametrize("protocol", [dialect.name for dialect in DIALECTS])
def test_every_protocol_has_its_servers_in_every_mode(protocol, tmp_path):
    seen, script = tmp_path / "seen", 'echo "$1" >> "$0"'
    matrix = matrix_of(["sh", "-c", script, str(seen), "{scheme}", "{host}", "{port}"], protocol, numbers="N2")
    implicit = {f"{protocol.lower()}s"} if IMPLICIT in matrix.program.modes else set()
    assert set(seen.read_text().split()) == {protocol.lower()} | implicit


@pytest.mark.parametrize("network", every(NETWORKS, once=("loopback",)))
def test_a_program_meets_the_real_port_and_its_host_has_a_name_on_the_lan(network, tmp_path):
    seen = tmp_path / "seen"
    script = 'echo "$1 $2 $(hostname)" >> "$0"; cat "$3" > "$0.mail"; cat > "$0.given"'
    matrix_of(["sh", "-c", script, str(seen), "{host}", "{port}", "{message}"], network=network, numbers="N1")
    told = {tuple(line.split()) for line in seen.read_text().splitlines()}
    if network == "namespace":
        assert told == {("mail.lab.test", port, "alice.lab.test") for port in ("587", "465")}
    else:
        assert {host for host, *_ in told} == {"127.0.0.1"} and not {port for _, port, _ in told} & {"587", "465"}
    assert "The PIN is 4921" in Path(f"{seen}.mail").read_text() == Path(f"{seen}.given").read_text()


# ---- what a program may do instead of its work


@pytest.mark.parametrize(
    ("script", "timeout", "said"),
    [
        ("true", 60.0, "never came by: exit status 0"),
        ("echo no such option >&2; exit 64", 60.0, "never came by: exit status 64: no such option"),
        ("sleep 60", 1.0, "was still running after 1 s"),
        ("yes", 2.0, "KiB of output and more"),
        ("kill -SEGV $$", 60.0, "exit status 139"),
        ("curl -s --max-time 1 smtp://127.0.0.1:9", 60.0, "what it did elsewhere is not seen"),
    ],
    ids=["ends at once", "refuses", "hangs", "floods", "crashes", "goes elsewhere"],
)
def test_a_program_that_never_comes_by_is_unknown_and_not_unharmed(script, timeout, said):
    matrix = matrix_of(["sh", "-c", script, "sh", "{host}", "{port}"], timeout=timeout, numbers="N1")
    assert {trial.verdict.outcome for trial in matrix.trials} == {UNKNOWN} and not matrix.tested
    assert said in matrix.verdict().why and "does not do its work either" in matrix.verdict("N1").why
    assert said in repr(matrix) and "leaked:" not in repr(matrix)


@pytest.mark.parametrize("network", every(NETWORKS, once=("loopback",)))
def test_nothing_that_a_program_has_started_is_left(network):
    mark = f"48{os.getpid()}"
    script = f"setsid sleep {mark} & (setsid sh -c 'sleep {mark} & sleep {mark}' &); sleep {mark}"
    matrix_of(["sh", "-c", script, "sh", "{host}", "{port}"], network=network, timeout=1.0, numbers="N1")
    assert not [process for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or ())]


SAYS = """
import socket, sys, time
with socket.create_connection(sys.argv[1:3]) as sock:
    sock.recv(100)
    sock.sendall(b"EHLO alice\\r\\n")
    sock.recv(1000)
    sock.sendall({said})
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("said", "outcome"),
    [(b"AUTH PLAIN AGFsaWNlAGh1bnRlcjI=\r\n", LEAKED), (b"NOOP\r\n", UNKNOWN)],
    ids=["behind its leak", "before it could"],
)
def test_a_program_that_hangs_is_judged_by_what_it_has_said(said, outcome):
    matrix = matrix_of([sys.executable, "-SEc", SAYS.format(said=said), "{host}", "{port}"], timeout=6.0, numbers="U2")
    assert matrix.verdict().outcome == matrix.verdict(mode=CLEAR).outcome == outcome
    assert outcome == LEAKED or "was still running after 6 s" in matrix.verdict().why


def test_a_program_is_deceived_by_words_for_its_user_and_not_by_what_it_quotes_when_it_stops():
    matrix = matrix_of(f"{CURL} --ssl-reqd --verbose", numbers="B2 T2 U2")
    assert outcomes(matrix) == {"": UNHARMED, "B2": STOPPED, "T2": UNHARMED, "U2": DECEIVED}


def test_work_that_was_done_inside_tls_is_unharmed_although_the_program_goes_on_running():
    matrix = matrix_of(["sh", "-c", f"{CURL} --ssl-reqd && sleep 60"], timeout=6.0, numbers="N1")
    assert matrix.verdict().outcome == UNHARMED and matrix.verdict("N1").outcome == STOPPED


def test_a_program_that_never_works_is_not_called_safe_for_stopping():
    matrix = matrix_of(f"{CURL} --ssl-reqd --cacert /dev/null", numbers="N1 C1")
    assert matrix.verdict().outcome == STOPPED and "exit status 77" in repr(matrix)
    assert {matrix.verdict(number).outcome for number in ("N1", "C1")} == {UNKNOWN}
    assert "does not do its work either" in matrix.verdict("C1").why


def test_a_program_without_implicit_tls_is_unknown_there_and_known_elsewhere():
    curl = f"{CURL} --ssl".replace("{scheme}", "smtp").replace("--max-time 10", "--max-time 1")
    matrix = matrix_of(curl, numbers="N1 C1")
    assert outcomes(matrix) == {"": UNHARMED, "N1": LEAKED, "C1": STOPPED}
    assert set(list(outcomes(matrix, IMPLICIT).values())[1:]) == {UNKNOWN}
    assert "7 runs, 2 left out: " in repr(matrix)


def test_the_bar_comes_to_its_end_also_where_runs_are_left_out():
    curl = f"{CURL} --ssl".replace("{scheme}", "smtp").replace("--max-time 10", "--max-time 1")
    program, steps = mail_program(curl, vectors=[attacks.StripCapability]), []
    matrix = every_run(partial(Lab, "loopback"), program, lambda: steps.append(1))
    assert len(steps) == count(program) == len(matrix.trials) == 6


# ---- what cannot be a command


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "There is no command"),
        ([], "There is no command"),
        ("no-such-program {host} {port}", "not installed"),
        ("curl smtp://mail.example.org", r"no \{host\} and no \{port\}"),
        ("curl smtp://{host}", r"has no \{port\}"),
        ("curl 'smtp://{host}:{port}", "No closing quotation"),
        (["curl", 5], "Each word"),
        (7, "list of words"),
    ],
)
def test_what_is_no_command_is_told(command, said):
    with Lab("loopback") as lab, pytest.raises(LabError, match=said):
        lab.victim(command)


def test_what_the_command_leaves_untested_is_told():
    notes = " ".join(mail_program("curl smtp://{host}:{port} {pasword}").notes)
    assert "has no {password}" in notes and "{pasword} is no placeholder" in notes
    assert mail_program(CURL).words(UPGRADED, {"host": "{port}", "port": "25"})[-1] == "{scheme}://{port}:25/"


# ---- the command line


def command_line(*arguments):
    return main(["attack", "--network", "loopback", *arguments])


def test_the_exit_status_says_whether_something_leaked(capsys, tmp_path):
    junit, page = tmp_path / "junit.xml", tmp_path / "matrix.html"
    files = ["--junit", str(junit), "--html", str(page)]
    assert command_line("--attacks", "N1", *files, "--", *shlex.split(f"{CURL} --ssl")) == 1
    assert "✘ leaked: password" in capsys.readouterr().out
    assert ElementTree.parse(junit).getroot().tag == "testsuites" and page.read_text().startswith("<!doctype html>")
    assert command_line("--attacks", "N1", "--json", "--", *shlex.split(f"{CURL} --ssl-reqd")) == 0
    assert json.loads(capsys.readouterr().out)["leaked"] == 0


def test_what_tests_nothing_is_no_success(capsys):
    assert command_line("--", "true", "{host}", "{port}") == 2
    assert "Nothing was tested: the client never came by" in capsys.readouterr().err
    assert command_line("--", "no-such-program", "{host}", "{port}") == 2
    assert command_line("--protocol", "gopher", "--", "true", "{host}", "{port}") == 2
    assert command_line("--timeout", "0", "--", "true", "{host}", "{port}") == 2
    assert command_line("--attacks", "N99", "--", "true", "{host}", "{port}") == 2


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_what_ends_the_command_ends_its_programs(number, status):
    mark = f"49{os.getpid()}{number:02d}"
    words = ["--network", "loopback", "--timeout", "3000", "--", "sh", "-c", f"sleep {mark}", "{host}", "{port}"]
    process = subprocess.Popen([sys.executable, "-m", "labkit", "attack", *words], stderr=subprocess.PIPE)
    running = partial(_running, mark)
    _until(running)
    process.send_signal(number)
    assert process.wait(60) == status and not process.stderr.read()
    _until(lambda: not running())
    assert not running()


def _until(comes: Callable[[], bool]) -> None:
    """Wait until this is so, for a minute at most."""
    ends = time.monotonic() + 60
    while not comes() and time.monotonic() < ends:
        time.sleep(0.1)


def _running(mark: str) -> bool:
    return any(mark in (process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


def test_programs_run_at_the_same_time_and_each_meets_its_own_attack():
    vectors = [attacks.StripCapability, attacks.RefuseUpgrade, attacks.SelfSigned]
    program = mail_program(f"{CURL} --ssl", vectors=vectors)
    runs = [every_run(partial(Lab, "loopback"), program, lambda: None) for _ in range(2)]
    assert outcomes(runs[0]) == outcomes(runs[1]) == {"": UNHARMED, "N1": LEAKED, "N2": LEAKED, "C1": STOPPED}
    assert DECEIVED not in outcomes(runs[0]).values()


def test_a_file_that_is_carried_in_clear_text_beside_tls_has_been_read():
    send = "curl -sS {} --cacert {{ca}} --user {{user}}:{{password}} -T {{message}} ftp://{{host}}:{{port}}/note"
    both = {
        how: matrix_of(send.format(how), "ftp", numbers="N1").verdict() for how in ("--ssl-reqd", "--ftp-ssl-control")
    }
    assert both["--ssl-reqd"].outcome == UNHARMED
    assert (both["--ftp-ssl-control"].outcome, both["--ftp-ssl-control"].secrets) == (LEAKED, ("file",))
