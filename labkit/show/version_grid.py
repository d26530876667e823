"""The matrix of versions: what each client and server agreed on, as a grid. The sessions are run by
`labkit.trials.versions`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from labkit.show.grid import Cell, Grid

if TYPE_CHECKING:
    from labkit.trials.versions import VersionSession

_FORBIDDEN = {"SSL 2.0": "RFC 6176", "SSL 3.0": "RFC 7568"}
_DEPRECATED = {"TLS 1.0": "RFC 8996", "TLS 1.1": "RFC 8996"}


def version_grid(sessions: Mapping[tuple[str, str], "VersionSession"]) -> Grid:
    """The grid of these sessions: (client's range, server's range) -> what became of them."""
    return Grid(
        f"Which version a client and a server agree on: {len(sessions)} live sessions.",
        ("client", "server"),
        {names: _cell(session) for names, session in sessions.items()},
        {
            "✔": "agreed on a version that is recommended (RFC 9325)",
            "!": "agreed on one that is deprecated and must not be used (RFC 8996)",
            "✘": "agreed on one that is forbidden (RFC 6176, RFC 7568)",
            "∅": "nothing in common: no session",
        },
    )


def _cell(session: "VersionSession") -> Cell:
    version, with_cipher = session.version, f"with {session.cipher}"
    if not version:
        return Cell("∅", "none", "soft", session.why)
    if version in _FORBIDDEN:
        return Cell("✘", version, "wrong", f"{with_cipher}; forbidden by {_FORBIDDEN[version]}")
    if version in _DEPRECATED:
        return Cell("!", version, "clear", f"{with_cipher}; deprecated by {_DEPRECATED[version]}")
    return Cell("✔", version, "right", with_cipher)
