"""ftplib as a victim: stores a file. What is protected is two decisions: the control connection, and each transfer."""

import ftplib
import io
import socket
import ssl

from labkit.attacks.victims import habits
from labkit.attacks.victims.programs import LOGIN, TEXT, Program


class DialledFTP(ftplib.FTP_TLS):
    """ftplib's client, whose connections are made by its program."""

    def __init__(self, program: Program, port: int) -> None:
        self._program = program
        super().__init__(timeout=program.scene.timeout, context=ssl._create_unverified_context())
        self.host, self.port = program.scene.server, port
        self.sock = program.dial(port)
        self.af = socket.AF_INET
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """A transfer over a passive data connection."""
        scene = self._program.scene
        _, port = self.makepasv()
        data = scene.connect(scene.server, port)
        try:
            reply = self.sendcmd(cmd)
            if not reply.startswith("1"):
                raise ftplib.error_reply(reply)
            return (self.context.wrap_socket(data, server_hostname=self.host) if self._prot_p else data), None
        except BaseException:
            data.close()
            raise


class FTPProgram(Program):
    """ftplib: stores a file, over a protected data connection where the control connection is protected."""

    kind = DialledFTP
    errors = (*ftplib.all_errors, ValueError)

    def _end(self) -> None:
        if self.client:
            self.client.quit()

    def offers_tls(self) -> bool:
        return "AUTH TLS" in self.client.sendcmd("FEAT")

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        if context is not None:
            self.client.context = context
        self.client.auth()

    def log_in(self) -> None:
        self.client.login(*LOGIN, secure=False)

    def work(self) -> None:
        if isinstance(self.client.sock, ssl.SSLSocket):
            self.protect()
        self.client.storbinary("STOR secret.txt", io.BytesIO(TEXT.encode()))

    def protect(self) -> None:
        """Ask for TLS on the data connections, with the context of the control connection."""
        self.client.context = self.client.sock.context
        self.client.prot_p()

    def look(self) -> list[str]:
        return [line.strip() for line in self.client.sendcmd("FEAT").splitlines() if line.startswith(" ")]


class HalfProtectedFTP(FTPProgram):
    """Protects the control connection, and sends its files over data connections in clear text."""

    variant = "half protected"

    def protect(self) -> None: ...


PROGRAM = FTPProgram
SPECIAL = ((habits.careful, HalfProtectedFTP),)
"""(habit, program) of the victims that only this protocol has."""
