"""The IMAP server, one line at a time: what it offers when, what it answers, and what it tells of other sessions."""

import pytest
from wire import connected, encoded

from labkit.errors import LabError
from labkit.mail.mailbox import Message

BASE = "IMAP4rev1 LITERAL+ SASL-IR UIDPLUS"
MAIL = b"Subject: %d\r\nFrom: alice@lab.test\r\n\r\nbody\r\n"


@pytest.fixture
def clear(lab):
    """A server that takes the login before TLS, and a client that is connected to it."""
    with connected(lab, lab.imap(auth="always")) as wire:
        yield wire


@pytest.fixture
def filled(lab, clear):
    """bob, logged in, with three messages in his inbox."""
    for number in (1, 2, 3):
        lab.mailbox().keep(Message("alice@lab.test", ("bob@lab.test",), MAIL % number, "clear text", ""))
    clear.log_in()
    return clear


def test_starttls_is_offered_before_tls_and_login_only_after(lab, trusting):
    with connected(lab, lab.imap(), "* OK [CAPABILITY " + BASE + " STARTTLS LOGINDISABLED] mail.lab.test") as wire:
        assert wire.do(b"CAPABILITY") == f"* CAPABILITY {BASE} STARTTLS LOGINDISABLED"
        assert wire.log_in().startswith("x NO [PRIVACYREQUIRED]")
        assert wire.say(b"x AUTHENTICATE PLAIN " + encoded(b"bob", b"swordfish")).startswith("x NO [PRIVACYREQUIRED]")
        assert wire.starttls(trusting) == "x OK Begin TLS negotiation now"
        assert wire.do(b"CAPABILITY") == f"* CAPABILITY {BASE} AUTH=PLAIN"
        assert wire.say(b"x STARTTLS") == "x BAD TLS is already active"
        assert wire.log_in() == f"x OK [CAPABILITY {BASE}] Logged in"
        assert wire.say(b"x STARTTLS").startswith("x BAD")


def test_implicit_tls_offers_login_and_no_starttls(lab, trusting):
    server = lab.imap(implicit=True)
    assert server.port == 993
    with connected(lab, server, context=trusting) as wire:
        assert wire.do(b"CAPABILITY") == f"* CAPABILITY {BASE} AUTH=PLAIN"
        assert wire.say(b"x STARTTLS") == "x BAD TLS is already active"
        assert wire.log_in().startswith("x OK")


def test_off_means_neither_offered_nor_done(lab):
    with connected(lab, lab.imap(starttls="off")) as wire:
        assert "STARTTLS" not in wire.do(b"CAPABILITY")
        assert wire.say(b"x STARTTLS").startswith("x BAD")


def test_required_means_little_but_starttls_before_tls(lab, trusting):
    with connected(lab, lab.imap(starttls="required", auth="always")) as wire:
        assert "LOGINDISABLED" in wire.do(b"CAPABILITY")
        assert wire.log_in().startswith("x NO [PRIVACYREQUIRED]")
        assert wire.say(b"x SELECT INBOX").startswith("x NO [PRIVACYREQUIRED]")
        wire.do(b"NOOP")
        wire.starttls(trusting)
        assert wire.log_in().startswith("x OK")


def test_without_login_no_user_can_log_in_even_inside_tls(lab, trusting):
    with connected(lab, lab.imap(auth="none")) as wire:
        wire.starttls(trusting)
        assert "LOGINDISABLED" in wire.do(b"CAPABILITY")
        assert wire.log_in().startswith("x NO")


def test_starttls_after_a_login_is_refused(clear):
    clear.log_in()
    assert clear.say(b"x STARTTLS") == "x BAD STARTTLS is not possible after the login"


@pytest.mark.parametrize(
    "login",
    (
        b'LOGIN bob "swordfish"',
        b'LOGIN "bob" swordfish',
        b"login {3+}\r\nbob {9+}\r\nswordfish",
        b"AUTHENTICATE PLAIN " + encoded(b"bob", b"swordfish"),
    ),
)
def test_there_are_several_ways_to_write_a_login(clear, login):
    clear.do(login)
    assert clear.do(b"NOOP") == ""


def test_a_login_may_wait_for_the_server_between_its_parts(clear):
    assert clear.say(b"x LOGIN {3}") == "+ Ready for the literal"
    assert clear.say(b"bob {9}") == "+ Ready for the literal"
    assert clear.say(b"swordfish").startswith("x OK")


def test_authenticate_may_wait_for_the_server(clear):
    assert clear.say(b"x AUTHENTICATE PLAIN") == "+ "
    assert clear.say(encoded(b"bob", b"swordfish")).startswith("x OK")


@pytest.mark.parametrize(
    "attempt", ((b"bob", b"hunter2"), (b"carol", b"x"), (b'""', b'""'), (b'"\xff"', b'"\xfe"'), (b"bob", b'""'))
)
def test_a_wrong_login_is_refused_and_can_be_made_again(clear, attempt):
    assert clear.log_in(*attempt).startswith(("x NO [AUTHENTICATIONFAILED]", "x BAD"))
    assert clear.log_in().startswith("x OK")


@pytest.mark.parametrize(
    "line",
    (
        b"LOGIN",
        b"LOGIN bob",
        b"LOGIN bob swordfish more",
        b"LOGIN  bob swordfish",
        b'LOGIN "bob swordfish',
        b"AUTHENTICATE",
        b"AUTHENTICATE CRAM-MD5",
        b"AUTHENTICATE PLAIN !!!",
        b"AUTHENTICATE PLAIN YQ==",
        b"AUTHENTICATE PLAIN =",
        b"CAPABILITY now",
        b"STARTTLS now",
        b"XYZZY",
        b"SELECT INBOX",
        b"FETCH 1 FLAGS",
        b"ID",
        b"",
    ),
)
def test_what_is_malformed_or_too_early_is_answered_and_the_session_goes_on(clear, line):
    assert clear.say(b"x " + line).split()[1] in ("BAD", "NO")
    clear.do(b"NOOP")


def test_authenticate_can_be_given_up(clear):
    clear.say(b"x AUTHENTICATE PLAIN")
    assert clear.say(b"*") == "x BAD The login was given up"
    clear.do(b"NOOP")


def test_a_mailbox_is_opened_to_write_or_to_read_alone(filled):
    told = filled.do(b"SELECT inbox")
    assert "* 3 EXISTS\n* 3 RECENT\n* FLAGS (" in told and "[UNSEEN 1]" in told and "[UIDNEXT 4]" in told
    assert "[PERMANENTFLAGS (\\Answered " in told
    assert filled.say(b"x EXAMINE INBOX").endswith("x OK [READ-ONLY] INBOX is open")
    assert filled.say(b"x STORE 1 +FLAGS (\\Seen)").startswith("x NO [READ-ONLY]")
    assert filled.say(b"x EXPUNGE").startswith("x NO [READ-ONLY]")
    assert "Seen" not in filled.do(b"FETCH 1 (BODY[] FLAGS)")


def test_only_the_first_session_is_told_that_messages_are_recent(filled):
    assert "* 3 RECENT" in filled.do(b"EXAMINE INBOX")
    assert "* 3 RECENT" in filled.do(b"SELECT INBOX")
    assert "* 0 RECENT" in filled.do(b"SELECT INBOX")


def test_a_mailbox_that_cannot_be_opened_closes_the_last_one(filled):
    filled.do(b"SELECT INBOX")
    assert filled.say(b"x SELECT nowhere").startswith("x NO [NONEXISTENT]")
    assert filled.say(b"x FETCH 1 FLAGS").startswith("x BAD")


def test_reading_a_message_marks_it_and_peeking_does_not(filled):
    filled.do(b"SELECT INBOX")
    assert "Seen" not in filled.do(b"FETCH 1 (BODY.PEEK[] RFC822.HEADER)")
    assert "FLAGS (\\Seen \\Recent)" in filled.do(b"FETCH 1 RFC822")
    assert filled.do(b"FETCH 1:* FLAGS").split("\n")[1] == "* 2 FETCH (FLAGS (\\Recent))"
    assert "[UNSEEN 2]" in filled.do(b"SELECT INBOX")


def test_flags_are_set_added_and_taken_away(filled):
    filled.do(b"SELECT INBOX")
    assert filled.do(b"STORE 1 FLAGS (\\Seen \\FLAGGED)") == "* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent))"
    assert filled.do(b"STORE 1 -FLAGS \\seen") == "* 1 FETCH (FLAGS (\\Flagged \\Recent))"
    assert filled.do(b"STORE 1 +FLAGS.SILENT (\\Deleted)") == ""
    assert filled.do(b"UID STORE 1 +FLAGS (\\Draft $Junk)") == (
        "* 1 FETCH (UID 1 FLAGS (\\Deleted \\Draft \\Flagged \\Recent))"
    )
    assert filled.say(b"x STORE 1 *FLAGS (\\Seen)").startswith("x BAD")


def test_deleted_messages_go_with_expunge_and_numbers_move(lab, filled):
    filled.do(b"SELECT INBOX")
    filled.do(b"STORE 1,3 +FLAGS.SILENT (\\Deleted)")
    assert filled.do(b"EXPUNGE") == "* 3 EXPUNGE\n* 1 EXPUNGE"
    assert filled.do(b"UID FETCH 1:* UID") == "* 1 FETCH (UID 2)"
    assert [message.subject for message in lab.mailbox()] == ["2"]


def test_only_the_messages_that_are_named_go_with_uid_expunge(lab, filled):
    filled.do(b"SELECT INBOX")
    filled.do(b"STORE 1,3 +FLAGS.SILENT (\\Deleted)")
    assert filled.do(b"UID EXPUNGE 2:9") == "* 3 EXPUNGE"
    assert [message.subject for message in lab.mailbox()] == ["1", "2"]


def test_close_takes_what_is_deleted_and_leaving_for_another_mailbox_does_not(lab, filled):
    for leave, left in ((b"EXAMINE Sent", 3), (b"CLOSE", 2)):
        filled.do(b"SELECT INBOX")
        filled.do(b"STORE 1 +FLAGS.SILENT (\\Deleted)")
        filled.do(leave)
        assert len(lab.mailbox()) == left
    assert filled.say(b"x CHECK").startswith("x BAD")


@pytest.mark.parametrize(
    "numbers, found",
    (
        (b"1", [1]),
        (b"1:3", [1, 2, 3]),
        (b"3:2", [2, 3]),
        (b"*", [3]),
        (b"2:*", [2, 3]),
        (b"1,3", [1, 3]),
    ),
)
def test_messages_are_named_by_sets_of_numbers(filled, numbers, found):
    filled.do(b"SELECT INBOX")
    for command, name in ((b"FETCH ", "UID"), (b"UID FETCH ", "UID")):
        told = filled.do(command + numbers + b" UID")
        assert [line for line in told.split("\n") if line] == [f"* {n} FETCH ({name} {n})" for n in found]


@pytest.mark.parametrize(("numbers", "found"), ((b"9:*", [3]), (b"*:9", [3]), (b"4:9", []), (b"1,9", [1])))
def test_a_uid_without_a_message_is_passed_over_and_a_number_without_one_is_an_error(filled, numbers, found):
    """RFC 9051 §6.4.9, and seq-number in §9: so does Dovecot."""
    filled.do(b"SELECT INBOX")
    assert filled.do(b"UID FETCH " + numbers + b" UID") == "\n".join(f"* {n} FETCH (UID {n})" for n in found)
    for command in (b"FETCH %s UID", b"STORE %s FLAGS ()", b"COPY %s Sent"):
        assert filled.say(b"x " + command % numbers).startswith("x BAD")
    filled.do(b"EXAMINE Sent")
    assert filled.say(b"x FETCH 1:* UID").startswith("x BAD") and filled.do(b"UID FETCH 1:* UID") == ""


@pytest.mark.parametrize("numbers", (b"", b"1,", b"a", b"1:", b"1 :2", b"-1", b"1::2", b"99999999999", b"0", b"0:1"))
def test_what_is_no_set_of_numbers_is_refused(filled, numbers):
    filled.do(b"SELECT INBOX")
    assert filled.say(b"x FETCH " + numbers + b" UID").startswith("x BAD")


def test_mailboxes_are_made_listed_and_deleted(filled):
    filled.do(b'CREATE "Work/2026"')
    filled.do(b"CREATE Work")
    names = {
        b'"" *': ["Drafts", "INBOX", "Sent", "Work", "Work/2026"],
        b'"" %': ["Drafts", "INBOX", "Sent", "Work"],
        b'Work/ "%"': ["Work/2026"],
        b'"" "W*6"': ["Work/2026"],
        b'"" "%o%"': ["Work"],
        b'"" nothing': [],
    }
    for asked, expected in names.items():
        told = [line for line in filled.do(b"LIST " + asked).split("\n") if line]
        assert told == [f'* LIST () "/" "{name}"' for name in expected]
    assert filled.do(b'LIST "" ""') == '* LIST (\\Noselect) "/" ""'
    filled.do(b"DELETE Work")
    assert '"Work"' not in filled.do(b'LIST "" *')
    for wrong in (b"CREATE Sent", b"CREATE inbox", b"DELETE INBOX", b"DELETE no"):
        assert filled.say(b"x " + wrong).startswith("x NO [")


@pytest.mark.parametrize(
    "command", (b"RENAME Sent Old", b'LSUB "" *', b"SUBSCRIBE Sent", b"IDLE", b"ID NIL", b"UNSELECT")
)
def test_what_the_server_does_not_do_is_refused_and_the_session_goes_on(filled, command):
    filled.do(b"SELECT INBOX")
    assert filled.say(b"x " + command) == "x BAD There is no such command"
    assert filled.do(b"NOOP") == ""


def test_a_status_is_told_of_a_mailbox_that_is_not_open(filled):
    told = filled.do(b"STATUS INBOX (MESSAGES UNSEEN RECENT UIDNEXT)")
    assert told == '* STATUS "INBOX" (MESSAGES 3 UNSEEN 3 RECENT 3 UIDNEXT 4)'
    assert filled.say(b"x STATUS INBOX (SIZE)").startswith("x BAD")
    assert filled.say(b"x STATUS nowhere (MESSAGES)").startswith("x NO")


def test_a_message_is_uploaded_with_flags_and_date_and_copied(lab, filled):
    data = b"Subject: draft\r\n\r\nn\xf6t yet\r\n"
    filled.say(b'x APPEND Drafts (\\Draft \\seen) " 1-Feb-2021 03:04:05 +0200" {%d}' % len(data))
    validity = lab.mailbox("bob", "Drafts").validity
    assert filled.say(data) == f"x OK [APPENDUID {validity} 1] Stored in Drafts"
    (message,) = lab.mailbox("bob", "Drafts")
    assert (message.data, message.user, message.over) == (data, "bob", "clear text")
    assert "uploaded by bob" in repr(message)
    filled.do(b"SELECT Drafts")
    told = filled.do(b"FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)")
    assert told == (
        '* 1 FETCH (FLAGS (\\Draft \\Seen \\Recent) INTERNALDATE " 1-Feb-2021 01:04:05 +0000" RFC822.SIZE 27)'
    )
    assert filled.say(b"x COPY 1 Sent") == f"x OK [COPYUID {lab.mailbox('bob', 'Sent').validity} 1 1] Copied"
    assert filled.say(b"x UID COPY 7 Sent") == "x OK There was nothing to copy"
    assert [message.data for message in lab.mailbox("bob", "Sent")] == [data]
    assert filled.say(b"x COPY 1 nowhere").startswith("x NO [TRYCREATE]")


@pytest.mark.parametrize(
    "rest, word",
    (
        (b"nowhere {1+}\r\nx", "NO [TRYCREATE]"),
        (b"Sent {3+}\r\na\0b", "BAD"),
        (b'Sent "32-Feb-2021 03:04:05 +0200" {1+}\r\nx', "BAD"),
        (b'Sent " 1-Jan-0001 03:04:05 +2300" {1+}\r\nx', "BAD"),
        (b"Sent (\\Seen {1+}\r\nx", "BAD"),
        (b"Sent x", "BAD"),
    ),
)
def test_an_upload_that_makes_no_sense_is_refused(lab, filled, rest, word):
    assert filled.say(b"x APPEND " + rest).startswith(f"x {word}")
    filled.do(b"NOOP")
    assert not lab.mailbox("bob", "Sent")


def test_one_session_is_told_what_another_did(lab, filled):
    filled.do(b"SELECT INBOX")
    with connected(lab, lab.servers["mail", 143]) as other:
        other.log_in()
        other.do(b"SELECT INBOX")
        other.do(b"STORE 1 +FLAGS.SILENT (\\Flagged)")
        other.do(b"STORE 2 +FLAGS.SILENT (\\Deleted)")
        other.do(b"EXPUNGE")
        lab.send(lab.smtp(), "new")
        assert filled.do(b"FETCH 2 UID") == (
            "* 2 FETCH (UID 2)\n* 1 FETCH (FLAGS (\\Flagged \\Recent))\n"
            "* 2 FETCH (FLAGS (\\Deleted \\Recent))\n* 4 EXISTS\n* 4 RECENT"
        )
        assert filled.do(b"NOOP") == "* 2 EXPUNGE"
        assert filled.do(b"NOOP") == ""


def test_a_logout_is_answered_before_the_end(clear):
    clear.send(b"x LOGOUT\r\n")
    assert [clear.line(), clear.line(), clear.line()] == ["* BYE Goodbye", "x OK Logged out", ""]


def test_the_log_tells_the_session_and_not_the_password(lab, trusting):
    server = lab.imap()
    with connected(lab, server) as wire:
        wire.starttls(trusting)
        for login in (b"LOGIN bob stockfish", b'LOGIN bob "swordfish"'):
            wire.say(b"x " + login)
        wire.say(b"x LOGOUT")
    with connected(lab, server) as wire:
        wire.starttls(trusting)
        wire.say(b"x LOGIN bob {9}")
        wire.say(b"swordfish")
    with connected(lab, server) as wire:
        wire.starttls(trusting)
        wire.say(b"x AUTHENTICATE PLAIN")
        wire.say(encoded(b"bob", b"swordfish"))
    text = repr(server.log)
    assert "#1 C: x STARTTLS\n#1 S: x OK Begin TLS negotiation now\n#1 TLS 1.3 with TLS_AES_256_GCM_SHA384\n" in text
    assert "#1 C: x LOGIN ********\n#1 logged in as bob\n" in text and "#3 C: x AUTHENTICATE PLAIN\n" in text
    assert "swordfish" not in text and "stockfish" not in text and encoded(b"bob", b"swordfish").decode() not in text


def test_settings_that_mean_nothing_are_named(lab):
    for wrong in ({"starttls": "on"}, {"auth": "before"}, {"quirks": ("forgets",)}, {"quirks": "PREAUTH"}):
        for start in (lab.imap, lab.pop3):
            with pytest.raises(LabError):
                start(**wrong)
    with pytest.raises(LabError, match="PREAUTH"):
        lab.pop3(quirks=("PREAUTH",))
    with pytest.raises(LabError, match="carol"):
        lab.mailbox("carol")
    with pytest.raises(LabError, match="Drafts"):
        lab.mailbox("bob", "Trash")
    assert not lab.servers


def test_a_server_tells_in_one_line_what_it_does(lab):
    text = repr(lab.imap(quirks=("PREAUTH",), auth="always"))
    assert text.startswith("<IMAP server on mail, port 143")
    assert "STARTTLS offered, login always, TLS 1.2 and TLS 1.3, certificate: right, quirk: PREAUTH>" in text
