"""A fork of the process (fork(2)) has a copy of the lab that shares its sockets and files: only the maker ends it."""

import os

import pytest
from networks import BEST, require
from thoroughly import every
from tools import python

from labkit.network import KINDS

ENDINGS = {
    "exits": "sys.exit()",
    "fails": "raise SystemExit('as a program does')",
    "drops the lab": "del lab, server, attack, capturing, stack; gc.collect()",
    "closes the lab": "lab.close()",
    "leaves its blocks": "stack.close()",
}
CODE = """
import gc, os, signal, sys, time
from contextlib import ExitStack
from labkit import Lab, attacks, policies
from labkit.errors import LabError
lab = Lab("{network}", capture="{method}")
server = lab.smtp()
assert lab.send(server, "before")
secrets = lab.keylog.text()
stack = ExitStack()
stack.enter_context(lab)
capture = stack.enter_context(lab.capture())
attack = stack.enter_context(lab.mallory(attacks.StripCapability()))
capturing = capture
child = os.fork()
if not child:
    try:
        lab.send(server, "from the child")
    except LabError as error:
        assert "make a new one here" in str(error)
    {ending}
    os._exit(0)
os.waitpid(child, 0)
assert lab.keylog.text() == secrets
assert not lab.send(server, "attacked", policy=policies.verified)
attack.close()
outcome = lab.send(server, "after", policy=policies.verified)
assert outcome, outcome
assert lab.alice.run([sys.executable, "-c", ""]).returncode == 0
stack.close()
assert len(capture.conversations) == 3, capture.conversations
print("whole")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("method", every(("auto", "tap"), once=("auto",)))
@pytest.mark.parametrize("network", every(KINDS, once=("loopback",)))
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_a_child_that_ends_leaves_the_lab_of_its_parent_alone(tmp_path, network, method, ending):
    require(network)
    with python(CODE.format(network=network, method=method, ending=ending), tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert out == "whole\n", err
    assert "Traceback" not in err


CLOSING = """
import os, sys, time
from labkit import Lab
lab = Lab("{network}")
reading, writing = os.pipe()
child = os.fork()
if not child:
    os.close(writing)
    os.read(reading, 1)
    os._exit(0)
broker = lab.network.broker.pid if "{network}" == "namespace" else None
lab.close()
if broker:
    assert not os.path.exists(f"/proc/{{broker}}")
print(os.waitpid(child, os.WNOHANG)[0])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("network", every(KINDS, once=BEST))
def test_a_lab_is_closed_although_a_child_still_has_its_copies(tmp_path, network):
    require(network)
    with python(CLOSING.format(network=network), tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert (out, err) == ("0\n", "")


WITHIN = """
import os
from labkit import Lab
lab = Lab("{network}")
child = os.fork()
if not child:
    with Lab("{network}") as own:
        assert own.send(own.smtp(), "in the child")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert lab.send(lab.smtp(), "in the parent")
print("both")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("network", every(KINDS, once=BEST))
def test_a_child_can_have_a_lab_of_its_own(tmp_path, network):
    require(network)
    with python(WITHIN.format(network=network), tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert (out, err) == ("both\n", "")
