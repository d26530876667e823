"""A notebook keeps every value that it has shown, but no lab open in whose place there is a newer one."""

from pathlib import Path

import nbformat
import pytest
from kernels import client
from networks import require
from thoroughly import every
from tools import python

import labkit

ROOT = Path(labkit.__file__).parent.parent

IN_IPYTHON = """
import contextlib, io, psutil
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
def run(cell):
    with contextlib.redirect_stdout(io.StringIO()):
        done = shell.run_cell(cell, store_history=True)
    done.raise_error()
    return shell.user_ns["Out"].get(done.execution_count)
def open_labs():
    return len(psutil.Process().children())  # a broker each
run("from labkit import Lab, attacks")
"""
KEPT = {
    "the same cell eight times": (
        """
for _ in range(8):
    run("lab = Lab('namespace')\\nlab.mallory\\nlab")
""",
        1,
    ),
    "the same cell without a variable": (
        """
for _ in range(3):
    run("Lab('namespace')")
""",
        1,
    ),
    "the same variable in another cell": (
        """
run("lab = Lab('namespace')")
run("lab")
run("lab.smtp(); lab.me = lab; lab")
run("lab = Lab('namespace') # again")
""",
        1,
    ),
    "another variable reaches it": (
        """
run("lab = Lab('namespace')\\nlab")
run("kept = [lab]")
run("lab = Lab('namespace')\\nlab")
run("lab = Lab('namespace')\\nlab")
run("assert kept[0].send(kept[0].smtp(), 'x')")
""",
        2,
    ),
    "a function reaches it": (
        """
run("lab = Lab('namespace')\\nlab")
run("def again(lab=lab): return lab.smtp()")
run("lab = Lab('namespace')\\nlab")
run("again()")
""",
        2,
    ),
    "only the history reaches it, and nothing is in its place": (
        """
run("Lab('namespace')")
run("other = Lab('namespace')")
run("_2.send(Out[2].smtp(), 'x')")
run("taken = Out[2]")
""",
        2,
    ),
    "it is taken from the history": (
        """
run("Lab('namespace')")
run("taken = _")
run("Lab('namespace')")
run("taken.smtp()")
""",
        2,
    ),
    "many in one cell": (
        """
run("labs = [Lab('namespace') for _ in range(3)]")
run("labs[0]")
run("labs[0].smtp(); labs[1].smtp(); labs[0]")
""",
        3,
    ),
    "two that change places": (
        """
run("a = Lab('namespace')\\na")
run("b = Lab('namespace')\\nb")
run("a, b = b, a")
run("a.smtp(); b.smtp()")
""",
        2,
    ),
}


OFTEN = ("another variable reaches it", "it is taken from the history", "many in one cell")
"""That the same cell runs eight times, the notebook below says."""


@pytest.mark.parametrize("kept", every(KEPT, once=OFTEN))
def test_what_the_user_reaches_stays_and_what_only_the_history_reaches_is_closed(tmp_path, kept):
    require("namespace")
    cells, expected = KEPT[kept]
    with python(f"{IN_IPYTHON}{cells}\nprint(open_labs())", tmp_path) as process:
        out, err = process.communicate(timeout=100)
    assert (out, err) == (f"{expected}\n", "")


def test_what_is_left_in_the_history_acts_as_the_lab_while_it_lives_and_says_that_it_was_closed(tmp_path):
    require("namespace")
    cells = """
run("lab = Lab('namespace')\\nlab")
run("kept = lab")
run("lab = Lab('namespace')\\nlab")
run("assert Out[2].smtp() in kept.servers.values() and repr(Out[2]) == repr(kept)")
run("del kept")
print(repr(run("Out[2]")))
"""
    with python(IN_IPYTHON + cells, tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert (out, err) == ("<Lab, closed: a newer one is in its place>\n", "")


def test_eight_runs_of_a_notebooks_cell_leave_one_lab(monkeypatch):
    require("namespace")
    monkeypatch.chdir(ROOT)
    first = nbformat.v4.new_code_cell("from labkit import Lab")
    cell = nbformat.v4.new_code_cell("lab = Lab('namespace')\nlab")
    last = nbformat.v4.new_code_cell(
        "import psutil\nlen([child for child in psutil.Process().children() if 'inside' in ' '.join(child.cmdline())])"
    )
    notebook = nbformat.v4.new_notebook(cells=[first, cell, last])
    running = client(notebook, 60)
    with running.setup_kernel():
        running.execute_cell(first, 0)
        for _ in range(8):
            running.execute_cell(cell, 1)
        running.execute_cell(last, 2)
    assert last.outputs[0]["data"]["text/plain"] == "1"


AGAIN = """
run("lab = Lab('loopback')")
first = run("mail = lab.smtp()\\nmail")
second = run("mail = lab.smtp()\\nmail")
assert first.closed and not second.closed and lab_has(second), "the cell that runs again replaces its server"
for cell in ("other = lab.smtp()", "lab.imap(); lab.imap()", "lab.imap() and lab.imap()"):
    try:
        run(cell)
    except Exception as error:
        assert "has a server already" in str(error), error
    else:
        raise AssertionError(f"{cell} has replaced a server")
assert not second.closed and lab_has(second)
"""


def test_a_cell_that_runs_again_replaces_its_server_and_another_cell_does_not(tmp_path):
    program = f"{IN_IPYTHON}\ndef lab_has(server): return server in shell.user_ns['lab'].servers.values()\n{AGAIN}"
    with python(program, tmp_path) as process:
        out, err = process.communicate(timeout=100)
    assert (out, err) == ("", "")


ADOPTED = """
run("import sys; lab = Lab('loopback')")
cell = '''
port = lab.mail.free_port(25)
program = lab.mail.start([sys.executable, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}"])
server = lab.adopt("mail", 25, "smtp")
program, server
'''
(first, one), (second, other) = run(cell), run(cell)
assert not first.running and one.closed and second.running and not other.closed
assert run("lab.send(server, 'x')")
try:
    run('lab.adopt("mail", 25, "smtp")')
except Exception as error:
    assert "has a server already" in str(error), error
run("lab.close()")
assert not second.running
"""


def test_a_cell_that_starts_and_adopts_a_program_can_run_again(tmp_path):
    with python(f"{IN_IPYTHON}\n{ADOPTED}", tmp_path) as process:
        out, err = process.communicate(timeout=100)
    assert (out, err) == ("", "")
