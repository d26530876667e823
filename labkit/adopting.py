"""The part of the stage that makes other programs servers of the lab."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from labkit.network import Network
    from labkit.outputs import CellRun
    from labkit.servers.adopted import AdoptedServer
    from labkit.servers.server import Server
    from labkit.trust.certificates import Authority


class Adopting:
    """The part of `labkit.lab.Lab` for programs that labkit did not write."""

    network: "Network"
    authority: "Authority"
    servers: "dict[tuple[str, int], Server]"
    _started: "dict[tuple[str, int], CellRun | None]"
    _make_room: "Callable[[str, int, bool], None]"

    def adopt(
        self,
        host: str,
        port: int,
        protocol: str,
        implicit: bool = False,
        real: int | None = None,
        timeout: float = 10.0,
        replace: bool = False,
    ) -> "AdoptedServer":
        """Make a program that listens on a port a server of the lab: it is captured, attacked and visited like others.

        ``lab.mail.start([...])`` starts the program, and ``lab.mail.free_port(143)`` is where it has to listen to be
        port 143 of the host mail, also on loopback; or `real` says where it does. `implicit` is TLS before the first
        byte. Waits until it listens, `timeout` seconds at most. The program accepts its connections itself: on
        loopback, other users of the machine reach it, too; the lab's own servers refuse them. Raises `LabError` where
        it does not listen, for a protocol that the lab does not speak, and where a server runs on this port already.
        """
        from labkit import outputs
        from labkit.dialects import named
        from labkit.interrupts import uninterrupted
        from labkit.servers.adopted import AdoptedServer
        from labkit.servers.settings import Settings

        self.network.still_open()
        dialect, on = named(protocol), self.network.host(host)
        self._make_room(host, port, replace)
        listener = on.adopt(port, real, timeout)
        with uninterrupted():
            certificate = self.authority.certificate("right")
            server = AdoptedServer(listener, dialect, Settings(port, implicit=implicit), certificate)
            self.servers[host, port], self._started[host, port] = server, outputs.running()
        return server
