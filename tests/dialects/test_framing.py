"""The four shapes of framing hold the protocols that are upgraded: each reader is a table and a few lines."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_readers import FTPReader, LDAPReader, LMTPReader, NNTPReader, PostgreSQLReader, SieveReader, XMPPReader
from thoroughly import examples
from transcripts import Turn, before_tls, held, split, stream, turns

from labkit.dialects import CLIENT, SERVER, Phrase
from labkit.dialects.framing import binary_records, stanzas
from labkit.dialects.reader import Buffer


def read(reader: type, said: list[Turn]) -> list[Phrase]:
    following = reader()
    found = [phrase for side, data in said for phrase in following.feed(side, data)]
    rest = [Phrase(side, "rest", "rest", following.rest(side)) for side in (CLIENT, SERVER)]
    return found + [phrase for phrase in rest if phrase.data]


def seen(reader: type, said: list[Turn]) -> list[tuple[str, str]]:
    return [(phrase.kind, phrase.title) for phrase in read(reader, said)]


LMTP = turns("""
S: 220 foo.edu LMTP server ready
C: LHLO foo.edu
S: 250 foo.edu
C: MAIL FROM:<chris@bar.com>
C: RCPT TO:<pat@foo.edu>
C: RCPT TO:<jones@foo.edu>
C: RCPT TO:<green@foo.edu>
C: DATA
S: 250 OK
S: 250 OK
S: 550 No such user here
S: 250 OK
S: 354 Start mail input; end with <CRLF>.<CRLF>
C: Blah
C: .
C: STARTTLS
S: 250 OK
S: 452 <green@foo.edu> is temporarily over quota
S: 220 Go ahead
""")

FTP = turns("""
S: 220-Welcome
S: anything at all
S: 220 ready
C: FEAT
S: 211-Features:
S:  AUTH TLS
S:  PBSZ
S: 211 End
C: AUTH TLS
S: 234 Proceed
""")

NNTP = turns("""
S: 200 ready
C: CAPABILITIES
S: 101 Capability list:
S: VERSION 2
S: STARTTLS
S: .
C: ARTICLE <a@b>
S: 220 0 <a@b>
S: Subject: x
S: 
S: ..
S: .
C: ARTICLE <b@b>
S: 430 none
C: POST
S: 340 go on
C: Subject: y
C: 
C: .
S: 240 ok
C: STARTTLS
S: 382 Continue with TLS negotiation
""")

SIEVE = [
    (SERVER, b'"IMPLEMENTATION" "x"\r\n"SASL" "PLAIN"\r\n"STARTTLS"\r\n"LONG" {4}\r\nOK\r\n\r\nOK "ready"\r\n'),
    (CLIENT, b'AUTHENTICATE "LOGIN"\r\n'),
    (SERVER, b'"VXNlcm5hbWU6"\r\n'),
    (CLIENT, b'"YWxpY2U="\r\n'),
    (SERVER, b"{12}\r\nUGFzc3dvcmQ6\r\n"),
    (CLIENT, b'"aHVudGVyMg=="\r\n'),
    (SERVER, b"OK\r\n"),
    (CLIENT, b'PUTSCRIPT "s" {13+}\r\nkeep;\r\nstop;\r\r\nGETSCRIPT "s"\r\n'),
    (SERVER, b"OK\r\n{5}\r\nkeep;\r\nOK\r\n"),
    (CLIENT, b"STARTTLS\r\n"),
    (SERVER, b"OK\r\n"),
]

XMPP = [
    (CLIENT, b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='a>b'>"),
    (SERVER, b"<?xml version='1.0'?>\n<stream:stream id=\"x\">"),
    (SERVER, b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"),
    (SERVER, b"<!-- </stream:features> --></stream:features>"),
    (CLIENT, b"<auth mechanism='PLAIN'>AGE=</auth>"),
    (SERVER, b"<success/>"),
    (CLIENT, b"<stream:stream>\n<message><body><![CDATA[</message>]]>&lol; '\"></body></message>"),
    (CLIENT, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
    (SERVER, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
]

SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
STARTUP = b"\0\0\0\x13\0\x03\0\0user\0alice\0"
POSTGRESQL = [
    (CLIENT, SSL_REQUEST),
    (SERVER, b"N"),
    (CLIENT, STARTUP),
    (SERVER, b"R\0\0\0\x08\0\0\0\x03"),
    (CLIENT, b"p\0\0\0\x0chunter2\0"),
    (SERVER, b"R\0\0\0\x08\0\0\0\0S\0\0\0\x08a\0b\0"),
]

START_TLS = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
LDAP = [
    (CLIENT, bytes.fromhex("300c020101600702010304008000")),
    (SERVER, bytes.fromhex("3084000000070201016102") + b"\x04\x00"),
    (CLIENT, START_TLS),
    (SERVER, bytes.fromhex("300c02010178070a010004000400")),
]

SESSIONS = {
    LMTPReader: (
        LMTP,
        [
            *(("greeting", "220"), ("command", "LHLO"), ("reply", "250"), ("command", "MAIL")),
            *[("command", "RCPT")] * 3,
            *(("command", "DATA"), ("reply", "250"), ("reply", "250"), ("reply", "550"), ("reply", "250")),
            *(("reply", "354"), ("message", "message"), ("command", "STARTTLS"), ("reply", "250"), ("reply", "452")),
            ("go-ahead", "220"),
        ],
    ),
    FTPReader: (
        FTP,
        [("greeting", "220"), ("command", "FEAT"), ("reply", "211"), ("command", "AUTH TLS"), ("go-ahead", "234")],
    ),
    NNTPReader: (
        NNTP,
        [
            *(("greeting", "200"), ("command", "CAPABILITIES"), ("reply", "101"), ("command", "ARTICLE")),
            *(("message", "message"), ("command", "ARTICLE"), ("reply", "430"), ("command", "POST"), ("reply", "340")),
            *(("message", "message"), ("reply", "240"), ("command", "STARTTLS"), ("go-ahead", "382")),
        ],
    ),
    SieveReader: (
        SIEVE,
        [
            *(("greeting", "OK"), ("command", "AUTHENTICATE"), ("challenge", "string"), ("credential", "credential")),
            *(("challenge", "string"), ("credential", "credential"), ("reply", "OK"), ("command", "PUTSCRIPT")),
            *(("message", "message"), ("command", "GETSCRIPT"), ("reply", "OK"), ("reply", "OK")),
            *(("command", "STARTTLS"), ("go-ahead", "OK")),
        ],
    ),
    XMPPReader: (
        XMPP,
        [
            *(("command", "stream"), ("greeting", "stream"), ("reply", "features"), ("command", "auth")),
            *(("reply", "success"), ("command", "stream"), ("command", "message"), ("command", "starttls")),
            ("go-ahead", "proceed"),
        ],
    ),
    PostgreSQLReader: (
        POSTGRESQL,
        [
            *(("command", "SSLRequest"), ("refusal", "N"), ("command", "StartupMessage"), ("reply", "R")),
            *(("command", "p"), ("reply", "R"), ("reply", "S")),
        ],
    ),
    LDAPReader: (
        LDAP,
        [
            *(("command", "operation"), ("reply", "operation"), ("command", "StartTLS")),
            ("go-ahead", "ExtendedResponse"),
        ],
    ),
}
READERS = list(SESSIONS)
every_reader = pytest.mark.parametrize("reader", READERS)


@every_reader
def test_a_session_is_read_phrase_by_phrase(reader):
    said, wanted = SESSIONS[reader]
    assert seen(reader, said) == wanted


@given(st.sampled_from(READERS), st.lists(st.integers(0, 500), max_size=12))
def test_splitting_changes_nothing_and_no_byte_is_lost(reader, cuts):
    said, _ = SESSIONS[reader]
    found = read(reader, split(said, cuts))
    assert found == read(reader, said)
    assert [stream(found, side) for side in (CLIENT, SERVER)] == [stream(said, side) for side in (CLIENT, SERVER)]


@every_reader
def test_byte_by_byte_is_as_good_as_at_once(reader):
    said, _ = SESSIONS[reader]
    assert read(reader, split(said, range(1000))) == read(reader, said)


@every_reader
def test_what_stands_behind_the_upgrade_was_injected(reader):
    said, wanted = SESSIONS[reader]
    if wanted[-1][0] != "go-ahead":
        said = [(CLIENT, SSL_REQUEST), (SERVER, b"S")]
    *before, (_, request), (_, answer) = said
    early = [*before, (CLIENT, request + b"early"), (SERVER, answer + b"late\x16\x03")]
    assert [(p.sender, p.kind, p.data) for p in read(reader, early)[-3:]] == [
        (CLIENT, "injected", b"early"),
        (SERVER, "injected", b"late"),
        (SERVER, "rest", b"\x16\x03"),
    ]


REFUSALS = {
    FTPReader: b"504 no\r\n",
    NNTPReader: b"580 no\r\n",
    SieveReader: b'NO "no"\r\n',
    XMPPReader: b"<failure/></stream:stream>",
    LDAPReader: bytes.fromhex("300c02010178070a010204000400"),
}


@pytest.mark.parametrize("reader", REFUSALS)
def test_a_refusal_leaves_the_client_in_clear_text(reader):
    said, _ = SESSIONS[reader]
    following = reader()
    for side, data in said[:-1]:
        following.feed(side, data)
    assert following.waits
    assert following.feed(SERVER, REFUSALS[reader])[0].kind == "refusal"
    assert not following.waits and not following.upgraded


def test_a_script_and_a_mail_are_whole_phrases():
    data = {reader: [p.data for p in read(reader, SESSIONS[reader][0]) if p.kind == "message"] for reader in READERS}
    assert data[SieveReader] == [b"keep;\r\nstop;\r\r\n"]
    assert data[NNTPReader] == [b"220 0 <a@b>\r\nSubject: x\r\n\r\n..\r\n.\r\n", b"Subject: y\r\n\r\n.\r\n"]


# ---- hostile input

PIECES = {
    XMPPReader: [
        *(
            b"<stream:stream>",
            b"</stream:stream>",
            b"<a>",
            b"</a>",
            b"<a/>",
            b"<b x='>'",
            b'"',
            b"'",
            b">",
            b"<",
            b"/>",
        ),
        *(b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?xml", b"?>", b"<!DOCTYPE x [", b"]>", b"&lol;", b" ", b"\xff"),
        *(b"<starttls/>", b"<proceed/>", b"<failure/>", b"<!ENTITY a 'b'>"),
    ],
    PostgreSQLReader: [SSL_REQUEST, STARTUP, b"S", b"N", b"p\0\0\0\x05x", b"\0\0\0\x03", b"R\xff\xff\xff\xff", b"\0"],
    LDAPReader: [
        START_TLS,
        *(data for _, data in LDAP),
        b"0\x80",
        b"0\x84\xff\xff\xff\xff",
        b"0\x85",
        b"0",
        b"\x30\x00",
    ],
}
BYTES = {
    reader: st.one_of(st.binary(max_size=20), st.lists(st.sampled_from(pieces), max_size=8).map(b"".join))
    for reader, pieces in PIECES.items()
}
SIDES = st.sampled_from([CLIENT, SERVER])
TALK = st.sampled_from(list(PIECES)).flatmap(
    lambda reader: st.tuples(st.just(reader), st.lists(st.tuples(SIDES, BYTES[reader]), max_size=12))
)


@settings(max_examples=examples(400))
@given(TALK, st.lists(st.integers(0, 100), max_size=8))
def test_no_reader_raises_loses_a_byte_or_depends_on_how_they_are_split(talk, cuts):
    reader, said = talk
    found = read(reader, said)
    for side in (CLIENT, SERVER):
        assert stream(found, side) == stream(said, side)
    if reader is XMPPReader:
        assert before_tls(read(reader, split(said, cuts))) == before_tls(found)


@pytest.fixture
def small_limits(monkeypatch):
    for module in (stanzas, binary_records):
        monkeypatch.setattr(module, "LARGEST", 64)
    monkeypatch.setattr("labkit.dialects.reader.LARGEST", 64)


ENDLESS = {
    "text": (XMPPReader, b"", b"hello "),
    "a tag": (XMPPReader, b"<a ", b"x='y' "),
    "a quoted attribute": (XMPPReader, b"<a x='", b"y"),
    "an element": (XMPPReader, b"<a>", b"<b/>text"),
    "nesting": (XMPPReader, b"", b"<a>"),
    "a comment": (XMPPReader, b"<!--", b"-- >"),
    "a document type": (XMPPReader, b"<!DOCTYPE x [", b"<!ENTITY a 'b'>"),
    "white space": (XMPPReader, b"", b" "),
    "a record": (PostgreSQLReader, STARTUP + b"d\x3f\xff\xff\xff", b"x"),
    "a length that lies": (LDAPReader, b"0\x83\xff\xff\xff", b"x"),
    "what is no record": (LDAPReader, b"", b"GET /"),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_never_ends_comes_out_in_pieces(what, small_limits):
    reader, begin, more = ENDLESS[what]
    following, said, most = reader(), [(CLIENT, begin), *[(CLIENT, more)] * 200], 0
    found = []
    for side, data in said:
        found += following.feed(side, data)
        most = max(most, held(following))
    assert most <= 64 + len(begin) + len(more)
    found.append(Phrase(CLIENT, "rest", "rest", following.rest(CLIENT)))
    assert stream(found, CLIENT) == stream(said, CLIENT)


def test_entities_are_never_expanded():
    bomb = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><m>&b;</m>'
    assert [(p.title, p.data) for p in read(XMPPReader, [(CLIENT, bomb)])] == [
        ("DOCTYPE", bomb[: bomb.index(b"]>") + 2]),
        ("m", b"<m>&b;</m>"),
    ]


@given(st.integers(0, 1 << 32), st.integers(0, 12))
def test_a_ber_length_is_read_in_every_form_of_definite_length(length, more):
    short = bytes([length]) if length < 0x80 else None
    width = max(1, (length.bit_length() + 7) // 8)
    long = bytes([0x80 | width]) + length.to_bytes(width, "big")
    for form in filter(None, (short, long)):
        buffer = Buffer(100)
        buffer += b"0" + form + bytes(more)
        wanted = 1 + len(form) + length if len(form) <= 5 else binary_records.NOT_A_RECORD
        assert binary_records.ber(0x30)(buffer) == wanted


def test_after_missing_bytes_the_next_stanza_is_read_as_it_stands():
    reader = XMPPReader()
    reader.feed(SERVER, b"<stream:stream><message><body>lost")
    reader.rest(SERVER)
    assert [p.title for p in reader.feed(SERVER, b"</body></message><iq/>")][-1:] == ["iq"]
