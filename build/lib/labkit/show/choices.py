"""A question with choices as a form: radio buttons and a button that commits, where a kernel runs; text elsewhere."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from labkit.show.exercises import prose, question
from labkit.show.frontend import bundle, in_kernel
from labkit.show.page import Page, printable

if TYPE_CHECKING:
    from ipywidgets import Widget


class Choices(Page):
    """The form. In a kernel `commit` is called with the letter that was chosen, and its page is shown below."""

    def __init__(
        self, number: str, text: str, choices: Mapping[str, str], chosen: str | None, commit: Callable[[str], Page]
    ) -> None:
        page = question(number, text, choices, chosen)
        super().__init__(page._body, page.text)
        self._heading = f"{number}: predict"
        self._question = text
        self._choices = choices
        self._chosen = chosen
        self._commit = commit

    def widget(self) -> "Widget":
        """The radio buttons, the button and the place for what follows, as one widget."""
        import ipywidgets

        options = [
            (f"({letter}) {printable(choice).replace('`', '')}", letter) for letter, choice in self._choices.items()
        ]
        radio = ipywidgets.RadioButtons(options=options, value=self._chosen, layout={"width": "auto"})
        button = ipywidgets.Button(description="This is my prediction", disabled=self._chosen is None)
        reply = ipywidgets.HTML()
        asked = Page(f'<p class="lk-head"><b>? {self._heading}</b></p><p>{prose(self._question)}</p>', self._question)

        def chosen(change: Any) -> None:
            button.disabled = change.new is None

        def committed(_: Any) -> None:
            reply.value = self._commit(radio.value).html

        radio.observe(chosen, "value")
        button.on_click(committed)
        return ipywidgets.VBox([ipywidgets.HTML(asked.html), radio, button, reply]).add_class("labkit")

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return bundle(self.widget()) if in_kernel() else {}
