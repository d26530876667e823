"""Answers to lesson 09."""

import ssl

from lesson_captures import Later, attacked, outcome

from labkit import Lab, attacks, policies
from labkit.exercises import given


def _fails(of=lambda said: said):
    found = {}
    for letter, text in given("09.1").items():
        issuer, _, names, valid = text.split("; ")
        ours, named = "OU=Root of trust" in issuer, "mail.lab.test" in names
        over = valid.split()[-1] < "2100"
        found[letter] = of("trust" if not ours else "name" if not named else "time" if over else "nothing")
    return found


def _lab():
    with Lab(network="loopback") as lab:
        _ = lab.authority.pem
    return lab


LAB = Later(_lab)


def _careful(lab):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    lab.authority.trust(context)
    return context


def _newest_only(lab):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=lab.authority.pem.decode())
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _from_default(lab):
    context = ssl.create_default_context(cadata=lab.authority.pem.decode())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _changed(**settings):
    def context_for(lab):
        context = _careful(lab)
        for name, value in settings.items():
            setattr(context, name, value)
        return context

    return context_for


_TAKES_OLD = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).minimum_version < ssl.TLSVersion.TLSv1_2
DEFAULT = "takes versions below TLS 1.2" if _TAKES_OLD else "left to the default of this Python"
"""Debian builds Python so that OpenSSL's settings decide, and those may allow older versions."""


def _by_default(lab):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lab.authority.trust(context)
    return context


def _on_another(lab):
    """Sets the version of a context that it does not return."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).minimum_version = ssl.TLSVersion.TLSv1_2
    return _by_default(lab)


def _trusting_none(lab):
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _trusting_another(lab):
    context = _careful(lab)
    _other_authority.trust(context)
    return context


with Lab(network="loopback") as _other:
    _other_authority = _other.authority


def _without_return(lab):
    _careful(lab)


def _robbed(vector=attacks.WrongName, policy=policies.mandatory, **how):
    return Later(lambda: attacked(vector(), policy, **how))


WRONG = [
    ("09.1", "a dictionary", "trust"),
    ("09.1", "no entry for", {"SelfSigned": "trust", "WrongName": "name", "Expired": "time"}),
    ("09.1", "look at it again", Later(lambda: dict.fromkeys(given("09.1"), "trust"))),
    ("09.1", "look at it again", Later(lambda: dict.fromkeys(given("09.1"), "nothing"))),
    ("09.1", "it is one of", Later(lambda: dict.fromkeys(given("09.1"), "possession"))),
    ("09.1", "look at it again", Later(_fails, lambda said: "time" if said == "trust" else "trust")),
    ("09.2", "any certificate", "mandatory"),
    ("09.2", "starts implicitly", policies.implicit),
    ("09.2", "anything, even no TLS", policies.opportunistic),
    ("09.2", "one of `policies.ALL`", "WrongName"),
    ("09.2", "text in quotes", 587),
    ("09.3", "the attack itself", "hunter2"),
    ("09.3", "the attack itself", outcome),
    ("09.3", "Which policy takes any certificate", _robbed(policy=policies.verified)),
    ("09.3", "the question is about `attacks.WrongName()`", _robbed(attacks.SelfSigned)),
    ("09.3", "but no password", _robbed(login=None)),
    ("09.3", "No client came by", _robbed(visits=False)),
    ("09.3", "in clear text, not inside TLS", _robbed(policy=policies.none)),
    ("09.4", "does not compare the name", _changed(check_hostname=False), LAB),
    ("09.4", "does not ask for a certificate", _changed(check_hostname=False, verify_mode=ssl.CERT_NONE), LAB),
    ("09.4", "below TLS 1.2", _changed(minimum_version=ssl.TLSVersion.MINIMUM_SUPPORTED), LAB),
    ("09.4", DEFAULT, _by_default, LAB),
    ("09.4", DEFAULT, _on_another, LAB),
    ("09.4", "trusts no authority", _trusting_none, LAB),
    ("09.4", "trusts others", _trusting_another, LAB),
    ("09.4", "should return", lambda lab: lab.authority, LAB),
    ("09.4", "It returns nothing", _without_return, LAB),
    ("09.4", "stops with", ssl.create_default_context, LAB),
    ("09.4", "a function", Later(lambda: _careful(LAB())), LAB),
]
RIGHT = [
    ("09.1", Later(_fails)),
    ("09.1", Later(_fails, str.upper)),
    ("09.1", Later(_fails, lambda said: None if said == "nothing" else said)),
    ("09.2", "verified"),
    ("09.2", policies.verified),
    ("09.2", "policies.verified\n"),
    ("09.3", _robbed()),
    ("09.3", _robbed(policy=policies.opportunistic)),
    ("09.3", _robbed(server={"tls": "TLS 1.2", "replace": True})),
    ("09.4", _careful, LAB),
    ("09.4", _newest_only, LAB),
    ("09.4", _from_default, LAB),
]
