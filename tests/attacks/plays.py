"""A play: what alice and mail say, and what each receives, with no socket and no thread, on a clock of its own."""

import ssl
from contextlib import suppress

from labkit.attacks.engine.disguise import Disguises
from labkit.attacks.engine.session_commands import Await, Connect, Finish, HangUp, Reset, Send
from labkit.attacks.engine.victim_session import VictimSession
from labkit.attacks.vector import Opening
from labkit.capture.conversation import Endpoint
from labkit.dialects import for_port
from labkit.dialects.base import CLIENT, SERVER
from labkit.trust.certificates import Authority

AUTHORITY = Authority()
ALICE, MALLORY, MAIL = Endpoint("192.0.2.10", 40001), Endpoint("192.0.2.66", 587), Endpoint("192.0.2.25", 587)


class Play:
    """A session between alice and mail on the server's port, with its attacker."""

    def __init__(self, vector, port=587, server=True):
        dialect = for_port(port)
        opening = Opening(port, dialect, dialect is not None and port in dialect.implicit_ports)
        self.now = 1000.0
        self.edits = []
        self.received = {CLIENT: [], SERVER: []}
        """The segments that each end was sent and has not looked at."""
        self.finished = []
        """The ends to which FIN was sent."""
        self.connecting = False
        self.end = None
        """How it ended: `HangUp` or `Reset`."""
        self.pending = []
        self.session = VictimSession(1, opening, vector, Disguises(AUTHORITY), self.edits.append, lambda: 1)
        self._do(self.session.opened(ALICE, MALLORY, self.now))
        if server and self.connecting:
            self.connected()

    def connected(self):
        self._do(self.session.connected(MALLORY, MAIL, self.now))

    def unreachable(self, problem):
        self._do(self.session.unreachable(problem, self.now))

    def alice_says(self, data):
        self._do(self.session.received(CLIENT, data, self.now))

    def mail_says(self, data):
        self._do(self.session.received(SERVER, data, self.now))

    def mallory_adds(self, line, said):
        self._do(self.session.interject(line, said, self.now))

    def lost(self, end):
        self._do(self.session.lost(end, "connection reset by peer", self.now))

    def passes(self, seconds):
        """So much time goes by; the session is woken when it has asked for it."""
        until = self.now + seconds
        while (at := self.session.wake_at) <= until:
            self.now = max(self.now, at)
            self._do(self.session.tick(self.now))
        self.now = until

    def alice_receives(self):
        return self._take(CLIENT)

    def mail_receives(self):
        return self._take(SERVER)

    def _take(self, end):
        taken, self.received[end] = self.received[end], []
        return b"".join(taken)

    def _do(self, commands):
        for command in commands:
            match command:
                case Send(end, data):
                    self.received[end].append(data)
                case Finish(end):
                    self.finished.append(end)
                case Connect():
                    self.connecting = True
                case Await(later):
                    self.pending.append(later)
                    later.watch(lambda: self._do(self.session.tick(self.now)))
                case HangUp() | Reset():
                    assert self.end is None, "a session ends once"
                    self.end = type(command)


class Peer:
    """A TLS end in memory, for a play in which the attacker speaks TLS."""

    def __init__(self, context, server_side=False):
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server_side else "mail.lab.test"
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side, name)

    def shakes(self, data=b""):
        """Take what came, go on with the handshake, and give what is to be sent."""
        self._incoming.write(data)
        with suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._outgoing.read()

    def says(self, text):
        self._tls.write(text)
        return self._outgoing.read()

    def receives(self, data):
        self._incoming.write(data)
        text = b""
        with suppress(ssl.SSLWantReadError):
            while piece := self._tls.read(1 << 16):
                text += piece
        return text
