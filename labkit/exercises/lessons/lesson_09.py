"""Forged identity: an attacker who speaks TLS herself."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from labkit.attack import Attack
from labkit.attacks import WrongName
from labkit.attacks.verdict import LEAKED
from labkit.exercises.checkers import as_text, shown, word
from labkit.exercises.drawn import Draw
from labkit.exercises.functions import returned
from labkit.exercises.keeping import draw
from labkit.exercises.question import Exercise, Lesson, Prediction
from labkit.trust.certificates import Authority

if TYPE_CHECKING:
    from labkit.lab import Lab

_FAILS = {
    "self-signed": "trust",
    "unknown root": "trust",
    "wrong name": "name",
    "expired": "time",
    "right": "nothing",
}
"""Kind of certificate -> which comparison fails."""


def _kinds(of: Draw) -> dict[str, str]:
    """Letter -> kind of the certificate that is shown under it: four of the five kinds."""
    return dict(zip("ABCD", of.some("09.1", tuple(_FAILS), 4), strict=True))


def _certificates(of: Draw) -> dict[str, str]:
    return {letter: _in_words(kind) for letter, kind in _kinds(of).items()}


@cache
def _in_words(kind: str) -> str:
    """What a certificate of that kind says."""
    from cryptography import x509

    shown_one = x509.load_pem_x509_certificates(Authority().certificate(kind).pem)[0]
    names = shown_one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        f"issuer {shown_one.issuer.rfc4514_string()}; subject {shown_one.subject.rfc4514_string()}; "
        f"names {', '.join(names.get_values_for_type(x509.DNSName))}; "
        f"valid {shown_one.not_valid_before_utc:%Y-%m-%d} to {shown_one.not_valid_after_utc:%Y-%m-%d}"
    )


def _what_fails(answer: object) -> str:
    if not isinstance(answer, Mapping):
        return f'The answer is a dictionary, like {{"A": "trust", …}}, and yours is {shown(answer)}.'
    for letter, kind in _kinds(draw()).items():
        given = answer.get(letter, answer.get(letter.lower(), ...))
        if given is ...:
            return f"There is no entry for {letter!r} yet."
        said = "nothing" if given in (None, "") else (as_text(given) or "").lower()
        if said.replace("none", "nothing") not in set(_FAILS.values()):
            return f'For {letter!r} you have {shown(given)}: it is one of "trust", "name", "time" and "nothing".'
        if said.replace("none", "nothing") != _FAILS[kind]:
            return f"For {letter!r} it is not {shown(given)}: look at it again, {_LOOK[_FAILS[kind]]}."
    return ""


_LOOK = {
    "trust": "who issued it",
    "name": "which names it is for",
    "time": "until when it is valid",
    "nothing": "its issuer, its names and its dates",
}


def _robbed(answer: Attack) -> str:
    if not isinstance(answer, Attack):
        return (
            "The answer is the attack itself, the name after `as` in `with lab.mallory(…) as …`, "
            f"and yours is {shown(answer)}."
        )
    if not isinstance(answer.vector, WrongName):
        return f"This attack was {answer.vector.name}: the question is about `attacks.WrongName()`."
    if not answer.victim_side.conversations:
        return "No client came by: let one send inside the `with` block, to the server that is attacked."
    verdict = answer.verdict
    if verdict.outcome != LEAKED:
        return (
            f"She read nothing. The verdict is: {verdict.outcome}, {verdict.why}. Which policy takes any certificate?"
        )
    if "password" not in verdict.secrets:
        return f"She read the {' and the '.join(verdict.secrets)}, but no password: give `lab.send` a `login=`."
    return "" if any("TLS" in item.where for item in answer.loot) else "She read it in clear text, not inside TLS."


@contextmanager
def _watched() -> Iterator[list[tuple[Any, Any]]]:
    """Which contexts were given a minimum version inside the block: Python's default has one already."""
    told: list[tuple[Any, Any]] = []
    own: Any = ssl.SSLContext.minimum_version

    def set_it(context: ssl.SSLContext, version: Any) -> None:
        own.__set__(context, version)
        told.append((context, version))

    ssl.SSLContext.minimum_version = property(own.__get__, set_it)  # type: ignore[assignment, method-assign]
    try:
        yield told
    finally:
        ssl.SSLContext.minimum_version = own


_OLD = ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
"""The older way to refuse everything below TLS 1.2."""


def _context(answer: Callable, lab: "Lab") -> str:
    if not callable(answer):
        return f"The answer is a function, given by its name alone, and yours is {shown(answer)}."
    with _watched() as told:
        context, complaint = returned(answer, lab, on="the lab")
    if complaint:
        return complaint
    if context is None:
        return "It returns nothing: does it end in a `return`?"
    if not isinstance(context, ssl.SSLContext):
        return f"It returns {shown(context)}, and it should return a `ssl.SSLContext`."
    fault = next((complaint for wrong, complaint in _FAULTS if wrong(context, lab)), "")
    if fault or any(one is context for one, _ in told) or context.options & _OLD == _OLD:
        return fault
    return (
        "Everything is right, but whether it refuses versions below TLS 1.2 is left to the default of this Python: set "
        "`context.minimum_version = ssl.TLSVersion.TLSv1_2`."
    )


def _trusts_none(context: ssl.SSLContext, _: "Lab") -> bool:
    return not context.get_ca_certs()


def _trusts_others(context: ssl.SSLContext, lab: "Lab") -> bool:
    only = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lab.authority.trust(only)
    return context.get_ca_certs() != only.get_ca_certs()


def _takes_old(context: ssl.SSLContext, _: "Lab") -> bool:
    return context.minimum_version < ssl.TLSVersion.TLSv1_2 and context.options & _OLD != _OLD


_FAULTS = (
    (
        lambda context, _: context.verify_mode != ssl.CERT_REQUIRED,
        "It does not ask for a certificate: `verify_mode` must be `ssl.CERT_REQUIRED`, as in a context that is made "
        "with `ssl.PROTOCOL_TLS_CLIENT`.",
    ),
    (lambda context, _: not context.check_hostname, "It does not compare the name: `check_hostname` must be True."),
    (_trusts_none, "It trusts no authority, so it will accept no server: `lab.authority.trust(context)`."),
    (
        _trusts_others,
        "It trusts others than the lab's authority, such as all those of this machine: begin with "
        "`ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)`, which trusts none yet.",
    ),
    (_takes_old, "It takes versions below TLS 1.2: set `context.minimum_version = ssl.TLSVersion.TLSv1_2`."),
)
"""(whether a context has the fault, what to say about it)."""


def _stops(answer: object) -> str:
    name = getattr(answer, "name", answer)
    said = as_text(name)
    return word(
        "verified",
        mistakes={
            "mandatory": "It takes any certificate, so it takes this one as well.",
            "implicit": "It stops her as well, but its TLS starts implicitly.",
            "opportunistic": "It takes anything, even no TLS at all.",
            "none": "It wants no TLS.",
        },
        otherwise="It is one of `policies.ALL`.",
    )(name if said is None else said.removeprefix("policies."))


LESSON = Lesson(
    "09",
    "Forged identity",
    Prediction(
        "A client insists on TLS and takes any certificate. Whom does that keep out?",
        {
            "a": "those who listen, but nobody who takes part",
            "b": "those who listen, and those who change the conversation",
            "c": "everybody on the path",
            "d": "nobody",
        },
        right="a",
        because=(
            "Whoever takes part shakes hands herself, and is the other end of a perfect TLS session. Only the "
            "certificate tells her from the right one, and nobody looked at it."
        ),
        wrong={
            "b": "It keeps out those who only listen. To change the conversation she only has to be the other end of "
            "the TLS session.",
            "c": "Somebody on the path can also answer in the server's place, with a certificate of her own, and any "
            "certificate will do.",
            "d": "Listening alone gets nothing any more: whoever wants to read has to take part, and that can be "
            "noticed.",
        },
    ),
    (
        Exercise(
            "09.1",
            "Which comparison fails for each of these certificates?",
            _what_fails,
            given=_certificates,
            hints=(
                "alice trusts `OU=Root of trust` alone, and wants `mail.lab.test`, today. Compare each with these "
                "three.",
                "Another issuer is `trust`, another name is `name`, a last day that is over is `time`; one that has "
                "none of "
                "these is `nothing`.",
            ),
            solution=(
                "from datetime import date\n\n"
                "fails = {}\n"
                "for letter, says in certificates.items():\n"
                '    ours, over = "OU=Root of trust" in says.split(";")[0], says[-10:] < f"{date.today()}"\n'
                '    named = "mail.lab.test" in says.split(";")[2]\n'
                '    fails[letter] = "trust" if not ours else "name" if not named else "time" if over else "nothing"'
            ),
            because="Leave out any one of the three, and one of these certificates lets her in.",
        ),
        Exercise(
            "09.2",
            "mallory has a real certificate for her own domain. Which policy with explicit TLS still stops her?",
            _stops,
            hints=("A policy that compares the name.", "Its name says what it does with the certificate."),
            solution='stops = "verified"',
            because="Her certificate is good, but for another name than the one that alice wanted.",
        ),
        Exercise(
            "09.3",
            "Read alice's password with `attacks.WrongName()`, and hand in the attack.",
            _robbed,
            hints=(
                "`with lab.mallory(attacks.WrongName()) as robbed:` and in it `lab.send(...)` with a login.",
                "The policy is one that insists on TLS and takes any certificate.",
            ),
            solution=(
                "with lab.mallory(attacks.WrongName()) as robbed:\n"
                '    lab.send(mail, "The PIN is 4921", login=("alice", "hunter2"), policy=policies.mandatory)'
            ),
            because="The certificate was genuine, trusted and fresh. The name in it was never compared.",
        ),
        Exercise(
            "09.4",
            "Write a function that makes a careful `ssl.SSLContext` for this lab.",
            _context,
            hints=(
                "`ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)` asks for a certificate and compares the name by itself.",
                "It trusts nobody yet: `lab.authority.trust(context)`.",
                "And `context.minimum_version = ssl.TLSVersion.TLSv1_2`, then return it.",
            ),
            solution=(
                "import ssl\n\n\n"
                "def context_for(lab):\n"
                "    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n"
                "    context.minimum_version = ssl.TLSVersion.TLSv1_2\n"
                "    lab.authority.trust(context)\n"
                "    return context"
            ),
            because="`ssl.create_default_context()` does the same with the authorities of your machine.",
        ),
    ),
)
