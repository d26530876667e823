"""Answers to lesson 12."""

from functools import cache

from lesson_captures import Later, open_lab

from labkit.exercises import given
from labkit.trials.hidden_faults import FAULTS

CAN = ("TLS is offered", "for this name", "TLS 1.0", "before TLS", "has expired")
GOOD = {"certificate": "right", "auth": "after TLS", "tls": ("TLS 1.2", "TLS 1.3")}


def _report():
    return given("12.1")


def _of(verdict):
    return Later(lambda: next(one.id for one in _report().findings if one.verdict == verdict))


def _seen():
    """What the conversation of 12.2 shows by its clear text and reply codes alone."""
    capture, _ = given("12.2")
    events = [event for event in capture.dialogue.events if event.layer == "text"]
    texts = [event.text for event in events]
    if any(text.startswith("454") for text in texts):
        return "refused"
    offers = [at for at, text in enumerate(texts) if "250-STARTTLS" in text]
    if not offers:
        return "not offered"
    if len(offers) > 1:
        return "kept offer"
    return "login in the clear"


def _others():
    return [fault.name for fault in FAULTS if fault.name in given("12.2")[1] and fault.name != _seen()]


@cache
def _mended(protocol, both=True, implicit=False, **more):
    lab = open_lab()
    order = {"protocol": protocol, **GOOD, **more}
    if both:
        lab.start(**order, implicit=True, replace=True)
    elif (old := lab.servers.get(("mail", {"imap": 993, "pop3": 995, "smtp": 465}[protocol]))) is not None:
        old.close()
    server = lab.start(**order, replace=True, implicit=implicit)
    return lab.probe(server)


def _asked():
    return given("12.3")["protocol"]


def _shown():
    return {one for one in given("12.4") if one.endswith(CAN) or one.split(" is spoken")[0].endswith(CAN)}


def _stops(findings):
    return {one["id"] for one in findings if one["verdict"] == "fault" and one["leaves"] in ("D", "F")}


WRONG = [
    ("12.1", "the grade", Later(lambda: _report().grade)),
    ("12.1", "the whole report", Later(_report)),
    ("12.1", "is no fault in this report", _of("good")),
    ("12.1", "is no fault in this report", _of("note")),
    ("12.1", "No finding has the id", "certificate"),
    ("12.1", "the id of a finding", 3),
    ("12.1", "id 'aaaaaaaaaaaaaaaaaaaaaaaaaaa...aaa", "a" * 500),
    ("12.2", "", Later(lambda: _others()[0])),
    ("12.2", "looks at no certificate", "expired"),
    ("12.2", "cannot be seen in this conversation", "kept buffer"),
    ("12.2", "at home here", "open relay"),
    ("12.2", "Give one of these", "STARTTLS"),
    ("12.2", "text in quotes", 454),
    ("12.3", "The answer is a report", "A"),
    ("12.3", "The answer is a report", Later(lambda: open_lab().smtp(replace=True))),
    ("12.3", "the server that is to be mended speaks", Later(lambda: _mended("smtp"))),
    ("12.3", "The certificate", Later(lambda: _mended(_asked(), certificate="expired"))),
    ("12.3", "before TLS", Later(lambda: _mended(_asked(), auth="always"))),
    ("12.3", "Implicit TLS is not offered", Later(lambda: _mended(_asked(), both=False))),
    ("12.3", "the report on the port with implicit TLS", Later(lambda: _mended(_asked(), implicit=True))),
    ("12.4", "does not belong there", Later(lambda: given("12.4"))),
    ("12.4", "missing", set()),
    ("12.4", "none of what there is to choose from", {"whether it is fast"}),
    ("12.4", "several things", "whether TLS is offered"),
    ("12.4", "missing", Later(lambda: sorted(_shown())[1:])),
    ("12.5", "leaves B or C does not stop", lambda findings: {f["id"] for f in findings if f["verdict"] == "fault"}),
    ("12.5", "a report with four faults", lambda findings: [f["id"] for f in findings]),
    ("12.5", "a report with four faults", lambda findings: "F"),
    ("12.5", "a report with four faults", lambda findings: {f["id"] for f in findings if f["leaves"] == "F"}),
    ("12.5", "a report with four faults", lambda findings: {f["id"] for f in findings if f["leaves"] == "D"}),
    ("12.5", "a function", {"dates"}),
    ("12.5", "stops with KeyError", lambda findings: findings[0]["grade"]),
]  # fmt: skip
RIGHT = [
    ("12.1", Later(lambda: _report().faults[0].id)),
    ("12.1", Later(lambda: _report().faults[0])),
    ("12.1", Later(lambda: _report().faults[0].title.lower())),
    ("12.1", Later(lambda: _report().faults)),
    ("12.1", Later(lambda: {_report().faults[0].id})),
    ("12.2", Later(_seen)),
    ("12.2", Later(lambda: _seen().upper())),
    ("12.2", Later(lambda: f" {_seen()} ")),
    ("12.3", Later(lambda: _mended(_asked()))),
    ("12.3", Later(lambda: _mended(_asked(), tls=("TLS 1.3",)))),
    ("12.3", Later(lambda: _mended(_asked(), starttls="required"))),
    ("12.4", Later(_shown)),
    ("12.4", Later(lambda: list(_shown()))),
    ("12.4", Later(lambda: tuple(one.upper() for one in _shown()))),
    ("12.5", _stops),
    ("12.5", lambda findings: sorted(_stops(findings))),
    ("12.5", lambda findings: tuple(_stops(findings))),
]
