"""What every test shares: patience for property tests, interrupts as in a shell, and the order and places of the tests.

A shell starts a job in the background with SIGINT ignored, and every process that it starts inherits that: then no test
could press Control-C, in this process or in another one.
"""

import gc
import signal
from itertools import groupby
from pathlib import Path

import networks  # noqa: F401, tries in this process what the machine allows, before others are started
import pytest
from hypothesis import settings

settings.register_profile("thorough", deadline=None)
settings.register_profile("once", deadline=None, max_examples=30)

signal.signal(signal.SIGINT, signal.default_int_handler)


LONGEST = {"in_chromium", "notebooks", "site", "test_wheel", "trials"}
"""Folders and files of the longest tests: they begin first, so that at the end no process works alone on one."""
TOGETHER = 20
"""Tests of one file that a process of pytest-xdist is given at a time: to give them one by one costs 1 ms each."""


def pytest_configure(config: pytest.Config) -> None:
    """Property tests try fewer examples where other tests are left to `make thorough`, too."""
    settings.load_profile("once" if config.option.markexpr == "not thorough" else "thorough")
    if hasattr(config, "workerinput"):
        config.args = _turned(config.args, config.workerinput)


def _turned(places: list[str], worker: dict[str, object]) -> list[str]:
    """The tests that one of the processes of pytest-xdist collects, beginning with another folder than the others do.

    All of them collect all tests. What one has compiled (pytest rewrites each assertion) the others find compiled.
    A folder stays whole: where pytest comes back to one, it knows the fixtures of its conftest.py no more.
    """
    files = [file for place in map(Path, places) for file in (sorted(place.rglob("test_*.py")) or [place])]
    folders = [list(map(str, inside)) for _, inside in groupby(files, key=lambda file: file.parts[:2])]
    first = len(folders) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    return [file for folder in folders[first:] + folders[:first] for file in folder]


def pytest_collection() -> None:
    """Nothing that is collected is garbage: to look for some takes a tenth of the time."""
    gc.disable()


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first, and tell pytest-xdist which tests run in one process, one after the other."""
    items.sort(key=lambda item: (not _is_long(item), item.path))
    for number, item in enumerate(items):
        group = _sharing(item) or ("" if _is_long(item) else f"{item.path.stem} {number // TOGETHER}")
        if group and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(group))


def _is_long(item: pytest.Item) -> bool:
    return bool(LONGEST & {item.path.parent.name, item.path.stem})


def _sharing(item: pytest.Item) -> str:
    """The name of the folder or file whose tests share what a fixture has made for all of them; empty for others."""
    names = getattr(item, "_fixtureinfo", None)
    scopes = {one.scope for found in names.name2fixturedefs.values() for one in found} if names else set()
    return item.path.parent.name if "package" in scopes else item.path.stem if "module" in scopes else ""


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
