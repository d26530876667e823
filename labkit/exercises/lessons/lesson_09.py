"""Forged identity: an attacker who speaks TLS herself."""

import ssl
from typing import TYPE_CHECKING

from labkit.exercises.checkers import equals, shown, word
from labkit.exercises.question import Exercise, Lesson, Prediction

if TYPE_CHECKING:
    from labkit.lab import Lab

_FAILS = {"SelfSigned": "trust", "WrongName": "name", "Expired": "time"}


def _what_fails(answer: object) -> str:
    if not isinstance(answer, dict):
        return f'The answer is a dictionary, like {{"SelfSigned": "…", …}}, and yours is {shown(answer)}.'
    for attack, what in _FAILS.items():
        if attack not in answer:
            return f"There is no entry for {attack!r} yet."
        if str(answer[attack]).strip().lower() != what:
            return f"For {attack!r} it is not {shown(answer[attack])}. What did the verified client say about it?"
    return ""


def _context(answer: object, lab: "Lab") -> str:
    if not callable(answer):
        return f"The answer is a function, given by its name alone, and yours is {shown(answer)}."
    context = answer(lab)
    if not isinstance(context, ssl.SSLContext):
        return f"It returns {shown(context)}, and it should return a `ssl.SSLContext`."
    return next((complaint for wrong, complaint in _FAULTS if wrong(context, lab)), "")


def _trusts_nobody(context: ssl.SSLContext, _: "Lab") -> bool:
    return not context.get_ca_certs()


def _trusts_others(context: ssl.SSLContext, lab: "Lab") -> bool:
    only = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lab.authority.trust(only)
    return context.get_ca_certs() != only.get_ca_certs()


_FAULTS = (
    (
        lambda context, _: context.verify_mode != ssl.CERT_REQUIRED,
        "It does not ask for a certificate: `verify_mode` must be `ssl.CERT_REQUIRED`, as in a context that is made "
        "with `ssl.PROTOCOL_TLS_CLIENT`.",
    ),
    (lambda context, _: not context.check_hostname, "It does not compare the name: `check_hostname` must be True."),
    (_trusts_nobody, "It trusts nobody, so it will accept nobody: `lab.authority.trust(context)`."),
    (
        _trusts_others,
        "It trusts others as well, such as all the authorities of this machine: begin with "
        "`ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)`, which trusts nobody yet.",
    ),
    (
        lambda context, _: context.minimum_version < ssl.TLSVersion.TLSv1_2,
        "It takes versions below TLS 1.2: set `context.minimum_version = ssl.TLSVersion.TLSv1_2`.",
    ),
)
"""(whether a context has the fault, what to say about it)."""

LESSON = Lesson(
    "09",
    "Forged identity",
    Prediction(
        "A client insists on TLS and takes any certificate. Whom does that keep out?",
        {
            "a": "everybody on the path",
            "b": "those who listen, and those who change the conversation",
            "c": "those who listen, but nobody who takes part",
            "d": "nobody",
        },
        right="c",
        because=(
            "Whoever takes part shakes hands herself, and is the other end of a perfect TLS session. Only the "
            "certificate tells her from the right one, and nobody looked at it."
        ),
    ),
    (
        Exercise(
            "09.1",
            "Which comparison fails in which attack?",
            _what_fails,
            hints=(
                "Look at what the verified client said to each of the four forgeries.",
                "A name mismatch is `name`, `expired` is `time`. What is missing for the one who signed for herself?",
            ),
            solution='fails = {"SelfSigned": "trust", "WrongName": "name", "Expired": "time"}',
            because="Leave out any one of the three, and one of these certificates lets her in.",
        ),
        Exercise(
            "09.2",
            "mallory has a real certificate for her own domain. Which policy with explicit TLS still stops her?",
            word(
                "verified",
                mistakes={
                    "mandatory": "It takes any certificate, so it takes this one as well.",
                    "implicit": "It stops her as well, but its TLS starts implicitly.",
                    "opportunistic": "It takes anything, even no TLS at all.",
                    "none": "It wants no TLS.",
                },
            ),
            hints=("A policy that compares the name.", "Its name says what it does with the certificate."),
            solution='stops = "verified"',
            because="Her certificate is good, but for another name than the one that alice wanted.",
        ),
        Exercise(
            "09.3",
            "Which password did mallory read?",
            equals(
                "hunter2",
                mistakes={
                    "alice": "That is the user name.",
                    "AGFsaWNlAGh1bnRlcjI=": "That is how it crossed the wire. The loot has it decoded.",
                },
            ),
            hints=(
                "`with lab.mallory(attacks.WrongName()) as mallory:` and in it `lab.send(...)` with a login.",
                'Then `next(item.value for item in mallory.loot if item.what == "password")`.',
            ),
            solution=(
                "with lab.mallory(attacks.WrongName()) as mallory:\n"
                '    lab.send(mail, "The PIN is 4921", login=("alice", "hunter2"), policy=policies.mandatory)\n'
                'password = next(item.value for item in mallory.loot if item.what == "password")'
            ),
            because="The certificate was genuine, trusted and fresh. Nobody asked for whom.",
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
