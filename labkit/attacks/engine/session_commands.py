"""What a session's two connections are to do: small records, carried out by `carriage`."""

from typing import NamedTuple

from labkit.attacks.actions import Later


class Connect(NamedTuple):
    """Connect to the real server, then call the session's `connected` or `unreachable`."""


class Send(NamedTuple):
    """Send bytes to one end, in one segment where it is not too long."""

    end: str
    """`CLIENT` or `SERVER`."""
    data: bytes


class Finish(NamedTuple):
    """Send FIN to one end once its pending bytes are written."""

    end: str


class Await(NamedTuple):
    """Call `tick` when this changes; it may do so in any thread."""

    later: Later


class HangUp(NamedTuple):
    """Close both connections once their pending bytes are written; the session is over."""


class Reset(NamedTuple):
    """Reset both connections (RST), after writing what they accept without waiting; the session is over."""


SessionCommand = Connect | Send | Finish | Await | HangUp | Reset
