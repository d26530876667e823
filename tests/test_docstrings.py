"""Docstrings name who or what they speak of: a client, a user, an attacker, and not somebody."""

import ast
import re

from sources import MODULES, ONCE, nodes, trees

pytestmark = ONCE

VAGUE = re.compile(r"\bwhoever\b|\b(some|no|any|every)body\b|\b(some|any|every)one\b|\bno one\b", re.IGNORECASE)


def _docstrings(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, text) of every string that stands alone: the docstrings of modules, classes, functions and attributes."""
    return [
        (node.lineno, node.value.value)
        for node in nodes(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]


def _vague(text: str) -> list[str]:
    return [found[0] for found in VAGUE.finditer(text)]


def test_docstrings_say_of_whom_they_speak():
    found = [
        f"{MODULES[module]}, line {line}: {words}"
        for module, tree in trees().items()
        for line, text in _docstrings(tree)
        if (words := _vague(text))
    ]
    assert not found


def test_the_search_finds_such_a_word():
    assert _vague("Tells whoever asks, and nobody else.") == ["whoever", "nobody"]
    assert not _vague("Whatever the client sends, one of the servers answers.")
