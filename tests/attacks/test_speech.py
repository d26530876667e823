"""How an attacker speaks a dialect: lists of capabilities that she rewrites, replies that she makes up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import dialects
from labkit.attacks import Line, catalogue, speech
from labkit.attacks.actions import decision
from labkit.dialects import ALL, CLIENT, SERVER
from labkit.dialects.writing import GO_AHEAD, LATER, REFUSED, counted_on

KEYWORDS = st.from_regex(r"[A-Z0-9][A-Z0-9-]{0,10}(=[A-Z0-9-]{1,8})?", fullmatch=True).filter(
    lambda word: "STARTTLS" not in word and "STLS" not in word
)
LISTS = {
    "SMTP": lambda names: "".join(
        f"250{'-' if number < len(names) else ' '}{name}\r\n" for number, name in enumerate(["mail.lab.test", *names])
    ),
    "IMAP": lambda names: f"* CAPABILITY {' '.join(names)}\r\n",
    "POP3": lambda names: "".join(f"{line}\r\n" for line in ("+OK", *names, ".")),
}


def answer(dialect, text, kind="reply"):
    """A server's line, behind the question what it offers."""
    question = Line(CLIENT, "command", dialect.ask, dialect.ask.encode(), False, dialect)
    return Line(SERVER, kind, "250", text.encode(), False, dialect, earlier=(question,))


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
@given(names=st.lists(KEYWORDS, min_size=1, max_size=6, unique=True), at=st.integers(0, 6))
def test_what_is_removed_from_a_list_is_gone_and_the_others_stay(dialect, names, at):
    whole = [*names[:at], dialect.token, *names[at:]]
    line = answer(dialect, LISTS[dialect.name](whole))
    assert speech.capabilities(line) == tuple(whole)
    assert speech.without(line, dialect.token) == LISTS[dialect.name](names).encode()
    assert speech.without(answer(dialect, LISTS[dialect.name](names)), dialect.token) is None


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
@given(names=st.lists(KEYWORDS, min_size=1, max_size=6, unique=True))
def test_a_list_that_is_made_up_is_read_as_it_was_meant(dialect, names):
    reader = dialect.reader()
    ask = dialect.writes.command(dialect.ask, "a1")
    reader.feed(CLIENT, ask)
    phrases = reader.feed(SERVER, dialect.writes.capabilities.answer(tuple(names), "a1"))
    question = Line(*dialect.reader().feed(CLIENT, ask)[0], False, dialect)
    found = [speech.capabilities(Line(*phrase, False, dialect, earlier=(question,))) for phrase in phrases]
    told = next(one for one in found if one)
    assert told[-len(names) :] == tuple(names)


@pytest.mark.parametrize(
    ("dialect", "kind"), [(one, kind) for one in ALL for kind in (REFUSED, LATER) if one.writes.has(kind)]
)
def test_a_refusal_that_is_made_up_is_read_as_one(dialect, kind):
    reader = dialect.reader()
    (phrase,) = reader.feed(CLIENT, dialect.writes.command(dialect.upgrade, "a7"))
    command = Line(*phrase, False, dialect)
    assert speech.upgrades(command)
    (reply,) = reader.feed(SERVER, speech.reply(command, kind, "No"))
    assert reply.kind == "refusal" and not reader.upgraded
    reader.feed(CLIENT, dialect.writes.command(dialect.upgrade, "a8"))
    (reply,) = reader.feed(
        SERVER, speech.reply(command._replace(data=command.data.replace(b"a7", b"a8")), GO_AHEAD, "Yes")
    )
    assert reply.kind == "go-ahead" and reader.upgraded


@pytest.mark.parametrize(
    ("tag", "following"), (("a1", "a2"), ("FKLM09", "FKLM10"), ("A99", "A100"), ("x", "x1"), ("", "1"))
)
def test_the_next_tag_is_counted(tag, following):
    assert counted_on(tag) == following


def test_a_line_in_the_middle_of_a_mail_is_no_list():
    smtp = dialects.SMTP
    line = Line(SERVER, "reply", "250", b"250-x\r\n250-STARTTLS\r\n250 y\r\n", False, smtp)
    assert speech.without(line, "STARTTLS") is None  # nobody has asked


@given(
    data=st.binary(max_size=80),
    sender=st.sampled_from((CLIENT, SERVER)),
    kind=st.sampled_from(("reply", "command", "greeting", "go-ahead", "untagged", "message")),
)
def test_no_vector_stumbles_over_a_strange_line(data, sender, kind):
    for dialect in ALL:
        for make in catalogue.ALL:
            if make.applies_to(dialect):
                for title in (dialect.ask, dialect.upgrade, "X"):
                    line = Line(sender, kind, title, data, False, dialect)
                    decision(make().on_line(line._replace(earlier=(line,))))


def test_every_vector_says_what_it_is():
    for make in catalogue.ALL:
        vector = make()
        assert vector.summary.endswith((".", "?")) and '" "' not in vector.summary
        assert vector.source and vector.id
        assert set(vector.protocols) <= {dialect.name for dialect in ALL}
    numbers = [make.id for make in catalogue.ALL] + list(catalogue.NOT_RUN)
    expected = [f"N{n}" for n in range(1, 17)] + [f"B{n}" for n in range(1, 6)] + [f"T{n}" for n in range(1, 4)]
    expected += ["S1", "U1", "U2"] + [f"C{n}" for n in range(1, 8)] + [f"X{n}" for n in range(1, 5)]
    assert sorted(numbers) == sorted(expected)
