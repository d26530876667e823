"""Ports and policies: what is spoken where, and what a client does without TLS."""

from collections.abc import Iterator

from labkit.exercises.checkers import choice, members, shown, tried_on
from labkit.exercises.question import Checker, Exercise, Lesson, Prediction


def _blocking(answer: object) -> str:
    blocks = getattr(answer, "blocks", None)
    if blocks is None:
        return f"The answer is a provider, made with `lab.provider(...)`, and yours is {shown(answer)}."
    if not blocks:
        return "This provider has blocked nothing yet: send a mail through it, and give it a policy that stops."
    if any("certificate" in block.reason for block in blocks):
        return ""
    return (
        f"It has blocked a mail, but because {blocks[-1].reason}. Let the next server offer STARTTLS with a "
        "certificate that does not fit, and give the provider a policy that looks at it."
    )


def _by_name(*expected: object, **said: object) -> Checker:
    """Names of policies, or the policies themselves."""
    checker = members(*expected, **said)

    def either(answer: object, *about: object) -> str:
        several = isinstance(answer, set | list | tuple)
        return checker({getattr(one, "name", one) for one in answer} if several else answer, *about)

    return either


def _advice() -> Iterator[tuple[object, object, str]]:
    from labkit.clients import policies

    for known, lost, policy in (
        (True, True, policies.verified),
        (True, False, policies.verified),
        (False, False, policies.opportunistic),
        (False, True, policies.mandatory),
    ):
        yield (known, lost), policy.name, f"known={known}, better_lost_than_leaked={lost}"


def _advise(answer: object) -> str:
    if not callable(answer):
        return tried_on(_advice)(answer)
    return tried_on(_advice)(lambda pair: getattr(answer(*pair), "name", None))


LESSON = Lesson(
    "07",
    "Ports and policies",
    Prediction(
        "alice's mail program shows a padlock: her connection to the provider is encrypted and verified. What does she "
        "know about the way from there to bob?",
        {
            "a": "it is encrypted as well, all the way",
            "b": "it is encrypted if bob's server can do it, and she is told if not",
            "c": "nothing",
            "d": "it is encrypted, but not verified",
        },
        right="c",
        because=(
            "Each hop has its own connection and its own policy. Between servers it is usually opportunistic, and "
            "nobody tells the sender how it went."
        ),
    ),
    (
        Exercise(
            "07.1",
            "What is spoken on port 465?",
            choice(
                "b",
                wrong={
                    "a": "That is what you will often read. STARTTLS belongs to 587; on 465 TLS comes first.",
                    "c": "A server cannot guess: either it greets first, or it waits for a ClientHello.",
                },
            ),
            hints=("It is called `submissions`, with an s at the end, like https.", "Look at the table of ports."),
            solution='spoken = "b"',
            because="RFC 8314 §7.3 registered it for submission over implicit TLS.",
        ),
        Exercise(
            "07.2",
            "Which policies never send a password or a mail in the clear?",
            _by_name(
                ("mandatory", "verified", "implicit"),
                missing={"mandatory": "Look at its row: is there a ✘?"},
                extra={
                    "opportunistic": "Look at what it does at the server without TLS.",
                    "none": "That one sends everything in the clear.",
                },
            ),
            hints=("Look for the rows of the grid without a ✘.", "There are three."),
            solution='safe_from_listening = {"mandatory", "verified", "implicit"}',
            because="They stop without TLS. Encrypting to whoever answers is enough against somebody who only listens.",
        ),
        Exercise(
            "07.3",
            "Which of these also never hand it to the wrong server?",
            _by_name(
                ("verified", "implicit"),
                extra={"mandatory": "It takes any certificate: look at its row, at the server with the wrong name."},
            ),
            hints=("Look for the rows without a ✘ and without a `!`.", "Which policies look at the certificate?"),
            solution='safe_from_impostors = {"verified", "implicit"}',
            because="Only a certificate that is compared with the expected name tells the right server from another.",
        ),
        Exercise(
            "07.4",
            "Make a provider that blocks a mail because of a certificate.",
            _blocking,
            hints=(
                'The server on the next hop: `lab.smtp(port=25, certificate="wrong name")`.',
                "The provider: `lab.provider(server, policy=policies.verified)`. Then send a mail through it.",
            ),
            solution=(
                'impostor = lab.smtp(port=25, certificate="wrong name")\n'
                "blocking = lab.provider(impostor, policy=policies.verified)\n"
                'lab.send(blocking, "The PIN is 4921", login=("alice", "hunter2"), policy=policies.verified)'
            ),
            because="With the policy `mandatory` the same mail would have gone through, to whoever answered.",
        ),
        Exercise(
            "07.5",
            "Write a policy advisor.",
            _advise,
            hints=(
                "Begin with `if known: return policies.verified`.",
                "For unknown servers: `policies.mandatory` where leaking is worse, `policies.opportunistic` otherwise.",
            ),
            solution=(
                "def advise(known, better_lost_than_leaked):\n"
                "    if known:\n"
                "        return policies.verified\n"
                "    return policies.mandatory if better_lost_than_leaked else policies.opportunistic"
            ),
            because="This is, in short, what RFC 8314 says to mail programs and RFC 7435 to everybody else.",
        ),
    ),
)
