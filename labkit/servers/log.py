"""A server's own log: the commands that it received, its replies, and the start of TLS. Passwords are left out."""

_KEPT = 5000
"""Lines; older ones are dropped in a server that runs for long."""
_LONGEST = 1000
"""Characters of a line; a client may say a megabyte at once."""


class ServerLog(list[str]):
    """Lines of text, oldest first; shown one below the other."""

    def write(self, connection: int, text: str) -> None:
        """Add a line about a connection, counted from 1."""
        cut = f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text
        self.append(f"#{connection} {''.join(map(_shown, cut))}")
        if len(self) > _KEPT:
            del self[0]

    def __repr__(self) -> str:
        return "\n".join(self) or "<nothing happened yet>"


def _shown(character: str) -> str:
    return character if character.isprintable() else f"\\x{ord(character):02x}"
