"""The console of an attacker in a notebook: the held line, the actions on it, and the decisions so far.

Each button is a word, and the line a text that can be edited. What is shown changes only in `paint`, which may run in
one thread while clicks come in another. What a decision does is in `labkit.byhand.waiting`.
"""

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

import ipywidgets
from traitlets import Unicode

from labkit.attacks.vector import Vector
from labkit.byhand import situation as views
from labkit.byhand.editable import read, written
from labkit.byhand.waiting import LONGEST_HOLD, ByHand, HeldLine
from labkit.dialects.base import CLIENT, SERVER
from labkit.show import html
from labkit.show.page import style_sheet

_LARGEST = 16 << 10
"""Bytes of a line that can be edited here."""
_ROWS = 8
"""Lines of the text that are seen at once; always the same, so that the buttons stay where they are."""
_GLANCE = 0.4
"""Seconds after a line passed by itself in which a click is taken to be meant for that line, and ignored."""
_FIELD = {"layout": {"width": "auto"}, "continuous_update": False}
_NOTHING_HELD = "Nothing is held right now."
_TOO_LATE = "Too late: that line has had its decision."
_TOO_LONG = "{} bytes: too long to be edited here. Pass it on or drop it."


class Carrier(ipywidgets.Button):
    """A button that brings what is written in a field along with each click.

    Messages of different widgets may overtake each other on their way to the kernel, those of one may not. So the field
    is linked, in the browser, to a trait of the button.
    """

    written = Unicode().tag(sync=True, echo_update=False)

    def __init__(self, field: ipywidgets.Widget, word: str, meaning: str, click: Callable[[str], None]) -> None:
        super().__init__(description=word, tooltip=meaning)
        self.on_click(lambda _: click(self.written))
        self._link = ipywidgets.jsdlink((field, "value"), (self, "written"))


class Desk:
    """The widgets, as one: `box`.

    `end` is called when the attacker has had enough, `speak` when she says something while no line is held.
    """

    def __init__(self, names: views.Names, end: Callable[[], None], speak: Callable[[str, bytes], None]) -> None:
        self._names = names
        self._end = end
        self._speak = speak
        self._byhand: ByHand | None = None
        self._held: HeldLine | None = None
        self._speaks = False
        self._slipped = 0.0
        self._complaint = ""
        self._turning = threading.RLock()
        self._state, self._clock, self._notice = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._means, self._end_of_it, self._log = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._text = ipywidgets.Textarea(description="The line, which you may change", rows=_ROWS, **_FIELD)
        self._own = ipywidgets.Text(description="A line of your own, which goes out ahead of that one", **_FIELD)
        fates, additions = self._fates(), self._additions()
        clicked = [self._text, fates, self._own, additions, self._others()]
        self._controls = ipywidgets.VBox([self._clock, *clicked, self._notice, self._means])
        head = ipywidgets.HTML(html.render([style_sheet(), views.head()]))
        parts = [head, self._state, self._controls, self._end_of_it, self._log]
        self.box = ipywidgets.VBox(parts).add_class("labkit").add_class("lk-console")

    def _fates(self) -> ipywidgets.Widget:
        return _row(
            _button("Pass it on", "The line goes on exactly as it came", partial(self._decide, HeldLine.pass_on)),
            Carrier(self._text, "Send what I wrote", "The text above goes on in its place", self._send),
            _button("Drop it", "Nothing of it goes on", partial(self._decide, HeldLine.drop)),
            _button("More time", f"It waits for {LONGEST_HOLD:g} s from now", partial(self._decide, _wait_longer)),
        )

    def _additions(self) -> ipywidgets.Widget:
        ahead = "Your line goes out ahead of the one that is held, as soon as you decide that one; if none is, at once"
        ends = ((f"Say it to {self._names[end]}", partial(self._say, end)) for end in (CLIENT, SERVER))
        return _row(*(Carrier(self._own, word, ahead, say) for word, say in ends))

    def _others(self) -> ipywidgets.Widget:
        return _row(
            _button("Pass all from now on", "No line is held any more", self._pass_all),
            _button("End the attack", "What is held passes, and the conversations end", self._end),
        )

    # ---- what is clicked

    def _decide(self, act: Callable[[HeldLine], bool]) -> None:
        """Do something with the line on the screen, unless it has just changed under the hand."""
        with self._turning:
            if self._held is None:
                self._complain(_NOTHING_HELD)
            elif time.monotonic() - self._slipped < _GLANCE:
                self._complain("The line before had just passed by itself. Look at this one first.")
            else:
                self._complain("" if act(self._held) else _TOO_LATE)

    def _send(self, written: str) -> None:
        self._decide(lambda held: held.pass_on() if self._text.disabled else held.send(read(written)))

    def _say(self, end: str, written: str) -> None:
        if not written:
            self._complain("Write a line of your own first.")
        elif self._held is not None:
            self._decide(lambda held: held.say(end, read(written)))
        elif self._speaks:
            self._complain("")
            self._speak(end, read(written))
        else:
            self._complain(_NOTHING_HELD)

    def _pass_all(self) -> None:
        if self._byhand is not None:
            self._byhand.follow(Vector(), "you let everything pass")

    def _complain(self, sentence: str) -> None:
        self._complaint = sentence
        if self._byhand is not None:
            self._byhand.news.set()

    # ---- what is shown

    def paint(self, situation: views.Situation) -> None:
        """Show how things stand. No control is disabled between two lines: it would lose the keyboard's focus."""
        with self._turning:
            self._byhand, self._speaks = situation.byhand, situation.speaks
            self._turn_to(situation.held)
            held, complaint = self._held, self._complaint
        self._controls.layout.display = None if situation.by_hand else "none"
        self._state.value = html.render(html.div(role="status")[_listed(views.sentences(situation))])
        self._clock.value = html.render(_listed([views.clock(held)]))
        alert = html.div(role="alert")[_listed(filter(None, [complaint]))]
        self._notice.value = html.render([alert, _listed(views.ahead(held, self._names))])
        self._means.value = html.render(html.div("lk-soft")[_listed(views.meanings(held))])
        self._end_of_it.value = html.render(situation.ending[0] if situation.ending else None)
        self._log.value = html.render(views.log(situation)[0])

    def _turn_to(self, held: HeldLine | None) -> None:
        """Put another line on the desk; what is written there stays as long as the line does."""
        before, self._held = self._held, held
        if held is before:
            return
        if before is not None and before.why:
            self._slipped = time.monotonic()
        self._complaint = ""
        data = held.line.data if held is not None else b""
        self._text.disabled = len(data) > _LARGEST
        self._text.value = _TOO_LONG.format(len(data)) if self._text.disabled else written(data) if data else ""


def _wait_longer(held: HeldLine) -> bool:
    held.hold(LONGEST_HOLD)
    return not held.actions


def _button(word: str, meaning: str, click: Callable[[], None]) -> ipywidgets.Button:
    button = ipywidgets.Button(description=word, tooltip=meaning)
    button.on_click(lambda _: click())
    return button


def _row(*buttons: ipywidgets.Button) -> ipywidgets.Widget:
    return ipywidgets.HBox(buttons, layout={"flex_flow": "row wrap"})


def _listed(sentences: Iterable[str]) -> list[html.Node]:
    return [html.p[sentence] for sentence in sentences]
