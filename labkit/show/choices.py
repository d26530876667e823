"""A question with choices as a form: a button for each choice where a kernel runs, and text elsewhere.

Radio buttons would be moved through with the arrow keys, which JupyterLab takes for itself: they move to another cell.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from labkit.show import html
from labkit.show.exercises import committed, prose, question
from labkit.show.frontend import bundle, in_kernel
from labkit.show.page import Page
from labkit.show.printed import printable

if TYPE_CHECKING:
    from ipywidgets import Widget


class Choices(Page):
    """The form. In a kernel `commit` is called with the letter that was chosen, and its page is shown below."""

    def __init__(
        self, number: str, text: str, choices: Mapping[str, str], chosen: str | None, commit: Callable[[str], Page]
    ) -> None:
        page = question(number, text, choices, chosen)
        super().__init__(page.body, page.text)
        self._number = number
        self._question = text
        self._choices = choices
        self._chosen = chosen
        self._commit = commit

    def widget(self) -> "Widget":
        """The question, its buttons and the place for what follows, as one widget."""
        import ipywidgets

        reply = ipywidgets.HTML()
        if self._chosen is not None:
            reply.value = committed(self._number, self._chosen, self._choices[self._chosen]).html

        def commit(letter: str, _: Any) -> None:
            reply.value = self._commit(letter).html

        buttons = []
        for letter, choice in self._choices.items():
            button = ipywidgets.Button(description=f"({letter}) {printable(choice).replace('`', '')}")
            button.on_click(partial(commit, letter))
            buttons.append(button.add_class("lk-choice"))
        asked = ipywidgets.HTML(Page(self._asked, self._question).html)
        return ipywidgets.VBox([asked, *buttons, reply]).add_class("labkit")

    def _asked(self) -> html.Node:
        heading = html.p("lk-head")[html.b[f"? {self._number}: predict"]]
        return heading, html.p[prose(self._question)], html.p[html.small["Choose one. You may change it later."]]

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return bundle(self.widget()) if in_kernel() else {}
