"""Every view, shown words that a careless page would take for markup: they stay words, and nothing is invisible."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from page_checks import read_page
from show_samples import HOSTILE, Origin, Script, hostile, starttls

import labkit.show
from labkit.attacks.vector import Line, Vector
from labkit.attacks.verdict import BROKEN, LEAKED, STOPPED, Verdict
from labkit.byhand.situation import Situation, ending, page
from labkit.byhand.waiting import ByHand
from labkit.clients.outcome import Outcome
from labkit.decode.arp import ANSWER, Claim
from labkit.decode.event import CLIENT, SERVER, TLS, Event, Field
from labkit.decode.privacy import Exposure
from labkit.defences.lookups import lookups
from labkit.dialects.smtp import SMTP
from labkit.servers.provider import BlockEvent
from labkit.show import arp_table, html
from labkit.show.attack_grid import attack_grid, attack_table
from labkit.show.blocks import Blocks
from labkit.show.byteview import byteview
from labkit.show.capture import Capture
from labkit.show.class_picture import class_picture
from labkit.show.client_report import client_page
from labkit.show.command import command
from labkit.show.comparison import compare, entropy_curve, side_by_side
from labkit.show.cost_chart import Trend, cost_chart, cost_table
from labkit.show.defence_grid import defence_grid
from labkit.show.diagnosis import WORKS, Check, Diagnosis
from labkit.show.dialects import dialect_table, step_table
from labkit.show.exercises import ProgressRow, progress_table, solution, with_news
from labkit.show.fallback_grid import fallback_grid
from labkit.show.grid import Cell, Grid
from labkit.show.ladder import ladder
from labkit.show.lookup_table import lookup_table
from labkit.show.page import sentence
from labkit.show.policy_grid import policy_grid
from labkit.show.ports import table as port_table
from labkit.show.printed import INVISIBLE
from labkit.show.published import Published
from labkit.show.readings import Reading
from labkit.show.recordings import recorded
from labkit.show.report_card import report_card
from labkit.show.segment import buffer
from labkit.show.stage import stage
from labkit.show.step_list import Steps
from labkit.show.table import table
from labkit.show.timeline import timeline
from labkit.show.transcript import transcript
from labkit.show.twosided import TwoSided
from labkit.show.version_grid import version_grid
from labkit.surveys import PublishedFigure
from labkit.trials.any_client import CLEAR, ClientMatrix, ClientTrial, MailProgram

NASTY = f"{HOSTILE}\r\n</style></td></table>'&amp;\x00\x9b\u200b"
"""Markup of every kind, the end of a style sheet and of a table, controls of C0 and C1, an invisible space."""
HOST = SimpleNamespace(name=NASTY, address=NASTY)
ENDS = {CLIENT: NASTY, SERVER: NASTY}


def _capture():
    """A capture whose one dialogue is hostile."""
    dialogue = hostile()
    return SimpleNamespace(
        dialogue=dialogue,
        dialogues=[dialogue],
        conversations=[SimpleNamespace(chunks=[SimpleNamespace(data=event.data) for event in dialogue.events])],
        steps=lambda: Steps(_upgrade()),
    )


def _upgrade():
    """An upgrade between hostile ends, in hostile words."""
    script = Script()
    script.syn()
    script.reply(b"220 " + NASTY.encode().replace(b"\r\n", b""), kind="greeting")
    script.say(b"EHLO " + NASTY.encode().replace(b"\r\n", b""))
    script.reply(b"250-" + NASTY.encode().replace(b"\r\n", b""), b"250 STARTTLS")
    script.say(b"STARTTLS")
    script.reply(b"220 " + NASTY.encode().replace(b"\r\n", b""), kind="go-ahead")
    return script.dialogue(names=(NASTY, NASTY))


def _message():
    """A message of TLS with hostile fields."""
    origin = Origin()
    inside = Field(NASTY, 1, 3, NASTY, NASTY)
    origin.fields = lambda event: (Field(NASTY, 0, 4, NASTY, NASTY, (inside,)),)
    origin.meaning = lambda event: NASTY
    return Event(0.0, 1, SERVER, TLS, "handshake", NASTY, b"<<>>\x1b<", False, 6, origin)


def _arp(monkeypatch):
    claims = [Claim(0.0, 1, NASTY, NASTY, ANSWER, NASTY, NASTY, NASTY)]
    monkeypatch.setattr(arp_table, "claims", lambda frames: claims)
    monkeypatch.setattr(arp_table, "contradicted", set)
    return arp_table.arp_table(SimpleNamespace(frames=[], names={NASTY: NASTY}))


def _transcript(_):
    dialogue = _upgrade()
    everything = [Exposure(NASTY, NASTY, n, 2, len(event.data)) for n, event in enumerate(dialogue.events)]
    script = Script()
    script.events = [_message()]
    sealed = script.dialogue(starttls(True).session, names=(NASTY, NASTY))
    return transcript([Reading(dialogue, everything), Reading(sealed, [Exposure(NASTY, NASTY, 0, 0, 2)])], NASTY, 9)


def _buffer(_):
    lines = NASTY.encode() + b"\r\n"
    event = SimpleNamespace(kind="injected", sender=CLIENT, data=lines)
    chunk = SimpleNamespace(sender=CLIENT, data=b"STARTTLS\r\n" + lines, size=10 + len(lines), frame=7)
    dialogue = SimpleNamespace(events=[event])
    spoken = [SimpleNamespace(chunks=[chunk])]
    return buffer(SimpleNamespace(dialogue=dialogue, dialogues=[dialogue], conversations=spoken))


def _command(monkeypatch):
    said = NASTY.encode()
    alice = SimpleNamespace(name="alice", run=lambda *_: SimpleNamespace(stdout=said, stderr=b""))
    network = SimpleNamespace(locate=lambda *_: ("192.0.2.25", 587))
    lab = SimpleNamespace(alice=alice, network=network, authority=SimpleNamespace(pem=b""))
    monkeypatch.setattr("shutil.which", lambda name: name)
    return command(lab, SimpleNamespace(host="mail", port=587), "swaks {host}")


def _empty(_):
    capture = Capture()
    capture.path = NASTY
    return capture


def _stage(_):
    server = SimpleNamespace(host=NASTY, protocol=NASTY, port=NASTY, elsewhere=NASTY, facts=NASTY)
    mallory = SimpleNamespace(name="mallory", address=NASTY)
    network = SimpleNamespace(hosts={"a": HOST, "mallory": mallory}, describe=lambda: NASTY)
    return stage(network, [server], "tap")


_LEAK = Verdict(LEAKED, NASTY, ("password",), (NASTY,))
_TESTED = ClientMatrix(
    MailProgram((NASTY, "{host}"), "SMTP"),
    (ClientTrial("", CLEAR, Verdict(STOPPED, NASTY), NASTY), ClientTrial("N1", CLEAR, _LEAK, NASTY)),
)


def test_the_files_about_a_mail_program_stay_what_they_are():
    assert json.loads(_TESTED.json)["runs"][1]["evidence"] == [NASTY]
    failure = ElementTree.fromstring(_TESTED.junit).find("testsuite/testcase/failure")
    assert "<scr" in failure.text and not INVISIBLE.search(failure.text.replace("\n", ""))


def _finding(date="2020"):
    words = dict.fromkeys(PublishedFigure._fields, NASTY)
    return PublishedFigure(
        **{**words, "date": date, "value": 10.0, "bound": "about", "unit": "%", "grade": "secondary"}
    )


def _report(_):
    finding = SimpleNamespace(
        group=NASTY, verdict="fault", title=NASTY, said=NASTY, means=NASTY, mend={NASTY: NASTY, "": NASTY}, rule=NASTY
    )
    words = dict.fromkeys(("server", "grade", "why", "rule", "cannot_show"), NASTY)
    kinds = {"faults": [finding], "notes": [], "unknown": [], "left_out": []}
    return report_card(SimpleNamespace(findings=[finding], **words, **kinds))


def _timeline(_):
    capture = _capture()
    capture.frames = range(len(capture.dialogue.events))
    return timeline(capture, [capture.dialogue.server_name, NASTY])


TREND = Trend(NASTY, 4, 4, {0.0: 0.1, 0.1: 0.5}, 4.0, 0.1, 0.01)


def _by_hand(_):
    byhand = ByHand()
    byhand.follow(Vector(), NASTY)
    byhand.on_line(Line(SERVER, "reply", NASTY, NASTY.encode() + b"\r\n", False, SMTP, 587, (), 3))
    return page(Situation(ENDS, byhand, NASTY, ending(NASTY, Verdict(BROKEN, NASTY, (), (NASTY,)), ENDS)))


VIEWS = {
    "arp_table": _arp,
    "attack_grid": lambda _: attack_grid([("SMTP", "N1", NASTY, Verdict(BROKEN, NASTY))]),
    "attack_grid, the table": lambda _: attack_table(),
    "blocks": lambda _: Blocks([BlockEvent(NASTY, NASTY, datetime(2026, 1, 2, tzinfo=UTC))]).page,
    "byhand": _by_hand,
    "byteview": lambda _: byteview(_message()),
    "capture": _empty,
    "client_report": lambda _: client_page(_TESTED),
    "class_picture": lambda _: class_picture([NASTY], [3], [(NASTY, [2])], NASTY, NASTY),
    "command": _command,
    "comparison": lambda _: compare({NASTY: _capture()}),
    "comparison, the columns": lambda _: side_by_side({NASTY: _capture()}),
    "comparison, the curve": lambda _: entropy_curve(_capture()),
    "cost_chart": lambda _: cost_chart([TREND]),
    "cost_chart, the table": lambda _: cost_table([TREND]),
    "defence_grid": lambda _: defence_grid(
        {(NASTY, NASTY): SimpleNamespace(outcome="leaked", why=NASTY)}, {NASTY: NASTY}, {"leaked": NASTY}
    ),
    "diagnosis": lambda _: Diagnosis([Check(NASTY, WORKS, NASTY)]),
    "dialects": lambda _: step_table({NASTY: _capture()}),
    "dialects, the table": lambda _: dialect_table(),
    "exercises": lambda _: with_news(solution(NASTY, NASTY, f"`{NASTY}` {NASTY}"), [NASTY]),
    "exercises, the progress": lambda _: progress_table(
        [(NASTY, NASTY, [ProgressRow(NASTY, "!", NASTY, NASTY)]), (NASTY, NASTY, [])], [NASTY]
    ),
    "grid": lambda _: Grid(NASTY, (NASTY, NASTY), {(NASTY, NASTY): Cell("!", NASTY, "soft", NASTY)}, {"!": NASTY}),
    "ladder": lambda _: ladder(_upgrade(), {3: NASTY}),
    "lookup_table": lambda _: lookup_table(lookups(recorded("signed_dns").datagrams), 0, {"192.0.2.10": NASTY}),
    "page": lambda _: sentence(NASTY),
    "fallback_grid": lambda _: fallback_grid(
        [SimpleNamespace(dialect=SMTP, library=NASTY, habit=NASTY, verdict=Verdict(BROKEN, NASTY))]
    ),
    "published": lambda _: Published(NASTY, [_finding(), _finding(date="2021")]),
    "published, the picture": lambda _: Published(NASTY, [_finding(), _finding(date="2021")]).picture(),
    "policy_grid": lambda _: policy_grid({(NASTY, NASTY): Outcome(False, NASTY, why=NASTY)}, NASTY),
    "ports": lambda _: port_table(),
    "report_card": _report,
    "segment": _buffer,
    "stage": _stage,
    "step_list": lambda _: Steps(_upgrade()),
    "table": lambda _: table(NASTY, (NASTY, NASTY), [(NASTY, NASTY)]),
    "timeline": _timeline,
    "transcript": _transcript,
    "twosided": lambda _: TwoSided(_upgrade(), hostile(), NASTY),
    "twosided, the ladder": lambda _: TwoSided(_upgrade(), hostile(), NASTY).ladder(),
    "version_grid": lambda _: version_grid({(NASTY, NASTY): SimpleNamespace(version=NASTY, cipher=NASTY, why=NASTY)}),
}
"""A file of show/, or a view in it -> that view, shown what is hostile."""
WITHOUT_WORDS_FROM_OUTSIDE = ("attack_grid, the table", "dialects, the table", "ports", "comparison, the curve")
ROOM = Path(labkit.show.__file__).parent


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.filterwarnings("error:Glyph")  # a control that reaches the font is not made visible
def test_whatever_is_shown_stays_words_and_nothing_is_invisible(name, monkeypatch):
    view = VIEWS[name](monkeypatch)
    seen = read_page(view._repr_html_())
    for form in (view._repr_html_(), repr(view)):
        assert not INVISIBLE.search(form.replace("\n", ""))
    assert "<script" not in view._repr_html_() and "<img" not in view._repr_html_()
    if name not in WITHOUT_WORDS_FROM_OUTSIDE:
        told = " ".join([*seen.words, *(value for _, value in seen.attributes)])
        assert "<scr" in told, "the words themselves are shown"


def test_no_view_is_forgotten_here():
    makes = ("-> Page", "(Page)", "-> Picture", "(Picture)", "-> Grid", "(Grid)", "_repr_html_")
    files = {path.stem for path in ROOM.glob("*.py") if any(word in path.read_text("utf-8") for word in makes)}
    assert files - {"picture", "choices"} <= {name.partition(",")[0] for name in VIEWS}


def test_only_the_builder_makes_tables_and_no_view_writes_markup():
    for path in [*ROOM.glob("*.py"), *(ROOM.parent / "byhand").glob("*.py")]:
        source = path.read_text("utf-8")
        assert not re.search(r"</?(table|t[hdr]|div|span|p|b|code|small|br)\b[^']*>", source), path
        assert "markup(" not in source, path
        if path.stem != "table":
            assert not re.search(r"html\.(table|t[hdr])\b|Tag\(", source) or path.stem == "html", path
        if path.stem not in ("page", "picture", "html"):
            assert "markupsafe" not in source, path


def test_an_element_makes_its_text_and_its_attributes_printable_and_escapes_both():
    assert type(html.render(html.br)) is str
    made = html.render(html.p("lk-soft", title='"\x1b<')["<b>\r\n\u202e", None, ["&", html.br, 5], html.i])
    assert made == ('<p class="lk-soft" title="&#34;␛&lt;">&lt;b&gt;␍␊\\u202e&amp;<br>5<i></i></p>')


def test_html_is_made_when_it_is_asked_for():
    def never():
        raise AssertionError

    assert repr(labkit.show.page.Page(never, "words")) == "words"
