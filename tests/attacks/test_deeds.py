"""What the server did of what a client asked is read from its own replies, command by command, in every protocol."""

import pytest
from turns import conversation, said

from labkit.attacks.deeds import deeds, last_of_each
from labkit.attacks.evidence import injection_proof
from labkit.attacks.loot import CLEAR, SECRETS, Loot, items
from labkit.decode.privacy import visible
from labkit.dialects import CLIENT, SERVER, for_port
from labkit.dialects.ldap_messages import ENUMERATED, STRING, element, entry, envelope, number, result
from labkit.dialects.postgresql import error, message, startup


def became(port, *sessions):
    """What became of it all: done, a refusal, in doubt, open, or nothing."""
    dialogues = [conversation(port, turns) for turns in sessions]
    assert all(dialogue.dialect is for_port(port) for dialogue in dialogues)
    last = last_of_each(deed for dialogue in dialogues for deed in deeds(dialogue))
    refused = [f"refused {deed.what}" for deed in last if deed.accepted is False]
    in_doubt = ["in doubt"] if any(deed.in_doubt for deed in last) else []
    unanswered = ["open"] if any(deed.unanswered for deed in last) else []
    return (refused or in_doubt or unanswered or (["done"] if last else ["nothing"]))[0]


POP = "S: +OK POP3 ready\nC: USER alice\nS: +OK\nC: PASS hunter2\nS: +OK\n"
MAIL = "S: +OK\nS: Subject: x\nS: \nS: hello\nS: .\n"
GREETED = "S: * OK IMAP ready\n"
IMAP = GREETED + "C: a LOGIN alice hunter2\nS: a OK\nC: b SELECT INBOX\nS: * 2 EXISTS\nS: b OK\n"
SMTP = "S: 220 x ESMTP\nC: EHLO a\nS: 250 x\n"
ONE = "C: MAIL FROM:<a@x>\nS: 250 ok\nC: RCPT TO:<b@x>\nS: 250 ok\n"
TEXT = "C: DATA\nS: 354 go\nC: Subject: x\nC: \nC: hello{}\nC: .\n"
PIPED = "C: MAIL FROM:<a@x>\nC: RCPT TO:<b@x>\nC: BDAT 7{}\nC: hello\nS: 250 ok\nS: 250 ok\nS: 250 ok\n"
LMTP = "S: 220 x LMTP\nC: LHLO a\nS: 250 x\n" + ONE + "C: RCPT TO:<c@x>\nS: 250 ok\n" + TEXT
FTP = "S: 220 FTP ready\nC: USER alice\nS: 331 who?\nC: PASS hunter2\nS: 230 in\nC: EPSV\nS: 229 (|||4000|)\n"
NNTP = "S: 200 NNTP ready\n"
ARTICLE = "C: TAKETHIS <{}@x>\nC: Subject: x\nC: \nC: hello {}\nC: .\n"
STREAMED = ARTICLE.format("a", "a") + ARTICLE.format("b", "b")
SIMPLE = "C: AUTHINFO SIMPLE\nS: 350 go\nC: alice hunter2\nS: {}"
SIEVE = 'S: "IMPLEMENTATION" "x"\nS: "SASL" "PLAIN"\nS: OK\nC: AUTHENTICATE "PLAIN" "AGFsaWNlAGh1bnRlcjI="\nS: OK\n'
POSTS = "C: POST\nS: 340 go\nC: Subject: x\nC: \nC: hello\nC: .\n"

CASES = {
    # an article
    "an article that is refused before it is sent, and one that is taken": (
        119,
        NNTP + "C: POST\nS: 440 no\n" + POSTS + "S: 240 ok",
        "in doubt",
    ),
    "the same, where a login was needed": (
        119,
        NNTP
        + "C: POST\nS: 480 who?\nC: AUTHINFO USER a\nS: 381 go\nC: AUTHINFO PASS b\nS: 281 in\n"
        + POSTS
        + "S: 240 ok",
        "done",
    ),
    # mail that is fetched
    "a POP3 mail": (110, POP + "C: RETR 1\n" + MAIL, "done"),
    "a POP3 mail in small letters": (110, POP + "C: retr 1\n" + MAIL, "done"),
    "no such POP3 mail": (110, POP + "C: RETR 9\nS: -ERR none\nC: QUIT\nS: +OK", "refused RETR"),
    "the second of two": (110, POP + "C: RETR 1\n" + MAIL + "C: RETR 2\nS: -ERR gone", "refused RETR"),
    "two asked for ahead": (110, POP + "C: RETR 1\nC: RETR 2\n" + MAIL + "S: -ERR gone", "refused RETR"),
    "a POP3 mail at the second try": (110, POP + "C: RETR 1\nS: -ERR busy\nC: RETR 1\n" + MAIL, "done"),
    "a POP3 mail cut off": (110, POP + "C: RETR 1\nS: +OK\nS: Subject: x\nS: \nS: hel", "open"),
    "a POP3 mail that never came": (110, POP + "C: RETR 1", "open"),
    "the head of a POP3 mail": (110, POP + "C: TOP 7 0\nS: -ERR none", "refused TOP"),
    "a POP3 mail that stays": (110, POP + "C: DELE 7\nS: -ERR none", "refused DELE"),
    "the first of two asked for ahead": (110, POP + "C: RETR 1\nC: RETR 2\n" + MAIL.rstrip("\n"), "open"),
    "a POP3 mail that goes when the client does": (110, POP + "C: DELE 1\nS: +OK\nC: QUIT\nS: +OK", "done"),
    "two of which one stays": (
        110,
        POP + "C: DELE 1\nC: DELE 2\nC: QUIT\nS: +OK\nS: +OK\nS: -ERR one is left",
        "refused DELE",
    ),
    "a POP3 mail that stays, for the client hangs up": (110, POP + "C: DELE 1\nS: +OK", "open"),
    "a POP3 mail that is not to go any more": (
        110,
        POP + "C: DELE 1\nS: +OK\nC: RSET\nS: +OK\nC: QUIT\nS: +OK",
        "open",
    ),
    "a farewell that is refused and took nothing along": (110, POP + "C: STAT\nS: +OK 0 0\nC: QUIT\nS: -ERR", "done"),
    "an empty mailbox": (110, POP + "C: STAT\nS: +OK 0 0\nC: QUIT\nS: +OK", "done"),
    "a user without a mailbox": (110, "S: +OK POP3 ready\nC: USER eve\nS: -ERR no\nC: QUIT\nS: +OK", "refused login"),
    "an empty password": (110, "S: +OK POP3 ready\nC: USER a\nS: +OK\nC: PASS \nS: -ERR no", "refused login"),
    "a user name alone": (110, "S: +OK POP3 ready\nC: USER alice\nS: +OK\nC: QUIT\nS: +OK", "nothing"),
    "an IMAP mail": (143, IMAP + "C: c FETCH 1 BODY[]\nS: * 1 FETCH (BODY[] {5}\nS: hello)\nS: c OK", "done"),
    "an IMAP mail that is gone": (143, IMAP + "C: c UID FETCH 1 BODY[]\nS: c NO gone", "refused UID FETCH"),
    "one IMAP mail of two": (
        143,
        IMAP + "C: c FETCH 1:2 BODY[]\nS: * 1 FETCH (BODY[] {5}\nS: hello)\nS: c NO one is gone",
        "refused FETCH",
    ),
    "three hundred IMAP mails": (
        143,
        IMAP + "C: c FETCH 1:300 BODY[]\n" + "S: * 1 FETCH (BODY[] {5}\nS: hello)\n" * 300 + "S: c OK",
        "done",
    ),
    "an IMAP mailbox that is not there": (143, IMAP + "C: c SELECT x\nS: c NO none", "refused SELECT"),
    "a mailbox that is made first": (
        143,
        IMAP + "C: c SELECT x\nS: c NO none\nC: d CREATE x\nS: d OK\nC: e SELECT x\nS: e OK",
        "done",
    ),
    "IMAP replies out of order": (143, IMAP + "C: c NOOP\nC: d FETCH 1 BODY[]\nS: d NO gone\nS: c OK", "refused FETCH"),
    "a copy that is refused": (143, IMAP + "C: c COPY 1 x\nS: c NO none", "refused COPY"),
    "a search that is refused": (143, IMAP + "C: c SEARCH X\nS: c BAD what", "refused SEARCH"),
    "a mailbox that stays": (143, IMAP + "C: c DELETE x\nS: c NO none", "refused DELETE"),
    "a number without a mail": (143, IMAP + "C: c FETCH 9 BODY[]\nS: c BAD none", "refused FETCH"),
    "a mailbox that cannot be made": (143, IMAP + "C: c CREATE x\nS: c NO not allowed\nC: d LOGOUT", "refused CREATE"),
    "a mailbox that is there already": (
        143,
        IMAP + 'C: c CREATE "x"\nS: c NO it is there\nC: d APPEND x {5+}\nC: hello\nS: d OK',
        "done",
    ),
    "a mailbox that is as little there as before": (
        143,
        IMAP + "C: c CREATE x\nS: c NO no\nC: d SELECT x\nS: d NO none\nC: e STATUS xy ()\nS: e OK",
        "refused CREATE",
    ),
    "a mailbox that does not close": (143, IMAP + "C: c CLOSE\nS: c BAD none is open", "refused CLOSE"),
    "a mailbox that is not subscribed": (143, IMAP + "C: c SUBSCRIBE x\nS: c NO none", "refused SUBSCRIBE"),
    "a browser": (143, GREETED + "C: GET / HTTP/1.1\nS: GET BAD\nC: Connection: close\nS: Connection: BAD", "nothing"),
    # mail that is brought
    "an APPEND": (143, IMAP + "C: c APPEND x {5+}\nC: hello\nS: c OK", "done"),
    "an APPEND refused before the mail": (143, IMAP + "C: c APPEND x {5}\nS: c NO none", "refused APPEND"),
    "an APPEND refused behind the mail": (143, IMAP + "C: c APPEND x {5+}\nC: hello\nS: c NO big", "refused APPEND"),
    "an APPEND at the second try": (
        143,
        IMAP + "C: c APPEND x {5+}\nC: hello\nS: c NO none\nC: d APPEND x {5+}\nC: hello\nS: d OK",
        "done",
    ),
    "one APPEND of two": (
        143,
        IMAP + "C: c APPEND x {5+}\nC: hello\nS: c NO no\nC: d APPEND x {6+}\nC: hello2\nS: d OK",
        "refused APPEND",
    ),
    "a mail": (25, SMTP + ONE + TEXT.format("") + "S: 250 ok\nC: QUIT\nS: 221 bye", "done"),
    "a mail in small letters": (25, SMTP + (ONE + TEXT.format("")).replace("MAIL", "mail") + "S: 250 ok", "done"),
    "a mail without a line": (25, SMTP + ONE + "C: DATA\nS: 354 go\nC: .\nS: 250 ok", "done"),
    "a mail that is too large": (25, SMTP + ONE + TEXT.format("") + "S: 552 no", "refused message"),
    "a size that is too large": (25, SMTP + "C: MAIL FROM:<a@x> SIZE=9999999\nS: 552 no", "refused message"),
    "a parameter that is refused": (25, SMTP + "C: MAIL FROM:<a@x> SMTPUTF8\nS: 555 no\n" + ONE, "open"),
    "a mail without the parameter that was refused": (
        25,
        SMTP + "C: MAIL FROM:<a@x> SMTPUTF8\nS: 555 no\n" + ONE + TEXT.format("") + "S: 250 ok",
        "done",
    ),
    "a mail that the server fetches": (25, SMTP + ONE + "C: BURL imap://x LAST\nS: 250 ok", "done"),
    "a mail that the server does not fetch": (25, SMTP + ONE + "C: BURL imap://x LAST\nS: 554 no", "refused message"),
    "half of a mail that the server fetches": (25, SMTP + ONE + "C: BURL imap://x\nS: 250 ok", "open"),
    "a mail that is refused before its end": (
        25,
        SMTP + ONE + "C: DATA\nS: 354 go\nC: hello\nS: 552 no\nC: world\nC: .\nC: QUIT\nS: 221 bye",
        "refused message",
    ),
    "a mail without an answer": (25, SMTP + ONE + TEXT.format(""), "open"),
    "a mail without its dot": (25, SMTP + ONE + TEXT.format("").removesuffix("C: .\n"), "open"),
    "an envelope alone": (25, SMTP + ONE + "C: QUIT\nS: 221 bye", "open"),
    "an envelope that was dropped": (25, SMTP + ONE + "C: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye", "open"),
    "a recipient at the second try": (
        25,
        SMTP + ONE.replace("RCPT TO:<b@x>\nS: 250", "RCPT TO:<b@x>\nS: 451") + ONE + TEXT.format("") + "S: 250 ok",
        "done",
    ),
    "the first mail of two": (
        25,
        SMTP + ONE + TEXT.format("") + "S: 554 no\n" + ONE + TEXT.format(" again") + "S: 250 ok",
        "refused message",
    ),
    "a mail that is sent again": (
        25,
        SMTP + ONE + TEXT.format("") + "S: 451 later\n" + ONE + TEXT.format("") + "S: 250 ok",
        "done",
    ),
    "a mail in one chunk": (25, SMTP + PIPED.format(" LAST") + "C: QUIT\nS: 221 bye", "done"),
    "a chunk that is not the last": (25, SMTP + PIPED.format("") + "C: QUIT\nS: 221 bye", "open"),
    "a last chunk without a byte": (25, SMTP + PIPED.format("") + "C: BDAT 0 LAST\nS: 250 ok", "done"),
    "a last chunk that is refused": (25, SMTP + PIPED.format("") + "C: BDAT 0 LAST\nS: 554 no", "refused message"),
    "a last chunk without an answer": (
        25,
        SMTP + ONE + "C: BDAT 7\nC: hello\nC: BDAT 7 LAST\nC: world\nS: 250 ok",
        "open",
    ),
    "a second chunk that is refused": (
        25,
        SMTP + PIPED.format("") + "C: BDAT 7 LAST\nC: world\nS: 552 no",
        "refused message",
    ),
    "both recipients of LMTP": (24, LMTP.format("") + "S: 250 ok\nS: 250 ok", "done"),
    "the second recipient of LMTP": (24, LMTP.format("") + "S: 250 ok\nS: 452 full", "refused message"),
    "half of the answers of LMTP": (24, LMTP.format("") + "S: 250 ok", "open"),
    "an article": (119, NNTP + "C: POST\nS: 340 go\nC: Subject: x\nC: \nC: hi\nC: .\nS: 240 ok", "done"),
    "an article that is not taken": (119, NNTP + "C: POST\nS: 340 go\nC: hi\nC: .\nS: 441 no", "refused POST"),
    "a server where nothing is posted": (119, NNTP + "C: POST\nS: 440 no", "refused POST"),
    "the second of two streamed articles": (119, NNTP + STREAMED + "S: 239 <a@x>\nS: 439 <b@x>", "refused TAKETHIS"),
    "two streamed articles": (119, NNTP + STREAMED + "S: 239 <a@x>\nS: 239 <b@x>", "done"),
    # logins
    "a name and a password on one line": (119, NNTP + SIMPLE.format("250 in"), "done"),
    "a name and a password on one line, which are wrong": (119, NNTP + SIMPLE.format("452 no"), "refused login"),
    "a literal behind its refusal": (143, GREETED + "C: a LOGIN alice {7}\nS: a NO\nC: hunter2", "refused login"),
    "a response behind its refusal": (
        143,
        GREETED + "C: a AUTHENTICATE PLAIN\nC: AGFsaWNlAGh1bnRlcjI=\nS: a NO\nS: * BAD what",
        "refused login",
    ),
    "a login without a name": (25, SMTP + "C: AUTH EXTERNAL =\nS: 235 in", "done"),
    "a login whose second step is refused": (
        25,
        SMTP + "C: AUTH GSSAPI\nS: 334 \nC: YWJjZA==\nS: 535 no",
        "refused login",
    ),
    "a login that ends with a challenge": (
        25,
        SMTP + "C: AUTH XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIHQBAQ==\nS: 334 e30=",
        "open",
    ),
    "a token that is refused": (
        25,
        SMTP + "C: AUTH XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIHQBAQ==\nS: 334 e30=\nC: \nS: 535 no",
        "refused login",
    ),
    "a login that is called off": (25, SMTP + "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: *\nS: 501 off", "refused login"),
    "a name that needs no password": (21, "S: 220 FTP ready\nC: USER anonymous\nS: 230 in", "done"),
    "a login that lacks an account": (
        21,
        "S: 220 FTP ready\nC: USER a\nS: 331 \nC: PASS b\nS: 332 \nC: QUIT\nS: 221 ",
        "open",
    ),
    # files, scripts, news
    "a file": (21, FTP + "C: RETR x\nS: 150 here\nS: 226 done", "done"),
    "a file that is not there": (21, FTP + "C: RETR x\nS: 550 none", "refused RETR"),
    "a file that was broken off": (21, FTP + "C: RETR x\nS: 150 here\nS: 426 lost", "refused RETR"),
    "a file of which nothing was heard again": (21, FTP + "C: STOR x\nS: 150 go", "open"),
    "a full disk": (21, FTP + "C: STOR x\nS: 150 go\nS: 552 full", "refused STOR"),
    "a full disk, and a name from the server": (21, FTP + "C: STOU\nS: 150 FILE: a\nS: 552 full", "refused STOU"),
    "a folder that is not there": (21, FTP + "C: CWD x\nS: 550 none\nC: QUIT\nS: 221 bye", "refused CWD"),
    "a file that gets another name": (21, FTP + "C: RNFR x\nS: 350 to?\nC: RNTO y\nS: 250 done", "done"),
    "a file that gets no other name": (21, FTP + "C: RNFR x\nS: 350 to?\nC: QUIT\nS: 221 bye", "open"),
    "a file that is not there to be renamed": (21, FTP + "C: RNFR x\nS: 550 none\nC: QUIT\nS: 221 bye", "refused RNFR"),
    "a folder that cannot be made": (21, FTP + "C: MKD x\nS: 550 no\nC: QUIT\nS: 221 bye", "refused MKD"),
    "a folder that is there already": (21, FTP + "C: MKD /x\nS: 521 it is there\nC: CWD /x\nS: 250 in", "done"),
    "a folder that holds a file already": (
        21,
        FTP + "C: MKD x\nS: 550 there\nC: STOR x/y\nS: 150 go\nS: 226 done",
        "done",
    ),
    "facts about a file that is not there": (21, FTP + "C: MLST x\nS: 550 none", "refused MLST"),
    "the folder above the first one": (21, FTP + "C: CDUP\nS: 550 none", "refused CDUP"),
    "a folder asked for behind a file": (
        21,
        FTP + "C: STOR x\nC: MKD y\nC: QUIT\nS: 150 go\nS: 226 done\nS: 550 no\nS: 221 bye",
        "refused MKD",
    ),
    "a file from its middle": (21, FTP + "C: REST 9\nS: 350 from there\nC: RETR x\nS: 150 here\nS: 226 done", "done"),
    "a script that was given": (4190, SIEVE + 'C: GETSCRIPT "a"\nS: {5}\nS: keep;\nS: OK', "done"),
    "no room for a script": (4190, SIEVE + 'C: HAVESPACE "a" 9\nS: NO (QUOTA) "full"', "refused HAVESPACE"),
    "a news article": (119, NNTP + "C: ARTICLE 1\nS: 220 1 <a@x>\nS: Subject: x\nS: \nS: hi\nS: .", "done"),
    "no such news article": (119, NNTP + "C: ARTICLE 1\nS: 430 none", "refused ARTICLE"),
    "an article for those who are logged in": (
        119,
        NNTP
        + "C: ARTICLE 1\nS: 480 who?\nC: AUTHINFO USER a\nS: 381 and?\nC: AUTHINFO PASS b\nS: 281 in\n"
        + "C: ARTICLE 1\nS: 220 1 <a@x>\nS: Subject: x\nS: \nS: hi\nS: .",
        "done",
    ),
    "a script": (4190, SIEVE + 'C: PUTSCRIPT "a" {5+}\nC: keep;\nS: OK', "done"),
    "a script that is wrong": (4190, SIEVE + 'C: PUTSCRIPT "a" {5+}\nC: keap;\nS: NO "what?"', "refused PUTSCRIPT"),
    "a script that is not there": (4190, SIEVE + 'C: SETACTIVE "a"\nS: NO "none"', "refused SETACTIVE"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_became_of_it_is_what_the_replies_say(name):
    port, text, expected = CASES[name]
    assert became(port, said(text)) == expected


AGAIN = {
    "an article whose answer never came, and that is refused the second time": (119, NNTP + POSTS, "S: 441 no", "open"),
    "an article that is taken the second time": (119, NNTP + POSTS, "S: 240 ok", "done"),
    "a mail whose answer never came, and that is refused the second time": (
        25,
        SMTP + ONE + TEXT.format(""),
        "S: 554 no",
        "open",
    ),
    "half a mail, and one that is refused": (
        25,
        SMTP + ONE + TEXT.format("").replace("C: .\n", ""),
        "S: 554 no",
        "refused message",
    ),
}
"""What the first session says, to which no answer comes; the answer to the same in the second."""


@pytest.mark.parametrize("name", AGAIN)
def test_what_may_have_been_done_the_first_time_is_not_refused_by_the_second(name):
    port, text, answer, expected = AGAIN[name]
    assert became(port, said(text), said(text + answer)) == expected


ALICE = {("user name", "alice"), ("password", "hunter2")}
READ = {
    "a login on one line": (119, NNTP + SIMPLE.format("500 what"), ALICE),
    "half of a script": (4190, SIEVE + 'C: GETSCRIPT "a"\nS: {50}\nS: keep;', {*ALICE, ("script text", "keep;")}),
    "half of a script in its command": (4190, SIEVE + 'C: PUTSCRIPT "a" "keep;', {*ALICE, ("script text", "keep;")}),
    "a response without its quotation mark": (
        4190,
        SIEVE.split("C: ")[0] + 'C: AUTHENTICATE "PLAIN"\nS: ""\nC: "AGFsaWNlAGh1bnRlcjI=',
        ALICE,
    ),
    "a streamed article": (119, NNTP + STREAMED, {("subject", "x"), ("message", "hello a"), ("message", "hello b")}),
    "a chunk that ends with a lone dot": (
        25,
        SMTP + PIPED.format(" LAST").replace("hello", "on\nC: ."),
        {("message", "on\r\n.")},
    ),
    "both literals behind their refusal": (
        143,
        GREETED + "C: a LOGIN {5}\nS: a BAD\nC: alice {7}\nS: * BAD\nC: hunter2\nS: * BAD",
        ALICE,
    ),
    "a literal that was not held back": (143, GREETED + "C: a LOGIN alice {7}\nC: hunter2\nS: a NO", ALICE),
    "a mail behind its refusal": (
        143,
        IMAP + "C: c APPEND x {10}\nS: c NO\nC: Date: x\nC: \nC: hi",
        {*ALICE, ("message", "hi")},
    ),
    "the next command behind a refusal": (
        143,
        GREETED + "C: a LOGIN alice {7}\nS: a NO\nC: b LOGOUT\nS: b OK",
        {("user name", "alice")},
    ),
    "a farewell in the place of a literal": (143, IMAP + "C: c APPEND x {300}\nS: + go\nC: d LOGOUT", ALICE),
    "a farewell in the place of a literal, with its answer": (
        143,
        IMAP + "C: c APPEND x {300}\nS: + go\nC: d LOGOUT\nS: * BYE\nS: d OK",
        ALICE,
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_was_said_is_read_whatever_the_server_says_to_it_and_nothing_else(name):
    port, text, expected = READ[name]
    found = {(one.what, one.value) for one in items(conversation(port, said(text)), CLEAR, 1)}
    assert {one for one in found if one[0] in SECRETS} == expected


def bound(number_, code, name=b"", *more):
    """The answer to a bind."""
    return SERVER, envelope(number_, 0x61, number(code, ENUMERATED), element(STRING, name), element(STRING), *more)


def binds(number_, how):
    """A bind without a name."""
    return CLIENT, envelope(number_, 0x60, number(3), element(STRING), how)


NTLM = [b"NTLMSSP\0" + bytes([step, 0, 0, 0]) + bytes(60) for step in (1, 2, 3)]


def sicily(code):
    """A login of Active Directory's own kind, [MS-ADTS] §5.1.1.1.3: its challenge comes with a success."""
    return [
        *(binds(1, element(0x89)), bound(1, 0, b"NTLM")),
        *(binds(2, element(0x8A, NTLM[0])), bound(2, 0, NTLM[1])),
        *(binds(3, element(0x8B, NTLM[2])), bound(3, code)),
    ]


def spnego(code):
    """A login with GSS-SPNEGO, in which NTLM is wrapped."""
    first, last = (element(0xA3, element(STRING, b"GSS-SPNEGO"), element(STRING, NTLM[step])) for step in (0, 2))
    return [binds(1, first), bound(1, 14, b"", element(0x87, NTLM[1])), binds(2, last), bound(2, code)]


ANONYMOUS = [binds(1, element(0x80)), bound(1, 0)]
SEARCH = (CLIENT, envelope(2, 0x63, element(STRING, b"dc=lab"), number(2, ENUMERATED), number(0, ENUMERATED)))


def deletes(number_, name):
    """A DelRequest."""
    return CLIENT, envelope(number_, 0x4A, name)


def deleted(number_, code):
    """The answer to it."""
    return SERVER, envelope(number_, 0x6B, number(code, ENUMERATED), element(STRING), element(STRING))


FOUND = [(SERVER, entry(2, f"uid=u{one}", {})) for one in range(300)]
BEGUN = [(CLIENT, startup({"user": "alice"})), (SERVER, message(b"R", bytes(4)) + message(b"Z", b"I"))]
ROW = message(b"D", b"\0\1\0\0\0\2hi")
ROWS = message(b"T", bytes(2)) + ROW * 300

COPYING = [
    *(*BEGUN, (CLIENT, message(b"Q", b"copy t from stdin\0")), (SERVER, message(b"G", bytes(3)))),
    (CLIENT, message(b"d", b"hello\n") + message(b"c", b"")),
]


def asks(text, *answers, state=b"I"):
    """A query, and its answers up to the end: the tags of what was done, or errors."""
    said = b"".join(message(b"C", one.encode() + b"\0") if isinstance(one, str) else one for one in answers)
    return [(CLIENT, message(b"Q", text.encode() + b"\0")), (SERVER, said + message(b"Z", state))]


FAILS = error("22012", "no")
INSERTS = asks("insert into t values (1)", "INSERT 0 1", state=b"T")
OPENS = [*BEGUN, *asks("begin", "BEGIN", state=b"T"), *INSERTS]
BACK = asks("rollback to a", "ROLLBACK", state=b"T")
MARKED = asks("savepoint a", "SAVEPOINT", state=b"T")
AT_ONCE = [*asks("x", "INSERT 0 1"), *asks("y", "INSERT 0 1")]
LEAVES = (CLIENT, message(b"X", b""))

STEP = message(b"P", b"\0x\0\0\0") + message(b"B", bytes(8)) + message(b"E", bytes(5))
STEPPED = message(b"1", b"") + message(b"2", b"") + message(b"C", b"OK\0")

RECORDS = {
    "Sicily": (389, sicily(0), "done"),
    "Sicily with a wrong password": (389, sicily(49), "refused login"),
    "half of Sicily": (389, sicily(0)[:4], "nothing"),
    "GSS-SPNEGO": (389, spnego(0), "done"),
    "GSS-SPNEGO with a wrong password": (389, spnego(49), "refused login"),
    "half of GSS-SPNEGO": (389, spnego(0)[:2], "nothing"),
    "a bind without a name": (389, ANONYMOUS, "done"),
    "a bind without a name that is refused": (389, [ANONYMOUS[0], bound(1, 48)], "refused login"),
    "a search": (389, [*ANONYMOUS, SEARCH, *FOUND, (SERVER, result(2, 0x65, 0))], "done"),
    "a search that is refused": (389, [*ANONYMOUS, SEARCH, (SERVER, result(2, 0x65, 50))], "refused SearchRequest"),
    "a search without an end": (389, [*ANONYMOUS, SEARCH, *FOUND], "open"),
    "a query": (5432, [*BEGUN, (CLIENT, message(b"Q", b"x\0")), (SERVER, ROWS + message(b"C", b"OK\0"))], "done"),
    "a query that is refused": (
        5432,
        [*BEGUN, (CLIENT, message(b"Q", b"x\0")), (SERVER, error("42601", "no"))],
        "refused Query",
    ),
    "rows that are brought": (5432, [*COPYING, (SERVER, message(b"C", b"COPY 1\0"))], "done"),
    "rows that are refused": (5432, [*COPYING, (SERVER, error("22P02", "no"))], "refused Query"),
    "rows without an end": (5432, COPYING, "open"),
    "a transaction that is committed": (5432, [*OPENS, *asks("commit", "COMMIT"), LEAVES], "done"),
    "a transaction that is not committed": (5432, [*OPENS, LEAVES], "open"),
    "a transaction that is rolled back": (5432, [*OPENS, *asks("rollback", "ROLLBACK"), LEAVES], "open"),
    "a transaction that fails": (
        5432,
        [*OPENS, *asks("x", FAILS, state=b"E"), *asks("commit", "ROLLBACK")],
        "refused Query",
    ),
    "a transaction in one query": (
        5432,
        [*BEGUN, *asks("begin; insert; commit", "BEGIN", "INSERT 0 1", "COMMIT")],
        "done",
    ),
    "half a transaction in one query": (
        5432,
        [*BEGUN, *asks("begin; insert", "BEGIN", "INSERT 0 1", state=b"T")],
        "open",
    ),
    "a second transaction that is not committed": (
        5432,
        [*OPENS, *asks("commit", "COMMIT"), *OPENS[2:], LEAVES],
        "open",
    ),
    "a transaction that cannot be committed, and another": (
        5432,
        [*OPENS, *asks("commit", FAILS), *asks("begin", "BEGIN", state=b"T"), *asks("commit", "COMMIT")],
        "open",
    ),
    "two entries that go, of which one stays": (
        389,
        [*ANONYMOUS, deletes(2, b"uid=a"), deleted(2, 50), deletes(3, b"uid=b"), deleted(3, 0)],
        "refused DelRequest",
    ),
    "a transaction that only reads": (
        5432,
        [*BEGUN, *asks("begin", "BEGIN", state=b"T"), *asks("select 1", "SELECT 1", state=b"T"), LEAVES],
        "done",
    ),
    "a return to a savepoint behind the change": (
        5432,
        [*OPENS, *MARKED, *BACK, *asks("commit", "COMMIT")],
        "done",
    ),
    "a return to a savepoint before the change": (
        5432,
        [*OPENS[:4], *MARKED, *INSERTS, *BACK, *asks("commit", "COMMIT")],
        "open",
    ),
    "the whole rolled back behind a savepoint": (5432, [*OPENS, *MARKED, *asks("rollback", "ROLLBACK")], "open"),
    "rows that are brought and not committed": (
        5432,
        [*OPENS[:4], *COPYING[2:], (SERVER, message(b"C", b"COPY 1\0") + message(b"Z", b"T")), LEAVES],
        "open",
    ),
    "steps that are not committed": (
        5432,
        [
            *OPENS[:4],
            (CLIENT, STEP + message(b"S", b"")),
            (SERVER, STEPPED.replace(b"OK", b"DO") + message(b"Z", b"T")),
        ],
        "open",
    ),
    "two steps of which the second fails": (
        5432,
        [
            *BEGUN,
            (CLIENT, STEP * 2 + message(b"S", b"")),
            (SERVER, STEPPED + error("42601", "no") + message(b"Z", b"I")),
        ],
        "refused Execute",
    ),
    "two queries at once": (5432, [*BEGUN, *AT_ONCE[::2], *AT_ONCE[1::2]], "done"),
    "two queries at once, of which the second fails": (
        5432,
        [*BEGUN, *AT_ONCE[::2], AT_ONCE[1], asks("", FAILS)[1]],
        "refused Query",
    ),
    "two queries at once, of which one is answered": (5432, [*BEGUN, *AT_ONCE[::2], AT_ONCE[1]], "open"),
    "two steps": (5432, [*BEGUN, (CLIENT, STEP * 2 + message(b"S", b"")), (SERVER, STEPPED * 2)], "done"),
    "a database that is not there, after the login": (
        5432,
        [BEGUN[0], (SERVER, message(b"R", bytes(4)) + error("3D000", "no"))],
        "refused login",
    ),
    "a database that is not there": (5432, [BEGUN[0], (SERVER, error("3D000", "no"))], "refused login"),
}


STREAM = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' {}>"
IQ = "<iq type='{}' id='{}'/>"
INSIDE = [(CLIENT, "<auth mechanism='PLAIN'>AGFsaWNlAGh1bnRlcjI=</auth>"), (SERVER, "<success/>")]
STANZAS = {
    "two logins at once, of which the first is wrong": (
        [(CLIENT, INSIDE[0][1] * 2), (SERVER, "<failure/><success/>")],
        "done",
    ),
    "two logins at once, of which the second is wrong": (
        [(CLIENT, INSIDE[0][1] * 2), (SERVER, "<success/><failure/>")],
        "refused login",
    ),
    "two logins at once, of which one is answered": ([(CLIENT, INSIDE[0][1] * 2), (SERVER, "<failure/>")], "open"),
    "a login, and all that follows it at once": (
        [
            (CLIENT, INSIDE[0][1] + "<presence/>" + IQ.format("set", "a")),
            (SERVER, f"<success/>{IQ.format('result', 'a')}"),
        ],
        "done",
    ),
    "a message that comes back": (
        [(CLIENT, "<message id='m'><body>hi</body></message>"), (SERVER, "<message type='error' id='m'/>")],
        "refused message",
    ),
    "a message, and then the end of the stream": (
        [(CLIENT, "<message id='m'><body>hi</body></message></stream:stream>"), (SERVER, "</stream:stream>")],
        "done",
    ),
    "a message without anything later": (
        [(CLIENT, "<message id='m'><body>hi</body></message>"), (SERVER, "<message id='n'><body>hi</body></message>")],
        "open",
    ),
    "an iq": ([(CLIENT, IQ.format("set", "a")), (SERVER, IQ.format("result", "a"))], "done"),
    "an iq that is refused": ([(CLIENT, IQ.format("set", "a")), (SERVER, IQ.format("error", "a"))], "refused iq"),
    "an iq without an answer": ([(CLIENT, IQ.format("set", "a"))], "open"),
    "two of which the first is refused later": (
        [
            (CLIENT, IQ.format("set", "a") + IQ.format("get", "b")),
            (SERVER, IQ.format("result", "b") + IQ.format("error", "a")),
        ],
        "refused iq",
    ),
    "a question of the server between": (
        [
            (CLIENT, IQ.format("set", "a")),
            (SERVER, IQ.format("get", "x")),
            (CLIENT, IQ.format("error", "x")),
            (SERVER, IQ.format("result", "a")),
        ],
        "done",
    ),
}


@pytest.mark.parametrize("name", STANZAS)
def test_what_became_of_an_iq_is_what_the_stanza_of_its_id_says(name):
    turns, expected = STANZAS[name]
    opened = [(CLIENT, STREAM.format("to='x'")), (SERVER, STREAM.format("id='1'"))]
    turns = [(side, text.encode()) for side, text in [*opened, *INSIDE, *turns]]
    assert became(5222, turns) == expected


def test_what_a_directory_and_a_database_give_out_in_clear_is_read():
    told = {"entry": (389, [*ANONYMOUS, SEARCH, *FOUND[:2]]), "value": (5432, [*BEGUN, (SERVER, ROW)])}
    for what, (port, turns) in told.items():
        assert what in Loot(items(conversation(port, turns), CLEAR, 1)).secrets


def test_sicily_tells_a_name_and_a_hash():
    names = "LAB".encode("utf-16-le"), "eve".encode("utf-16-le")
    proof = bytes(range(40))
    fields, at = b"", 64
    for part in (b"", proof, *names, b""):
        fields, at = fields + len(part).to_bytes(2, "little") * 2 + at.to_bytes(4, "little"), at + len(part)
    last = b"NTLMSSP\0\3\0\0\0" + fields + bytes(8) + b"\1\0\0\0" + proof + b"".join(names)
    dialogue = conversation(389, [*sicily(0)[:4], binds(3, element(0x8B, last)), bound(3, 49)])
    found = {one.what: one.value for one in visible(dialogue)}
    assert (found["user name"], found["domain"]) == ("eve", "LAB")
    assert found["password hash"].startswith("can be tried offline: NTLMv2, challenge 0000000000000000")


@pytest.mark.parametrize("name", RECORDS)
def test_what_became_of_it_is_what_the_replies_say_in_records(name):
    port, turns, expected = RECORDS[name]
    assert became(port, turns) == expected


INJECTED = {
    "before all": (25, "S: 252 mallory\nC: EHLO x\nS: 250 x\nC: QUIT\nS: 221 bye", "252 mallory"),
    "behind the first question": (
        25,
        "C: EHLO x\nS: 252 mallory\nS: 250-x\nS: 250 y\nC: QUIT\nS: 221 bye",
        "252 mallory",
    ),
    "the same as the client says": (110, "C: AUTH X-MALLORY\nS: -ERR no\nC: QUIT\nS: -ERR no\nS: +OK bye", "-ERR no"),
    "in news": (119, "C: CAPABILITIES\nS: 111 2026\nS: 101 x\nS: VERSION 2\nS: .", "111 2026"),
    "a command that is not known, and a farewell": (25, "C: EHLO x\nS: 250 x\nC: HELP\nS: 502 no\nS: 421 idle", ""),
    "a recipient, and a farewell": (25, "C: EHLO x\nS: 250 x\nC: RCPT TO:<b@x>\nS: 550 no\nS: 421 idle", ""),
    "a refusal, and a farewell behind the farewell": (
        110,
        "C: LAST\nS: -ERR no\nC: QUIT\nS: +OK bye\nS: -ERR idle",
        "",
    ),
    "an answer behind the answer": (
        110,
        "C: USER a\nS: -ERR The only mechanism is PLAIN\nS: +OK who?",
        "-ERR The only mechanism is PLAIN",
    ),
    "a wrong password, and a farewell": (110, "C: USER a\nS: +OK\nC: PASS b\nS: -ERR no\nS: -ERR bye", ""),
    "no list, no user, and a farewell": (110, "C: CAPA\nS: -ERR no\nC: USER a\nS: -ERR no\nS: -ERR bye", ""),
}


@pytest.mark.parametrize("name", INJECTED)
def test_a_server_that_takes_its_leave_unasked_has_run_no_injected_command(name):
    port, text, proof = INJECTED[name]
    assert injection_proof(for_port(port), conversation(port, said(text)).events) == proof
