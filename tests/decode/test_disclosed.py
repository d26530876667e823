"""What each command and response gives away to an eavesdropper, in every form in which it can be written."""

import re

import pytest
from transcripts import turns

from labkit.capture.conversation import Chunk, Conversation, Endpoint
from labkit.decode.dialogue import read
from labkit.decode.privacy import visible
from labkit.dialects import ALL, FTP, IMAP, NNTP, POP3, SMTP, Dialect
from labkit.dialects import MANAGESIEVE as SIEVE

ALICE = ("user name", "alice")
LOGIN = [ALICE, ("password", "hunter2")]
GREETING = 'S: "IMPLEMENTATION" "x"\nS: OK\n'
NEWS = "S: 200 news\n"
RENAMED = [("file name", "a.txt"), ("file name", "b c.txt")]
RAISE = ("header field", "raise")
PLAIN, NAME, PASSWORD = "AGFsaWNlAGh1bnRlcjI=", "YWxpY2U=", "aHVudGVyMg=="

CASES: list[tuple[Dialect, str, list[tuple[str, str]]]] = [
    (IMAP, "C: a LOGIN alice hunter2", LOGIN),
    (IMAP, 'C: a login "alice" "hunter2"', LOGIN),
    (IMAP, r'C: a LOGIN "al \"ice" "hun\\ter 2"', [("user name", 'al "ice'), ("password", "hun\\ter 2")]),
    (IMAP, 'C: a LOGIN alice ""', [ALICE]),
    (IMAP, "C: a LOGIN {5+}\nC: alice {7+}\nC: hunter2", LOGIN),
    (IMAP, "C: a LOGIN {5}\nS: + go\nC: alice hunter2", LOGIN),
    (IMAP, 'C: a LOGIN "alice" {7}\nS: + go\nC: hunter2', LOGIN),
    (
        IMAP,
        "C: a LOGIN {5}\nS: + go\nC: alice {7}\nS: + go\nC: hunter2\nC: b LOGIN x y",
        [*LOGIN, ("user name", "x"), ("password", "y")],
    ),
    (IMAP, "C: a LOGIN {9+}\nC: alice bob {8+}\nC: hunter 2", [("user name", "alice bob"), ("password", "hunter 2")]),
    (IMAP, "C: a LOGIN {5}\nS: + go\nC: alice {7}\nS: a NO never", [ALICE]),
    (IMAP, "C: a LOGIN jos\u00e9 hunter2", [("user name", "jos\u00e9"), ("password", "hunter2")]),
    (IMAP, f"C: a AUTHENTICATE PLAIN {PLAIN}", LOGIN),
    (IMAP, f"C: a AUTHENTICATE PLAIN\nS: + \nC: {PLAIN}", LOGIN),
    (IMAP, f"C: a authenticate login\nS: + VXNlcg\nC: {NAME}\nS: + UGFzcw\nC: {PASSWORD}", LOGIN),
    (IMAP, "C: a AUTHENTICATE GSSAPI\nS: + \nC: YWxpY2U=", []),
    (IMAP, 'C: a SELECT "My letters"', [("mailbox", "My letters")]),
    (IMAP, "C: a EXAMINE {10+}\nC: My letters", [("mailbox", "My letters")]),
    (IMAP, "C: a STATUS {10+}\nC: My letters (MESSAGES)", [("mailbox", "My letters")]),
    (IMAP, 'C: a LIST "" "*"\nS: * LIST (\\Sent) "/" Work/Layoffs', [("mailbox", "Work/Layoffs")]),
    (IMAP, "C: a NOOP\nS: * LIST () NIL {5}\nS: Plans", [("mailbox", "Plans")]),
    (IMAP, 'C: a RENAME "old name" new', [("mailbox", "old name"), ("new mailbox", "new")]),
    (IMAP, "C: a UID MOVE 1:3 Trash", [("mailbox", "Trash")]),
    (IMAP, 'C: a SEARCH FROM "boss"\nS: * SEARCH 1 2 3', [("search", 'FROM "boss"')]),
    (IMAP, 'C: a ID ("name" "Mail 1.0")', [("program", '"name" "Mail 1.0"')]),
    (IMAP, "C: a APPEND Sent (\\Seen) {12+}\nC: Subject: hi\nC: ", [("mailbox", "Sent"), ("subject", "hi")]),
    (
        IMAP,
        "C: a APPEND Sent (\\Seen $Layoffs) {12+}\nC: Subject: hi\nC: ",
        [("mailbox", "Sent"), ("flags", "\\Seen $Layoffs"), ("subject", "hi")],
    ),
    (IMAP, "C: a STORE 1:2 +FLAGS ($Layoffs)", [("flags", "$Layoffs")]),
    (IMAP, "C: a UID STORE 1 (UNCHANGEDSINCE 9) -flags.silent \\Seen secret", [("flags", "\\Seen secret")]),
    (IMAP, "C: a STORE 1 FLAGS (\\Seen \\Deleted)", []),
    (IMAP, "C: a FETCH 1 FLAGS\nS: * 1 FETCH (UID 7 FLAGS (\\Seen $Layoffs))", [("flags", "\\Seen $Layoffs")]),
    (IMAP, "C: a FETCH 1 FLAGS\nS: * 1 FETCH (FLAGS (\\Seen) UID 7)", []),
    (IMAP, "C: a SELECT x\nS: * FLAGS (\\Seen Work)", [("mailbox", "x"), ("flags", "\\Seen Work")]),
    (
        IMAP,
        'C: a FETCH 1 ENVELOPE\nS: * 1 FETCH (ENVELOPE (NIL "raise" (("A" NIL "a" "x.org")) NIL NIL '
        '(("B" NIL "b" "y.org")) NIL NIL NIL NIL))',
        [("subject", "raise"), ("from", '("A" NIL "a" "x.org")'), ("to", '("B" NIL "b" "y.org")')],
    ),
    (
        IMAP,
        "C: a FETCH 1 X\nS: * 1 FETCH (BODY[HEADER] {18}\nS: Subject: raise\nS: \nS:  BODY[TEXT] {6}\nS: no way)",
        [("subject", "raise"), ("message", "no way")],
    ),
    (
        IMAP,
        'C: a FETCH 1 BODY[TEXT]\nS: * 1 FETCH (BODY[TEXT] "no way")\nS: * 2 FETCH (PREVIEW "never")',
        [("message", "no way"), ("message", "never")],
    ),
    (
        IMAP,
        'C: a FETCH 1 X\nS: * 1 FETCH (BODY[HEADER] {18}\nS: Subject: raise\nS: \nS:  BODY[TEXT] "no way")',
        [("subject", "raise"), ("message", "no way")],
    ),
    (IMAP, 'C: a LOGIN {7+}\nC: a "b" c {3+}\nC:  d ', [("user name", 'a "b" c'), ("password", " d ")]),
    (IMAP, 'C: a LOGIN "{5}" {7+}\nC: "x y\\z"\nS: a OK', [("user name", "{5}"), ("password", '"x y\\z"')]),
    (IMAP, f"S: * OK hi\nC: a AUTHENTICATE PLAIN\nC: {PLAIN}\nS: a NO first TLS", LOGIN),
    (POP3, "S: +OK\nC: USER alice\nS: +OK\nC: PASS hunter 2", [ALICE, ("password", "hunter 2")]),
    (POP3, "S: +OK\nC: USER\talice\nS: +OK\nC: PASS  hunter2", [ALICE, ("password", " hunter2")]),
    (POP3, f"S: +OK\nC: AUTH LOGIN\nC: {NAME}\nC: {PASSWORD}\nS: -ERR first TLS", LOGIN),
    (SIEVE, f'{GREETING}C: AUTHENTICATE "PLAIN" {{20+}}\nC: {PLAIN}\nS: OK\nC: LOGOUT', LOGIN),
    (SIEVE, f'{GREETING}C: AUTHENTICATE {{5+}}\nC: PLAIN "{PLAIN}"\nS: NO', LOGIN),
    (
        SIEVE,
        f'{GREETING}C: AUTHENTICATE "LOGIN"\nS: "VXNlcg=="\nC: "{NAME}"\nS: {{4}}\nS: UGFz\nC: {{12+}}\nC: {PASSWORD}',
        LOGIN,
    ),
    (
        SIEVE,
        f"{GREETING}C: PUTSCRIPT {{4+}}\nC: mine {{5+}}\nC: keep;\nS: OK\nC: LOGOUT",
        [("script", "mine"), ("script text", "keep;")],
    ),
    (SIEVE, f'{GREETING}C: SETACTIVE {{4+}}\nC: mine\nS: OK\nC: GETSCRIPT "a"', [("script", "mine"), ("script", "a")]),
    (SMTP, f"S: 220 x ESMTP\nC: AUTH\tPLAIN\t{PLAIN}", LOGIN),
    (IMAP, "C: a\tLOGIN\talice\thunter2", LOGIN),
    (SMTP, f"S: 220 x ESMTP\nC: X-EXPS LOGIN\nS: 334 VXNlcg\nC: {NAME}\nS: 334 UGFzcw\nC: {PASSWORD}", LOGIN),
    (SMTP, f"S: 220 x ESMTP\nC: AUTH PLAIN\nC: {PLAIN}\nS: 538 first TLS", LOGIN),
    (SMTP, "S: 220 x ESMTP\nC: AUTH PLAIN\nS: 538 first TLS\nC: XCLIENTS", [("text", "XCLIENTS")]),
    (SMTP, "S: 220 x ESMTP\nC: XSECRET hunter2 now\nS: 500 what", [("text", "XSECRET hunter2 now")]),
    (IMAP, "S: * OK IMAP\nC: a NOOP\nC: b XSECRET hunter2", [("text", "b XSECRET hunter2")]),
    (SMTP, "S: 220 x ESMTP\nC:  MAIL FROM : <a@x>", [("sender", "a@x")]),
    (
        SMTP,
        "S: 220 x ESMTP\nC: DATA\nC: Subject: raise\nC: \nC: no way\nC: .\nS: 503 no recipient\nS: 500 what",
        [("subject", "raise"), ("message", "no way")],
    ),
    (IMAP, 'C: a LIST "" "Secret/%"', [("pattern", "Secret/%")]),
    (IMAP, 'C: a LIST "" *\nC: b LSUB "" %\nC: c LIST (SUBSCRIBED) "" ("%" "*")', []),
    (IMAP, 'C: a LSUB "Other/" *', [("reference", "Other/")]),
    (IMAP, "C: a UID SEARCH TEXT {4+}\nC: boss", [("search", "TEXT {4+}"), ("search", "boss")]),
    (IMAP, "C: a SORT (DATE) UTF-8 TEXT pay", [("search", "(DATE) UTF-8 TEXT pay")]),
    (
        IMAP,
        "C: a GETACL Work\nS: * ACL Work joe lrs ann lr",
        [("mailbox", "Work"), ("mailbox", "Work"), ("identifier", "joe"), ("identifier", "ann")],
    ),
    (
        IMAP,
        'C: a SETMETADATA INBOX (/private/comment "note")',
        [("mailbox", "INBOX"), ("note", '/private/comment "note"')],
    ),
    (IMAP, "C: a NOTIFY SET (mailboxes Plans (MessageNew))", [("notify", "(mailboxes Plans (MessageNew))")]),
    (
        IMAP,
        "C: a FETCH 1 ENVELOPE\n"
        'S: * 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL (("C" NIL "c" "z")) NIL "<i@x>" "<m@x>"))',
        [("cc", '("C" NIL "c" "z")'), ("in-reply-to", "<i@x>"), ("message-id", "<m@x>")],
    ),
    (
        IMAP,
        'C: a FETCH 1 BODYSTRUCTURE\nS: * 1 FETCH (BODYSTRUCTURE ("APPLICATION" "PDF" ("NAME" "pay.pdf") NIL NIL '
        '"BASE64" 3 NIL ("ATTACHMENT" ("FILENAME" "two.pdf")) NIL))',
        [("attachment", "pay.pdf"), ("attachment", "two.pdf")],
    ),
    (
        IMAP,
        "C: a APPEND Sent {13+}\nC: Subject: hi\nC:  (\\Seen) {14+}\nC: Subject: two\nC: ",
        [("mailbox", "Sent"), ("subject", "hi"), ("subject", "two")],
    ),
    (SIEVE, f'{GREETING}C: LISTSCRIPTS\nS: "a" ACTIVE\nS: "b"\nS: OK', [("script", "a"), ("script", "b")]),
    (SIEVE, f'{GREETING}C: RENAMESCRIPT "a" "b"', [("script", "a"), ("new script", "b")]),
    (SIEVE, f"{GREETING}C: CHECKSCRIPT {{5+}}\nC: keep;\nS: OK", [("script text", "keep;")]),
    (
        SIEVE,
        f'{GREETING}C: GETSCRIPT "a"\nS: {{13}}\nS: # a: b\nS: keep;\nS: OK "there"',
        [("script", "a"), ("script text", "# a: b\r\nkeep;")],
    ),
    (SIEVE, f'{GREETING}C: PUTSCRIPT "a" "keep;"', [("script", "a"), ("script text", "keep;")]),
    (SIEVE, f'{GREETING}C: CHECKSCRIPT "stop \\"x\\";"', [("script text", 'stop "x";')]),
    (SIEVE, f'{GREETING}C: GETSCRIPT "a"\nS: "keep;"\nS: OK', [("script", "a"), ("script text", "keep;")]),
    (SIEVE, f'{GREETING}C: CAPABILITY\nS: "SIEVE" "fileinto"\nS: "STARTTLS"\nS: OK', []),
    (POP3, "S: +OK\nC: APOP alice", [ALICE]),
    (POP3, f"S: +OK\nC: AUTH PLAIN {PLAIN}", LOGIN),
    (POP3, f"S: +OK\nC: AUTH LOGIN\nS: + VXNlcg\nC: {NAME}\nS: + UGFzcw\nC: {PASSWORD}", LOGIN),
    (
        POP3,
        "S: +OK\nC: TOP 1 1\nS: +OK\nS: From: a@x\nS: \nS: ..hi\nS: .",
        [("from", "a@x"), ("message", ".hi")],
    ),
    (POP3, "S: +OK\nC: RETR 1\nS: -ERR From: nobody", []),
    (SMTP, f"S: 220 x ESMTP\nC: AUTH PLAIN\nS: 334 \nC: {PLAIN}", LOGIN),
    (SMTP, "S: 220 x ESMTP\nC: EHLO host\nS: 250 x\nC: MAIL FROM:<a@x>", [("client name", "host"), ("sender", "a@x")]),
    (
        SMTP,
        "S: 220 x ESMTP\nC: MAIL FROM:<a@x> RET=HDRS ENVID=Q3 AUTH=boss@x\nC: RCPT TO:<b@y> ORCPT=rfc822;c@z",
        [
            ("sender", "a@x"),
            ("envelope id", "Q3"),
            ("submitter", "boss@x"),
            ("recipient", "b@y"),
            ("original recipient", "rfc822;c@z"),
        ],
    ),
    (SMTP, "S: 220 x ESMTP\nC: MAIL FROM:<> AUTH=<>", []),
    (
        SMTP,
        "S: 220 x ESMTP\nC: EXPN staff\nS: 250-Bob <bob@x>\nS: 250 <al@x>\nC: VRFY al\nS: 251 <al@y>",
        [("mailing list", "staff"), ("address", "bob@x"), ("address", "al@x"), ("address", "al"), ("address", "al@y")],
    ),
    (
        SMTP,
        "S: 220 x ESMTP\nC: ETRN x.test\nC: XCLIENT ADDR=10.1.2.3",
        [("host", "x.test"), ("client", "ADDR=10.1.2.3")],
    ),
    (
        SMTP,
        "S: 220 x\nC: DATA\nS: 354 go\nC: Received: from [10.1.2.3]\nC:  by x\n"
        "C: X-Originating-IP: 10.9.8.7\nC: Cc: c@z\nC: Message-ID: <1@pc>\n"
        "C: User-Agent: Mutt\nC: X-Other: no\nC: \nC: hi\nC: .",
        [
            ("received", "from [10.1.2.3] by x"),
            ("x-originating-ip", "10.9.8.7"),
            ("cc", "c@z"),
            ("message-id", "<1@pc>"),
            ("user-agent", "Mutt"),
            ("message", "hi"),
        ],
    ),
    (FTP, "S: 220 FTP\nC: CWD /home/al\nC: RNFR a.txt\nC: RNTO b c.txt", [("folder", "/home/al"), *RENAMED]),
    (
        FTP,
        'S: 220 FTP\nC: PWD\nS: 257 "/home/al" is it\nC: LIST -la\nC: LIST -la plans',
        [("folder", "/home/al"), ("path", "plans")],
    ),
    (
        FTP,
        "S: 220 FTP\nC: PORT 10,0,0,5,4,1\nC: EPRT |1|10.0.0.5|1025|\nC: PASV\nS: 200\nS: 200\nS: 227 (10,0,0,9,8,8)",
        [("address", "10,0,0,5,4,1"), ("address", "|1|10.0.0.5|1025|"), ("address", "10,0,0,9,8,8")],
    ),
    (NNTP, f"{NEWS}C: ARTICLE <1@x>\nS: 430 no\nC: LISTGROUP alt.x", [("message-id", "<1@x>"), ("newsgroup", "alt.x")]),
    (
        NNTP,
        f"{NEWS}C: OVER 1-2\nS: 224 here\nS: 1\tpay\ta@x\tdate\t<1@x>\t\t9\t1\n"
        "S: 2\traise\tb@x\tdate\t<2@x>\t\t9\t1\nS: .",
        [
            ("subject", "pay"),
            ("from", "a@x"),
            ("message-id", "<1@x>"),
            ("subject", "raise"),
            ("from", "b@x"),
            ("message-id", "<2@x>"),
        ],
    ),
    (NNTP, f"{NEWS}C: XHDR subject 1-2\nS: 221 here\nS: 1 pay\nS: 2 raise\nS: .", [("header field", "pay"), RAISE]),
    (
        NNTP,
        f"{NEWS}C: POST\nS: 340 go\nC: Newsgroups: alt.x\nC: From: a@x\nC: NNTP-Posting-Host: pc\nC: \nC: hi\nC: .",
        [("newsgroups", "alt.x"), ("from", "a@x"), ("nntp-posting-host", "pc"), ("message", "hi")],
    ),
    (
        SMTP,
        "S: 220 x\nC: DATA\nS: 354 go\nC: Subject: raise\nC: \nC: no way\nC: .",
        [("subject", "raise"), ("message", "no way")],
    ),
]


def seen_by_eavesdropper(dialect: Dialect, transcript: str):
    chunks = [Chunk(n, n, side, "data", data, len(data)) for n, (side, data) in enumerate(turns(transcript), 1)]
    server = Endpoint("192.0.2.2", dialect.explicit_ports[0])
    dialogue = read(Conversation(Endpoint("192.0.2.1", 50000), server, chunks))
    return dialogue, visible(dialogue)


@pytest.mark.parametrize(("dialect", "transcript", "told"), CASES)
def test_what_is_said_gives_away(dialect, transcript, told):
    dialogue, exposures = seen_by_eavesdropper(dialect, transcript)
    assert [(exposure.what, exposure.value) for exposure in exposures] == told
    for exposure in exposures:
        place = dialogue.events[exposure.event_index].data[exposure.start : exposure.end].decode()
        coded = place in (PLAIN, NAME, PASSWORD) or exposure.what == "received"  # whose line is folded
        coded = coded or place.startswith("..")  # whose first dot was added
        assert coded or place.replace("\\\\", "\\").replace('\\"', '"') == exposure.value


@pytest.mark.parametrize(
    ("dialect", "transcript", "told"),
    (
        (IMAP, "C: a CREATE &ZeVnLIqe-", [("mailbox", "日本語")]),
        (IMAP, 'C: a NOOP\nS: * LIST () "/" "R&AOk-union/A&-B"', [("mailbox", "Réunion/A&B")]),
        (IMAP, "C: a SELECT &A-", [("mailbox", "&A-")]),
        (IMAP, "C: a SELECT R&D", [("mailbox", "R&D")]),
        (SMTP, "S: 220 x ESMTP\nC: MAIL FROM:<a@x> AUTH=e+3Dmc2@x", [("sender", "a@x"), ("submitter", "e=mc2@x")]),
    ),
)
def test_what_is_coded_is_told_in_letters(dialect, transcript, told):
    """RFC 3501 §5.1.3 has these names of mailboxes, RFC 4954 §5 this address."""
    _, exposures = seen_by_eavesdropper(dialect, transcript)
    assert [(exposure.what, exposure.value) for exposure in exposures] == told


def test_a_command_that_is_long_beyond_reason_is_looked_at_from_its_beginning():
    _, exposures = seen_by_eavesdropper(IMAP, f"C: a LOGIN alice {'x' * 20_000}")
    assert exposures[0].value == "alice" and len(exposures[1].value) < 10_000


@pytest.mark.parametrize(
    "filler", (" ", "a", '"', "<", "((a)) ", "((a ((", "\\", "\t", "=", "(", "ENVELOPE (NIL NIL ", "AUTH=x ")
)
@pytest.mark.parametrize("dialect", ALL, ids=str)
def test_no_phrase_is_so_strange_that_reading_it_takes_forever(dialect, filler):
    for title, reads in dialect.discloses.items():
        for begins in (f"{title} ", f"a {title} ", f"* 1 {title} (ENVELOPE (NIL NIL ", f"{title} FROM:<a> ", "1 "):
            line = (begins + filler * 2048)[:2048].encode()
            list(reads(line)) if callable(reads) else re.match(reads.encode(), line, re.IGNORECASE)


def test_spaces_without_end_are_read():
    transcript = f"C: a LOGIN {{5+}}\nC: alice{' ' * 60_000}\nC: b SELECT {{9+}}\nC: {' ' * 60_000}("
    assert seen_by_eavesdropper(IMAP, transcript)[0].events


@pytest.mark.parametrize("coded", [PLAIN.rstrip("="), f" {PLAIN}", f"{PLAIN}==", f"={PLAIN}"])
def test_a_login_that_is_wrongly_padded_is_read_all_the_same(coded):
    _, exposures = seen_by_eavesdropper(SMTP, f"S: 220 x ESMTP\nC: AUTH PLAIN\nS: 334 \nC: {coded}\nS: 501 what?")
    assert [(exposure.what, exposure.value) for exposure in exposures] == LOGIN
