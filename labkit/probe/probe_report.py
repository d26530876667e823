"""The report on one server: every finding, the grade, and the rule by which it is given; and `probe`, which makes it.

It is true where no fault was found and the server could be talked to. How it looks is `labkit.show.report_card`.
"""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from labkit.probe import domain_checks, state_checks, tls_checks, upgrade_checks
from labkit.probe.findings import (
    CANNOT_SHOW,
    FAULT,
    GRADES,
    LEFT_OUT,
    NO_GRADE,
    NOTE,
    RULE,
    UNKNOWN,
    ServerFinding,
    find,
)
from labkit.probe.observation import Observation
from labkit.probe.observing import observe
from labkit.show.report_card import report_card

if TYPE_CHECKING:
    from labkit.probe.target import ProbeTarget
    from labkit.show.page import Page

CHECKS = (*upgrade_checks.CHECKS, *tls_checks.CHECKS, *state_checks.CHECKS, *domain_checks.CHECKS)
"""Every check, in the order of the report."""


@dataclass(frozen=True, repr=False)
class ProbeReport:
    """What was found at one server. True when no fault was."""

    observation: Observation
    findings: tuple[ServerFinding, ...]
    rule: str = RULE
    """How the grade is given, in words."""
    cannot_show: str = CANNOT_SHOW
    """What no test from outside can show."""

    def __bool__(self) -> bool:
        return not self.faults

    @property
    def server(self) -> str:
        """Which server it is, in words: ``SMTP on port 587 of mail``."""
        seen = self.observation
        how = " with implicit TLS" if seen.implicit else ""
        return f"{seen.dialect.name}{how} on port {seen.port} of {seen.host}"

    @property
    def grade(self) -> str:
        """A letter of `labkit.probe.findings.GRADES`, or `NO_GRADE`."""
        worst = max((finding.leaves for finding in self.faults), default="A")
        return NO_GRADE if any(finding.id == "reach" for finding in self.faults) else worst

    @property
    def why(self) -> str:
        """What the grade says, in words."""
        return GRADES.get(self.grade, "the server could not be talked to")

    @property
    def faults(self) -> tuple[ServerFinding, ...]:
        """What is wrong."""
        return self._of(FAULT)

    @property
    def notes(self) -> tuple[ServerFinding, ...]:
        """What is worth knowing."""
        return self._of(NOTE)

    @property
    def unknown(self) -> tuple[ServerFinding, ...]:
        """What could not be seen."""
        return self._of(UNKNOWN)

    @property
    def left_out(self) -> tuple[ServerFinding, ...]:
        """What was not tried, because the server is not the lab's own."""
        return self._of(LEFT_OUT)

    def _of(self, verdict: str) -> tuple[ServerFinding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict == verdict)

    def __getitem__(self, id: str) -> ServerFinding:
        """The finding of one check, by its id: ``report["clear-login"]``. Raises KeyError."""
        for finding in self.findings:
            if finding.id == id:
                return finding
        raise KeyError(f"There is no finding {id!r} here: there are {', '.join(each.id for each in self.findings)}.")

    def __contains__(self, id: str) -> bool:
        return any(finding.id == id for finding in self.findings)

    @property
    def versions(self) -> dict[str, tuple[str, ...]]:
        """Version of TLS that the server speaks -> its cipher suites, IANA names, as far as they were found."""
        spoken = {name: found for name, found in self.observation.versions.items() if found and found.accepted}
        return {name: found.suites for name, found in spoken.items()}

    @property
    def json(self) -> str:
        """The report for programs: one JSON object."""
        seen = self.observation
        facts: dict[str, Any] = {
            "server": {"host": seen.host, "port": seen.port, "protocol": seen.dialect.name, "name": seen.name},
            "implicit": seen.implicit,
            "ours": seen.ours,
            "grade": self.grade,
            "rule": self.rule,
            "findings": [asdict(finding) for finding in self.findings],
            "offered": {"clear": seen.clear, "inside": seen.inside},
            "versions": self.versions,
            "certificate": asdict(seen.certificate) if seen.certificate else None,
            "round_trips": seen.waits,
            "seconds": round(seen.seconds, 4),
            "cannot_show": self.cannot_show,
        }
        return json.dumps(facts, indent=2, ensure_ascii=False, default=str)

    @cached_property
    def page(self) -> "Page":
        """The report card."""
        return report_card(self)

    def _repr_html_(self) -> str:
        return self.page.html

    def __repr__(self) -> str:
        return self.page.text


def probe(target: "ProbeTarget") -> ProbeReport:
    """Look at a server, and say what was found. Never raises for what the server does."""
    seen = observe(target)
    found = (find(check, seen) for check in CHECKS)
    return ProbeReport(seen, tuple(finding for finding in found if finding is not None))
