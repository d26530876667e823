"""HTML elements: ``html.td("lk-ms")["12.5"]`` is a cell of class ``lk-ms``, ``html.br`` an element without content.

htpy builds them and MarkupSafe escapes every text in them, attributes too; text is made printable before (`printed`),
so no view has to think of either. htpy is loaded with the first element. Text that is markup already has the type
`markupsafe.Markup`; only the style sheet and the pictures of matplotlib are (`page`, `picture`).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Union

from labkit.show.printed import printable

if TYPE_CHECKING:
    from htpy import Element

Node = Union[None, str, int, "Element", "Tag", Iterable["Node"]]
"""What an element may hold; None is nothing."""


class Tag:
    """A kind of element, with its attributes: call it to add some, index it to put something in."""

    def __init__(self, name: str, attributes: dict[str, str | int | None] | None = None) -> None:
        self._name = name
        self._attributes = attributes or {}

    def __call__(self, css: str = "", **attributes: str | int | None) -> "Tag":
        """The same with the class `css` and these attributes: ``aria_label`` is ``aria-label``; None is left out."""
        named = {name.replace("_", "-"): _shown(value) for name, value in attributes.items()}
        return Tag(self._name, {**self._attributes, "class": css or None, **named})

    def __getitem__(self, children: Node) -> "Element":
        return self.element()[_shown(children)]

    def element(self) -> "Element":
        """The element without content."""
        import htpy

        return getattr(htpy, self._name)(self._attributes)


def __getattr__(name: str) -> Tag:
    if name.startswith("_") or not name.islower():
        raise AttributeError(f"There is no element {name!r}.")
    return Tag(name)


def render(node: Node) -> str:
    """The HTML of a node, a plain string: `Markup` would escape what it is added to."""
    import htpy

    return "".join(htpy.fragment[_shown(node)].iter_chunks())


def _shown(node: Node) -> Any:
    """The same node for htpy, every text in it printable."""
    if isinstance(node, Tag):
        return node.element()
    if node is None or isinstance(node, int) or hasattr(node, "__html__"):
        return node
    return printable(node) if isinstance(node, str) else [_shown(each) for each in node]
