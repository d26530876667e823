"""asyncpg as a victim: stores a row. Its modes of TLS are those of libpq: disable, prefer, require, verify-full."""

import ssl
from functools import partial
from typing import Any

from labkit.attacks.victims.async_program import AsyncProgram
from labkit.attacks.victims.programs import LOGIN, TEXT, library


class PostgreSQLProgram(AsyncProgram):
    """asyncpg: stores a row."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What asyncpg raises."""
        asyncpg = library("asyncpg")
        return (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError)

    def _start(self, port: int) -> Any:
        self._port, self._mode, self._database = port, "disable", None
        if self._implicit is not None:
            self._log_in(ssl=self._implicit, direct_tls=True)
        return self

    def _end(self) -> None:
        if self._database is not None:
            self.await_(partial(self._database.close, timeout=self.scene.timeout))

    def offers_tls(self) -> bool:
        """Never: PostgreSQL offers nothing beforehand, so a client that takes what is there asks (``prefer``)."""
        self._mode = "prefer"
        return False

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        """asyncpg upgrades and logs in at once."""
        self._log_in(ssl=context or ssl._create_unverified_context())

    def log_in(self) -> None:
        if self._database is None:
            self._log_in(ssl=self._mode)

    def log_in_by_default(self) -> None:
        """asyncpg's own mode, ``prefer``, unless the environment variable PGSSLMODE names another."""
        self._log_in()

    def work(self) -> None:
        self.await_(partial(self._database.execute, f"INSERT INTO notes VALUES ('{TEXT}')"))

    def look(self) -> list[str]:
        return []

    def _log_in(self, **tls: Any) -> None:
        user, password = LOGIN
        connect = library("asyncpg").connect
        names = {"host": self.scene.server, "port": self._port, "user": user, "password": password, "database": "lab"}
        self._database = self.await_(partial(connect, **names, **tls))


PROGRAM = PostgreSQLProgram
SPECIAL = ()
"""(habit, program) of the victims that only this protocol has."""
