"""The one thread of a network: it begins when it is needed, and whatever ends the network ends it."""

import gc
import sys
import threading

import pytest
from networks import made
from tools import python

from labkit.capture.recording import record
from labkit.errors import LabError


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "labkit loop"}


def test_a_network_has_one_loop_which_begins_when_it_is_needed_and_ends_with_it(network):
    before = _threads()
    assert network.loop is network.loop
    assert len(_threads() - before) == 1
    network.close()
    assert _threads() <= before
    with pytest.raises(LabError, match="closed"):
        network.loop  # noqa: B018


def test_the_loop_of_a_network_that_nothing_refers_to_ends(network):
    before = _threads()
    forgotten = made(network.kind)
    listener = forgotten.host("mail").listen(587)
    with record(forgotten, "tap"), forgotten.host("alice").connect("mail", 587), listener.socket.accept()[0]:
        pass
    assert len(_threads() - before) == 1
    listener.close()
    del forgotten, listener
    gc.collect()
    assert _threads() <= before


def test_what_runs_in_the_loop_hears_of_its_end_in_its_thread(network):
    where = []
    network.loop.endings.add(lambda: where.append(threading.current_thread().name))
    network.close()
    assert where == ["labkit loop"]


def test_who_calls_from_the_loop_itself_does_not_wait_for_it(network):
    network.loop.call(lambda: network.loop.call(lambda: None))


def test_what_goes_wrong_in_the_loop_is_told_to_who_called(network):
    with pytest.raises(ZeroDivisionError):
        network.loop.call(lambda: 1 / 0)


TOO_FEW = """
import os, resource
from labkit.network.loop import Events
first, most = max(map(int, os.listdir("/proc/self/fd"))), resource.getrlimit(resource.RLIMIT_NOFILE)[1]
taken = [os.open("/dev/null", os.O_RDONLY) for _ in range(first)]
for more in range(5):
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1] + 1 + more, most))
    try:
        Events().close()
        print(more, "made")
    except OSError:
        print(more, "refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
def test_a_loop_that_gets_too_few_descriptors_prints_nothing(tmp_path):
    with python(TOO_FEW, tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert (out, err) == ("0 refused\n1 refused\n2 refused\n3 made\n4 made\n", "")  # one for epoll, two that wake it
