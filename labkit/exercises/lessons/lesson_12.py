"""Test a server: what tools and a probe say of it, how it is mended, and what no test from outside can show."""

from collections.abc import Iterable
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from labkit.clients import policies
from labkit.exercises.checkers import as_text, members, shown, word
from labkit.exercises.drawn import Draw
from labkit.exercises.functions import Call, tried_on
from labkit.exercises.keeping import draw
from labkit.exercises.question import Exercise, Lesson, Prediction
from labkit.exercises.staged import lab_with
from labkit.probe.findings import FAULT, GOOD, GRADES, LEFT_OUT, NOTE, UNKNOWN, ServerFinding
from labkit.probe.probe_report import CHECKS, ProbeReport
from labkit.trials.hidden_faults import FAULTS, HiddenFault, hidden

if TYPE_CHECKING:
    from labkit.show.capture import Capture

_BY_NAME = {fault.name: fault for fault in FAULTS}
_PROTOCOLS = ("SMTP", "IMAP", "POP3")

# ---- 12.1: read a report

_REPORTED = tuple(
    _BY_NAME[name]
    for name in ("expired", "wrong name", "unknown root", "refused", "login in the clear", "kept buffer", "kept offer")
)


def _reported(of: Draw) -> tuple[HiddenFault, str]:
    return of.one("12.1", _REPORTED), of.one("12.1 protocol", _PROTOCOLS)


def _report(of: Draw) -> ProbeReport:
    """The report on a server with one fault."""
    fault, protocol = _reported(of)
    with lab_with() as lab:
        return lab.probe(hidden(fault, lab.start, protocol))


def _fault(answer: object, report: ProbeReport | None = None) -> str:
    right = _reported(draw())[0].finding
    named = answer.id if isinstance(answer, ServerFinding) else as_text(answer)
    if isinstance(answer, ProbeReport):
        return "That is the whole report. Which of its findings is the fault? Give its id."
    if isinstance(answer, list | tuple | set | frozenset) and len(answer) == 1:
        return _fault(*answer)
    if named is None:
        return f"The answer is the id of a finding, a text such as 'round-trips', and yours is {shown(answer)}."
    if named.upper() in GRADES:
        return "That is the grade. It says how bad the worst fault is, and not which one it is."
    known = {name.lower(): check for check in CHECKS for name in (check.id, check.title)}
    check = known.get(named.lower())
    if check is None:
        return f"No finding has the id {shown(answer)}: the reports of this lesson show them with `report.findings`."
    if check.id == right:
        return ""
    return f"The finding {check.id!r} is no fault in this report: look for the verdict {FAULT!r}."


# ---- 12.2: read a conversation

_SEEN = ("not offered", "refused", "login in the clear", "kept offer")
_CLUES = {
    "not offered": "Is STARTTLS in the answer to EHLO? Here it is.",
    "refused": "Was STARTTLS asked for, and what came back? A refusal begins with 4 or 5.",
    "login in the clear": "Look for AUTH in the answer to the first EHLO, the one before TLS: it is not there.",
    "kept offer": "Look at the answer to the second EHLO, inside TLS: what does it offer?",
    "expired": "The client of this conversation looks at no certificate, so it could not say that.",
    "kept buffer": "Nothing was put behind STARTTLS here, so it cannot be seen in this conversation.",
    "open relay": "The mail was for bob, who is at home here: that any server may take.",
}


def _spoken(of: Draw) -> "tuple[Capture, list[str]]":
    """An opportunistic client's conversation with a server that has a fault, and what the fault may be."""
    fault = _BY_NAME[of.one("12.2", _SEEN)]
    with lab_with() as lab:
        server = hidden(fault, lab.start, "SMTP")
        with lab.capture() as capture:
            lab.send(server, "See you at nine.", policy=policies.opportunistic)
    return capture.decrypted(), of.shuffled("12.2 names", list(_CLUES))


def _heard(answer: object) -> str:
    right = draw().one("12.2", _SEEN)
    wrong = {name: why for name, why in _CLUES.items() if name != right}
    return word(right, mistakes=wrong, otherwise=f"Give one of these: {', '.join(_CLUES)}.")(answer)


# ---- 12.3: mend


def _order(of: Draw) -> dict[str, Any]:
    """How a server was started that has three faults."""
    certificate = of.one("12.3 certificate", ("expired", "wrong name", "unknown root", "self-signed"))
    old = of.one("12.3 tls", (("TLS 1.0", "TLS 1.2"), ("TLS 1.1", "TLS 1.2", "TLS 1.3")))
    return {
        "protocol": of.one("12.3", ("imap", "pop3")),
        "certificate": certificate,
        "auth": "always",
        "tls": old,
    }


def _mended(answer: object) -> str:
    protocol = _order(draw())["protocol"].upper()
    if not isinstance(answer, ProbeReport):
        return f"The answer is a report, as `lab.probe(server)` gives it, and yours is {shown(answer)}."
    seen = answer.observation
    if seen.dialect.name != protocol:
        return f"This is a report on {answer.server}, and the server that is to be mended speaks {protocol}."
    if seen.implicit:
        return "This is the report on the port with implicit TLS: hand in the one on the port that upgrades."
    if answer.faults:
        worst = max(answer.faults, key=lambda finding: finding.leaves)
        return f"There is still a fault, and the grade is {answer.grade}. {worst.said}"
    if answer["implicit"].verdict != GOOD:
        return f"No fault is left on this port. But beside it: {answer['implicit'].said}"
    return ""


# ---- 12.4: what a test can show

_CAN = (
    "whether TLS is offered",
    "whether the certificate is for this name",
    "whether TLS 1.0 is spoken",
    "whether a login is offered before TLS",
    "whether the certificate has expired",
)
_CANNOT = {
    "whether STARTTLS is stripped on the way from other clients": "That happens on their path, and each path is "
    "another one.",
    "whether the users' mail programs verify the certificate": "That is decided in the program, and only a test of "
    "the program shows it.",
    "whether the provider reads the mail": "TLS ends at the server, and what is done behind it nobody outside sees.",
    "whether the next hop has TLS": "Each hop has a TLS of its own, and you see the one to this server.",
    "whether all is still well next week": "A test shows what was when it was made; certificates expire.",
}


def _questions(of: Draw) -> list[str]:
    can = of.some("12.4 can", _CAN, of.number("12.4", 2, 4))
    return of.shuffled("12.4", [*can, *of.some("12.4 cannot", tuple(_CANNOT), 3)])


def _shows(answer: object) -> str:
    asked = _questions(draw())
    why = dict.fromkeys(_CAN, "Which of the others would a client see in its first conversation with the server?")
    return members([one for one in asked if one in _CAN], missing=why, extra=_CANNOT, of=asked)(answer)


# ---- 12.5: a gate

_GRAVE, _MILD = ("D", "F"), ("B", "C")


def _finding(id: str, verdict: str, leaves: str) -> dict[str, str]:
    return {"id": id, "verdict": verdict, "leaves": leaves}


def _some_findings(of: Draw) -> list[dict[str, str]]:
    """Findings as in the JSON of a report, cut to three fields."""
    fault, mild = _BY_NAME[of.one("12.5", ("expired", "wrong name", "unknown root"))].finding, "list-inside"
    listed = [_finding("reach", GOOD, "A"), _finding(fault, FAULT, "D"), _finding(mild, FAULT, "B")]
    return of.shuffled("12.5 order", [*listed, _finding("round-trips", NOTE, "A"), _finding("mta-sts", LEFT_OUT, "A")])


def _reports() -> Iterable[Call]:
    dice = SystemRandom()
    faults = [check for check in CHECKS if check.leaves != "A"]
    grave = [dice.choice([check for check in faults if check.leaves == letter]) for letter in _GRAVE]
    mild = [dice.choice([check for check in faults if check.leaves == letter]) for letter in _MILD]
    quiet = [_finding("reach", GOOD, "A"), _finding("implicit", NOTE, "A"), _finding("dane", UNKNOWN, "A")]
    bad, small = ([_finding(check.id, FAULT, check.leaves) for check in some] for some in (grave, mild))
    all_of_them = {check.id for check in grave}
    why = {frozenset(all_of_them | {check.id for check in mild}): "A fault that leaves B or C does not stop."}
    yield Call(([*quiet, *bad, *small],), all_of_them, "a report with four faults, two of them grave", why)
    yield Call(([*small, *quiet],), set(), "a report with two faults that leave B or C")
    yield Call((quiet,), set(), "a report without a fault")
    for check, finding in zip(grave, bad, strict=True):
        yield Call(([finding, *quiet],), {check.id}, f"a report with one fault, which leaves {check.leaves}")


LESSON = Lesson(
    "12",
    "Test a server",
    Prediction(
        "A test from outside finds nothing wrong with a mail server. What do you know then?",
        {
            "a": "that nobody can read mail on its way to this server",
            "b": "that its users are safe, whatever program they use",
            "c": "nothing at all",
            "d": "that it made none of the mistakes that were looked for, when they were looked for",
        },
        right="d",
        because=(
            "A test asks a list of questions, from one place, at one time. What was not on the list, what happens on "
            "somebody else's path, and what a mail program does, it does not show."
        ),
        wrong={
            "a": "On the way to the server there may be somebody else, and your test came by another way.",
            "b": "A program that goes on without TLS leaks at the best of servers: you have seen it in 08.",
            "c": "That is too hard: an expired certificate or an injected command would have been seen.",
        },
    ),
    (
        Exercise(
            "12.1",
            "Which finding of this report is the fault?",
            _fault,
            given=_report,
            hints=(
                "Each finding has a `verdict` and an `id`: `[(one.id, one.verdict) for one in report.findings]`.",
                "`report.faults` has only those that are faults.",
            ),
            solution="fault = report.faults[0].id",
            because="The grade is the letter that the worst fault leaves; notes and what is unknown change nothing.",
        ),
        Exercise(
            "12.2",
            "Which fault does the server of this conversation show?",
            _heard,
            given=_spoken,
            hints=(
                "Go through the answers of the server: what is offered before TLS, what after it, what is refused?",
                "`AUTH` before TLS, no `STARTTLS` at all, `454` in answer to it, or `STARTTLS` once more inside TLS: "
                "one of these is there.",
            ),
            solution=(
                "said = [event.text for event in conversation.dialogue.events]\n"
                'offers = [at for at, text in enumerate(said) if "250-STARTTLS" in text]\n'
                'refused = any(text.startswith("454") for text in said)\n'
                'login = any("250-AUTH" in text for text in said[: said.index("STARTTLS")]) if offers else False\n'
                'shown = ["login in the clear"] * login + ["refused"] * refused + ["kept offer"] * (len(offers) > 1)\n'
                'seen = (shown or ["not offered"])[0]'
            ),
            because="All four stand in the part of the conversation that any client sees, if it looks.",
        ),
        Exercise(
            "12.3",
            "Mend this server until its report has no fault, and give it a port with implicit TLS, too.",
            _mended,
            given=_order,
            hints=(
                "Start it with `lab.start(**order, replace=True)`, probe it, and read each fault: it says what mends "
                "it.",
                'Three settings are wrong: `certificate` has to be `"right"`, `auth` `"after TLS"`, and `tls` without '
                "the old versions.",
                "The second port is one more server: the same `lab.start`, with `implicit=True`.",
            ),
            solution=(
                'good = {"certificate": "right", "auth": "after TLS", "tls": ("TLS 1.2", "TLS 1.3")}\n'
                "both = lab.start(**order | good, implicit=True, replace=True)\n"
                "mended = lab.probe(lab.start(**order | good, replace=True))"
            ),
            because="RFC 8314 §3 asks for implicit TLS, and §4.1 for an end of clear text; RFC 8996 ends TLS 1.0.",
        ),
        Exercise(
            "12.4",
            "Which of these can a test from outside show?",
            _shows,
            given=_questions,
            hints=(
                "What does the server itself say or show to a client that comes for the first time?",
                "Another client's path, another program, the next hop and next week are not in your conversation.",
            ),
            solution=(
                'cannot = ("whether STARTTLS is stripped", "whether the users\'", "whether the provider", '
                '"whether the next hop", "whether all is still")\n'
                "shows = {one for one in questions if not one.startswith(cannot)}"
            ),
            because="The rest needs another place to look from: the client (its matrix), the path, or the provider.",
        ),
        Exercise(
            "12.5",
            "Write the gate that a program would use: the ids of the faults that leave D or F.",
            tried_on(_reports, {None: "Return an empty set where there is none."}),
            given=_some_findings,
            hints=(
                'A finding counts where its `verdict` is `"fault"` and its `leaves` is `"D"` or `"F"`.',
                'A set of ids: `{one["id"] for one in findings if …}`.',
            ),
            solution=(
                "def stops(findings: list):\n"
                '    faults = [one for one in findings if one["verdict"] == "fault"]\n'
                '    return {one["id"] for one in faults if one["leaves"] in ("D", "F")}'
            ),
            because="`python -m labkit probe --json` writes such findings, and its exit status is 1 where a fault is.",
        ),
    ),
)
