"""IMAP as it stands in its RFCs is read as a person would read it, wherever the bytes are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transcripts import phrases, seen, split, stream, turns

from labkit.dialects import CLIENT, IMAP, SERVER

# RFC 9051 §6.2.1, with the greeting before it and a clear-text end
UPGRADE = """
S: * OK IMAP4rev1 Service Ready
C: a001 CAPABILITY
S: * CAPABILITY IMAP4rev2 STARTTLS LOGINDISABLED
S: a001 OK CAPABILITY completed
C: a002 STARTTLS
S: a002 OK Begin TLS negotiation now
"""

# RFC 3501 §8 and RFC 9051 §8
SESSION = r"""
S: * OK IMAP4rev2 Service Ready
C: a001 login mrc secret
S: a001 OK LOGIN completed
C: a002 select inbox
S: * 18 EXISTS
S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
S: * OK [UIDVALIDITY 3857529045] UIDs valid
S: a002 OK [READ-WRITE] SELECT completed
C: a003 fetch 12 full
S: * 12 FETCH (FLAGS (\Seen) INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 4286)
S: a003 OK FETCH completed
C: a004 fetch 12 body[header]
S: * 12 FETCH (BODY[HEADER] {72}
S: From: Terry Gray <gray@cac.washington.edu>
S: Subject: IMAP4rev2 mtg
S: 
S: )
S: a004 OK FETCH completed
C: a005 store 12 +flags \deleted
S: * 12 FETCH (FLAGS (\Seen \Deleted))
S: a005 OK +FLAGS completed
C: a006 logout
S: * BYE IMAP4rev2 server terminating connection
S: a006 OK LOGOUT completed
"""

# RFC 9051 §6.3.12
APPEND = r"""
S: * PREAUTH welcome
C: A003 APPEND saved-messages (\Seen) {326}
S: + Ready for literal data
C: Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)
C: From: Fred Foobar <foobar@Blurdybloop.example>
C: Subject: afternoon meeting
C: To: mooch@owatagu.siam.edu.example
C: Message-Id: <B27397-0100000@Blurdybloop.example>
C: MIME-Version: 1.0
C: Content-Type: TEXT/PLAIN; CHARSET=US-ASCII
C: 
C: Hello Joe, do you think we can meet at 3:30 tomorrow?
C: 
S: A003 OK APPEND completed
"""

# RFC 7888 §4, then the same with literals that wait (RFC 9051 §4.3)
LITERALS = """
S: * OK ready
C: A001 LOGIN {11+}
C: FRED FOOBAR {7+}
C: fat man
S: A001 NO not yet
C: A002 LOGIN {11}
S: + Ready for additional command text
C: FRED FOOBAR {7}
S: + Ready for additional command text
C: fat man
S: A002 OK LOGIN completed
C: A044 LOGIN {11}
S: A044 BAD Too many failures
C: A045 NOOP
S: A045 OK done
"""

# RFC 4959 §4, then RFC 9051 §6.2.2 with a client that gives up
AUTHENTICATE = """
S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready
C: A01 AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=
S: A01 NO wrong
C: A02 AUTHENTICATE LOGIN
S: + VXNlcm5hbWU6
C: YWxpY2U=
S: + UGFzc3dvcmQ6
C: *
S: A02 BAD given up
C: A03 AUTHENTICATE PLAIN
S: + 
C: AGFsaWNlAGh1bnRlcjI=
S: A03 OK Success
"""

# RFC 2177 §3
IDLE = """
S: * OK ready
C: A002 IDLE
S: + idling
S: * 2 EXPUNGE
S: * 3 EXISTS
C: DONE
S: A002 OK IDLE terminated
"""

ALL = [UPGRADE, SESSION, APPEND, LITERALS, AUTHENTICATE, IDLE]


def titles(transcript):
    return [title for _, title in seen(IMAP, transcript)]


# ---- what is read


def test_the_upgrade_of_rfc_9051_ends_with_the_tagged_ok():
    assert seen(IMAP, UPGRADE) == [
        *(("greeting", "OK"), ("command", "CAPABILITY"), ("untagged", "CAPABILITY"), ("reply", "OK")),
        *(("command", "STARTTLS"), ("go-ahead", "OK")),
    ]


@pytest.mark.parametrize("answer", ["NO", "BAD"])
def test_a_refused_upgrade_goes_on_in_clear_text(answer):
    refused = UPGRADE.replace("a002 OK", f"a002 {answer}") + "C: a003 LOGIN alice hunter2\n"
    assert seen(IMAP, refused)[-2:] == [("refusal", answer), ("command", "LOGIN")]


def test_an_ok_with_another_tag_or_none_is_no_go_ahead():
    wrong = UPGRADE.replace("a002 OK", "* OK hello\nS: a001 OK") + "C: a003 NOOP\n"
    assert [kind for kind, _ in seen(IMAP, wrong)[-3:]] == ["untagged", "reply", "rest"]


def test_a_client_that_takes_a_plus_for_the_go_ahead_is_heard_in_clear_text():
    wrong = UPGRADE.replace("a002 OK Begin TLS negotiation now", "+ go on") + "C: a003 LOGIN alice hunter2\n"
    assert seen(IMAP, wrong)[-2:] == [("reply", "+"), ("command", "LOGIN")]


def test_a_session_is_read_response_by_response():
    assert titles(SESSION) == [
        *("OK", "LOGIN", "OK", "SELECT", "EXISTS", "FLAGS", "OK", "OK", "FETCH", "FETCH", "OK"),
        *("FETCH", "FETCH", "OK", "STORE", "FETCH", "OK", "LOGOUT", "BYE", "OK"),
    ]


def test_a_response_with_a_literal_is_one_phrase_of_kind_message():
    (message,) = (phrase for phrase in phrases(IMAP, turns(SESSION)) if phrase.kind == "message")
    assert message.data.startswith(b"* 12 FETCH (BODY[HEADER] {72}\r\nFrom:") and message.data.endswith(b")\r\n")
    ((start, end),) = IMAP.messages(message.data)
    assert message.data[start:end].split(b"\r\n")[1] == b"Subject: IMAP4rev2 mtg"


def test_a_response_may_hold_several_literals_and_each_is_found():
    parts = (b"Subject: x\r\n\r\n", b"hello {3}\r\n", b"")
    data = b"* 1 FETCH (BODY[HEADER] {14}\r\n%sBODY[TEXT] {11}\r\n%sBODY[2] {0}\r\n%s)\r\n" % parts
    (phrase,) = phrases(IMAP, [(SERVER, data)])
    assert [data[start:end] for start, end in IMAP.messages(phrase.data)] == list(parts)


def test_braces_in_text_for_people_announce_no_literal():
    assert titles("S: * OK busy {9}\nC: a NOOP\nS: a OK see {12}\nS: * 1 EXISTS") == ["OK", "NOOP", "OK", "EXISTS"]


def test_append_is_a_command_a_permission_and_a_message():
    said = phrases(IMAP, turns(APPEND))
    assert [(p.kind, p.title) for p in said] == [
        *(("greeting", "PREAUTH"), ("command", "APPEND"), ("reply", "+"), ("message", "message"), ("reply", "OK")),
    ]
    ((start, end),) = IMAP.messages(said[3].data)
    assert end - start == 326 and said[3].data.endswith(b"tomorrow?\r\n\r\n")


def test_append_may_name_its_mailbox_in_a_literal_too():
    said = seen(IMAP, "C: a APPEND {5+}\nC: Sent! {10+}\nC: Subject: x\nS: a OK done")
    assert said == [("command", "APPEND"), ("continuation", "APPEND"), ("message", "message"), ("reply", "OK")]


def test_literals_wait_for_the_server_unless_they_are_marked_with_a_plus():
    assert seen(IMAP, LITERALS) == [
        ("greeting", "OK"),
        *(("command", "LOGIN"), ("continuation", "LOGIN"), ("continuation", "LOGIN"), ("reply", "NO")),
        *(("command", "LOGIN"), ("reply", "+"), ("continuation", "LOGIN"), ("reply", "+")),
        *(("continuation", "LOGIN"), ("reply", "OK")),
        *(("command", "LOGIN"), ("reply", "BAD"), ("command", "NOOP"), ("reply", "OK")),
    ]


def test_logins_are_followed_challenge_by_challenge():
    assert seen(IMAP, AUTHENTICATE)[1:] == [
        *(("command", "AUTHENTICATE"), ("reply", "NO"), ("command", "AUTHENTICATE")),
        *(("challenge", "+"), ("credential", "credential")) * 2,
        *(("reply", "BAD"), ("command", "AUTHENTICATE"), ("challenge", "+"), ("credential", "credential")),
        ("reply", "OK"),
    ]


def test_a_plus_that_the_client_does_not_wait_for_changes_nothing():
    assert seen(IMAP, "C: a AUTHENTICATE PLAIN\nS: a NO no\nS: + well\nC: b NOOP")[-2:] == [
        ("reply", "+"),
        ("command", "NOOP"),
    ]


def test_idle_ends_with_a_word_that_has_no_tag():
    assert titles(IDLE) == ["OK", "IDLE", "+", "EXPUNGE", "EXISTS", "DONE", "OK"]


def test_commands_may_be_sent_ahead_and_answered_in_any_order():
    said = seen(IMAP, "C: a1 UID FETCH 1 FLAGS\nC: a2 noop\nC: a3 Uid Store 1 +FLAGS x\nS: a3 OK\nS: a1 OK\nS: a2 OK")
    assert said == [*(("command", title) for title in ("UID FETCH", "NOOP", "UID STORE")), *[("reply", "OK")] * 3]


@pytest.mark.parametrize("greeting", ["OK", "PREAUTH", "BYE"])
def test_a_server_greets_once_and_is_recognised_by_it(greeting):
    assert seen(IMAP, f"S: * {greeting} hello\nS: * {greeting} again") == [
        ("greeting", greeting),
        ("untagged", greeting),
    ]
    assert IMAP.recognises(f"* {greeting} hello\r\n".encode(), b"")


def test_nothing_greets_behind_a_command():
    assert seen(IMAP, "C: a CAPABILITY\nS: * OK hello")[1] == ("untagged", "OK")


def test_what_stands_behind_the_upgrade_and_the_go_ahead_was_injected():
    early = [
        *turns(UPGRADE)[:-2],
        (CLIENT, b"a STARTTLS\r\nb NOOP\r\n"),
        (SERVER, b"a OK go\r\n* 1 EXISTS\r\n\x16\x03\x03"),
    ]
    assert [(p.sender, p.kind, p.data) for p in phrases(IMAP, early)[-3:]] == [
        (CLIENT, "injected", b"b NOOP\r\n"),
        (SERVER, "injected", b"* 1 EXISTS\r\n"),
        (SERVER, "rest", b"\x16\x03\x03"),
    ]


def test_what_is_no_imap_is_said_to_be_none():
    said = seen(IMAP, "S: 220 mail ESMTP\nC: EHLO x\nC: \nC: a1 FROB\nS: * FROB\nS: a1 BAD")
    assert said == [
        *(("unknown", "unknown"), *[("command", "unknown command")] * 3),
        *(("untagged", "unknown response"), ("reply", "BAD")),
    ]


# ---- properties


@given(st.sampled_from(ALL), st.lists(st.integers(0, 500), max_size=12))
def test_splitting_changes_nothing(transcript, cuts):
    whole = turns(transcript)
    assert phrases(IMAP, split(whole, cuts)) == phrases(IMAP, whole)


@pytest.mark.parametrize("transcript", [SESSION, APPEND, LITERALS])
def test_byte_by_byte_is_as_good_as_at_once(transcript):
    whole = turns(transcript)
    assert phrases(IMAP, split(whole, range(1000))) == phrases(IMAP, whole)


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60).map(str.encode)
_LITERAL = st.one_of(_TEXT, st.sampled_from([b"", b")\r\n", b"a1 OK\r\n", b"{5}\r\n", b"\r\n* 1 EXISTS\r\n"]))


@given(st.lists(_LITERAL, min_size=1, max_size=4), st.lists(st.integers(0, 300), max_size=8))
def test_a_literal_may_hold_anything_and_be_split_anywhere(literals, cuts):
    data = b"* 1 FETCH (" + b" ".join(b"BODY[1] {%d}\r\n%s" % (len(part), part) for part in literals) + b")\r\n"
    found = phrases(IMAP, split([(SERVER, data), (SERVER, b"a OK\r\n")], cuts))
    assert [(p.title, p.data) for p in found] == [("FETCH", data), ("OK", b"a OK\r\n")]
    assert [data[start:end] for start, end in IMAP.messages(data)] == literals


@given(_LITERAL, st.booleans(), st.lists(st.integers(0, 300), max_size=8))
def test_a_message_of_append_may_hold_anything_and_be_split_anywhere(mail, waits, cuts):
    command = b"a APPEND Sent {%d%s}\r\n" % (len(mail), b"" if waits else b"+")
    ready = [(SERVER, b"+ go on\r\n")] if waits else []
    found = phrases(IMAP, split([(CLIENT, command), *ready, (CLIENT, mail + b"\r\n"), (CLIENT, b"b NOOP\r\n")], cuts))
    assert [p.data for p in found if p.sender == CLIENT] == [command, mail + b"\r\n", b"b NOOP\r\n"]
    assert [p.kind for p in found if p.sender == CLIENT] == ["command", "message", "command"]


@given(st.sampled_from(ALL), st.lists(st.integers(0, 500), max_size=6))
def test_no_byte_is_lost(transcript, cuts):
    whole = turns(transcript)
    found = phrases(IMAP, split(whole, cuts))
    assert [stream(found, side) for side in (CLIENT, SERVER)] == [stream(whole, side) for side in (CLIENT, SERVER)]


# ---- what is said about it


def sentence(line, kind="untagged", title="CAPABILITY"):
    return IMAP.explain(kind, title, line)


def test_the_line_of_capabilities_says_what_its_upgrade_and_its_login_mean():
    said = sentence("* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED AUTH=PLAIN")
    assert "offers to start TLS" in said and "not before TLS" in said
    assert "TLS" not in sentence("* CAPABILITY IMAP4rev1 AUTH=PLAIN")
    assert "offers to start TLS" in sentence("* OK [CAPABILITY IMAP4rev1 STARTTLS] hello", "greeting", "OK")


def test_a_response_code_adds_its_own_sentence():
    assert "STARTTLS is required" in sentence("a NO [PRIVACYREQUIRED] not yet", "reply", "NO")
    assert "may not ask for TLS" in sentence("* PREAUTH hello", "greeting", "PREAUTH")


@pytest.mark.parametrize(
    ("side", "before", "after", "title"),
    [
        (SERVER, b"* 1 FETCH (BODY[] {1000}\r\nFrom: bob", b"* 3 EXISTS\r\n", "EXISTS"),
        (CLIENT, b"a APPEND x {1000+}\r\nFrom: alice", b"b NOOP\r\n", "NOOP"),
    ],
)
def test_after_missing_bytes_the_next_line_is_read_as_it_stands(side, before, after, title):
    reader = IMAP.reader()
    reader.feed(side, before)
    reader.rest(side)
    assert [p.title for p in reader.feed(side, after)] == [title]


def test_only_the_side_with_missing_bytes_begins_anew():
    reader = IMAP.reader()
    reader.feed(SERVER, b"* 1 FETCH (BODY[] {5}\r\n")
    reader.feed(CLIENT, b"a APPEND x {5+}\r\n")
    reader.rest(CLIENT)
    assert [p.kind for p in reader.feed(SERVER, b"hello)\r\n")] == ["message"]
    reader.feed(CLIENT, b"b APPEND x {5+}\r\n")
    reader.rest(SERVER)
    assert [p.kind for p in reader.feed(CLIENT, b"hello\r\n")] == ["message"]
