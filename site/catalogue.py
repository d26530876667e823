"""The pages that are generated from labkit and the notebooks, so that they cannot differ from them."""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat

import labkit
from labkit.attacks import catalogue
from labkit.attacks.described import Described
from labkit.attacks.vector import Vector
from labkit.attacks.vectors import publication
from labkit.trials import defences, threats

ROOT = Path(__file__).resolve().parent.parent
_FIRST = re.compile(
    r"# (?P<title>.+)\n\n\*\*The question:\*\* (?P<question>.+?)\n\n.*\n\n\*(?P<minutes>[^.*]+)", re.DOTALL
)
_DESCRIBED = re.compile(r"^\.\. auto\w+:: (labkit\.[\w.]+)$", re.MULTILINE)


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", *parts]) + "\n"


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


# ---- the lessons


def lessons() -> str:
    """Every lesson with its question, from its first cell."""
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    rows = []
    for path in paths:
        first = _FIRST.match(nbformat.read(path, as_version=4).cells[0].source)
        question = first["question"][0].upper() + first["question"][1:]
        rows.append((f"[{first['title']}]({path.name})", question, first["minutes"]))
    toctree = "\n".join(["```{toctree}", ":hidden:", "", *(path.stem for path in paths), "```"])
    return _page(
        "The lessons",
        "Each page below is a notebook with everything that it showed when it ran: a real server and a real client "
        "spoke with each other, and these are their packets. Run it yourself, and the packets are yours; then the "
        "exercises answer, too.",
        _table(("Lesson", "The question", "Time"), rows),
        toctree,
    )


# ---- the attacks


def attacks() -> str:
    """Every vector of the catalogue, by families."""
    seen: dict[str, list[type[Described]]] = {}
    for kind in catalogue.ALL:
        seen.setdefault(kind.__module__, []).append(kind)
    published = seen[publication.__name__]
    not_run = "\n".join(f"- **{number}**: {why}" for number, why in catalogue.NOT_RUN.items())
    return _page(
        "Attacks",
        f"The lab has {len(catalogue.ALL) - len(published)} attacks on a conversation, for `lab.mallory(…)`, and "
        f"{len(published)} on what a domain publishes, for `lab.spoof(…)`. Each is a few lines, which decide and touch "
        "no socket.",
        *(part for module, kinds in seen.items() for part in _family(module, kinds)),
        "## Not run here",
        not_run,
    )


def _family(module: str, kinds: list[type[Described]]) -> Iterator[str]:
    yield f"## {module.rpartition('.')[2].capitalize()}"
    yield inspect.getdoc(sys.modules[module])
    for kind in sorted(kinds, key=lambda kind: int(re.sub(r"\D", "", kind.id) or 0)):
        yield f"(attack-{kind.id.lower()})=\n### {kind.id} · {kind.__name__}"
        yield inspect.getdoc(kind)
        yield "\n".join(f"- {fact}" for fact in _facts(kind))


def _facts(kind: type[Described]) -> Iterator[str]:
    yield f"Can be tried on: {', '.join(kind.spoken())}."
    if issubclass(kind, Vector) and kind.server:
        settings = ", ".join(f"{name}={value!r}" for name, value in kind.server.items())
        yield f"The server must be open to it: `{settings}`."
    if kind.source:
        yield f"Source: {kind.source}."
    verb = "mallory" if issubclass(kind, Vector) else "spoof"
    yield f"Use: `lab.{verb}(attacks.{kind.__name__}())`."


# ---- the defences


def defended() -> str:
    """Every defence, what it is tried against, and what a verdict may be."""
    names = [column.name for column in threats.COLUMNS]
    rows = [
        (row.number, row.what, row.source, "all" if set(row.columns) == set(names) else ", ".join(row.columns))
        for row in threats.ROWS
    ]
    outcomes = "\n".join(f"- **{name}**: {meaning}." for name, meaning in defences.OUTCOMES.items())
    return _page(
        "Defences",
        "A defence is what a sender does, or what a domain publishes, against an attack on mail between servers. "
        f"`lab.defences()` tries every attack against every defence: {threats.count()} messages, each of them sent "
        "and judged from what crossed the wire.",
        "## The defences",
        _table(
            ("Defence", "What the sender is told"),
            [(column.name, _settings(column)) for column in threats.COLUMNS],
        ),
        "## What happens",
        _table(("Number", "What happens", "Source", "Tried against"), rows),
        "## What becomes of the message",
        outcomes,
        "## The table, as it ran for this page",
        '```{code-cell}\nfrom labkit import Lab\n\nlab = Lab(hosts=("dns", "www", "provider", "inner"))\n'
        "matrix = lab.defences()\nmatrix\n```",
        '```{code-cell}\nmatrix.why("2", "MTA-STS, kept")\n```',
        "```{code-cell}\nlab.close()\n```",
    )


def _settings(column: threats.Defence) -> str:
    if column.submits:
        return "It is a mail program, which submits inside implicit TLS and verifies the certificate."
    told = ", ".join(f"{name}={value!r}" for name, value in column.sender.items())
    known = " It has sent to the domain before." if column.kept else ""
    return f"`{told}`.{known}"


# ---- the reference


def further() -> str:
    """The public names that no page of the reference describes with an example of its own."""
    pages = (ROOT / "site" / "reference").glob("*.md")
    described = {name for page in pages for name in _DESCRIBED.findall(page.read_text("utf-8"))}
    left = [name for name in labkit.__all__ if _place(name) not in described]
    if not left:
        return _page("Further names", "Every other public name is described on the pages before.")
    directives = [f"```{{eval-rst}}\n.. {_directive(name)}:: {_place(name)}\n```" for name in left]
    return _page("Further names", "Each of these is imported like the others: `from labkit import …`.", *directives)


def _directive(name: str) -> str:
    value = getattr(labkit, name)
    kind = "module" if inspect.ismodule(value) else "class" if inspect.isclass(value) else "function"
    return f"auto{kind}"


def _place(name: str) -> str:
    value = getattr(labkit, name)
    return value.__name__ if inspect.ismodule(value) else f"labkit.{name}"


PAGES: dict[str, Callable[[], str]] = {
    "lessons/index": lessons,
    "catalogue/attacks": attacks,
    "catalogue/defences": defended,
    "reference/further": further,
}
"""Place of a page in the site -> what writes it."""
