"""Wrong answers to lesson 09 are told what is wrong with them; right ones pass."""

import ssl

import pytest

from labkit import Lab, check

FAILS = {"SelfSigned": "trust", "WrongName": "name", "Expired": "time"}


def _careful(lab):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    lab.authority.trust(context)
    return context


def _changed(**settings):
    def context_for(lab):
        context = _careful(lab)
        for name, value in settings.items():
            setattr(context, name, value)
        return context

    return context_for


def _trusting_nobody(lab):
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _trusting_another(lab):
    context = _careful(lab)
    with Lab() as other:
        other.authority.trust(context)
    return context


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (_careful, "right"),
        (_changed(check_hostname=False), "does not compare the name"),
        (_changed(check_hostname=False, verify_mode=ssl.CERT_NONE), "does not ask for a certificate"),
        (_changed(minimum_version=ssl.TLSVersion.MINIMUM_SUPPORTED), "below TLS 1.2"),
        (_trusting_nobody, "trusts nobody"),
        (_trusting_another, "trusts others"),
        (lambda lab: lab.authority, "should return"),
        (ssl.create_default_context, "cannot be looked at"),
    ],
)
def test_a_context_is_told_what_it_lacks(answer, told):
    with Lab() as lab:
        assert told in check("09.4", answer, lab).text


def test_a_context_is_no_answer_where_a_function_is_asked_for():
    with Lab() as lab:
        assert "a function" in check("09.4", _careful(lab), lab).text
        assert "a function" in check("09.4", "ssl.create_default_context", lab).text


@pytest.mark.parametrize(
    ("number", "answer", "told"),
    [
        ("09.1", FAILS, "right"),
        ("09.1", FAILS | {"Expired": "trust"}, "'Expired' it is not"),
        ("09.1", {"SelfSigned": "trust"}, "no entry for 'WrongName'"),
        ("09.1", "trust", "a dictionary"),
        ("09.2", "verified", "right"),
        ("09.2", "mandatory", "any certificate"),
        ("09.2", "implicit", "starts implicitly"),
        ("09.3", "hunter2", "right"),
        ("09.3", "alice", "user name"),
        ("09.3", "AGFsaWNlAGh1bnRlcjI=", "decoded"),
    ],
)
def test_what_is_said_of_an_answer(number, answer, told):
    assert told in check(number, answer).text
