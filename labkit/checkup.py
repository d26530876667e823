"""What this machine offers to the lab, and what is used instead of what is missing.

Each check does what a lesson will do, and reports in a sentence how that went. `doctor` is all of them; how the report
looks is `labkit.show.diagnosis`. A new tool is one row in `TOOLS`; a new network is found by itself.
"""

import platform
import re
import shutil
import ssl
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

from labkit.errors import CannotSniff, LabError
from labkit.platforms import platforms_table
from labkit.show import recordings
from labkit.show.diagnosis import INSTEAD, MISSING, WORKS, Check, Diagnosis
from labkit.show.stage import how_captured

if TYPE_CHECKING:
    from labkit.lab import Lab
    from labkit.network import Network

_PORT = 587
PYTHON = (3, 11)
"""The oldest Python that the lab runs on."""


class Tool(NamedTuple):
    """A program that is not required, but that a lesson uses where it is installed."""

    programs: tuple[str, ...]
    """The names under which it may be installed."""
    use: str
    instead: str


TOOLS = {
    "tshark": Tool(("tshark",), "reads a capture as Wireshark does", "the lab's own transcript says the same"),
    "openssl": Tool(
        ("openssl",), "looks at a server with s_client -starttls", "the lab's own client speaks to the server"
    ),
    "curl": Tool(("curl",), "sends mail like any other client", "the lab's own client sends"),
    "swaks": Tool(("swaks",), "tests a mail server", "the lab's own client sends"),
    "Chromium": Tool(
        ("chromium", "chromium-browser", "google-chrome"),
        "runs the lessons in a browser for the tests of this project",
        "only these tests are left out",
    ),
}


def doctor() -> Diagnosis:
    """Look at this machine: the report shows itself, and is true when the lab can run here."""
    return Diagnosis(list(_checks()), platforms_table())


def _checks() -> Iterator[Check]:
    for step in (_python, _packages, _networks, _lab):  # each needs what was looked at before it
        found = list(step())
        yield from found
        if any(check.verdict == MISSING for check in found):
            break
    yield _recordings()
    yield from map(_tool, TOOLS)


def _python() -> Iterator[Check]:
    needed = ".".join(map(str, PYTHON))
    here = f"Python {platform.python_version()} on {platform.system()}"
    if sys.version_info < PYTHON:
        yield Check("Python", MISSING, f"{here} is too old: install Python {needed} or newer.")
    else:
        yield Check("Python", WORKS, f"{here}; {needed} or newer is needed.")


# ---- packages


def _packages() -> Iterator[Check]:
    """One row when all is there, otherwise one for each package that is not."""
    try:
        needed = [line for line in metadata.requires("labkit") or () if "extra ==" not in line]
    except metadata.PackageNotFoundError:
        yield Check("packages", MISSING, f"labkit is not installed in {sys.executable}: {_HOW_TO_INSTALL}")
        return
    found = [_package(*re.match(r"([\w.-]+)(?:>=([\d.]+))?", line).groups("0")) for line in needed]
    wrong = [check for check in found if check.verdict != WORKS]
    yield from wrong or [Check("packages", WORKS, f"{', '.join(check.said for check in found)}.")]


def _package(name: str, bound: str) -> Check:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name, MISSING, f"{name} is not installed in {sys.executable}: {_HOW_TO_INSTALL}")
    if _release(version) < _release(bound):
        return Check(name, MISSING, f"{name} {version} is too old, {bound} or newer is needed: {_HOW_TO_INSTALL}")
    return Check(name, WORKS, f"{name} {version}")


_HOW_TO_INSTALL = "run make lab, or pip install --editable . in the folder of the lab."


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])


# ---- the lab itself


def _networks() -> Iterator[Check]:
    from labkit.network import KINDS, make

    with closing(make()) as network:
        picked = network.kind
    for kind in KINDS:
        name = f"{kind} network"
        try:
            with closing(make(kind)) as network:
                used = "Lab() uses it." if kind == picked else f'Lab("{kind}") uses it.'
                yield Check(name, WORKS, f"{network.describe()} {used}")
                yield from _users(network)
        except LabError as error:
            yield Check(name, INSTEAD, f"{error} The {picked} network is used instead.")


def _users(network: "Network") -> Iterator[Check]:
    """Whether programs that change their user run on a private LAN."""
    if network.users is None:
        return
    if network.users > 1:
        said = "A private LAN has the users that servers such as Postfix need, which change their user when they start."
        yield Check("servers of others", WORKS, said)
    else:
        yield Check("servers of others", INSTEAD, _ONE_USER)


_ONE_USER = (
    "A private LAN has one user here, you: Dovecot runs there if it is told to be you; servers that change their user, "
    "as Postfix does, need more. Install newuidmap (on Debian and Ubuntu: uidmap) and have numbers in /etc/subuid and "
    "/etc/subgid, or run the lab as root."
)


def _lab() -> Iterator[Check]:
    from labkit.lab import Lab
    from labkit.trust.contexts import VERSIONS

    try:
        with Lab() as lab:
            yield from _capture(lab)
            yield _slow_link(lab)
            sessions = [_session(lab, version) for version in VERSIONS]
    except LabError as error:
        yield Check("lab", MISSING, str(error))
        return
    yield from sessions
    yield _openssl(any(check.verdict == WORKS for check in sessions))
    yield _signed_dns()


def _signed_dns() -> Check:
    """Publish a domain in a signed zone, and look it up over the network."""
    from labkit.lab import Lab

    try:
        with Lab(hosts=("dns", "www")) as lab:
            lab.domain("bob.test").sign()
            answer = lab.resolve("bob.test")
    except LabError as error:
        return Check("signed DNS", INSTEAD, f"{error} Lesson 11 needs it.")
    if not answer.secure:
        return Check("signed DNS", INSTEAD, f"The answer is {answer.status}: {answer.why}. Lesson 11 needs it.")
    return Check("signed DNS", WORKS, "A domain was signed, asked for over UDP, and its answer validated.")


def _capture(lab: "Lab") -> Iterator[Check]:
    """Open a packet socket; where that is refused, look also at what else needs one."""
    try:
        lab.mallory.sniff().close()
    except CannotSniff as error:
        yield Check("capture", INSTEAD, str(error))
        with lab.network.intercept("mallory", "mail", _PORT) as interception:
            yield Check("on the path", INSTEAD, interception.how)
    else:
        yield Check("capture", WORKS, how_captured(lab.network, "auto"))


def _slow_link(lab: "Lab") -> Check:
    """Make a link slow and quick again: the network says what delays its segments."""
    try:
        said = lab.network.link("alice", delay=0.01)
        lab.network.link("alice")
    except LabError as error:
        return Check("slow links", INSTEAD, f"{error} Lesson 13 needs them.")
    return Check("slow links", WORKS, f"Tried with 10 ms. {said}")


def _session(lab: "Lab", version: str) -> Check:
    """Send a message over this version of TLS, capture it, and open the capture."""
    from labkit.clients import policies

    try:
        with lab.capture() as capture:
            server = lab.smtp(tls=(version,), replace=True)
            outcome = lab.send(server, "examined", policy=policies.verified, tls=(version,))
    except LabError as error:
        return Check(version, INSTEAD, f"{error} {_WITHOUT}")
    if not outcome:
        return Check(version, INSTEAD, f"{outcome} {_WITHOUT}")
    session = capture.decrypted().dialogue.session
    opened = "captured and opened." if session.opened else f"and captured. {session.problem}"
    return Check(version, WORKS, f"A message was sent with {session.cipher}, {opened}")


_WITHOUT = "Lessons go on with the versions that work."


def _openssl(works: bool) -> Check:
    if not works:
        return Check("OpenSSL", MISSING, f"No version of TLS works with {ssl.OPENSSL_VERSION}: use another Python.")
    return Check("OpenSSL", WORKS, f"Python speaks TLS with {ssl.OPENSSL_VERSION}.")


def _recordings() -> Check:
    known = recordings.names()
    if not known:
        return Check("recordings", INSTEAD, "Not here: capture anew, or install labkit again.")
    return Check("recordings", WORKS, f'{len(known)} in data/; recorded("{known[-1]}") reads one.')


def _tool(name: str) -> Check:
    tool = TOOLS[name]
    found = next((program for program in tool.programs if shutil.which(program)), None)
    if found is None:
        return Check(name, INSTEAD, f"Not installed; it {tool.use}. Without it, {tool.instead}.")
    return Check(name, WORKS, f"Installed as {found}; it {tool.use}.")
