"""Postfix as a sending mail server on a host of a lab, with unbound beside it as its resolver, which validates.

Both are started as root of the private LAN, where ports are real. Postfix has a transport for each level of security.
"""

import re
import shutil
import smtplib
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from postfix_home import SERVICES
from tools import tool
from unbound_conf import unbound_conf

from labkit import Lab
from labkit.defences.sending import DELIVERED, HELD, RETURNED, Story
from labkit.mail.message import Outgoing
from labkit.network.started import StartedProgram

HOST = "provider"
LEVELS = ("may", "encrypt", "verify", "secure", "dane")
_PORTS = {level: 2501 + number for number, level in enumerate(LEVELS)}
"""Level -> the port on which Postfix takes messages that it sends with this level."""
_STATES = {"sent": DELIVERED, "deferred": HELD, "bounced": RETURNED}
_STARTS, _ENDS = 30.0, 60.0
"""Seconds until the programs answer, and until something has become of a message."""
_RETRIES_AFTER = 1.1
"""Seconds: a little more than `minimal_backoff_time`, the shortest that Postfix takes."""
_PAUSE = 0.01
_UNCACHED = ("interface: 127.0.0.1", "cache-max-ttl: 0", "cache-max-negative-ttl: 0")
_CONTROL = """
remote-control:
  control-enable: yes
  control-interface: {home}/control
  control-use-cert: no
"""
_MAIN = """
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
maillog_file = /dev/stdout
inet_protocols = ipv4
myhostname = provider.lab.test
mydestination =
mynetworks = 192.0.2.0/24
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = discard
alias_maps =
local_recipient_maps =
smtpd_peername_lookup = no
smtp_dns_support_level = dnssec
dnssec_probe = ns:test
smtp_host_lookup = dns
smtp_tls_CAfile = {home}/ca.pem
smtp_connection_cache_on_demand = no
smtp_tls_loglevel = 1
default_destination_concurrency_failed_cohort_limit = 0
minimal_backoff_time = 1s
"""
_TAKES = "{port} inet n - n - - smtpd -o content_filter={level}:"
_SENDS = "{level} unix - - n - - smtp -o smtp_tls_security_level={level} -o max_use=1"
"""A process that sent twice would know the TLSA records of the first time."""


class _Became(NamedTuple):
    """What became of a message."""

    state: str
    why: str


class PostfixSender:
    """Sends with one level, as `labkit.defences.sending.MailSender` does."""

    offered = ()

    def __init__(self, postfix: "Postfix", level: str) -> None:
        self.story = Story()
        self._postfix = postfix
        self._level = level

    def send(self, mail: Outgoing) -> _Became:
        """Give a message to Postfix, and wait until it was delivered, held or returned.

        Where TLS is opportunistic, Postfix tries without it only after a while (`minimal_backoff_time`): what is held
        is tried again.
        """
        self._postfix.forget()
        number = self._postfix.take(mail, _PORTS[self._level])
        outcome = self._postfix.became(number)
        if outcome.state == HELD and self._level == "may":
            outcome = self._postfix.retried(number)
        self.story[:] = self._postfix.told(number)
        return outcome

    def refresh(self) -> None:
        """It keeps no policies."""


class Postfix:
    """A running Postfix with its resolver, on a host of the lab."""

    def __init__(self, lab: Lab, home: Path, program: StartedProgram) -> None:
        self._host = lab.network.host(HOST)
        self._home = home
        self._program = program

    def sender(self, _: Lab, settings: Mapping[str, Any]) -> PostfixSender:
        """A sender with the level of these settings of `labkit.defences.sending.Configuration`."""
        return PostfixSender(self, settings.get("level", "dane"))

    def forget(self) -> None:
        """Have the resolver forget every name and key."""
        subprocess.run(control(self._home, "flush_zone", "test."), check=True, capture_output=True, timeout=_ENDS)

    def take(self, mail: Outgoing, port: int) -> str:
        """Give it a message; its name in the queue."""
        with self._host.connect(HOST, port, _ENDS) as sock, _Client() as client:
            client.over(sock)
            client.mail(mail.sender)
            for recipient in mail.recipients:
                client.rcpt(recipient)
            code, said = client.data(mail.data)
        assert code == 250, said
        return re.search(rb"queued as (\w+)", said)[1].decode()

    def told(self, number: str) -> list[str]:
        """What its log says of a message."""
        return [line.partition("postfix/")[2] for line in self._program.output.splitlines() if number in line]

    def became(self, number: str, tries: int = 1) -> _Became:
        """What became of a message after so many tries."""
        deadline = time.monotonic() + _ENDS
        while time.monotonic() < deadline:
            found = re.findall(rf"{number}: to=.*status=(\w+) \((.*)\)", self._program.output)
            if len(found) >= tries:
                state, why = found[-1]
                return _Became(_STATES[state], why)
            time.sleep(_PAUSE)
        raise AssertionError(f"nothing became of the message: {self._program.output[-3000:]}")

    def retried(self, number: str) -> _Became:
        """What became of a message that was held, and of that one alone, when it was tried again."""
        folder = self._home / "etc"
        others = "".join(f"{file.name}\n" for file in self._home.glob("spool/deferred/*/*") if file.name != number)
        subprocess.run([tool("/usr/sbin/postsuper"), "-c", folder, "-d", "-"], input=others.encode(), check=True)
        time.sleep(_RETRIES_AFTER)
        self._host.run([tool("/usr/sbin/postqueue"), "-c", str(folder), "-f"])
        return self.became(number, 2)


class _Client(smtplib.SMTP):
    """A client on a connection that is there already."""

    def over(self, sock: Any) -> None:
        self.sock, self.file = sock, sock.makefile("rb")
        self.getreply()
        self.ehlo("customer.lab.test")


def control(home: Path, *words: str) -> list[str]:
    """A command for the resolver."""
    return [tool("/usr/sbin/unbound-control"), "-c", str(home / "unbound.conf"), *words]


@contextmanager
def postfix_sending(lab: Lab) -> Iterator[Postfix]:
    """Postfix, which sends from the host `HOST` of a lab on a private LAN."""
    host = lab.network.host(HOST)
    home = Path(tempfile.mkdtemp(prefix="postfix-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        _write(lab, home)
        unbound = [tool("/usr/sbin/unbound"), "-d", "-c", str(home / "unbound.conf")]
        stack.enter_context(host.start(unbound, as_root=True))
        # The tools of a host read one resolv.conf, which names the host dns: Postfix gets one of its own.
        start = f"exec {tool('/usr/sbin/postfix')} -c {home}/etc start-fg"
        own = f"mount --bind {home}/resolv.conf /etc/resolv.conf && {start}"
        program = stack.enter_context(host.start([tool("unshare"), "--mount", "sh", "-c", own], as_root=True))
        for port in _PORTS.values():
            host.adopt(port, timeout=_STARTS)
        _until_it_answers(home)
        yield Postfix(lab, home, program)


def _write(lab: Lab, home: Path) -> None:
    home.chmod(0o755)
    for folder in ("etc", "spool", "data"):
        (home / folder).mkdir()
    shutil.chown(home / "data", "postfix")
    server, ds = lab.network.published("dns"), lab.registry.top.ds
    takes = "\n".join(_TAKES.format(level=level, port=port) for level, port in _PORTS.items())
    sends = "\n".join(_SENDS.format(level=level) for level in LEVELS)
    conf = unbound_conf(home, ds, server, *_UNCACHED) + _CONTROL.format(home=home)
    (home / "unbound.conf").write_text(conf)
    (home / "resolv.conf").write_text("nameserver 127.0.0.1\noptions trust-ad\n")
    (home / "ca.pem").write_bytes(lab.authority.pem)
    (home / "etc" / "main.cf").write_text(_MAIN.format(home=home))
    (home / "etc" / "master.cf").write_text(f"{takes}\n{sends}\n{SERVICES}")


def _until_it_answers(home: Path) -> None:
    deadline = time.monotonic() + _STARTS
    while subprocess.run(control(home, "status"), capture_output=True, timeout=_STARTS).returncode:
        assert time.monotonic() < deadline, "unbound does not answer"
        time.sleep(10 * _PAUSE)
