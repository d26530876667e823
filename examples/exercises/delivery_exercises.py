"""Two exercises on what a sender knows of its mail: each is a checker, and what is drawn for the student.

Import this module in a notebook, and `check`, `hint`, `solution`, `grade` and `progress` know them.
"""

from collections import Counter

from labkit import Lab, attacks
from labkit.exercises import AnswerPart, Exercise, InParts, Lesson, Prediction, add, draw
from labkit.exercises.checkers import shown
from labkit.mail.postoffice import USERS, PostOffice

# ---- delivery.1: an attack that the student writes, tried on a live session


def _tried(vector):
    """Send one mail past that vector: what alice was told, what is in bob's mailbox, and how often mallory acted."""
    with Lab(network="loopback") as lab:
        mail = lab.smtp(starttls="off")
        with lab.mallory(vector()) as attack:
            outcome = lab.send(mail, draw().word("delivery.1"), timeout=2)
        return bool(outcome), [message.text.strip() for message in lab.mailbox("bob")], len(attack.edits)


def _arrived(vector):
    if not (isinstance(vector, type) and issubclass(vector, attacks.Vector)):
        return f"The answer is a class that is made from `attacks.Vector`, and yours is {shown(vector)}."
    _, arrived, _ = _tried(vector)
    return "" if arrived == [draw().word("delivery.1")] else f"There are {len(arrived)} mails like it in bob's mailbox."


def _unknown(vector):
    believed, _, _ = _tried(vector)
    return "alice was told that it arrived. Which line of the server tells her?" if believed else ""


def _quiet(vector):
    _, _, edits = _tried(vector)
    return "" if edits == 1 else f"mallory acted {edits} times, and one line is enough."


# ---- delivery.2: a capture that is drawn for each student


def _routes(of):
    """(sender, recipient) of each mail that is drawn for that student."""
    names = of.some("delivery.2 names", ("amara", "chidi", "dora", "emre", "farah"), 3)
    many = of.number("delivery.2 mails", 5, 8)
    return [(of.one(f"from {number}", names), of.one(f"to {number}", names)) for number in range(many)]


def _some_mails(of):
    routes = _routes(of)
    with Lab(network="loopback") as lab:
        lab.post = PostOffice({**USERS, **{name: "secret" for route in routes for name in route}})
        mail = lab.smtp(starttls="off")
        with lab.capture() as capture:
            for sender, recipient in routes:
                lab.send(mail, "See you at nine.", sender=f"{sender}@lab.test", recipient=f"{recipient}@lab.test")
    return capture


def _received():
    return Counter(f"{recipient}@lab.test" for _, recipient in _routes(draw()))


def _counted(answer):
    if not isinstance(answer, dict):
        return f"The answer is a dictionary, address -> number of mails, and yours is {shown(answer)}."
    if Counter(answer) == _received():
        return ""
    if set(answer) != set(_received()):
        return f"These are not the {len(_received())} recipients: look at the commands `RCPT TO:<…>`."
    wrong = next(address for address, number in _received().items() if answer[address] != number)
    return f"{wrong} did not receive {shown(answer[wrong])}."


def _share(answer):
    """Of the recipients, how many are counted right; wrong ones take away."""
    if not isinstance(answer, dict):
        return 0
    right = _received()
    counted = sum(answer.get(address) == number for address, number in right.items())
    return (counted - len(set(answer) - set(right))) / len(right)


LESSON = Lesson(
    "delivery",
    "What a sender knows",
    Prediction(
        "The connection breaks after the last byte of the mail, and before the server's answer. What has become of it?",
        {"a": "it is lost", "b": "it was delivered", "c": "the sender cannot know"},
        right="c",
        because="The server may have taken it, and the sender has to try again: bob may read it twice (RFC 1047).",
        wrong={"a": "The server may have taken it already.", "b": "The server may not have taken it."},
    ),
    (
        Exercise(
            "delivery.1",
            "Write a vector after which bob has the mail and alice believes that he does not. It acts once.",
            InParts(
                AnswerPart("the mail arrives", _arrived, 2),
                AnswerPart("alice does not know", _unknown),
                AnswerPart("mallory acts once", _quiet),
            ),
            hints=(
                "Which line of the server says that it has taken the mail? `line.earlier[-1]` is what was said before.",
                'After a line of the kind `message`, let `attacks.Replace(b"451 4.3.0 Try again later\\r\\n")` go on.',
            ),
            solution=(
                "class LostReceipt(attacks.Vector):\n"
                '    """Makes the sender believe that a delivered mail was not taken."""\n\n'
                "    def on_line(self, line):\n"
                '        if line.sender == "server" and line.earlier and line.earlier[-1].kind == "message":\n'
                '            return attacks.Replace(b"451 4.3.0 Try again later\\r\\n")'
            ),
            because="The reply to the end of the mail is the only receipt that SMTP knows (RFC 5321 §4.2.5, RFC 1047).",
        ),
        Exercise(
            "delivery.2",
            "Who received how many mails in this capture? A dictionary: address -> number.",
            InParts(AnswerPart("recipients", _counted, 3, share=_share)),
            given=_some_mails,
            hints=(
                "A capture of many connections has `capture.dialogues`; each has `events`.",
                "Take the events titled `RCPT`, and what stands between `<` and `>`; `collections.Counter` counts.",
            ),
            solution=(
                "from collections import Counter\n\n"
                'asked = [e.text for d in mails.dialogues for e in d.events if e.title == "RCPT"]\n'
                'received = Counter(text.partition("<")[2].partition(">")[0] for text in asked)'
            ),
            because="The envelope says where a mail goes; the header `To:` need not agree (RFC 5321 §2.3.1).",
        ),
    ),
)

add(LESSON)
