"""A zone of the DNS: records that can be changed, and the key that signs them (RFC 4034, NSEC for what is absent).

The signatures are valid for an hour and are made again when the clock has left that hour. How questions are answered
from a zone is in `answering`.
"""

import threading
import time
from collections.abc import Callable

import dns.btreezone
import dns.dnssec
import dns.exception
import dns.name
import dns.rdataset
import dns.rdatatype
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssectypes import Algorithm, DSDigest
from dns.rdtypes.dnskeybase import Flag

from labkit.errors import LabError

TTL = 300
"""Seconds, of every record."""
LIFETIME = 3600
"""Seconds that a signature is valid."""
_SKEW = 300
"""Seconds by which another clock may be late: signatures become valid that much earlier."""
_KEY_FLAGS = Flag.ZONE | Flag.SEP
"""One key does both: it signs the records, and the parent zone points to it (RFC 4034 §2.1.1)."""


class ZoneKey:
    """A key that signs zones: ECDSA P-256 with SHA-256 (RFC 6605), made fresh."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.record = dns.dnssec.make_dnskey(self.private.public_key(), Algorithm.ECDSAP256SHA256, flags=_KEY_FLAGS)
        """The DNSKEY record."""


class Zone:
    """The records of one zone, by name and type, in the notation of zone files (RFC 1035 §5).

    `name` is the apex, ``bob.test``. A zone with a key is signed; `clock` gives the seconds since 1970. Raises
    `LabError` for a name or a record that cannot be.
    """

    def __init__(self, name: str, key: ZoneKey | None = None, clock: Callable[[], float] = time.time) -> None:
        self.origin = absolute(name).canonicalize()
        self.key = key
        self._clock = clock
        self._lock = threading.Lock()
        self._records: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], tuple[str, ...]] = {}
        self._signed: tuple[float, dns.btreezone.ImmutableVersion] | None = None
        self.put("@", "SOA", f"ns.{self.name}. hostmaster.{self.name}. 1 3600 600 86400 {TTL}")
        self.put("@", "NS", f"ns.{self.name}.")

    @property
    def name(self) -> str:
        """The apex, without the last dot."""
        return str(self.origin).rstrip(".")

    @property
    def ds(self) -> str:
        """The DS record of the key, for the parent zone (RFC 4034 §5); empty for an unsigned zone."""
        return str(dns.dnssec.make_ds(self.origin, self.key.record, DSDigest.SHA256)) if self.key else ""

    def put(self, name: str, type: str, *data: str) -> None:
        """Set the records of this type at a name: ``@`` is the apex, others are relative unless they end in a dot.

        Without data the records are removed. Raises `LabError` for a name or a record that cannot be read.
        """
        owner, kind = self._owner(name), rdatatype(type)
        try:
            if data:
                self._rdataset(kind, data)
        except (dns.exception.DNSException, ValueError) as error:
            raise LabError(f"A {type} record cannot say {' and '.join(data)!r}: {error}.") from error
        with self._lock:
            self._records.pop((owner, kind), None)
            if data:
                self._records[owner, kind] = data
            self._signed = None

    def get(self, name: str, type: str) -> tuple[str, ...]:
        """The records of this type at a name."""
        return self._records.get((self._owner(name), rdatatype(type)), ())

    def sign_with(self, key: ZoneKey | None) -> None:
        """Sign with another key from now on, or with none."""
        with self._lock:
            self.key = key
            self._signed = None

    @property
    def content(self) -> dns.btreezone.ImmutableVersion:
        """The zone as it is served now, with signatures that are valid now."""
        now = self._clock()
        with self._lock:
            if self._signed is None or not 0 <= now - self._signed[0] < LIFETIME - _SKEW:
                self._signed = now, self._built(now)
            return self._signed[1]

    def _built(self, now: float) -> dns.btreezone.ImmutableVersion:
        zone = dns.btreezone.Zone(self.origin, relativize=False)
        with zone.writer(replacement=True) as writer:
            for (owner, kind), data in self._records.items():
                writer.add(owner, self._rdataset(kind, data))
            if self.key:
                keys = [(self.key.private, self.key.record)]
                begin = int(now) - _SKEW
                dns.dnssec.sign_zone(
                    zone, writer, keys, dnskey_ttl=TTL, inception=begin, expiration=int(now) + LIFETIME
                )
        with zone.reader() as reader:
            return reader.version

    def _rdataset(self, kind: dns.rdatatype.RdataType, data: tuple[str, ...]) -> dns.rdataset.Rdataset:
        return dns.rdataset.from_text_list("IN", kind, TTL, data, origin=self.origin, relativize=False)

    def _owner(self, name: str) -> dns.name.Name:
        try:
            owner = self.origin if name == "@" else dns.name.from_text(name, self.origin)
        except dns.exception.DNSException as error:
            raise LabError(f"{name!r} cannot be a name in the DNS: {error}.") from error
        if not owner.is_subdomain(self.origin):
            raise LabError(f"{owner} is not in the zone {self.origin}: leave out the last dot, or use another zone.")
        return owner

    def __repr__(self) -> str:
        listed = [(owner, kind, text) for (owner, kind), data in sorted(self._records.items()) for text in data]
        lines = [f"{owner} {dns.rdatatype.to_text(kind)} {text}" for owner, kind, text in listed]
        return "\n".join([f"; {self.name}, {'signed' if self.key else 'not signed'}", *lines])


def absolute(name: str) -> dns.name.Name:
    """A name of the DNS from text, with or without the last dot. Raises `LabError` for what cannot be one."""
    try:
        return dns.name.from_text(name, dns.name.root)
    except (dns.exception.DNSException, AttributeError, TypeError) as error:
        raise LabError(f"{name!r} cannot be a name in the DNS: write one like 'bob.test'.") from error


def rdatatype(type: str) -> dns.rdatatype.RdataType:
    """A type of record from its name. Raises `LabError` for one that does not exist."""
    try:
        return dns.rdatatype.from_text(type)
    except (dns.exception.DNSException, ValueError) as error:
        raise LabError(f"There is no record type {type!r}: use one like 'MX'.") from error
