"""nntplib as a victim: posts an article. Python had it up to 3.12; since then it is the package standard-nntplib."""

import ssl
from typing import Any

from labkit.attacks.victims.programs import LOGIN, TEXT, Program, library

_ARTICLE = f"From: alice@lab.test\r\nNewsgroups: lab.test\r\nSubject: secret\r\n\r\n{TEXT}\r\n"


class NNTPProgram(Program):
    """nntplib: posts an article."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What nntplib raises."""
        return (library("nntplib").NNTPError, OSError, ValueError, EOFError)

    def _start(self, port: int) -> Any:
        program = self

        class Dialled(library("nntplib").NNTP):
            """nntplib's client, connected by its program."""

            def _create_socket(self, timeout: float) -> Any:
                return program.dial(port)

        return Dialled(self.scene.server, port, timeout=self.scene.timeout)

    def _end(self) -> None:
        if self.client:
            self.client.quit()

    def offers_tls(self) -> bool:
        return "STARTTLS" in self.client.getcapabilities()

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        self.client.starttls(context)

    def log_in(self) -> None:
        self.client.login(*LOGIN)

    def work(self) -> None:
        self.client.post(_ARTICLE.encode())

    def look(self) -> list[str]:
        return [" ".join((name, *values)) for name, values in self.client.getcapabilities().items()]


PROGRAM = NNTPProgram
SPECIAL = ()
"""(habit, program) of the victims that only this protocol has."""
