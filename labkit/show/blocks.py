"""The block events of a provider, as a list that shows itself as a table."""

from typing import TYPE_CHECKING

from labkit.show.page import Page, sentence
from labkit.show.table import table

if TYPE_CHECKING:
    from labkit.servers.provider import BlockEvent

_CAPTION = "Block events: messages that the provider did not send on"
_COLUMNS = ("time (UTC)", "recipient", "reason")


class Blocks(list["BlockEvent"]):
    """Block events, oldest first."""

    @property
    def page(self) -> Page:
        """The table."""
        if not self:
            return sentence("The provider has dropped no message.")
        rows = [(f"{event.time:%H:%M:%S}", event.recipient, event.reason) for event in self]
        return table(_CAPTION, _COLUMNS, rows)

    def _repr_html_(self) -> str:
        return self.page.html

    def __repr__(self) -> str:
        return self.page.text
