"""In the wild: what published figures count, and the same upgrade in protocols that are not mail."""

import secrets
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from labkit.attack import Attack
from labkit.attacks.verdict import LEAKED
from labkit.exercises.captures import capture_that, readable
from labkit.exercises.checkers import members, number, shown
from labkit.exercises.drawn import Draw
from labkit.exercises.functions import Call, tried_on
from labkit.exercises.keeping import draw
from labkit.exercises.question import Exercise, Lesson, Prediction
from labkit.surveys import AS_GIVEN, PERCENT, PRIMARY, SECONDARY, PublishedFigure

if TYPE_CHECKING:
    from labkit.show.capture import Capture

# ---- 14.1: what a figure says

_CARRIED = {
    "From Uganda, more than 20 % of the mail came in clear text.": "That is what the arrow says.",
    "Of the mail that came from Tunisia, nearly all arrived in clear text.": "96.1 % of it did.",
    "Facebook's validated mail rose from 28.6 % to 95 % within three months.": "Both are Facebook's own figures, "
    "counted in the same mail.",
    "In the top million, more domains published MTA-STS in 2026 than in 2024.": "The same population, twice: such "
    "figures may be compared.",
    "More domains had DANE in 2024-01 than in 2020-10.": "One author counted both, in the same way.",
}
"""Claims that the figures of the lesson carry -> why."""
_NOT_CARRIED = {
    "From Uganda, exactly 20 % of the mail came in clear text.": "What was published is a bound: more than 20 %.",
    "MTA-STS grew from 0.0124 % in 2021 to 2.2 % in 2026.": "The first is of scanned domains, the second of the most "
    "popular ones: two populations, no growth.",
    "In Tunisia, 96.1 % of the mail servers did not offer STARTTLS.": "What was counted is mail that was changed on "
    "the way. What its servers offered is another question.",
    "Less than 1 % of all mail goes to a domain with MTA-STS.": "Domains were counted. A few of them get most of the "
    "mail.",
    "At Gmail, mail over TLS rose from 33 % in 2013 to 50 % in 2014-06.": "The first is from the study, the second "
    "from Google's report: two measures, no line.",
}
"""Claims that they do not carry -> why not."""


def _claims(of: Draw) -> dict[str, str]:
    """Letter -> a claim; some are carried by the figures, and some not."""
    chosen = of.some("14.1 carried", tuple(_CARRIED), of.number("14.1", 2, 3))
    chosen += of.some("14.1 others", tuple(_NOT_CARRIED), 5 - len(chosen))
    return dict(zip("ABCDE", of.shuffled("14.1", chosen), strict=True))


def _carried(answer: object) -> str:
    asked = _claims(draw())
    right = [letter for letter, claim in asked.items() if claim in _CARRIED]
    missing = {letter: f"{letter} is carried, too. {_CARRIED[asked[letter]]}" for letter in right}
    extra = {letter: _NOT_CARRIED[claim] for letter, claim in asked.items() if claim in _NOT_CARRIED}
    return members(right, missing=missing, extra=extra, of=tuple(asked))(answer)


# ---- 14.2: domains and mail


class MailProvider(NamedTuple):
    """What is known of one mail provider."""

    name: str
    domains: int
    messages: int
    """Thousands that it receives in a day."""
    policy: bool
    """Whether its domains publish an enforced policy."""


def _providers(of: Draw) -> list[MailProvider]:
    """One provider with few domains and much mail, and others with many domains and little."""
    return [
        MailProvider("large mailboxes", of.number("14.2 a", 2, 9), of.number("14.2 b", 40, 70) * 100, True),
        MailProvider("hosting, cheap", of.number("14.2 c", 500, 900), of.number("14.2 d", 8, 14) * 100, False),
        MailProvider("hosting, signed", of.number("14.2 e", 20, 60), of.number("14.2 f", 2, 6) * 100, True),
        MailProvider("firms of their own", of.number("14.2 g", 200, 400), of.number("14.2 h", 10, 20) * 100, False),
    ]


def _share(found: list[MailProvider], of: str) -> float:
    """The share in percent of what is counted that belongs to providers with a policy."""
    counted = [(getattr(one, of), one.policy) for one in found]
    return 100 * sum(count for count, policy in counted if policy) / sum(count for count, _ in counted)


def _share_of_mail(answer: object) -> str:
    found = _providers(draw())
    right, domains = _share(found, "messages"), _share(found, "domains")
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        if abs(answer - domains) <= _NEAR:
            return "That is the share of the domains. What was asked for is the share of the messages."
        if abs(answer - (100 - right)) <= _NEAR:
            return "That is the share of the messages that go to a domain without a policy."
        if abs(100 * answer - right) <= _NEAR:
            return "The value is right as a fraction of 1: give it in percent."
    mistakes = {50: "That is the share of the providers, as if each got as much mail as another."}
    return number(right, _NEAR, mistakes, "Weigh each provider by its messages.")(answer)


_NEAR = 0.6
"""Percent points: rounding to whole ones is right."""


# ---- 14.3: what may be joined by a line


def _finding(**changes: object) -> PublishedFigure:
    dice = secrets.SystemRandom()
    known = {
        "key": f"figure-{dice.randint(1, 999)}",
        "of": "with a policy",
        "date": f"20{dice.randint(18, 22)}",
        "value": float(dice.randint(1, 90)),
        "bound": AS_GIVEN,
        "unit": PERCENT,
        "counted": "domains that publish a policy",
        "population": f"{dice.randint(2, 9)} top-level domains",
        "grade": PRIMARY,
        "citation": "Ada and Bela, A survey",
        "read_in": "the paper",
    }
    return PublishedFigure(**{**known, **changes})


def _pairs() -> Iterator[Call]:
    one = _finding(population="the top million", unit=PERCENT)
    later = one._replace(key="later", date="2024", value=one.value + 1.5)
    for other, joined, called in (
        (later, True, "two figures of one survey"),
        (later._replace(population="the top ten thousand"), False, "figures of two populations"),
        (later._replace(counted="domains that enforce a policy"), False, "figures of which each counts something else"),
        (later._replace(citation="Chidi, Another survey"), False, "figures of two authors"),
        (later._replace(unit="domains"), False, "a share and a number"),
        (later._replace(grade=SECONDARY, read_in="a newspaper"), True, "figures of one survey, read in two places"),
    ):
        yield Call((one, other), joined, called)


def _two_figures(of: Draw) -> tuple[PublishedFigure, PublishedFigure]:
    value = of.number("14.3", 3, 30)
    words = {"of": "with a policy", "unit": PERCENT, "counted": "domains that publish a policy", "bound": AS_GIVEN}
    words |= {"grade": PRIMARY, "citation": "Ada and Bela, A survey", "read_in": "the paper"}
    small = PublishedFigure(key="one", date="2022", value=float(value), population="the top million", **words)
    return small, small._replace(key="other", date="2024", value=value * 2.0, population="the top ten thousand")


# ---- 14.4: another protocol

_OTHERS = ("LMTP", "ManageSieve", "NNTP", "LDAP")


def _protocol(of: Draw) -> str:
    return of.one("14.4", _OTHERS)


def _stripped(answer: Attack) -> str:
    wanted = _protocol(draw())
    if not isinstance(answer, Attack):
        return (
            "The answer is the attack itself, the name after `as` in `with lab.mallory(…) as …`, "
            f"and yours is {shown(answer)}."
        )
    if answer.under_way:
        return "The attack is still under way: check it below the `with` block, when it is over."
    spoken = {dialogue.dialect.name for dialogue in answer.victim_side.dialogues if dialogue.dialect}
    if not spoken and answer.reports:
        return f"A client tried, and nothing was spoken. It says: {answer.reports[-1].said!r}"
    if not spoken:
        return f'No client came by: `lab.visit("{wanted}, …")` inside the `with` block lets one do its work.'
    if spoken != {wanted}:
        return f"What was spoken is {' and '.join(sorted(spoken))}: your protocol is {wanted}."
    if not answer.edits:
        return "mallory changed nothing: that client would have done the same without her."
    verdict = answer.verdict
    if verdict.outcome != LEAKED:
        return f"The verdict is: {verdict.outcome}, {verdict.why}. Which habit goes on without TLS?"
    return ""


# ---- 14.5: one of two connections


def _spoke_ftp(capture: "Capture") -> bool:
    return any(one.dialect and one.dialect.name == "FTP" for one in capture.dialogues)


def _upgraded(capture: "Capture") -> bool:
    return any(one.dialect and one.dialect.name == "FTP" and one.session for one in capture.dialogues)


def _file_in_clear(capture: "Capture") -> bool:
    """Whether bytes crossed in clear text over a connection without phrases: FTP's data."""
    data = [one for one in capture.dialogues if one.dialect is None and one.session is None]
    return any(event.data for one in data for event in one.events)


_half_protected = capture_that(
    (_spoke_ftp, 'Nobody spoke FTP in it: `lab.start("ftp")`, and one of its clients with `lab.visit(…)`.'),
    (_upgraded, "The login was not protected: this client did not upgrade its control connection."),
    (lambda capture: "password" not in readable(capture), "The password can be read in it."),
    (_file_in_clear, "The file cannot be read: its data connection has TLS as well, or none was opened."),
)


# ---- 14.6: what to do with one byte

_MODES = ("prefer", "require", "verify-full")
_DECIDED = {
    b"S": dict.fromkeys(_MODES, "TLS"),
    b"N": {"prefer": "clear", "require": "stop", "verify-full": "stop"},
}


def _answers() -> Iterator[Call]:
    dice = secrets.SystemRandom()
    for said, decided in _DECIDED.items():
        for mode in _MODES:
            yield Call((mode, said), decided[mode], f"{mode!r} and {said!r}", _MISTAKES.get((mode, said), {}))
    early = b"S" + bytes([0x15, 3, 3, 0, dice.randint(2, 9)])
    for mode in _MODES:
        why = {"TLS": "What stands behind the S came in clear text, and is not TLS with anybody (CVE-2021-23222)."}
        yield Call((mode, early), "stop", f"{mode!r} and {early!r}, more than one byte", why)


_MISTAKES: Mapping[tuple[str, bytes], Mapping[str, str]] = {
    ("prefer", b"N"): {"stop": "That would be the careful thing to do, but `prefer` is the mode that goes on."},
    ("require", b"N"): {"clear": "TLS was required: then nothing goes out without it."},
    ("verify-full", b"N"): {"clear": "A client that wants to verify goes on with nothing that it cannot verify."},
}


LESSON = Lesson(
    "14",
    "In the wild",
    Prediction(
        "Gmail offers STARTTLS to every server that brings it mail. In 2015, of all that came, 61 % was encrypted on "
        "the way. How much of the mail from Tunisia was?",
        {
            "a": "next to none of it",
            "b": "about half of it",
            "c": "about as much as from elsewhere",
            "d": "more than from elsewhere",
        },
        right="a",
        because=(
            "96.1 % came in clear text because the command had been changed on the way. Opportunistic TLS measures "
            "whoever stands between the two servers, not what they can do."
        ),
        wrong={
            "b": "It was a network of one country that was in the way, not every second server.",
            "c": "That is what one expects where the servers decide. Here something between them decided.",
            "d": "Both servers may have been able to do it. The word in which they say so did not get through.",
        },
    ),
    (
        Exercise(
            "14.1",
            "Which of these claims do the figures of this lesson carry?",
            _carried,
            given=_claims,
            hints=(
                "Ask of each: what was counted, among what, and by whom? Two figures may be compared when all three "
                "are the same.",
                "A bound is not a value, a domain is not a message, and a server is not the way to it.",
            ),
            solution=(
                "bad = ('exactly 20', '0.0124', 'did not offer', 'of all mail', 'to 50 %')\n"
                'carried = {k for k, claim in given("14.1").items()\n'
                "           if not any(word in claim for word in bad)}"
            ),
            because="A figure says what was counted, among what, when and by whom; the rest is the reader's.",
        ),
        Exercise(
            "14.2",
            "What share of the messages goes to domains with a policy, in percent?",
            _share_of_mail,
            given=_providers,
            hints=(
                "The number of domains plays no part in it.",
                "Add up the `messages` of those whose `policy` is true, and divide by all messages.",
            ),
            solution=(
                'providers = given("14.2")\n'
                "protected = sum(one.messages for one in providers if one.policy)\n"
                "share = 100 * protected / sum(one.messages for one in providers)"
            ),
            because=(
                "A few large mailboxes receive most of the mail, and many small domains receive little. Each share is "
                "true, and they answer different questions."
            ),
        ),
        Exercise(
            "14.3",
            "Write whether a line may join two figures.",
            tried_on(_pairs),
            given=_two_figures,
            hints=(
                "Their `date` and `value` may differ, and where somebody read them does not matter.",
                "`unit`, `counted`, `population` and `citation` have to be the same.",
            ),
            solution=(
                "def one_line(one, other):\n"
                '    same = ("unit", "counted", "population", "citation")\n'
                "    return all(getattr(one, k) == getattr(other, k) for k in same)"
            ),
            because="A line says that something grew. Two populations side by side say nothing of the kind.",
        ),
        Exercise(
            "14.4",
            "Take TLS away from a client of your protocol, so that it leaks.",
            _stripped,
            given=_protocol,
            hints=(
                'Start its server with `lab.start("…", auth="always")`, and attack with `attacks.StripCapability()`.',
                'The client that takes what is there is `lab.visit("…, if offered")`, inside the `with` block.',
            ),
            solution=(
                'protocol = given("14.4")\n'
                'other = lab.start(protocol, auth="always", replace=True)\n'
                "with lab.mallory(attacks.StripCapability(), at=other) as taken:\n"
                '    lab.visit(f"{protocol}, if offered")'
            ),
            because="The vector knows no protocol: it asks the dialect which word offers TLS, and removes that one.",
        ),
        Exercise(
            "14.5",
            "Capture an FTP session whose login nobody can read, and whose file everybody can.",
            _half_protected,
            hints=(
                "FTP has two connections. `AUTH TLS` protects the first one, `PROT P` the other.",
                "Among the clients there is one that asks for the first and forgets the second: "
                '`"FTP, careful (half protected)"`.',
            ),
            solution=(
                'ftp = lab.start("ftp", replace=True)\n'
                "with lab.capture() as half_safe:\n"
                '    lab.visit("FTP, careful (half protected)")'
            ),
            because="Without `PROT P` the data connection stays clear (RFC 4217 §9), and the certificate is in order.",
        ),
        Exercise(
            "14.6",
            "Write what a client of PostgreSQL does with the answer to its SSLRequest.",
            tried_on(_answers),
            hints=(
                'Exactly `b"S"` starts TLS. What is longer holds bytes that came in clear text.',
                'Exactly `b"N"` means that there is no TLS: only the mode `prefer` goes on.',
                'Everything else is `"stop"`.',
            ),
            solution=(
                "def go_on(mode, answer):\n"
                '    if answer == b"S":\n'
                '        return "TLS"\n'
                '    return "clear" if answer == b"N" and mode == "prefer" else "stop"'
            ),
            because=(
                "`prefer` is opportunistic, `require` mandatory, `verify-full` verified: the axes of 07 in other "
                "words. Bytes behind the S are the buffer of 10."
            ),
        ),
    ),
)
