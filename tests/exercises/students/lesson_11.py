"""Answers to lesson 11."""

import re
from functools import cache

from lesson_captures import Later, outcome

from labkit import Lab, attacks
from labkit.defences.mta_sts import STSPolicy
from labkit.exercises import given

LOGIN = ("alice", "hunter2")


def _domain():
    return given("11.1")[0].split("mx: mx.")[1].split()[0]


def _hosts(*names):
    return Later(lambda: {name.replace("DOMAIN", _domain()) for name in names})


RIGHT_HOSTS = ("mx.DOMAIN", "a.mail.DOMAIN", "dhcp-7.mail.DOMAIN")


def _failures():
    return given("11.2").policies[0].failures


def _sessions():
    return sum(each.count for each in _failures() if each.result == "starttls-not-supported")


NOT_STOPPED = ("mis-issued", "blocks both", "is a host", "injects", "strips on")


def _pass():
    return [attack for attack in given("11.3") if attack.startswith(NOT_STOPPED)]


def _lower(pattern, host):
    pattern, host = pattern.lower(), host.lower()
    return pattern == host or (pattern.startswith("*.") and host.partition(".")[2] == pattern[2:])


def _by_labels(pattern, host):
    pattern, host = (name.lower().split(".") for name in (pattern, host))
    return len(pattern) == len(host) and all(one in ("*", other) for one, other in zip(pattern, host, strict=True))


@cache
def _lab():
    return Lab("loopback", hosts=("dns", "www", "provider"))


@cache
def _provider(preload="enforce", blocked=True, stripped=True, sends=True, earlier=False, mx="mail.bob.test", **more):
    lab = _lab()
    bob = lab.domain("bob.test").sts("enforce")
    given_ = {"bob.test": STSPolicy(preload, (mx,), 604_800)} if preload else None
    provider = lab.provider(preload=given_, replace=True, **more)

    def send():
        lab.send(provider, "The PIN is 4921", login=LOGIN, recipient="bob@bob.test")

    if earlier:
        send()
    if not sends:
        return provider
    block = attacks.BlockPolicyHost() if blocked else attacks.PublicationVector()
    strip = attacks.StripCapability() if stripped else attacks.Vector()
    with lab.spoof(block), lab.mallory(strip, at=bob.server):
        send()
    return provider


def _made(**how):
    return Later(lambda: _provider(**how))


def _by_record():
    lab = _lab()
    bob = lab.domain("bob.test").sts("enforce")
    provider = lab.provider(preload={"bob.test": bob.policy}, replace=True)
    with lab.spoof(attacks.BlockPolicyRecord()), lab.mallory(attacks.StripCapability(), at=bob.server):
        lab.send(provider, "The PIN is 4921", login=LOGIN, recipient="bob@bob.test")
    return provider


def _one_hop():
    return _lab().provider(_lab().smtp(port=25, replace=True), replace=True)


WRONG = [
    ("11.1", "stands for exactly one label", _hosts("mx.DOMAIN", "dhcp-7.mail.DOMAIN")),
    ("11.1", "like a desktop computer", _hosts("mx.DOMAIN", "a.mail.DOMAIN")),
    ("11.1", "not for two", _hosts(*RIGHT_HOSTS, "a.b.mail.DOMAIN")),
    ("11.1", "needs a label in the place", _hosts(*RIGHT_HOSTS, "mail.DOMAIN")),
    ("11.1", "read from its end", _hosts(*RIGHT_HOSTS, "mx.DOMAIN.mallory.test")),
    ("11.1", "several things", "mx"),
    ("11.2", "That is every failed session", Later(lambda: given("11.2").policies[0].failed)),
    ("11.2", "one of its mail servers", Later(lambda: _failures()[0].count)),
    ("11.2", "Those went well", Later(lambda: given("11.2").policies[0].successes)),
    ("11.2", "the number of lines", 2),
    ("11.2", "number", "many"),
    ("11.3", "missing", Later(lambda: _pass()[1:])),
    ("11.3", "does not belong there", Later(lambda: given("11.3"))),
    ("11.3", "none of what there is to choose from", Later(lambda: [*_pass(), "drops every connection"])),
    ("11.1", "none of what there is to choose from", {"mx1"}),
    ("11.3", "several things", "mallory"),
    ("11.4", "a name and another name", lambda pattern, host: True),
    ("11.4", "two labels more", lambda pattern, host: host.lower().endswith(pattern.lower().lstrip("*"))),
    ("11.4", "the same name in other letters", lambda pattern, host: (
        pattern == host or (pattern[:2] == "*." and host.partition(".")[2] == pattern[2:]))),
    ("11.4", "a wildcard and a name with one label more", lambda pattern, host: pattern.lower() == host.lower()),
    ("11.4", "another character in the place of a dot", lambda pattern, host: bool(
        re.fullmatch(pattern.lower().replace("*", "[^.]+"), host.lower()))),
    ("11.4", "a function", "*.bob.test"),
    ("11.5", "a provider that finds its way by itself", outcome),
    ("11.5", "a provider that finds its way by itself", Later(_one_hop)),
    ("11.5", "knows nothing of bob.test beforehand", _made(preload=None)),
    ("11.5", "asks for 'verify' of everybody", _made(preload=None, level="verify")),
    ("11.5", "Nothing was sent through it yet", _made(sends=False)),
    ("11.5", "it was not the first contact any more", _made(earlier=True)),
    ("11.5", "The policy that it was given is 'testing'", _made(preload="testing")),
    ("11.5", "fetched a policy in peace", _made(blocked=False)),
    ("11.5", "was delivered", _made(stripped=False)),
    ("11.5", "held, but for another reason", _made(mx="other.bob.test")),
]  # fmt: skip
RIGHT = [
    ("11.1", _hosts(*RIGHT_HOSTS)),
    ("11.1", Later(lambda: sorted(name.replace("DOMAIN", _domain()) for name in RIGHT_HOSTS))),
    ("11.1", Later(lambda: tuple(name.replace("DOMAIN", _domain()).upper() for name in RIGHT_HOSTS))),
    ("11.2", Later(_sessions)),
    ("11.2", Later(lambda: float(_sessions()))),
    ("11.2", Later(lambda: _failures()[0].count + _failures()[2].count)),
    ("11.3", Later(_pass)),
    ("11.3", Later(lambda: set(_pass()))),
    ("11.3", Later(lambda: tuple(attack.upper() for attack in _pass()))),
    ("11.4", _lower),
    ("11.4", _by_labels),
    ("11.4", lambda pattern, host: "yes" if _lower(pattern, host) else ""),
    ("11.5", _made()),
    ("11.5", _made(mta_sts="afterwards")),
    ("11.5", Later(_by_record)),
]
