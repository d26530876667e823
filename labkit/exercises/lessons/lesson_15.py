"""Capstone: an unknown network, and what happened on it."""

import re

from labkit.exercises.checkers import as_text, members, shown
from labkit.exercises.investigation import Findings, about_network, seed_of
from labkit.exercises.question import Checker, Exercise, Lesson, Prediction
from labkit.exercises.unseen import complaint_about_policy, detectors
from labkit.mystery.unknown import MysteryNetwork


def _about_network(checker: Checker) -> Checker:
    """A checker of an answer about the student's own network, which is the argument after the answer."""

    def about(answer: object, network: object) -> str:
        return about_network(network) or checker(answer, network)

    return about


# ---- 15.1 and 15.3: who never offers, and who was robbed


def _never(answer: object, network: MysteryNetwork) -> str:
    key = network.key
    offering = dict.fromkeys(
        (name for name in network.servers if name not in key.never_offer),
        "It offers TLS to some of its clients: look at all its sessions, not at one.",
    )
    missing = dict.fromkeys(key.never_offer, "Look at all sessions of each server on the ports 587, 143 and 110.")
    return members(key.never_offer, missing=missing, extra=offering)(answer)


def _robbed(answer: object, network: MysteryNetwork) -> str:
    key = network.key
    unharmed = {incident.victim: incident.kind for incident in key.incidents if incident.victim not in key.robbed}
    extra = dict.fromkeys(network.programs, "No attacker has read that password.")
    extra |= {
        victim: f"The victim of an attack ({kind}), but the password was not read in it."
        for victim, kind in unharmed.items()
    }
    missing = {
        incident.victim: _WHERE.get(incident.kind, "It stands in the clear, in a session that was stripped.")
        for incident in key.incidents
        if incident.victim in key.robbed and incident.leaked == "password"
    }
    return members(key.robbed, missing=missing, extra=extra)(answer)


_WHERE = {
    "forged certificate": "Whoever shows a certificate of her own holds the keys, and reads what is inside.",
    "command injection": "In whose mailbox does a mail lie that was begun in front of the handshake?",
}

# ---- 15.6: the written finding

_SHORTEST, _LONGEST = 120, 600
"""Words: half a page, and what is more than a page."""


def _written(answer: object, network: MysteryNetwork) -> str:
    said = as_text(answer)
    if said is None:
        return f'The answer is text, in three quotes """like this""", and yours is {shown(answer)}.'
    count = len(said.split())
    if not _SHORTEST <= count <= _LONGEST:
        return f"Half a page has {_SHORTEST} to {_LONGEST} words, and yours has {count}."
    words, key = set(re.findall(r"[\w-]+", said.casefold())), network.key
    cited = [key.attack_on(key.session_at.get(int(word), -1)) for word in words if word.isascii() and word.isdigit()]
    incidents = [incident for incident in cited if incident]
    if not incidents:
        return "It cites no frame of an attacked session: what you claim has to be found by those who read it."
    if not any({incident.victim, incident.server} <= words for incident in incidents):
        return "It does not name the victim and the server of an attack whose frame it cites."
    return "" if any(incident.attacker in words for incident in incidents) else "It does not say who the attacker was."


_OFFERS = '''def offers(talk):
    """Whether the server of a session lists the upgrade."""
    lines = [line for e in talk.events if e.sender == "server" and e.layer == "text" for line in e.text.splitlines()]
    return any(line in ("250-STARTTLS", "250 STARTTLS", "STLS") or "CAPABILITY" in line and "STARTTLS" in line
               for line in lines)

'''

_SIGNS = (
    "from collections import Counter\n\n"
    + _OFFERS
    + '''
def certificate(talk):
    """The certificate that the server shows, where it can be seen."""
    return next((e.data for e in talk.events if e.title == "Certificate" and e.sender == "server"), None)


def signs(capture):
    """Each suspicious session, and what is suspicious about it."""
    servers = {}
    for talk in capture.dialogues:
        servers.setdefault(talk.server, []).append(talk)
    for talks in servers.values():
        offered = any(map(offers, talks))
        usual = Counter(filter(None, map(certificate, talks))).most_common(1)
        for talk in talks:
            server = [e for e in talk.events if e.sender == "server"]
            injected = [e.sender for e in talk.events if e.kind == "injected"]
            clear = offered and talk.session is None and any(e.layer == "text" for e in server)
            if injected:
                yield talk, "command injection" if injected[0] == "client" else "response injection"
            elif any("XXXXXXXX" in e.text for e in server if e.layer == "text"):
                yield talk, "offer mangled"
            elif clear and not offers(talk):
                yield talk, "policy blocked" if talk.server.port == 25 else "offer removed"
            elif clear and any(e.kind == "refusal" for e in server):
                yield talk, "upgrade refused"
            elif certificate(talk) and certificate(talk) != usual[0][0]:
                yield talk, "forged certificate"
            elif any(e.data == b"\\x02\\x46" for e in server):
                yield talk, "version lowered"

'''
)

_FINDINGS = (
    _SIGNS
    + '''
STOPPED_BY = {"command injection": "implicit TLS", "response injection": "implicit TLS",
              "policy blocked": "a policy known beforehand", "version lowered": "no second try with less",
              "forged certificate": "verified TLS"}


def overlapping(talk):
    """The other session with the same server at the same time: (the victim's, the attacker's)."""
    first, last = talk.events[0].frame, talk.events[-1].frame
    for other in network.capture.dialogues:
        begins, ends = other.events[0].frame, other.events[-1].frame
        if other is not talk and other.server == talk.server and begins <= last and first <= ends:
            return (talk, other) if first < begins else (other, talk)


def leaked(kind, talk):
    """The gravest thing that the attacker can read of a session."""
    client = [e for e in talk.events if e.sender == "client"]
    if kind == "forged certificate":
        return "password" if any(e.kind == "application-data" for e in client) else "nothing"
    if any(e.title in ("AUTH", "LOGIN", "AUTHENTICATE", "PASS") or b"AUTH PLAIN" in e.data
           for e in client if e.layer == "text"):
        return "password"
    return "message" if any(e.kind == "message" for e in client) else "nothing"


findings = []
for talk, kind in signs(network.capture):
    victim, attacker = overlapping(talk)
    findings.append({"frame": talk.events[0].frame, "attack": kind, "victim": victim.client_name,
                     "attacker": attacker.client_name, "leaked": leaked(kind, talk),
                     "defence": STOPPED_BY.get(kind, "mandatory TLS")})'''
)


LESSON = Lesson(
    "15",
    "Capstone",
    Prediction(
        "You get a capture of a whole network, without any secrets. How can you tell a server that never offers TLS "
        "from one whose offer was taken away on the path?",
        {
            "a": "from the session itself: the answer to EHLO is shorter",
            "b": "from other sessions of the same server",
            "c": "only with the keys of the TLS sessions",
            "d": "not at all",
        },
        right="b",
        because=(
            "In the bytes of one session, removed and never offered look the same (08). Beside the other sessions of "
            "that server, the one without an offer stands out."
        ),
        wrong={
            "a": "It is shorter, and so is that of a server that never offers it.",
            "c": "What was taken away never was inside TLS: no key shows it.",
            "d": "From one session, it cannot be told. But you have more than one.",
        },
    ),
    (
        Exercise(
            "15.1",
            "Which mail servers of your network never offer an upgrade to TLS, to any client?",
            _about_network(_never),
            given=seed_of,
            hints=(
                "Go through `network.capture.dialogues`. Each has a `server_name`, and its `events` have a `sender`, a "
                "`kind` and a `text`.",
                "A server offers it if one of its lines is `250-STARTTLS`, `250 STARTTLS` or `STLS`, or a list of "
                "IMAP's capabilities with STARTTLS in it. The word alone will not do: it stands in refusals, too.",
                "Begin with `set(network.servers)`, and take away each that offers it once.",
            ),
            solution=_OFFERS
            + (
                "\nnever = set(network.servers)\n"
                "for talk in network.capture.dialogues:\n"
                "    if offers(talk):\n"
                "        never.discard(talk.server_name)"
            ),
            because="That is carelessness, and it is what the attackers hide behind: now you know what is usual here.",
        ),
        Exercise(
            "15.2",
            "Find every kind of attack in your network, with evidence.",
            Findings(),
            hints=(
                "Compare the sessions of one server with each other: offers, answers to the upgrade command, "
                "certificates. A session that differs from the others is the one to look at.",
                "What was put behind the upgrade command or the go-ahead is an event of the kind `injected`. The "
                "attacker herself connects to the server while the victim's connection is open.",
                "The certificate of TLS 1.2 crosses in the clear: an event with the title `Certificate`. An alert with "
                "the last byte 70 is protocol_version.",
            ),
            solution=_FINDINGS,
            because=(
                "Each of these is visible to those who have more than one session to compare. One session alone shows "
                "the mangled offer, the injections and the alert, and nothing of the others."
            ),
        ),
        Exercise(
            "15.3",
            "Whose password has to be changed tonight, because an attacker has read it?",
            _about_network(_robbed),
            hints=(
                "Not everybody whose password crossed in the clear: only those whom an attacker made to send it, or "
                "who gave it to her inside TLS.",
                "She reads what is in the clear, what is inside TLS of her own, and what lies in her own mailbox.",
            ),
            solution=_FINDINGS + '\n\nrobbed = {each["victim"] for each in findings if each["leaked"] == "password"}',
            because=(
                "Of these you know it. Those who send theirs in the clear every day should change it as well, and "
                "their settings first."
            ),
        ),
        Exercise(
            "15.4",
            "Write the policy that all mail programs of such a network should follow.",
            complaint_about_policy,
            hints=(
                "In 10 you saw one column that stops what `verified` does not.",
                "`policies.implicit`, or `Policy(name, starts, without, verify)` from `labkit.clients.policies`.",
            ),
            solution="fix = policies.implicit",
            because=(
                "TLS from the first byte, and a right certificate: nothing to strip, nowhere to inject, and nobody "
                "else to talk to (RFC 8314 §3). Between mail servers there is no such port: there it takes DANE or "
                "MTA-STS."
            ),
        ),
        Exercise(
            "15.5",
            "Write a detector of attacked sessions.",
            detectors(),
            hints=(
                "Your way to the findings of 15.2, as a function: it takes a capture, and returns the dialogues that "
                "were attacked.",
                "A false alarm is worse than it looks: somebody has to get up for it. Ask of every sign whether a "
                "careless server or client would show it, too.",
                "One rule for each kind. A session without an offer counts only if the same server and port offers it "
                "to others.",
            ),
            solution=f"{_SIGNS}\ndef detector(capture):\n    return [talk for talk, kind in signs(capture)]",
            because=(
                "A detector of this kind runs after the fact. It needs all sessions of a server, and somebody who "
                "reads its alarms. A client that stops needs neither."
            ),
        ),
        Exercise(
            "15.6",
            "Explain what you observed: half a page on one of the attacks.",
            _about_network(_written),
            hints=(
                "What was to be expected, what you saw instead, in which frames, and which other explanation you have "
                "ruled out, and how.",
                "Name the victim, the server, the attacker and a frame of the session; then say what leaked, and what "
                "should change.",
            ),
            solution=_FINDINGS
            + '''

case = next(each for each in findings if each["attack"] == "offer removed")
talk = next(t for t in network.capture.dialogues if t.events[0].frame == case["frame"])
others = sum(map(offers, [t for t in network.capture.dialogues if t.server == talk.server]))
report = f"""
In the session that begins with frame {case["frame"]}, {case["victim"]} talks to {talk.server_name} on port
{talk.server.port}. The server's list of capabilities has no upgrade to TLS in it. I compared it with the other
sessions of the same server and port: in {others} of them the upgrade is offered. So the server can do it, and it is
not a careless one. A server that changes its mind for one session would be another explanation, but while this session
was open, {case["attacker"]} connected to the same server, was offered the upgrade there, and passed on what
{case["victim"]} said, word for word. Between the two connections one line is missing. I conclude that
{case["attacker"]} was on the path and removed the offer. The client went on in the clear where it should have stopped;
what leaked: {case["leaked"]}. A client with a mandatory policy would have stopped there, and one with implicit TLS
would never have asked. The password has to be changed if it was sent, and the mail program told to insist on TLS.
"""''',
            because=(
                "The machine has seen that it cites a frame and names the hosts. Whether it is true, and whether the "
                "other explanations are ruled out, is for your instructor to read."
            ),
        ),
    ),
)
