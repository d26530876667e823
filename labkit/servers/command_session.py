"""The server's side of a protocol of lines: the loop over commands, and the limit of a client's mistakes.

The commands and the text of the replies are in the file of each protocol.
"""

from abc import abstractmethod
from typing import ClassVar

from labkit.servers.server import Note, Server
from labkit.servers.session import LINE_LIMIT, NegativeReply, Session, TooLong

REFUSALS = 20
"""After this many negative replies a client is disconnected."""


class CommandSession(Session):
    """The server's side of one connection on which a client sends one command after another."""

    negative: ClassVar[str] = "{}"
    """A negative reply, with a place for its text."""
    last_reply: ClassVar[str]
    """The reply with which the server ends the conversation, with a place for its text."""
    long_line: ClassVar[str] = f"A line has {LINE_LIMIT} bytes at most"
    """The text of the reply to a line that is too long."""

    def __init__(self, server: Server, note: Note) -> None:
        super().__init__(server, note)
        self.open = True
        """Whether the session reads another command."""
        self._refusals = 0

    @abstractmethod
    async def greet(self) -> None:
        """Send the greeting."""

    def parting(self, why: str) -> bytes:
        reply = self.last_reply.format(why)
        self.note(f"S: {reply}")
        return f"{reply}\r\n".encode()

    @abstractmethod
    async def act(self, line: bytes) -> None:
        """Carry out a command. Raises `NegativeReply`, and `TooLong` for a further line of it."""

    async def talk(self) -> None:
        await self.greet()
        while self.open:
            try:
                await self.act(await self.line())
            except TooLong:
                await self._refuse(self.long_line)
            except NegativeReply as error:
                await self._refuse(str(error))

    async def say(self, *lines: str) -> None:
        """Send lines, and note them."""
        for line in lines:
            self.note(f"S: {line}")
        await self.send("".join(f"{line}\r\n" for line in lines).encode())

    async def _refuse(self, why: str) -> None:
        self._refusals += 1
        if self._refusals >= REFUSALS:
            await self.dismiss("Too many mistakes, goodbye")
        await self.say(self.negative.format(why))
