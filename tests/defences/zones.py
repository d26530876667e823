"""A small DNS for tests: ``test`` is signed, ``bob.test`` below it too, ``carol.test`` is not."""

from labkit.defences.answering import respond
from labkit.defences.resolver import Resolver
from labkit.defences.zone import Zone, ZoneKey

NOON = 1_790_000_000.0
"""A time."""


class World:
    """The zones, a clock that can be set, and a resolver for each question."""

    def __init__(self):
        self.now = NOON
        clock = lambda: self.now  # noqa: E731
        self.test = Zone("test", ZoneKey(), clock)
        self.bob = Zone("bob.test", ZoneKey(), clock)
        self.carol = Zone("carol.test", None, clock)
        self.zones = [self.test, self.bob, self.carol]
        for zone in self.zones[1:]:
            self.test.put(f"{zone.name}.", "NS", f"ns.{zone.name}.")
        self.test.put("bob.test.", "DS", self.bob.ds)
        for zone in (self.bob, self.carol):
            zone.put("@", "MX", "10 mail", "20 backup")
            zone.put("mail", "A", "192.0.2.25")
            zone.put("_25._tcp.mail", "TLSA", f"3 1 1 {'ab' * 32}")
            zone.put("_mta-sts", "TXT", '"v=STSv1; " "id=1"')
            zone.put("alias", "CNAME", "mail")
            zone.put("*.wild", "A", "192.0.2.80")
            zone.put("deep.wild", "A", "192.0.2.81")
        self.bob.put("out", "CNAME", "mail.carol.test.")
        self.carol.put("in", "CNAME", "mail.bob.test.")
        self.anchors = {"test": self.test.ds}
        self.asked = 0

    def ask(self, query):
        self.asked += 1
        return respond(self.zones, query, "TCP")

    def resolver(self, ask=None):
        return Resolver(ask or self.ask, self.anchors, lambda: self.now)

    def resolve(self, name, type, ask=None):
        return self.resolver(ask).resolve(name, type)
