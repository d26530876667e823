"""What the attacker says to the server before it reads the victim: `Begin`, from the greeting to the first answer."""


class FirstWords:
    """After the server's greeting the bytes of `begin` are sent; then the server's first whole answer is awaited."""

    def __init__(self) -> None:
        self.under_way = False
        """Whether the greeting or the answer is still to come."""
        self._unsaid: bytes | None = None

    def begin(self, data: bytes) -> None:
        """Send these bytes once the server has greeted."""
        self._unsaid, self.under_way = data, True

    def next_to_send(self) -> bytes | None:
        """The server has sent a whole phrase: the bytes to send to it now; None if that was its answer."""
        said, self._unsaid = self._unsaid, None
        self.under_way = said is not None
        return said

    def forget(self) -> None:
        """Cancel what is under way."""
        self._unsaid, self.under_way = None, False
