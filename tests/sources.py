"""The modules of labkit as syntax trees, for tests of what stands in them."""

import ast
from functools import cache
from pathlib import Path

import pytest

import labkit

ONCE = pytest.mark.xdist_group("sources")
"""Tests that read the modules run in one process, which parses them once."""

ROOT = Path(labkit.__file__).parent


def _module(path: Path) -> str:
    return ".".join(("labkit", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {_module(path): path for path in ROOT.rglob("*.py")}
"""Name of a module -> its file."""


@cache
def trees() -> dict[str, ast.Module]:
    """Name of a module -> what stands in it; not read at import, which every process of pytest-xdist does."""
    return {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}


@cache
def nodes(tree: ast.Module) -> list[ast.AST]:
    """Everything that stands in a module."""
    return list(ast.walk(tree))
