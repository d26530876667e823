"""The part of the stage that starts servers, one for each protocol that the lab speaks.

What a server does is in `labkit.servers`, which loads when the first one is started.
"""

from typing import TYPE_CHECKING, Any, TypeVar

from labkit import outputs
from labkit.errors import LabError
from labkit.interrupts import uninterrupted
from labkit.limits import within_limits
from labkit.trust.certificates import SERVER_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labkit.mail.postoffice import PostOffice
    from labkit.network import Network
    from labkit.servers.imap.server import IMAPServer
    from labkit.servers.older import OlderSMTPServer
    from labkit.servers.pop3 import POP3Server
    from labkit.servers.server import Server
    from labkit.servers.settings import Settings
    from labkit.servers.smtp import SMTPServer
    from labkit.trust.certificates import Authority, Certificate
    from labkit.trust.keylog import KeyLog

    S = TypeVar("S", bound=Server)


class Serving:
    """The part of `labkit.lab.Lab` that starts servers."""

    network: "Network"
    authority: "Authority"
    keylog: "KeyLog"
    post: "PostOffice"
    servers: "dict[tuple[str, int], Server]"
    _started: "dict[tuple[str, int], outputs.CellRun | None]"

    def start(
        self,
        protocol: str,
        port: int | None = None,
        certificate: str = "right",
        host: str = "mail",
        replace: bool = False,
        name: str = SERVER_NAME,
        **settings: Any,
    ) -> "Server":
        """Start a server for any protocol that the lab speaks: ``lab.start("xmpp", starttls="required")``.

        `port` is the explicit port of the protocol, or the implicit one with ``implicit=True``, unless given.
        `certificate` is ``right``, ``wrong name``, ``expired``, ``self-signed`` or ``unknown root``, and `name` is the
        name, or the IP address, that it is issued for. `settings` are those of `labkit.servers.settings.Settings`:
        `starttls` is ``offered``, ``off`` or ``required``; `implicit` is TLS before the first byte; `auth` is
        ``after TLS``, ``always`` or ``none``; `tls` are versions of TLS; `ciphers` is a list for TLS 1.2 in OpenSSL's
        notation; `mechanisms` are SASL mechanisms; `relay` is ``always`` for an open relay; `quirks` are mistakes from
        `labkit.servers.quirks`. alice may log in with ``hunter2``, bob with ``swordfish``.

        Raises `LabError` for anything else, and where a server runs on this port already: close that one first, or say
        ``replace=True``. A cell of a notebook that runs again replaces the server that it has started before.
        """
        with within_limits("Preparing a server"):
            from labkit.servers import server_for

            kind = server_for(protocol)
        return self._start(kind, port, certificate, host, replace, settings, name)

    def smtp(self, port: int | None = None, **settings: Any) -> "SMTPServer":
        """Start an SMTP server for submission on port 587, or 465 with ``implicit=True``. The settings are those of
        `start`."""
        return self.start("smtp", port, **settings)

    def imap(self, port: int | None = None, **settings: Any) -> "IMAPServer":
        """Start an IMAP server over the lab's mailboxes on port 143, or 993 with ``implicit=True``. The settings are
        those of `start`."""
        return self.start("imap", port, **settings)

    def pop3(self, port: int | None = None, **settings: Any) -> "POP3Server":
        """Start a POP3 server over the lab's mailboxes on port 110, or 995 with ``implicit=True``. The settings are
        those of `start`; STARTTLS is called STLS here."""
        return self.start("pop3", port, **settings)

    def older_smtp(
        self, version: str = "1.4.5", port: int = 587, auth: str = "always", replace: bool = False
    ) -> "OlderSMTPServer":
        """Start an SMTP server that is a real aiosmtpd of another version, fetched from the Python Package Index.

        1.4.5 is the last that kept its buffer across STARTTLS. It accepts its connections itself: on loopback, other
        users of the machine reach it, too; the lab's own servers refuse them. Raises `LabError` where it cannot be
        fetched, and where a server runs on this port already.
        """
        from labkit.servers.older import OlderSMTPServer, fetch

        self.network.still_open()
        of = {"version": version, "wheel": fetch(version), "keylog": self.keylog.path}
        return self._start(OlderSMTPServer, port, "right", "mail", replace, {"auth": auth}, **of)

    def _start(
        self,
        kind: "type[S]",
        port: int | None,
        certificate: str,
        host: str,
        replace: bool,
        settings: "Mapping[str, Any]",
        name: str = SERVER_NAME,
        **of: Any,
    ) -> "S":
        """Start a server of this kind; without a port it has the one that `kind.ports` states. `of` are arguments that
        only this kind takes."""
        with within_limits("Preparing a server"):
            from labkit.servers.settings import settings as checked

        self.network.still_open()
        port = kind.ports.get(bool(settings.get("implicit")), 0) if port is None else port
        told = checked(port, **settings)
        kind.check_settings(told)
        self.network.host(host)
        with within_limits("Preparing a server"):
            shown = self.authority.certificate(certificate, name)
        return self._stand(kind, told, shown, host, replace, **of)

    def _stand(
        self, kind: "type[S]", told: "Settings", shown: "Certificate", host: str, replace: bool, **of: Any
    ) -> "S":
        """Start a server that shows this certificate; `of` are arguments that only this kind takes."""
        self.network.still_open()
        on = self.network.host(host)
        with within_limits("Preparing a server"):
            from labkit.trust.contexts import server_context

            context = server_context(shown, told.tls, told.ciphers, self.keylog.path)
        server: S | None = None
        try:
            with uninterrupted(), within_limits(f"Starting a server on port {told.port} of {host}"):
                self._make_room(host, told.port, replace)
                server = self.servers[host, told.port] = kind(on, told, shown, context, self.post, **of)
                self._started[host, told.port] = outputs.running()
        except BaseException:  # an interrupt: its user does not have the server
            if server is not None:
                self.servers.pop((host, told.port)).close()
            raise
        return server

    def _make_room(self, host: str, port: int, replace: bool) -> None:
        """Close the server that runs there, if it is to be replaced. Raises `LabError` if it is not.

        A cell of a notebook that runs again replaces what it has started before.
        """
        running = self.servers.get((host, port))
        if running is None:
            return
        if not (replace or running.closed or outputs.repeats(self._started.get((host, port)))):
            raise LabError(
                f"Port {port} of {host} has a server already, {running!r}: close it first with its close(), "
                "or start the new one with replace=True."
            )
        self.servers.pop((host, port)).close()
