"""What every test shares: patience for property tests, interrupts as in a shell, and the order and places of the tests.

A shell starts a job in the background with SIGINT ignored, and every process that it starts inherits that: then no test
could press Control-C, in this process or in another one.
"""

import gc
import signal
from pathlib import Path

import networks  # noqa: F401, tries in this process what the machine allows, before others are started
import pytest
from hypothesis import settings

settings.register_profile("thorough", deadline=None)
settings.register_profile("once", deadline=None, max_examples=30)

signal.signal(signal.SIGINT, signal.default_int_handler)


LONGEST = ("in_chromium", "notebooks", "trials")
"""The folders of the longest tests: they begin first, so that at the end no process works alone on one of them."""


def pytest_configure(config: pytest.Config) -> None:
    """Property tests try fewer examples where other tests are left to `make thorough`, too."""
    settings.load_profile("once" if config.option.markexpr == "not thorough" else "thorough")
    if hasattr(config, "workerinput"):
        config.args = _turned(config.args, config.workerinput)


def _turned(places: list[str], worker: dict[str, object]) -> list[str]:
    """The tests that one of the processes of pytest-xdist collects, beginning with other ones than the others do.

    All of them collect all tests. What one has compiled (pytest rewrites each assertion) the others find compiled.
    """
    each = [str(file) for place in map(Path, places) for file in (sorted(place.rglob("test_*.py")) or [place])]
    first = len(each) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    return each[first:] + each[:first]


def pytest_collection() -> None:
    """Nothing that is collected is garbage: to look for some takes a tenth of the time."""
    gc.disable()


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share what their folder or module has made run in one process, one after the other (pytest-xdist)."""
    items.sort(key=lambda item: (item.path.parent.name not in LONGEST, item.path))
    for item in items:
        names = getattr(item, "_fixtureinfo", None)
        made = [found for each in names.name2fixturedefs.values() for found in each] if names else []
        sharing = {"package": item.path.parent.name, "module": item.path.stem}
        groups = [group for scope, group in sharing.items() if any(one.scope == scope for one in made)]
        if groups:
            item.add_marker(pytest.mark.xdist_group(groups[0]))


def pytest_collection_finish() -> None:
    """Keep the collected tests out of garbage collections: 8,000 tests cost a test that asks for one 0.2 s a time."""
    gc.enable()
    _leave_out_of_collections()


@pytest.hookimpl(trylast=True)  # the fixtures of the module are gone by then
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Keep what the tests of a file have loaded, scapy and matplotlib for example, out of later collections, too."""
    if nextitem is not None and nextitem.path != item.path:
        _leave_out_of_collections()


def _leave_out_of_collections() -> None:
    gc.collect()
    gc.freeze()
