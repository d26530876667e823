"""How an attacker speaks a dialect: lists of capabilities that she rewrites, replies that she makes up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import dialects
from labkit.attacks import Line, catalogue, speech
from labkit.attacks.actions import decision
from labkit.dialects import ALL, CLIENT, SERVER, ldap_messages
from labkit.dialects.writing import GO_AHEAD, LATER, REFUSED, counted_on

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MORE = f"{_LETTERS}0123456789-"
KEYWORDS = st.builds(
    "{}{}{}".format,
    st.sampled_from(_LETTERS),
    st.text(_MORE, max_size=10),
    st.just("") | st.text(_MORE, min_size=1, max_size=8).map("={}".format),
).filter(lambda word: "STARTTLS" not in word and "STLS" not in word)
LISTING = pytest.mark.parametrize(
    "dialect", [one for one in ALL if one.writes.capabilities], ids=lambda dialect: dialect.name
)
NAMES = st.lists(KEYWORDS, min_size=1, max_size=6, unique_by=speech.keyword)


def listed(dialect, names):
    """The server's line with such a list, behind the question what it offers."""
    ask = dialect.writes.command(dialect.upgrade, "a1")
    question = Line(CLIENT, "command", dialect.ask, ask, False, dialect)
    reader = dialect.reader()
    reader.feed(CLIENT, b"" if not dialect.ask or dialect.tell else dialect.writes.command(dialect.ask, "a1"))
    if dialect.name == "XMPP":  # a capability is an element
        names = [speech.keyword(name) if name != dialect.token else name for name in names]
    phrases = reader.feed(SERVER, dialect.writes.capabilities.answer(tuple(names), "a1"))
    lines = [Line(*phrase, False, dialect, earlier=(question,)) for phrase in phrases]
    return next(line for line in lines if speech.capabilities(line))


def keywords(names):
    return [speech.keyword(name) for name in names]


@LISTING
@given(names=NAMES, at=st.integers(0, 6))
def test_what_is_removed_from_a_list_is_gone_and_the_others_stay(dialect, names, at):
    line = listed(dialect, [*names[:at], dialect.token, *names[at:]])
    offered = speech.capabilities(line)
    assert dialect.token.upper() in {one.upper() for one in offered} | set(keywords(offered))
    left = line._replace(data=speech.without(line, dialect.token))
    assert keywords(speech.capabilities(left))[-len(names) :] == keywords(names)
    assert speech.without(left, dialect.token) is None


@LISTING
def test_a_list_keeps_letters_that_are_not_ascii(dialect):
    line = listed(dialect, ["QQ", dialect.token, "RR"])
    for letter in "Åà":  # the second byte of each is white space in Latin-1
        offered = line._replace(data=line.data.replace(b"QQ", letter.encode()))
        left = line._replace(data=speech.without(offered, dialect.token))
        assert letter.encode() in left.data and speech.capabilities(left)[-1] == speech.capabilities(line)[-1]


@pytest.mark.parametrize("attributes", (b"", b"\x30\0", b"\x30\0\x30\x04\x04\0\x31\0"))
def test_an_entry_of_ldap_with_a_malformed_attribute_lists_nothing(attributes):
    entry = ldap_messages.envelope(1, 0x64, b"\x04\0", ldap_messages.element(0x30, attributes))
    assert dialects.LDAP.writes.capabilities.find(entry) is None


@LISTING
@given(names=NAMES)
def test_a_list_that_is_made_up_is_read_as_it_was_meant(dialect, names):
    assert keywords(speech.capabilities(listed(dialect, names)))[-len(names) :] == keywords(names)


@pytest.mark.parametrize(
    ("dialect", "kind"), [(one, kind) for one in ALL for kind in (REFUSED, LATER) if one.writes.has(kind)], ids=repr
)
def test_a_refusal_that_is_made_up_is_read_as_one(dialect, kind):
    for made_up, read_as in ((kind, "refusal"), (GO_AHEAD, "go-ahead")):
        reader = dialect.reader()
        (phrase,) = reader.feed(CLIENT, dialect.writes.command(dialect.upgrade, "a7"))
        command = Line(*phrase, False, dialect)
        assert speech.upgrades(command)
        reply = reader.feed(SERVER, speech.reply(command, made_up, "No"))[0]
        assert reply.kind == read_as and reader.upgraded is (read_as == "go-ahead")


@pytest.mark.parametrize(
    ("tag", "following"), (("a1", "a2"), ("FKLM09", "FKLM10"), ("A99", "A100"), ("x", "x1"), ("", "1"))
)
def test_the_next_tag_is_counted(tag, following):
    assert counted_on(tag) == following


def test_a_line_in_the_middle_of_a_mail_is_no_list():
    smtp = dialects.SMTP
    line = Line(SERVER, "reply", "250", b"250-x\r\n250-STARTTLS\r\n250 y\r\n", False, smtp)
    assert speech.without(line, "STARTTLS") is None  # the client has not asked


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
        assert set(make.spoken()) <= {"DNS", "HTTPS", *(dialect.name for dialect in ALL)} and make.spoken()
    numbers = [make.id for make in catalogue.ALL] + list(catalogue.NOT_RUN)
    expected = [f"N{n}" for n in range(1, 17)] + [f"B{n}" for n in range(1, 6)] + [f"T{n}" for n in range(1, 4)]
    expected += ["S1", "U1", "U2"] + [f"C{n}" for n in range(1, 8)] + [f"X{n}" for n in range(1, 4)]
    expected += [f"P{n}" for n in range(1, 12)]
    assert sorted(numbers) == sorted(expected)
