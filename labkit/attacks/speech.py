"""What vectors ask about a line and how they rewrite one, in every dialect, with the dialect's own writer.

How a dialect is written is `labkit.dialects.writing`; no protocol is named here.
"""

from labkit.attacks.actions import Replace
from labkit.attacks.vector import Line
from labkit.dialects.base import CLIENT, SERVER
from labkit.dialects.writing import LISTING_KINDS, Capabilities, keyword


def asks(line: Line) -> bool:
    """Whether this line is the client's command that asks what is offered."""
    return line.sender == CLIENT and line.title == line.dialect.ask


def upgrades(line: Line) -> bool:
    """Whether this line is the client's command to start TLS."""
    return line.sender == CLIENT and line.kind == "command" and line.title in line.dialect.upgrades


def asked(line: Line) -> Line | None:
    """The last command before this line."""
    commands = (earlier for earlier in reversed(line.earlier) if earlier.kind == "command")
    return next(commands, None)


def reply(command: Line, kind: str, text: str) -> bytes:
    """A reply to `command` as the server would write it; `kind` is one of those in `labkit.dialects.writing`."""
    writes = command.dialect.writes
    return writes.replies[kind](text, writes.tag(command.data))


def next_tag(line: Line) -> str:
    """The tag that the client will most likely use for the command after this one."""
    return line.dialect.writes.next_tag(line.dialect.writes.tag(line.data))


def capabilities(line: Line) -> Capabilities | None:
    """The capabilities that this line lists; None if it is not a list of capabilities."""
    listing = line.dialect.writes.capabilities
    if listing is None or line.sender != SERVER or line.kind not in LISTING_KINDS:
        return None
    if not listing.unasked and not ((command := asked(line)) and command.title == line.dialect.ask):
        return None
    return listing.find(line.data)


def offering(line: Line, wanted: Capabilities) -> bytes:
    """The line with another list of capabilities in it; only for a line in which `capabilities` finds one."""
    return line.dialect.writes.capabilities.replace(line.data, wanted)


def without(line: Line, *names: str) -> bytes | None:
    """The line without the capabilities of these names; None if it lists none of them."""
    offered = capabilities(line)
    gone = {name.upper() for name in names}
    left = tuple(one for one in offered or () if keyword(one) not in gone and one.upper() not in gone)
    return offering(line, left) if offered is not None and left != offered else None


def stripped(line: Line) -> Replace | None:
    """The action that removes the offer of TLS from a line; None if the line does not offer TLS."""
    left = without(line, line.dialect.token)
    return Replace(left) if left is not None else None
