"""The rooms of labkit stand above each other: which may import which, without circles, and one name for one thing.

An import inside a function counts like any other; one that only a type checker sees does not.
"""

import ast
import graphlib
import re
from collections.abc import Iterator

import pytest
from sources import MODULES, ONCE, ROOT, trees

from labkit.dialects import ALL

pytestmark = ONCE

FLOORS = (
    {"errors"},
    {"interrupts", "limits", "replacing", "scratch", "shipped"},
    {"dialects", "trust", "network"},
    {"mail", "surveys"},
    {"servers", "clients", "capture"},
    {"decode", "defences"},
    {"attacks"},
    {"show"},
    {"attack", "aftermath"},
    {"trials", "mystery"},
    {"probe"},
    {"outputs"},
    {"capturing"},
    {"lab", "serving", "adopting", "publishing", "trying", "probing"},
    {"byhand", "exercises", "checkup", "platforms"},
    {"labkit"},
    {"commands", "pytest_plugin"},
    {"__main__"},
)
"""The rooms from the ground up: each may use those below it and, without circles, those beside it."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def _room(module: str) -> str:
    """The room of a module: ``decode`` for ``labkit.decode.tls.stream``."""
    return module.split(".")[1] if "." in module else module


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Everything in the tree but what stands under ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        yield node
        yield from _executed(node)


def _imported(tree: ast.AST) -> set[str]:
    """The modules of labkit that this module imports."""
    found = set()
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in MODULES else str(node.module) for name in names}
    return {name for name in found if name.partition(".")[0] == "labkit"}


@pytest.fixture(scope="module")
def uses() -> dict[str, set[str]]:
    """Module -> the modules of labkit that it imports."""
    return {module: _imported(tree) for module, tree in trees().items()}


def test_every_room_has_its_floor_and_every_floor_its_rooms():
    assert set(map(_room, MODULES)) == set(FLOOR), "a new room has to be given its place in FLOORS"


def test_a_room_uses_only_what_stands_below_or_beside_it(uses):
    upwards = [(by, used) for by in uses for used in uses[by] if FLOOR[_room(used)] > FLOOR[_room(by)]]
    assert not upwards


def test_no_rooms_use_each_other_in_a_circle(uses):
    rooms: dict[str, set[str]] = {}
    for module, used in uses.items():
        rooms.setdefault(_room(module), set()).update(set(map(_room, used)) - {_room(module)})
    graphlib.TopologicalSorter(rooms).prepare()  # raises CycleError, which names the circle


def test_the_search_finds_imports_wherever_they_stand():
    def found(source: str) -> set[str]:
        return _imported(ast.parse(source))

    assert found("from labkit.lab import Lab") == {"labkit.lab"}
    assert found("def f():\n    from labkit.trials import attacks") == {"labkit.trials.attacks"}
    assert found("from labkit import Lab, attacks") == {"labkit", "labkit.attacks"}
    assert found("import labkit.decode.event, os") == {"labkit.decode.event"}
    assert not found("if TYPE_CHECKING:\n    from labkit.lab import Lab")


HEAVY = {"IPython", "cryptography", "dns", "htpy", "ipywidgets", "markupsafe", "matplotlib", "scapy", "tlslite", "tqdm"}
"""Libraries that take long to load: a cell that needs none of them does not wait for them."""
STAGE = {"lab", "attack", "aftermath", "adopting", "capturing", "probing", "publishing", "serving", "trying"}
"""Files whose every verb loads its own room."""
LATER = {
    "labkit.checkup": "it tells which library is missing, so it begins without any",
    "labkit.pytest_plugin": "pytest loads it in every project; only marked tests need the lab",
    "labkit.network.inside.main": "pyroute2 is found when the namespaces are made",
    "labkit.network.inside.rtnetlink": "the messages of queueing disciplines load slowly, and few links have one",
    "labkit.mail.mime": "email.utils loads sockets and dates, which reading a capture does without",
}
"""Modules that load something else inside a function, and why."""


def _statements(node: ast.AST, inside: bool = False) -> Iterator[tuple[bool, str]]:
    """(whether it stands in a function, module) for each module that something below this node imports."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from ((inside, alias.name) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            names = (f"{child.module}.{alias.name}" for alias in child.names)
            yield from ((inside, name if name in MODULES else str(child.module)) for name in names)
        yield from _statements(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


Imports = dict[str, set[tuple[bool, str]]]
"""Module -> (whether it stands in a function, module that it imports)."""


def _brought(module: str, imports: Imports) -> set[str]:
    """The heavy libraries that are loaded with a module."""
    found, left = {module}, [module]
    while left:
        one = left.pop()
        parents = {one.rpartition(".")[0]} - {"labkit", ""}
        more = {name for inside, name in imports.get(one, ()) if not inside} | parents
        left += more - found
        found |= more
    return {name.partition(".")[0] for name in found} & HEAVY


def _needless(module: str, imports: Imports) -> set[str]:
    """The imports inside functions of a module that save no time: nothing heavy comes with them that is not there."""
    there = _brought(module, imports)
    return {name for inside, name in imports[module] if inside and not _brought(name, imports) - there}


def test_an_import_inside_a_function_saves_the_time_of_a_heavy_library():
    imports = {module: set(_statements(tree)) for module, tree in trees().items()}
    checked = [name for name in MODULES if name not in LATER and name.removeprefix("labkit.") not in STAGE]
    assert not {name: found for name in checked if (found := _needless(name, imports))}
    assert all(_needless(name, imports) for name in LATER), "LATER names a module that needs no leave"


PROTOCOLS = {dialect.name.lower() for dialect in ALL}
PARTS = {
    ("commands", "attack"),
    ("trials", "attacks"),
    ("trials", "policies"),
    ("trials", "ssl2"),
    ("imap", "session"),
    ("imap", "server"),
}
"""(folder, file) that is plainly a part of what another file of that name is about."""


def test_no_two_files_bear_one_name_but_the_parts_of_one_protocol():
    places: dict[str, set[str]] = {}
    for path in MODULES.values():
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] != "__init__" and parts[-1] not in PROTOCOLS and parts[-2:] not in PARTS:
            places.setdefault(parts[-1], set()).add("/".join(parts))
    assert not [found for found in places.values() if len(found) > 1]


def _named_types(tree: ast.Module) -> Iterator[str]:
    """The public classes of a module, and its type aliases: ``Batch = list[FrameRecord | None]``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
        elif isinstance(node, ast.Assign) and re.match("[A-Z][A-Za-z]*[a-z]", name := ast.unparse(node.targets[0])):
            yield name


def test_no_two_public_types_bear_one_name():
    places: dict[str, set[str]] = {}
    for module, tree in trees().items():
        for name in _named_types(tree):
            places.setdefault(name, set()).add(module)
    assert not {name: found for name, found in places.items() if len(found) > 1}


def _tables(tree: ast.AST) -> Iterator[ast.Dict]:
    """The tables of a module and its classes: dictionaries that stand in no function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Dict):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _tables(node)


def test_tables_of_what_a_protocol_says_stand_with_the_dialects_alone():
    keyed = {
        module
        for module, tree in trees().items()
        for table in _tables(tree)
        if sum(isinstance(key, ast.Constant) and str(key.value).lower() in PROTOCOLS for key in table.keys) > 1
    }
    assert {module for module in keyed if "lessons" not in module} == {"labkit.clients.fetching"}
