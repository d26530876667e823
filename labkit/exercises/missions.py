"""Checkers of the missions of "You are Mallory": the evidence is the console and the captures of both sides."""

from typing import TYPE_CHECKING

from labkit.attacks import StripCapability
from labkit.attacks.verdict import LEAKED
from labkit.errors import LabError
from labkit.exercises.checkers import shown

if TYPE_CHECKING:
    from labkit.byhand.console import Console
    from labkit.show.capture import Capture


def password_read(answer: "Console") -> str:
    """The first: the password was read, of a client that wanted TLS."""
    if complaint := _undecided(answer):
        return complaint
    verdict = answer.verdict
    if verdict.outcome != LEAKED or "password" not in verdict.secrets:
        return f"You have not read the password. The verdict is: {verdict.outcome}, {verdict.why}."
    if any("asks for no TLS" in report.said for report in answer.attack.reports):
        return "This client never wanted TLS, so there was nothing to win: let alice send with `policy=friendly`."
    return ""


def offer_untouched(answer: "Console") -> str:
    """The second: the same, and the answer to EHLO went on as it came."""
    if complaint := password_read(answer):
        return complaint
    heard, said = map(offered, (answer.attack.victim_side, answer.attack.server_side))
    if heard == said:
        return ""
    return "You have the password, but alice did not hear the answer to `EHLO` as mail gave it: let that line pass."


def mail_kept(answer: "Console") -> str:
    """The third: the sender believes that the mail has arrived, and the server never got it."""
    if complaint := _undecided(answer):
        return complaint
    if not _messages(answer.attack.victim_side):
        return "alice has not sent her mail in the clear, so you could not keep it: begin as in the first mission."
    if not answer.outcome:
        return f"alice knows that it failed. She says: {answer.outcome!r}"
    if _messages(answer.attack.server_side):
        return "alice is content, but so is bob: the mail went on to the server. Drop it, and say that it came."
    return ""


def offered(side: "Capture") -> list[str]:
    """The lines of the server's first answer to EHLO in the clear."""
    events = [event for dialogue in side.dialogues for event in dialogue.events if not event.encrypted]
    answers = [event.text for event in events if event.sender == "server" and event.title == "250"]
    return answers[0].splitlines() if answers else []


def _undecided(answer: object) -> str:
    """Why a console cannot be judged; empty where it can."""
    from labkit.byhand.console import Console

    if not isinstance(answer, Console):
        return f"The answer is the console on which you have won, and yours is {shown(answer)}."
    own = type(answer.script) is not StripCapability
    if own:
        answer.let_script_decide("Nobody clicked before it was checked")
    try:
        if not answer.verdict:
            return "It is still under way: decide what is held, or end the attack. Then check it in a cell of its own."
    except LabError:
        return "No client has come by on this console: let alice send with `console.run`."
    if answer.scripted and not own:
        return (
            "The lab's own script has decided here. Run the cell with `console.run` alone and click, or give "
            "`you_are_mallory` a `script` that you have written."
        )
    return ""


def _messages(side: "Capture") -> list[str]:
    return [event.text for one in side.dialogues for event in one.events if event.kind == "message"]
