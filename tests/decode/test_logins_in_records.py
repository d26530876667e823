"""Logins in binary records and in XML tell the same as those in lines: the password, or a hash that can be tried."""

from base64 import b64encode

import pytest
from conversations import conversation
from hypothesis import given
from hypothesis import strategies as st

from labkit.capture.conversation import CLIENT, SERVER
from labkit.decode.dialogue import read
from labkit.decode.privacy import visible
from labkit.dialects import HTTP, LDAP, POSTGRESQL, XMPP
from labkit.dialects.ldap_messages import ENUMERATED, SEQUENCE, STRING, element, number
from labkit.dialects.postgresql import SSL_REQUEST, message, startup

STREAM = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='lab.test'>"
SCRAM = b"r=abcd,s=QSXCR+Q6sek8bf92,i=4096"
PLAIN = b64encode(b"\0alice\0hunter2")
PROOF = b"c=biws,r=abcd,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="


def seen(dialect, *turns):
    found = visible(read(conversation(turns, dialect.explicit_ports[0])))
    return [(one.what, one.value) for one in found if one.what not in ("domain", "database")]


# ---- LDAP (RFC 4511 §4.2)


def bind(identifier, name, choice, version=3, controls=b""):
    request = element(0x60, number(version), element(STRING, name), choice)
    return element(SEQUENCE, number(identifier), request, controls)


def simple(password):
    return element(0x80, password)


def sasl(mechanism, *credentials):
    return element(0xA3, element(STRING, mechanism), *(element(STRING, one) for one in credentials))


def bound(identifier, code, *challenge):
    more = (element(0x87, one) for one in challenge)
    return element(
        SEQUENCE, number(identifier), element(0x61, number(code, ENUMERATED), element(STRING), element(STRING), *more)
    )


@pytest.mark.parametrize("version", (2, 3))
@pytest.mark.parametrize("controls", (b"", element(0xA0, element(SEQUENCE, element(STRING, b"1.2.3")))))
@pytest.mark.parametrize(
    ("name", "password"), (("cn=a", "pw"), ("cn=Zoé,dc=lab", "pà€ss"), ("cn=" + "x" * 200, "y" * 300))
)
def test_a_simple_bind_tells_its_name_and_password_of_any_length(version, controls, name, password):
    request = bind(1, name.encode(), simple(password.encode()), version, controls)
    assert seen(LDAP, (CLIENT, request)) == [("user name", name), ("password", password)]


def test_a_bind_that_was_cut_tells_what_there_is_of_the_password():
    request = bind(1, b"cn=alice", simple(b"hunter2"))[:-3]
    assert seen(LDAP, (CLIENT, request)) == [("user name", "cn=alice"), ("password", "hunt")]


def test_an_anonymous_bind_tells_nothing():
    assert seen(LDAP, (CLIENT, bind(1, b"", simple(b"")))) == []


def test_sasl_inside_a_bind_is_read():
    plain = bind(1, b"", sasl(b"PLAIN", b"\0alice\0hunter2"))
    assert seen(LDAP, (CLIENT, plain)) == [("user name", "alice"), ("password", "hunter2")]


def test_a_login_that_names_its_mechanism_in_each_step_is_one_login():
    told = seen(
        LDAP,
        (CLIENT, bind(1, b"", sasl(b"CRAM-MD5"))),
        (SERVER, bound(1, 14, b"<1.2@lab.test>")),
        (CLIENT, bind(2, b"", sasl(b"CRAM-MD5", b"alice 0123abcd"))),
        (SERVER, bound(2, 49)),
        (CLIENT, bind(3, b"", sasl(b"CRAM-MD5"))),
        (SERVER, bound(3, 14, b"<3.4@lab.test>")),
        (CLIENT, bind(4, b"", sasl(b"CRAM-MD5", b"bob 4567"))),
    )
    hashes = [value for what, value in told if what == "password hash"]
    assert [value for what, value in told if what == "user name"] == ["alice", "bob"]
    assert "challenge <1.2@lab.test>, response 0123abcd" in hashes[0]
    assert "challenge <3.4@lab.test>, response 4567" in hashes[1]


# ---- PostgreSQL

BEGIN = (CLIENT, startup({"user": "alice", "database": "lab"}))


def asks(code, more=b""):
    return (SERVER, message(b"R", code.to_bytes(4, "big") + more))


@pytest.mark.parametrize(
    "before", ((), ((CLIENT, SSL_REQUEST), (SERVER, b"N")), ((CLIENT, SSL_REQUEST), (SERVER, b"S")))
)
def test_a_password_that_is_asked_for_as_it_is_is_told(before):
    told = seen(POSTGRESQL, *before, BEGIN, asks(3), (CLIENT, message(b"p", "hünter".encode() + b"\0")))
    assert told == [("user name", "alice"), ("password", "hünter")]


def test_half_a_password_is_told():
    told = seen(POSTGRESQL, BEGIN, asks(3), (CLIENT, message(b"p", b"hunter2\0")[:-3]))
    assert told == [("user name", "alice"), ("password", "hunte")]


def test_a_hash_is_not_called_a_password():
    digest = b"md5" + b"0123456789abcdef" * 2
    told = seen(POSTGRESQL, BEGIN, asks(5, b"\x01\x02\x03\x04"), (CLIENT, message(b"p", digest + b"\0")))
    assert [what for what, _ in told] == ["user name", "password hash"]
    assert "challenge 01020304" in told[1][1] and digest.decode() in told[1][1]


def test_scram_tells_all_that_is_needed_to_try_passwords():
    first = b"n,,n=,r=abc"
    told = seen(
        POSTGRESQL,
        BEGIN,
        asks(10, b"SCRAM-SHA-256\0\0"),
        (CLIENT, message(b"p", b"SCRAM-SHA-256\0" + len(first).to_bytes(4, "big") + first)),
        asks(11, SCRAM),
        (CLIENT, message(b"p", PROOF)),
    )
    assert [what for what, _ in told] == ["user name", "password hash"]
    assert SCRAM.decode() in told[1][1] and PROOF.decode() in told[1][1]


def test_a_token_of_kerberos_is_no_password():
    assert seen(POSTGRESQL, BEGIN, asks(7), (CLIENT, message(b"p", b"\x60\x05token\0"))) == [("user name", "alice")]


# ---- XMPP (RFC 6120 §6.4)


def step(name, payload, more=b""):
    return b"<%s xmlns='urn:ietf:params:xml:ns:xmpp-sasl'%s>%s</%s>" % (name, more, b64encode(payload), name)


def test_the_steps_of_a_login_in_stanzas_are_read():
    told = seen(
        XMPP,
        (CLIENT, STREAM),
        (SERVER, STREAM),
        (CLIENT, step(b"auth", b"n,,n=alice,r=abc", b" mechanism='SCRAM-SHA-1'")),
        (SERVER, step(b"challenge", SCRAM)),
        (CLIENT, step(b"response", PROOF)),
    )
    assert told[0] == ("user name", "alice") and told[1][0] == "password hash" and SCRAM.decode() in told[1][1]


@pytest.mark.parametrize(
    ("stanza", "told"),
    (
        (
            b"<iq type='set'><query xmlns='jabber:iq:auth'><username>alice</username><password>a&amp;b</password>",
            [("user name", "alice"), ("password", "a&b")],
        ),
        (b"<message to='bob@lab.test'><body>The PIN", [("recipient", "bob@lab.test"), ("message", "The PIN")]),
        (
            b"<message to='bob@lab.test'><body>4 &lt; 9</body></message>",
            [("recipient", "bob@lab.test"), ("message", "4 < 9")],
        ),
        (b"<message><body>to all</body></message>", [("message", "to all")]),
        (b"<message><body><![CDATA[4 < 9]]></body></message>", [("message", "4 < 9")]),
        (
            b"<iq><query xmlns='jabber:iq:register'><password>b</password><username>a</username></query></iq>",
            [("password", "b"), ("user name", "a")],
        ),
        (
            b"<s:auth xmlns:s='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</s:auth>" % PLAIN,
            [("user name", "alice"), ("password", "hunter2")],
        ),
        (
            b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='X-OAUTH2'>%s</auth>" % PLAIN,
            [("user name", "alice"), ("bearer token", "hunter2")],
        ),
        (
            b"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>%s" % PLAIN,
            [("user name", "alice"), ("password", "hunter2")],
        ),
        (b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>", []),
    ),
)
def test_what_stanzas_tell_is_told_as_far_as_they_go(stanza, told):
    assert seen(XMPP, (CLIENT, STREAM), (SERVER, STREAM), (CLIENT, stanza)) == told


@pytest.mark.parametrize(
    ("title", "piece"),
    (
        *(("auth", b"mechanism='x' "), ("message", b"to='"), ("message", b"><body "), ("message", b"<![CDATA[]")),
        *(("iq", b"><username "), ("authenticate", b"><initial-response")),
    ),
)
def test_a_stanza_that_repeats_itself_a_hundred_thousand_times_is_read(title, piece):
    assert len(list(XMPP.reveals(title, b"<%s " % title.encode() + piece * 100_000))) < 3


# ---- HTTP (RFC 7617, RFC 6750)


@pytest.mark.parametrize(
    ("field", "told"),
    (
        (b"Authorization: Basic YWxpY2U6aHVudGVyOjI=", [("user name", "alice"), ("password", "hunter:2")]),
        (b"authorization:\tbasic YWxpY2U6aHVudGVyOjI", [("user name", "alice"), ("password", "hunter:2")]),
        (b"Authorization: Bearer mF_9.B5f-4.1JqM", [("bearer token", "mF_9.B5f-4.1JqM")]),
        (b"Authorization: Digest x", []),
        (b"Cookie: session=4921", [("cookie", "session=4921")]),
    ),
)
def test_a_login_in_a_request_is_told(field, told):
    assert seen(HTTP, (CLIENT, b"GET / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n" % field)) == told


# ---- any bytes


@given(
    st.sampled_from((HTTP, LDAP, POSTGRESQL, XMPP)),
    st.sampled_from(("auth", "response", "message", "iq", "GET", "PasswordMessage", "SASLInitialResponse")),
    st.binary(max_size=80) | st.binary(max_size=80).map(lambda data: element(SEQUENCE, number(1), element(0x60, data))),
)
def test_whatever_a_phrase_is_what_it_tells_stands_in_it(dialect, title, data):
    for one in dialect.reveals(title, data):
        assert 0 <= one.start <= one.end <= len(data)
