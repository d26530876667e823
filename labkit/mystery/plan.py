"""The plan of a mystery network, drawn from its seed: hosts, people, programs, attackers, and the order of visits.

Pure data: the same seed and size give the same plan on every machine. Nothing here runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from labkit.attacks import catalogue
from labkit.clients import PROTOCOLS
from labkit.dialects import named
from labkit.errors import LabError
from labkit.mystery.kinds import FIRST_CONTACT, KEEPING, KINDS, KNOWN, OLDER_TLS, RELAYING, Kind
from labkit.servers.quirks import KEEPS_BUFFER

T = TypeVar("T")

SMALLEST, LARGEST = 25, 2000
"""How many visits a network may have. A smaller one has no room for every kind of attack, and a session to compare it
with."""
_FEW = 100
"""Visits below which each kind of attack has one victim, and no client that resists it."""
_MOST_VICTIMS = 4

_NAMES = (
    "abel", "bruna", "cyril", "delia", "edgar", "fatou", "gita", "henrik", "irene", "javier", "kenji", "lucia", "milan",
    "nadia", "oscar", "petra", "quentin", "rosa", "stefan", "tamar", "ursula", "viktor", "wanda", "yusuf",
)  # fmt: skip
_SERVERS = (
    "courier",
    "dove",
    "falcon",
    "hermes",
    "iris",
    "owl",
    "pigeon",
    "postman",
    "raven",
    "stork",
    "swift",
    "wren",
)
_RELAYS = ("bridge", "canal", "ferry", "harbour", "railway", "tunnel")
_GATEWAYS = ("gate", "hatch", "porch", "turnstile")
_DOMAINS = ("acorn", "basil", "clover", "daisy", "elder", "fern", "hazel", "juniper")
_WORDS = (
    "anchor", "barley", "copper", "drizzle", "emerald", "feather", "granite", "harvest", "island", "jigsaw",
    "lantern", "meadow", "nutmeg", "orchid", "pepper", "riddle", "saddle", "timber", "velvet", "walnut",
)  # fmt: skip

_BOTH, _OLDER = ("TLS 1.2", "TLS 1.3"), ("TLS 1.2",)
_MANNERS = ("verified",) * 8 + ("implicit",) * 4 + ("opportunistic",) * 3 + ("mandatory",) * 2 + ("none",) * 2 + (
    OLDER_TLS, KEEPING)  # fmt: skip
"""The manners of mail programs, each as often as it is common."""


@dataclass(frozen=True)
class Person:
    """A user with an account, and with a mail program on a host of the same name."""

    name: str
    password: str
    pin: str
    """The secret in the mails of this person."""


@dataclass(frozen=True)
class House:
    """A host with mail servers: SMTP, IMAP and POP3, each on its explicit and its implicit port."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the servers on the explicit ports, beside the usual ones."""
    certificate: str = "right"
    versions: tuple[str, ...] = _BOTH

    @property
    def offers(self) -> bool:
        """Whether it offers STARTTLS."""
        return self.settings.get("starttls") != "off"


@dataclass(frozen=True)
class PlannedVisit:
    """One time that a client comes to a server."""

    client: str
    """The name of a host: of a person, or of a relay."""
    house: str
    protocol: str
    """SMTP, IMAP or POP3, or `labkit.mystery.kinds.RELAYING`."""
    manner: str
    versions: tuple[str, ...] = _BOTH
    kind: str = ""
    """The word of the attack on it; empty for none."""
    vector: str = ""
    """The number of the attack in the catalogue."""
    attacker: str = ""
    """The host on the path; one without a `kind` passes everything on as it comes."""


@dataclass(frozen=True)
class Plan:
    """The plan of one network."""

    seed: str
    size: int
    people: tuple[Person, ...]
    """All with a mail program, attackers included."""
    houses: tuple[House, ...]
    relays: tuple[str, ...]
    domains: Mapping[str, str]
    """Domain -> the house that takes its mail."""
    gateway: str
    attackers: tuple[str, ...]
    visits: tuple[PlannedVisit, ...]
    """In order."""
    hosts: tuple[str, ...]
    """All hosts, in random order."""

    def house(self, name: str) -> House:
        """The house of that name."""
        return next(house for house in self.houses if house.name == name)

    def person(self, name: str) -> Person:
        """The person of that name."""
        return next(person for person in self.people if person.name == name)

    def domain(self, house: str) -> str:
        """The domain whose mail that house takes."""
        return next(domain for domain, at in self.domains.items() if at == house)


def named_seed(seed: object) -> str:
    """A seed as text. Raises `LabError` for what is neither text, nor bytes, nor a whole number."""
    if isinstance(seed, bytes | bytearray):
        return f"bytes {bytes(seed).hex()}"
    if isinstance(seed, bool) or not isinstance(seed, str | int):
        raise LabError(f"A seed is a word or a whole number, for example 'ada' or 7, not {_brief(seed)}.")
    return str(seed) if isinstance(seed, str) or abs(seed) < 1 << 64 else f"{seed:x}"  # Python writes no longer numbers


def _brief(thing: object) -> str:
    try:
        said = repr(thing)
    except Exception:
        said = f"a {type(thing).__name__}"
    return said if len(said) <= 60 else f"{said[:59]}…"


def draw(seed: object, size: int = 300) -> Plan:
    """The plan of the network with this seed and `size` visits. Raises `LabError` for a seed or a size that cannot be
    used."""
    seed = named_seed(seed)
    if isinstance(size, bool) or not isinstance(size, int) or not SMALLEST <= size <= LARGEST:
        raise LabError(f"A mystery network has {SMALLEST} to {LARGEST:,} visits, not {_brief(size)}.")
    dice = _Dice(f"{size}/{seed}")
    names = dice.some(_NAMES, dice.number(7, 10))
    attackers = tuple(dice.some(names, dice.number(2, 3)))
    people = _people(dice, names)
    houses = _houses(dice, size)
    relays = tuple(dice.some(_RELAYS, 2))
    homes = dice.some([house for house in houses if _sound(house)], 2)
    domains = {f"{name}.test": house.name for name, house in zip(dice.some(_DOMAINS, 2), homes, strict=True)}
    gateway = dice.one(_GATEWAYS)
    honest = [name for name in names if name not in attackers]
    cast = _Cast(dice, tuple(honest), attackers, houses, relays, tuple(domains.values()), gateway, size)
    visits = cast.visits()
    hosts = dice.shuffled([*names, *(house.name for house in houses), *relays, gateway])
    return Plan(seed, size, people, houses, relays, domains, gateway, attackers, tuple(visits), tuple(hosts))


def _people(dice: "_Dice", names: Sequence[str]) -> tuple[Person, ...]:
    """Draw people, each with a different word in the password and a different PIN."""
    pins = dice.shuffled([f"{1000 + 900 * number + dice.number(0, 899)}" for number in range(len(names))])
    words = dice.some(_WORDS, len(names))
    passwords = [f"{word}{dice.number(10, 99)}" for word in words]
    return tuple(Person(*each) for each in zip(names, passwords, pins, strict=True))


def _sound(house: House) -> bool:
    return house.offers and house.certificate == "right" and house.versions == _BOTH


def _houses(dice: "_Dice", size: int) -> tuple[House, ...]:
    """Good servers and careless ones, in random order."""
    fifth = [{"certificate": "self-signed"}, {"certificate": "expired"}, {"versions": _OLDER}]
    traits: list[dict[str, Any]] = [
        {},
        {},
        {"settings": {"quirks": (KEEPS_BUFFER,)}},
        {"settings": {"starttls": "off"}},
        dice.one(fifth),
    ]
    if size >= _FEW:
        traits += dice.some([{}, {"settings": {"starttls": "off"}}, *fifth], dice.number(1, 2))
    names = dice.some(_SERVERS, len(traits))
    return tuple(House(name, **trait) for name, trait in zip(names, traits, strict=True))


class _Cast:
    """Draws which client visits which server, and which visits are attacked."""

    def __init__(
        self,
        dice: "_Dice",
        honest: tuple[str, ...],
        attackers: tuple[str, ...],
        houses: tuple[House, ...],
        relays: tuple[str, ...],
        exchangers: tuple[str, ...],
        gateway: str,
        size: int,
    ) -> None:
        self._dice, self._size = dice, size
        self._honest, self._attackers = honest, attackers
        self._houses, self._relays, self._exchangers, self._gateway = houses, relays, exchangers, gateway

    def visits(self) -> list[PlannedVisit]:
        """All visits, in order; every server shows at least once whether it has TLS."""
        attacked = [visit for kind in KINDS for visit in self._campaign(kind)]
        passing = [self._through_gateway() for _ in range(1 + self._size // 50)]
        seen = [PlannedVisit(self._dice.one(self._honest), house.name, "SMTP", "verified") for house in self._houses]
        sure = [*attacked, *passing, *seen, *self._careless()]
        return self._dice.shuffled([*sure, *(self._ordinary() for _ in range(self._size - len(sure)))])

    def _campaign(self, kind: Kind) -> list[PlannedVisit]:
        """The visits under one attack, and others in peace to compare them with.

        Where a certificate is forged there are more of those: only what most sessions show is usual.
        """
        dice = self._dice
        attacker, protocol, house = dice.one(self._attackers), dice.one(kind.protocols), self._target(kind)
        under = {"kind": kind.word, "vector": _vector(dice, kind, protocol), "attacker": attacker}
        relayed = protocol == RELAYING
        clients = self._relays if relayed else self._honest
        count = dice.number(1, min(_MOST_VICTIMS, 1 + self._size // _FEW))
        manners = [kind.manner] * count + [kind.resists] * bool(kind.resists and self._size >= _FEW)
        victims = [
            PlannedVisit(dice.one(clients), house, protocol, manner, kind.versions, **under) for manner in manners
        ]
        others = ((KNOWN, _BOTH) if relayed else ("verified", _OLDER),) * (1 + len(victims) * (kind.versions == _OLDER))
        return [*victims, *(PlannedVisit(dice.one(clients), house, protocol, *other) for other in others)]

    def _target(self, kind: Kind) -> str:
        if RELAYING in kind.protocols:
            return self._dice.one(self._exchangers)
        unfixed = [house for house in self._houses if house.settings.get("quirks")]
        fine = [house for house in self._houses if _sound(house)]
        return self._dice.one(unfixed if kind.word == "command injection" else fine).name

    def _careless(self) -> list[PlannedVisit]:
        """A client that wants no TLS, and one that does not mind a server without."""
        dice, honest = self._dice, self._honest
        without = dice.one([house for house in self._houses if not house.offers]).name
        good = dice.one([house for house in self._houses if _sound(house)]).name
        return [
            PlannedVisit(dice.one(honest), without, "SMTP", "opportunistic"),
            PlannedVisit(dice.one(honest), good, "IMAP", "none"),
        ]

    def _through_gateway(self) -> PlannedVisit:
        house = self._dice.one([house for house in self._houses if _sound(house)]).name
        protocol = self._dice.one(PROTOCOLS)
        return PlannedVisit(self._dice.one(self._honest), house, protocol, "verified", attacker=self._gateway)

    def _ordinary(self) -> PlannedVisit:
        dice = self._dice
        if dice.number(1, 100) <= 12:
            manner = dice.one((KNOWN, KNOWN, KNOWN, FIRST_CONTACT))
            return PlannedVisit(dice.one(self._relays), dice.one(self._exchangers), RELAYING, manner)
        client = dice.one((*self._honest, *self._attackers))
        versions = dice.one((_BOTH, _BOTH, _OLDER))
        return PlannedVisit(client, dice.one(self._houses).name, dice.one(PROTOCOLS), dice.one(_MANNERS), versions)


def _vector(dice: "_Dice", kind: Kind, protocol: str) -> str:
    if protocol == RELAYING:
        return dice.one(kind.vectors)
    able = [number for number in kind.vectors if type(catalogue.vector(number)).applies_to(named(protocol))]
    return dice.one(able)


class _Dice:
    """Draws one thing after the other. Only `Random.random` is used: Python promises to keep it as it is."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed.encode("utf-8", "backslashreplace")).random

    def number(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self._random() * (high - low + 1))

    def one(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.number(0, len(options) - 1)]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """All the options, in an order of their own."""
        return [option for _, option in sorted(((self._random(), option) for option in options), key=lambda it: it[0])]

    def some(self, options: Sequence[T], count: int) -> list[T]:
        """That many of the options, each at most once."""
        return self.shuffled(options)[:count]
