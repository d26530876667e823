"""MTA-STS (RFC 8461): a domain says over HTTPS that its mail servers have TLS and a certificate. Pure.

Here are the record that announces a policy, the policy itself, and the cache of a sender, whose clock is an argument.
How a policy is fetched is in `policyhost`; what a sender does with it is in `decision`.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from labkit.errors import LabError

ENFORCE, TESTING, NONE = "enforce", "testing", "none"
MODES = (ENFORCE, TESTING, NONE)
LONGEST = 31_557_600
"""Seconds: the largest ``max_age`` (§3.2), a year."""
LARGEST = 64 << 10
"""Bytes of a policy that are read (§3.3)."""
PATH = "/.well-known/mta-sts.txt"
WAIT = 300
"""Seconds after a failed fetch before the same id is tried again (§3.3)."""

_RECORD = re.compile(r"v=STSv1(?P<fields>(?:[ \t]*;[ \t]*[A-Za-z0-9][\w.-]{0,31}=[!-:<>-~]+)+)[ \t]*;?[ \t]*", re.ASCII)
"""The grammar of the record (§3.1)."""
_ID = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)
_CONTROL = r"\x00-\x1f\x7f"
_VALUE = rf"[^ {_CONTROL}](?:[^{_CONTROL}]*[^ {_CONTROL}])?"
_FIELD = re.compile(rf"(?P<name>[A-Za-z0-9][\w.-]{{0,31}}):[ \t]*(?P<value>{_VALUE})[ \t]*", re.ASCII)
_AGE = re.compile(r"[0-9]{1,10}", re.ASCII)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PATTERN = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.ASCII)


class NoPolicy(Exception):
    """No policy could be obtained; the message says why, `result` is the result type of RFC 8460 §4.3, if any."""

    def __init__(self, why: str, result: str = "") -> None:
        super().__init__(why)
        self.result = result


def record_id(texts: Iterable[str]) -> str:
    """The id of the policy that the TXT records at ``_mta-sts`` announce (§3.1). Raises `NoPolicy`."""
    records = [text for text in texts if text.startswith("v=STSv1;")]
    if len(records) != 1:
        found = f"{len(records)} records begin" if records else "no record begins"
        raise NoPolicy(f"{found} with 'v=STSv1;', and it has to be exactly one")
    read = _RECORD.fullmatch(records[0])
    fields = [part.strip().split("=", 1) for part in read["fields"].split(";") if part.strip()] if read else []
    number = next((value for name, value in fields if name == "id"), "")
    if not _ID.fullmatch(number):
        raise NoPolicy(f"the record {records[0][:80]!r} has no id of 1 to 32 letters and digits")
    return number


@dataclass(frozen=True)
class STSPolicy:
    """A policy (§3.2)."""

    mode: str
    """One of `MODES`."""
    mx: tuple[str, ...]
    """Patterns for the names of mail servers, ``*.`` stands for one label; may be empty for the mode none."""
    max_age: int
    """Seconds that it may be kept."""
    id: str = ""
    """The id that announced it."""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise LabError(f"A policy's mode is {', '.join(map(repr, MODES))}, not {self.mode!r}.")
        if isinstance(self.mx, str) or not all(_PATTERN.fullmatch(pattern) for pattern in self.mx):
            raise LabError(f"The mx of a policy is a tuple like ('mail.bob.test', '*.bob.test'), not {self.mx!r}.")
        if not self.mx and self.mode != NONE:
            raise LabError(f"A policy with the mode {self.mode!r} names at least one mx.")
        if not isinstance(self.max_age, int) or not 0 <= self.max_age <= LONGEST:
            raise LabError(f"A policy's max_age is a number of seconds from 0 to {LONGEST}, not {self.max_age!r}.")

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each field, as a report shows it (RFC 8460 §4.5)."""
        patterns = (f"mx: {pattern}" for pattern in self.mx)
        return ("version: STSv1", f"mode: {self.mode}", *patterns, f"max_age: {self.max_age}")

    @property
    def text(self) -> str:
        """The policy as it is served."""
        return "".join(f"{line}\r\n" for line in self.lines)

    def names(self, host: str) -> bool:
        """Whether a mail server's name matches one of the patterns (§4.1)."""
        return any(matches(pattern, host) for pattern in self.mx)


def matches(pattern: str, host: str) -> bool:
    """Whether a pattern names this host: ``*.`` stands for exactly one label on the left (§4.1)."""
    pattern, host = (text.lower().rstrip(".") for text in (pattern, host))
    if pattern.startswith("*."):
        first, _, rest = host.partition(".")
        return bool(first) and rest == pattern[2:]
    return host == pattern


def read_policy(text: bytes, id: str = "") -> STSPolicy:
    """The policy in the body of a response (§3.2). Raises `NoPolicy` with the result ``sts-policy-invalid``.

    Unknown fields are ignored, of a field that comes twice the first counts, empty lines are passed over.
    """
    fields: dict[str, list[str]] = {}
    for line in _decoded(text).replace("\r\n", "\n").split("\n"):
        if not line.strip(" \t"):
            continue
        parts = _FIELD.fullmatch(line)
        if parts is None:
            raise _invalid(f"the line {line[:60]!r} is not a field, a colon and a value")
        fields.setdefault(parts["name"], []).append(parts["value"])
    first = {name: values[0] for name, values in fields.items()}
    if first.get("version") != "STSv1":
        raise _invalid(f"the version is {first.get('version', 'missing')!r}, not 'STSv1'")
    if not _AGE.fullmatch(first.get("max_age", "")):
        raise _invalid(f"max_age is {first.get('max_age', 'missing')!r}, not a number of seconds")
    try:
        return STSPolicy(first.get("mode", ""), tuple(fields.get("mx", ())), int(first["max_age"]), id)
    except LabError as error:
        raise _invalid(str(error).rstrip(".")) from error


def _decoded(text: bytes) -> str:
    if len(text) > LARGEST:
        raise _invalid(f"it is longer than {LARGEST} bytes")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid("it is not text") from error


def _invalid(why: str) -> NoPolicy:
    return NoPolicy(f"the policy is not valid: {why}", "sts-policy-invalid")


@dataclass(frozen=True)
class Cached:
    """A policy that a sender keeps."""

    policy: STSPolicy
    fetched: float
    """When, in seconds since 1970."""

    @property
    def expires(self) -> float:
        """Until when it counts, in seconds since 1970."""
        return self.fetched + self.policy.max_age


@dataclass
class Cache:
    """The policies that a sender keeps, by domain; `clock` gives the seconds since 1970."""

    clock: Callable[[], float]
    entries: dict[str, Cached] = field(default_factory=dict)
    failed: dict[tuple[str, str], float] = field(default_factory=dict)
    """(domain, id) -> when its fetch failed."""

    def get(self, domain: str) -> STSPolicy | None:
        """The policy of a domain, unless it has expired. One from the future counts: clocks are set back, too."""
        entry = self.entries.get(domain.lower())
        return entry.policy if entry and self.clock() < entry.expires else None

    def keep(self, domain: str, policy: STSPolicy) -> None:
        """Keep a policy that was fetched now."""
        self.entries[domain.lower()] = Cached(policy, self.clock())

    def fail(self, domain: str, id: str) -> None:
        """Note that fetching the policy with this id failed now."""
        self.failed[domain.lower(), id] = self.clock()

    def may_fetch(self, domain: str, id: str) -> bool:
        """Whether the policy with this id may be fetched: not within five minutes after that failed (§3.3)."""
        failed = self.failed.get((domain.lower(), id))
        return failed is None or not 0 <= self.clock() - failed < WAIT


def discover(
    domain: str, texts: Iterable[str], fetch: Callable[[str], bytes], cache: Cache
) -> tuple[STSPolicy | None, NoPolicy | None]:
    """The policy that counts for a domain now, and why a newer one could not be had (§3.3, §5.1).

    `texts` are the TXT records at ``_mta-sts``, none where they could not be looked up; `fetch` gets the body for a
    domain or raises `NoPolicy`. A cached policy counts until it expires, whatever goes wrong.
    """
    kept = cache.get(domain)
    try:
        number = record_id(texts)
        if kept and kept.id == number:
            return kept, None
        if not cache.may_fetch(domain, number):
            raise NoPolicy(f"fetching the policy with the id {number} failed less than {WAIT} s ago")
        try:
            policy = read_policy(fetch(domain), number)
        except NoPolicy:
            cache.fail(domain, number)
            raise
    except NoPolicy as failure:
        return kept, failure
    cache.keep(domain, policy)
    return policy, None
