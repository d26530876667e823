"""A mystery network as a student gets it: a capture without secrets, and the names of the hosts; and its key."""

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.capture.pcap import write_pcapng
from labkit.clients.policies import Policy
from labkit.errors import LabError
from labkit.mystery import kept
from labkit.mystery.key import Key
from labkit.mystery.plan import Plan, draw
from labkit.mystery.staging import Staged, staged
from labkit.show.page import Page
from labkit.show.table import table
from labkit.show.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from labkit.lab import Lab
    from labkit.show.capture import Capture
    from labkit.show.picture import Picture


def record(
    make: "Callable[..., Lab]", seed: object, size: int, policy: Policy | None = None, folder: str | Path | None = None
) -> "MysteryNetwork":
    """Record the network with this seed and `size` visits, or read it; see `labkit.trying.Trying.mystery_network`,
    which raises the same."""
    if policy is not None and not isinstance(policy, Policy):
        raise LabError(f"A policy is one of labkit.policies, for example policies.verified, not {policy!r}.")
    plan = draw(seed, size)
    if folder is None:
        return MysteryNetwork(plan, staged(partial(make, "loopback", "tap"), plan, policy))
    if policy is not None:
        raise LabError("A network in which all follow your policy is not kept: leave `folder` or `policy` out.")
    path = kept.place(_checked(folder), plan)
    if path.exists():
        return MysteryNetwork(plan, kept.read(plan, path), path)
    network = MysteryNetwork(plan, staged(partial(make, "loopback", "tap"), plan), path)
    kept.write(network.happened, plan, path)
    return network


def _checked(folder: object) -> Path:
    if not isinstance(folder, str | Path) or not Path(folder).is_dir():
        raise LabError(f'A network is kept in a folder that exists, for example ".", not in {folder!r}.')
    return Path(folder)


class MysteryNetwork:
    """A network that has been recorded."""

    def __init__(self, plan: Plan, happened: Staged, path: Path | None = None) -> None:
        self.path = path
        """Where its capture is kept; None where it is not."""
        self.seed = plan.seed
        self.size = plan.size
        """How many times a client came to a server. An attacker's own connections come on top."""
        self.capture: Capture = happened.capture
        """Everything that crossed the network, without secrets: what is inside TLS stays closed."""
        self._plan = plan
        self._happened = happened

    @cached_property
    def key(self) -> Key:
        """For instructors: what was done to which session. Raises `LabError` where the frames do not bear it out."""
        return Key(self._plan, self._happened)

    @property
    def happened(self) -> Staged:
        """What the lab took down while it was recorded, visit by visit."""
        return self._happened

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of the mail servers."""
        return tuple(house.name for house in self._plan.houses)

    @property
    def programs(self) -> tuple[str, ...]:
        """The names of the hosts on which people have mail programs."""
        return tuple(person.name for person in self._plan.people)

    def hosts(self) -> Page:
        """The names of the hosts in the network, by address."""
        return table(f"Hosts of the network {self.seed!r}", ("host", "address", "what it is"), sorted(self._rows()))

    def timeline(self) -> "Picture":
        """Every session, by its time and its server, and how much of it can be read."""
        return timeline(self.capture, [*self.servers, "www"])

    def save(self, path: str | Path) -> Path:
        """Write the capture as pcapng, without secrets, for Wireshark and its like. Raises `CaptureError`."""
        write_pcapng(path, self.capture.frames, "", self.capture.how)
        return Path(path)

    def _rows(self) -> list[tuple[str, str, str]]:
        addresses = {name: address for address, name in self.capture.names.items()}
        exchangers = {house: domain for domain, house in self._plan.domains.items()}
        told = dict.fromkeys(self.programs, "a person's computer, with a mail program")
        told |= dict.fromkeys(self._plan.relays, "sends mail to other domains, on port 25")
        told[self._plan.gateway] = "a gateway: passes connections on as they come"
        told["dns"] = "the name server of the domains"
        told["www"] = "the policy host of the domains (MTA-STS)"
        for server in self.servers:
            also = f"; takes the mail of {exchangers[server]} on port 25" if server in exchangers else ""
            told[server] = f"mail server: SMTP, IMAP and POP3{also}"
        return [(name, addresses[name], what) for name, what in told.items()]

    def _repr_html_(self) -> str:
        return self.hosts().html

    def __repr__(self) -> str:
        count = len(self.capture.conversations)
        frames = len(self.capture.frames)
        return f"<mystery network {self.seed!r}: {count} sessions in {frames:,} frames>\n{self.hosts()!r}"
