"""Defences: what stops an attacker between mail servers, and what it costs."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from labkit.defences.mta_sts import ENFORCE, STSPolicy, matches
from labkit.defences.tls_reports import Applied, Failure, TLSReport
from labkit.exercises.checkers import members, number, shown
from labkit.exercises.drawn import NAMES, Draw
from labkit.exercises.functions import Call, tried_on
from labkit.exercises.keeping import draw
from labkit.exercises.question import Exercise, Lesson, Prediction

# ---- 11.1: reading a policy


def _policy_and_hosts(of: Draw) -> tuple[str, list[str]]:
    """A policy, and hosts of which the domain's MX records might name each."""
    name = of.name("11.1")
    domain = f"{name}.test"
    policy = STSPolicy(ENFORCE, (f"mx.{domain}", f"*.mail.{domain}"), 86_400 * of.number("11.1 days", 7, 60))
    return policy.text.replace("\r\n", "\n"), of.shuffled("11.1", _hosts(domain))


def _hosts(domain: str) -> list[str]:
    return [
        f"mx.{domain}",
        f"a.mail.{domain}",
        f"dhcp-7.mail.{domain}",
        f"mail.{domain}",
        f"a.b.mail.{domain}",
        f"mx2.{domain}",
        f"mx.{domain}.mallory.test",
    ]


def _allowed(answer: object) -> str:
    domain = f"{draw().name('11.1')}.test"
    right = _hosts(domain)[:3]
    missing = {
        right[0]: "One line of the policy names it in full.",
        right[1]: "`*.` stands for exactly one label, and here that label is `a`.",
        right[2]: "It looks like a desktop computer, and the policy names it all the same: `*.` asks no questions.",
    }
    extra = {
        f"mail.{domain}": "`*.mail` needs a label in the place of the asterisk (RFC 8461 §4.1).",
        f"a.b.mail.{domain}": "The asterisk stands for one label, not for two (RFC 8461 §4.1).",
        f"mx2.{domain}": "No line names it: `mx.` is another name than `mx2.`.",
        f"mx.{domain}.mallory.test": "A name is read from its end: this one is mallory's.",
    }
    return members(right, missing=missing, extra=extra, of=_hosts(domain))(answer)


# ---- 11.2: reading a report

_OTHERS = ("certificate-expired", "certificate-host-mismatch", "sts-policy-fetch-error")


def _report(of: Draw) -> TLSReport:
    """A TLS report with several kinds of failures."""
    domain = f"{of.name('11.2')}.test"
    begin = datetime(2026, 1, of.number("11.2 day", 2, 28), tzinfo=UTC)
    counts = [of.number(f"11.2 {place}", 3, 40) for place in range(4)]
    failures = (
        Failure("starttls-not-supported", f"mx1.{domain}", counts[0]),
        Failure(of.one("11.2 other", _OTHERS), f"mx1.{domain}", counts[1]),
        Failure("starttls-not-supported", f"mx2.{domain}", counts[2]),
    )
    total = sum(counts[:3])
    applied = Applied("sts", domain, 100 * counts[3], failures, STSPolicy("testing", (f"*.{domain}",), 604_800).lines,
                      (f"*.{domain}",), total)  # fmt: skip
    end = begin + timedelta(days=1, seconds=-1)
    return TLSReport("large-provider.test", "tls@large-provider.test", begin, end, f"{begin:%Y%m%d}", (applied,))


def _stripped(answer: object) -> str:
    (applied,) = _report(draw()).policies
    first, other, second = applied.failures
    mistakes = {
        first.count: "That is one of its mail servers. The other was hit as well.",
        second.count: "That is one of its mail servers. The other was hit as well.",
        applied.failed: "That is every failed session. A certificate that does not fit looks different from a missing "
        "offer.",
        other.count: f"{other.result} has another cause: STARTTLS was offered there, or not even asked for.",
        applied.successes: "Those went well.",
        2: "That is the number of lines. Each line counts sessions.",
    }
    return number(first.count + second.count, mistakes=mistakes)(answer)


# ---- 11.3: what a kept policy does not stop

_STOPPED = (
    "strips the capability",
    "own certificate, unknown authority",
    "forges the MX to her own host",
    "blocks the policy host, and strips",
)
_NOT_STOPPED = (
    "mis-issued certificate for the right name",
    "blocks both until the policy expires, strips",
    "is a host under mx: *, forges the MX",
    "injects commands; server unfixed",
    "strips on the next hop only",
)


def _attacks(of: Draw) -> list[str]:
    """Draws attacks that an enforced policy stops, and others that it does not."""
    passing = of.some("11.3 pass", _NOT_STOPPED, of.number("11.3", 2, 4))
    return of.shuffled("11.3", [*passing, *of.some("11.3 stop", _STOPPED, 3)])


def _pass(answer: object) -> str:
    right = [attack for attack in _attacks(draw()) if attack in _NOT_STOPPED]
    missing = {
        _NOT_STOPPED[0]: "MTA-STS believes every trusted authority, also one that was deceived.",
        _NOT_STOPPED[1]: "A policy that has expired is no policy.",
        _NOT_STOPPED[2]: "The policy names her host itself, and her certificate is genuine.",
        _NOT_STOPPED[3]: "Both ends are genuine there: no certificate is false.",
        _NOT_STOPPED[4]: "The policy ends at the first server. What does that one do?",
    }
    extra = {
        _STOPPED[0]: "The policy demands STARTTLS: the message is held.",
        _STOPPED[1]: "The policy demands a certificate from a trusted authority: the message is held.",
        _STOPPED[2]: "Her host is not among the mx of the policy: the message is held.",
        _STOPPED[3]: "The sender keeps the policy already, and a kept one counts until it expires.",
    }
    return members(right, missing=missing, extra=extra, of=_attacks(draw()))(answer)


# ---- 11.4: the rule of the asterisk


def _names() -> Iterator[Call]:
    dice = secrets.SystemRandom()
    domain = f"{dice.choice(NAMES)}{dice.randint(10, 99)}.test"
    for pattern, host, called in (
        (f"mail.{domain}", f"mail.{domain}", "a name and the same name"),
        (f"mail.{domain}", f"mail2.{domain}", "a name and another name"),
        (f"mail.{domain}", f"mail-{domain}", "a name and one with another character in the place of a dot"),
        (f"*.{domain}", f"mx.{domain}", "a wildcard and a name with one label more"),
        (f"*.{domain}", domain, "a wildcard and the domain itself"),
        (f"*.{domain}", f"a.b.{domain}", "a wildcard and a name with two labels more"),
        (f"*.{domain}", f"mallory{domain}", "a wildcard and a name that only ends alike"),
        (f"Mail.{domain}", f"mAIL.{domain.upper()}", "the same name in other letters"),
    ):
        yield Call((pattern, host), matches(pattern, host), called)


# ---- 11.5: the hole at first contact


def _closed(answer: object) -> str:
    sender = getattr(answer, "sender", None)
    if not hasattr(sender, "policies"):
        return (
            f"The answer is a provider that finds its way by itself, `lab.provider(...)`, and yours is {shown(answer)}."
        )
    configuration = sender.configuration
    if configuration.level != "may":
        return (
            f"This one asks for {configuration.level!r} of everybody: it would hold the mail of every domain without "
            "TLS. Leave `level` as it is, and give it what it needs to know about bob.test."
        )
    if not answer.relayed:
        return "Nothing was sent through it yet: `lab.send(provider, …, recipient='bob@bob.test')`, under attack."
    return _known_beforehand(sender) or _held_under_attack(answer, sender)


def _known_beforehand(sender: Any) -> str:
    given = (sender.configuration.preload or {}).get("bob.test")
    if sender.policies.entries:
        return "It has fetched a policy in peace: then it was not the first contact any more. Take a new provider."
    if given is None:
        return 'It knows nothing of bob.test beforehand: `preload={"bob.test": …}` takes a policy.'
    if given.mode != ENFORCE:
        return f"The policy that it was given is {given.mode!r}: then it reports, or does nothing, and delivers."
    return ""


def _held_under_attack(provider: Any, sender: Any) -> str:
    if not any("fetched" in line or "no record begins" in line or "kept policy" in line for line in sender.story):
        return "Nobody kept it from fetching the policy: send under `lab.spoof(attacks.BlockPolicyHost())`."
    last = provider.relayed[-1]
    if last.done:
        return (
            f"The message was delivered ({last.how}). Does the policy name mail.bob.test, and was the server stripped?"
        )
    if "STARTTLS" not in last.why:
        return f"It is held, but for another reason: {last.why}. Strip STARTTLS, and let the policy name mail.bob.test."
    return ""


LESSON = Lesson(
    "11",
    "Defences",
    Prediction(
        "bob's domain enforces MTA-STS. A provider that has never sent mail to bob wants to do so now, and mallory is "
        "on the path. What is the worst that she can do?",
        {
            "a": "nothing: the policy demands TLS and a certificate",
            "b": "hold the mail up, but not read it",
            "c": "read it, but only with a certificate for bob's server",
            "d": "read it, if she keeps the provider from seeing the policy",
        },
        right="d",
        because=(
            "A sender that has no policy yet, and can get none, must deliver as if there were none (RFC 8461 §3.3). "
            "Blocking is easier than breaking."
        ),
        wrong={
            "a": "It does, once the provider has seen it. But there has to be a first time.",
            "b": "That is the worst she can do to a provider that knows the policy. This one does not know it yet.",
            "c": "A certificate would do, but there is something that costs her much less.",
        },
    ),
    (
        Exercise(
            "11.1",
            "Which of these hosts may get mail under this policy?",
            _allowed,
            given=_policy_and_hosts,
            hints=(
                "A line `mx:` without an asterisk names one host in full.",
                "`*.` stands for exactly one label, at the left: count the labels.",
            ),
            solution=(
                'policy, hosts = given("11.1")\n'
                'domain = policy.split("mx: mx.")[1].split()[0]\n'
                'may = {h for h in hosts if h == f"mx.{domain}" or h.partition(".")[2] == f"mail.{domain}"}'
            ),
            because="The asterisk stands for one label, whoever has that host: that is a risk (RFC 8461 §10.4).",
        ),
        Exercise(
            "11.2",
            "How many sessions failed because STARTTLS was not offered?",
            _stripped,
            given=_report,
            hints=(
                "The result type for it is `starttls-not-supported`.",
                "It stands in two lines, one for each mail server: add them up.",
            ),
            solution=(
                'report = given("11.2")\n'
                "failures = report.policies[0].failures\n"
                'sessions = sum(each.count for each in failures if each.result == "starttls-not-supported")'
            ),
            because=(
                "From one server it may be a mistake of the administrator; from all of them, at one sender, it looks "
                "like stripping. A report tells it a day later, and blocks nothing."
            ),
        ),
        Exercise(
            "11.3",
            "Which of these attacks does an enforced policy let through, although the sender keeps it already?",
            _pass,
            given=_attacks,
            hints=(
                'Try them: `lab.defences(columns=["MTA-STS, kept"])` runs every row against it.',
                "Ask of each: does the policy see anything wrong with the server, its name or its certificate?",
            ),
            solution=(
                'attacks_given = given("11.3")\n'
                'pass_ = [a for a in attacks_given if a.split()[0] in ("mis-issued", "is", "injects") '
                'or a.startswith(("blocks both", "strips on"))]'
            ),
            because="MTA-STS compares names and certificates, for as long as the policy lasts, on one hop.",
        ),
        Exercise(
            "11.4",
            "Write the rule by which a pattern of a policy names a host.",
            tried_on(_names),
            hints=(
                "Names have no upper and lower case: begin with `lower()`.",
                'What is left of `"*.bob.test"` without its first two characters has to be equal to what is behind the '
                "first dot of the host.",
                '`host.partition(".")[2]` is what is behind the first dot.',
            ),
            solution=(
                "def named(pattern, host):\n"
                "    pattern, host = pattern.lower(), host.lower()\n"
                '    wild = pattern.startswith("*.") and host.partition(".")[2] == pattern[2:]\n'
                "    return wild or pattern == host"
            ),
            because=(
                "Some senders matched names against the certificate instead, and let any listed host through (RFC 8461 "
                "§4.1 compares the name from the MX record)."
            ),
        ),
        Exercise(
            "11.5",
            "Close the hole: a provider that has never talked to bob.test, and leaks nothing.",
            _closed,
            hints=(
                "`lab.provider(preload={…})` takes policies by hand, by domain; `bob.policy` is the published one.",
                "Send under two attacks at once: `lab.spoof(attacks.BlockPolicyHost())` and "
                "`lab.mallory(attacks.StripCapability(), at=bob.server)`.",
            ),
            solution=(
                'bob = lab.domain("bob.test").sts("enforce")\n'
                'closed = lab.provider(preload={"bob.test": bob.policy}, replace=True)\n'
                "with lab.spoof(attacks.BlockPolicyHost()), lab.mallory(attacks.StripCapability(), at=bob.server):\n"
                '    lab.send(closed, "The PIN is 4921", login=("alice", "hunter2"), recipient="bob@bob.test")'
            ),
            because=(
                "A list that comes with the program knows the policy before mallory can hide it; web browsers have "
                "such a list for HSTS. DANE needs none: that a signed domain has no record has to be proven."
            ),
        ),
    ),
)
