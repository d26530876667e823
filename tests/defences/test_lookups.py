"""Questions to the name server are read out of a capture as tshark reads them, and said in words."""

import json
import subprocess
import sys
from socket import inet_aton

import pytest
from dns.message import make_query
from hypothesis import given
from hypothesis import strategies as st
from networks import BEST
from thoroughly import every
from tools import tool

from labkit import Lab, attacks
from labkit.__main__ import main
from labkit.capture.frames import ETHERNET
from labkit.capture.pcap import Frame
from labkit.capture.trace import Trace
from labkit.defences.forging import question
from labkit.defences.lookups import lookups
from labkit.defences.plain_question import plain_question
from labkit.errors import NetworkUnavailable
from labkit.network import KINDS

CAPTURED = [(kind, how) for kind in KINDS for how in ("auto", "tap")]


@pytest.fixture(params=every(CAPTURED, once=[(kind, how) for kind, how in CAPTURED if kind in BEST]), ids="-".join)
def lab(request):
    kind, how = request.param
    try:
        lab = Lab(kind, capture=how, hosts=("dns", "www", "provider"))
    except NetworkUnavailable as refusal:
        pytest.skip(str(refusal))
    with lab:
        yield lab


def test_a_capture_holds_what_was_asked_and_answered_and_tshark_agrees(lab, tmp_path, capsys):
    lab.domain("bob.test").sign().tlsa("3 1 1").sts("enforce")
    with lab.capture() as capture:
        for name, type in (("bob.test", "MX"), ("_25._tcp.mail.bob.test", "TLSA"), ("_mta-sts.bob.test", "TXT")):
            lab.resolve(name, type)
        lab.resolve("nobody.bob.test", "A")
    found = lookups(capture.datagrams)
    assert [each.name for each in found if each.type == "MX"] == ["bob.test"]
    mx = next(each for each in found if each.type == "MX")
    assert (mx.answer, mx.signed) == ("10 mail.bob.test.", True) and "which servers take mail" in mx.about
    absent = next(each for each in found if each.name == "nobody.bob.test")
    assert (absent.answer, absent.signed) == ("NXDOMAIN", True)
    capture.save(tmp_path / "dns.pcapng")
    command = [tool("tshark"), "-r", tmp_path / "dns.pcapng", "-Y", "dns.flags.response == 0", "-T", "fields"]
    asked = subprocess.run([*command, "-e", "dns.qry.name"], capture_output=True, text=True, timeout=60).stdout
    assert asked.split() == [each.name for each in found]
    command = [tool("tshark"), "-r", tmp_path / "dns.pcapng", "-o", "udp.check_checksum:TRUE"]
    wrong = [*command, "-Y", "dns && udp.checksum.status == 0"]
    bad = subprocess.run(wrong, capture_output=True, text=True, timeout=60)
    assert bad.stdout == ""
    table = repr(capture.lookups())
    assert "whether there is a policy of MTA-STS" in table and "alice" in table
    assert not capture.passed_over, "datagrams hide no conversation"
    assert table in repr(capture), "the transcript has it"
    done = subprocess.run(
        [sys.executable, "-m", "labkit", "decode", tmp_path / "dns.pcapng"], capture_output=True, text=True, timeout=60
    )
    assert "Questions to the name server" in done.stdout and "_25._tcp.mail.bob.test TLSA" in done.stdout
    capsys.readouterr()
    assert main(["decode", "--json", str(tmp_path / "dns.pcapng")]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])["lookups"]
    assert [(one["name"], one["answer"], one["about"]) for one in told] == [
        (each.name, each.answer, each.about) for each in found
    ]
    assert [one["time"] for one in told] == [each.time / 1e9 for each in found]


@given(st.lists(st.binary(max_size=120), max_size=4))
def test_any_frames_are_read_without_harm(datas):
    udp = bytes(12) + b"\x08\x00\x45" + bytes(8) + b"\x11" + bytes(10)
    frames = [
        Frame(number, ETHERNET, head + data, len(head + data))
        for number, data in enumerate(datas)
        for head in (b"", udp, udp + b"\x30\x39\x00\x35\x00\x00\x00\x00", udp + b"\x00\x35\x30\x39\x00\x00\x00\x00")
    ]
    for each in lookups(Trace(frames).datagrams):
        assert each.name or each.type


_USUAL_TYPES = ("A", "AAAA", "CAA", "CNAME", "DNSKEY", "DS", "HTTPS", "MX", "NS", "PTR", "SRV", "TLSA", "TXT", "ANY")
_TYPES = (*_USUAL_TYPES, "AXFR", "OPT", "TYPE65280")
_NAMES = st.sampled_from(("bob.test", "Mail.BOB.test", "_25._tcp.mail.bob.test", "x" * 63 + ".test", "é.test", "a b.c"))


@given(_NAMES, st.sampled_from(_TYPES), st.booleans(), st.lists(st.tuples(st.integers(0), st.integers(0, 255))))
def test_a_question_that_stands_alone_is_read_as_dnspython_reads_it(name, type, alone, changes):
    message = bytearray(make_query(name, type, use_edns=not alone).to_wire())
    for place, byte in changes:
        message[place % len(message)] = byte
    plain = plain_question(bytes(message))
    assert plain is None or plain == question(bytes(message))
    if alone and type in _USUAL_TYPES and name.isascii() and " " not in name and not changes:
        assert plain is not None and plain_question(bytes(message[:-1])) is None


def test_the_addresses_in_a_capture_do_not_give_away_who_answers_in_the_place_of_the_name_server():
    with Lab("loopback", capture="tap", hosts=("dns", "www")) as lab:
        lab.network.written.update({name: lab.network.published(name) for name in lab.network.hosts})
        lab.domain("bob.test").sign().tlsa("3 1 1")
        with lab.capture() as capture, lab.spoof(attacks.HideTLSA()):
            assert lab.resolve("_25._tcp.mail.bob.test", "TLSA").status == "bogus"
        asked = {(frame.data[26:30], frame.data[30:34]) for frame in capture.frames if frame.data[36:38] == b"\0\x35"}
        alice, mallory, dns = (inet_aton(lab.network.published(name)) for name in ("alice", "mallory", "dns"))
    assert asked == {(alice, dns), (mallory, dns)}
