"""What the messages of LDAP, PostgreSQL and XMPP tell beside logins: searches, entries, queries, values, addresses."""

import struct

import pytest
from conversations import conversation

from labkit.capture.conversation import CLIENT, SERVER
from labkit.decode.dialogue import read
from labkit.decode.privacy import visible
from labkit.dialects import LDAP, POSTGRESQL, XMPP
from labkit.dialects.ldap_messages import ENUMERATED, SEQUENCE, SET, STRING, element, entry, envelope, number, result
from labkit.dialects.postgresql import message, startup


def seen(dialect, *turns):
    dialogue = read(conversation(turns, dialect.explicit_ports[0]))
    found = visible(dialogue)
    assert all(dialogue.events[one.event_index].data[one.start : one.end] for one in found if one.value)
    return [(one.what, one.value) for one in found]


# ---- LDAP


def text(said, tag=STRING):
    return element(tag, said.encode())


def search(base, wanted):
    limits = number(2, ENUMERATED), number(0, ENUMERATED), number(0), number(0), element(1, b"\0")
    return envelope(2, 0x63, text(base), *limits, wanted, element(SEQUENCE, text("mail")))


def equal(name, value):
    return element(0xA3, text(name), text(value))


def attribute(name, *values):
    return element(SEQUENCE, text(name), element(SET, *map(text, values)))


FILTERS = [
    (equal("uid", "bob"), "(uid=bob)"),
    (element(0xA0, equal("uid", "bob"), element(0xA2, text("mail", 0x87))), "(&(uid=bob)(!(mail=*)))"),
    (element(0xA4, text("cn"), element(SEQUENCE, text("Bo", 0x80), text("y", 0x82))), "(cn=Bo*y)"),
    (element(0xA4, text("cn"), element(SEQUENCE, text("ob", 0x81))), "(cn=*ob*)"),
    (element(0xA5, text("age"), text("9")), "(age>=9)"),
]


@pytest.mark.parametrize(("wanted", "written"), FILTERS)
def test_a_search_tells_where_and_for_what(wanted, written):
    assert seen(LDAP, (CLIENT, search("dc=x", wanted))) == [("search base", "dc=x"), ("search", written)]


def test_the_question_for_the_root_dse_and_its_answer_tell_nothing():
    turns = (CLIENT, search("", text("objectClass", 0x87))), (SERVER, entry(2, "", {"supportedExtension": ("1.2",)}))
    assert seen(LDAP, *turns) == []


def test_entries_are_told_with_their_attributes():
    found = entry(2, "uid=bob,dc=x", {"mail": ("b@x", "bob@x"), "userPassword": ("{SSHA}z",)})
    told = [("entry", "uid=bob,dc=x"), ("mail", "b@x"), ("mail", "bob@x"), ("stored password", "{SSHA}z")]
    assert seen(LDAP, (CLIENT, search("", equal("a", "b"))), (SERVER, found))[1:] == told


@pytest.mark.parametrize(
    ("request_", "told"),
    (
        (
            envelope(
                3,
                0x66,
                text("cn=a"),
                element(SEQUENCE, element(SEQUENCE, number(2, ENUMERATED), attribute("userPassword", "new1"))),
            ),
            [("entry", "cn=a"), ("new password", "new1")],
        ),
        (
            envelope(3, 0x68, text("cn=a"), element(SEQUENCE, attribute("description", "PIN"), attribute("sn", "A"))),
            [("entry", "cn=a"), ("message", "PIN"), ("sn", "A")],
        ),
        (element(SEQUENCE, number(3), text("cn=a", 0x4A)), [("entry", "cn=a")]),
        (
            envelope(3, 0x6C, text("cn=a"), text("cn=b"), element(1, b"\xff"), text("ou=c", 0x80)),
            [("entry", "cn=a"), ("new name", "cn=b"), ("new superior", "ou=c")],
        ),
        (
            envelope(3, 0x6E, text("cn=a"), element(SEQUENCE, text("mobile"), text("+1 555"))),
            [("entry", "cn=a"), ("mobile", "+1 555")],
        ),
        (
            envelope(
                3,
                0x77,
                text("1.3.6.1.4.1.4203.1.11.1", 0x80),
                element(0x81, element(SEQUENCE, text("a", 0x80), text("old", 0x81), text("new", 0x82))),
            ),
            [("account", "a"), ("old password", "old"), ("new password", "new")],
        ),
        (envelope(3, 0x77, text("1.3.6.1.4.1.4203.1.11.3", 0x80)), []),
    ),
)
def test_each_operation_tells_its_names_and_values(request_, told):
    """RFC 4511 §4.6 to §4.12, RFC 3062."""
    assert seen(LDAP, (CLIENT, request_)) == told


def test_the_answers_to_extended_operations_tell_who_one_is_and_the_new_password():
    who = result(1, 0x78, 0, "", text("dn:cn=a", 0x8B))
    made = result(2, 0x78, 0, "", element(0x8B, element(SEQUENCE, text("made", 0x80))))
    asked = (CLIENT, envelope(1, 0x77, text("1.3.6.1.4.1.4203.1.11.3", 0x80)))
    assert seen(LDAP, asked, (SERVER, who + made)) == [("account", "dn:cn=a"), ("new password", "made")]


def test_a_login_with_ntlm_and_without_sasl_tells_names_and_a_hash():
    fields, body = b"", b""
    for value in (bytes(24), bytes(range(60)), *(name.encode("utf-16-le") for name in ("LAB", "carol", "PC1", ""))):
        fields += struct.pack("<HHI", len(value), len(value), 64 + len(body))
        body += value
    response = b"NTLMSSP\0\x03\0\0\0" + fields + b"\1\0\0\0" + body
    challenge = b"NTLMSSP\0\x02\0\0\0" + bytes(12) + b"CHALLENG" + bytes(16)
    told = seen(
        LDAP,
        (CLIENT, envelope(1, 0x60, number(3), text("NTLM"), element(0x8A, b"NTLMSSP\0\x01\0\0\0" + bytes(24)))),
        (SERVER, envelope(1, 0x61, number(0, ENUMERATED), element(STRING, challenge), text(""))),
        (CLIENT, envelope(2, 0x60, number(3), text("NTLM"), element(0x8B, response))),
    )
    assert told[:3] == [("user name", "carol"), ("domain", "LAB"), ("client name", "PC1")]
    assert told[3][0] == "password hash" and b"CHALLENG".hex() in told[3][1]


@pytest.mark.parametrize("size", range(0, 60, 3))
def test_an_operation_whose_end_is_missing_is_read_as_far_as_it_goes(size):
    whole = search("dc=x", FILTERS[1][0])
    assert {what for what, _ in seen(LDAP, (CLIENT, whole), (CLIENT, whole[:size]))} == {"search base", "search"}


# ---- PostgreSQL

BEGIN = (CLIENT, startup({"user": "al", "database": "db", "application_name": "psql"}))
WHO = [("user name", "al"), ("database", "db"), ("application name", "psql")]


def counted(*values):
    return struct.pack(">H", len(values)) + b"".join(
        struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value for value in values
    )


@pytest.mark.parametrize(
    ("sender", "said", "told"),
    (
        (CLIENT, message(b"Q", b"select 'x'\0"), [("query", "select 'x'")]),
        (CLIENT, message(b"Q", b"x" * 9000 + b"\0"), [("query", "x" * 9000)]),
        (CLIENT, message(b"P", b"name\0insert $1\0\0\0"), [("query", "insert $1")]),
        (
            CLIENT,
            message(b"B", b"\0name\0\0\1\0\0" + counted(b"one", None, b"", b"two") + b"\0\0"),
            [("parameter", "one"), ("parameter", "two")],
        ),
        (CLIENT, message(b"F", b"\0\0\0\7\0\1\0\0" + counted(b"one") + b"\0\0"), [("parameter", "one")]),
        (CLIENT, message(b"d", b"1\tone\n"), [("data", "1\tone\n")]),
        (SERVER, message(b"D", counted(b"one", None, b"two")), [("value", "one"), ("value", "two")]),
        (SERVER, message(b"A", b"\0\0\0\1room\0hello\0"), [("notification", "hello")]),
        (SERVER, message(b"K", b"\0\0\0\x4d\xde\xad\xbe\xef"), [("cancel key", "0000004ddeadbeef")]),
        (SERVER, message(b"Z", b"I"), []),
    ),
)
def test_each_message_tells_its_values(sender, said, told):
    assert seen(POSTGRESQL, BEGIN, (SERVER, message(b"R", bytes(4))), (sender, said)) == WHO + told


def test_a_request_to_cancel_tells_the_key():
    assert seen(POSTGRESQL, (CLIENT, struct.pack(">IIII", 16, 80877102, 77, 1))) == [("cancel key", "0000004d00000001")]


# ---- XMPP

STREAM = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "


@pytest.mark.parametrize(
    ("stanza", "told"),
    (
        (
            b"<presence to='room@x/nick'><status>at the doctor</status></presence>",
            [("recipient", "room@x/nick"), ("status", "at the doctor")],
        ),
        (
            b"<iq type='result'><query><item jid='bob@x' name='B &amp; b'><group>Family</group></item></query></iq>",
            [("address", "bob@x"), ("name", "B & b"), ("group", "Family")],
        ),
        (
            b'<message to="b@x" from="a@x/pc"><subject>hi</subject><body>a <b>PIN</b> now</body></message>',
            [
                ("recipient", "b@x"),
                ("sender", "a@x/pc"),
                ("subject", "hi"),
                ("message", "a "),
                ("message", "PIN"),
                ("message", " now"),
            ],
        ),
        (b"<iq type='set'><bind><resource>laptop</resource></bind></iq>", [("resource", "laptop")]),
    ),
)
def test_stanzas_tell_addresses_and_text(stanza, told):
    opened = (CLIENT, STREAM + b"to='x' from='a@x'>"), (SERVER, STREAM + b"from='x'>")
    assert seen(XMPP, *opened, (CLIENT, stanza)) == [("domain", "x"), ("sender", "a@x"), *told]
