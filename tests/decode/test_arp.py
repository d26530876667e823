"""ARP on a LAN: the packets are what tshark reads, and the false claim is found."""

import csv
import subprocess

from hypothesis import given
from hypothesis import strategies as st
from page_checks import read_page
from tools import tool

from labkit import arp_table, recorded
from labkit.capture.frames import ETHERNET
from labkit.capture.pcap import Frame
from labkit.decode.arp import ANSWER, QUESTION, claims, contradicted
from labkit.show.recordings import FOLDER

FIELDS = ("frame.number", "arp.opcode", "arp.src.hw_mac", "arp.src.proto_ipv4", "arp.dst.proto_ipv4", "eth.dst")


def test_tshark_reads_the_same_claims():
    fields = [word for field in FIELDS for word in ("-e", field)]
    command = [tool("tshark"), "-r", str(FOLDER / "arp_poisoning.pcapng"), "-Y", "arp", "-T", "fields", *fields]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    rows = list(csv.reader(done.stdout.splitlines(), delimiter="\t"))
    kinds = {QUESTION: "1", ANSWER: "2"}
    found = claims(recorded("arp_poisoning").frames)
    assert len(found) > 5
    assert rows == [[str(c.frame), kinds[c.kind], c.hardware, c.ip, c.about, c.target] for c in found]


def test_the_lie_is_the_one_claim_that_another_machine_contradicts():
    found = claims(recorded("arp_poisoning").frames)
    (lie,) = {(claim.ip, claim.hardware) for claim in contradicted(found)}
    mallory = {claim.hardware for claim in found if claim.ip == "192.0.2.66"}
    assert lie == ("192.0.2.25", *mallory)


def test_the_caches_are_healed_at_the_end():
    found = [claim for claim in claims(recorded("arp_poisoning").frames) if claim.ip == "192.0.2.25"]
    assert found[-1] not in contradicted(found)


def test_the_table_marks_the_lie_in_words():
    table = arp_table(recorded("arp_poisoning"))
    assert table.text.count("! contradicts") >= 1 and "Who has 192.0.2.25?" in table.text
    assert 'have 00:00:5e:00:53:66.</code> <span class="lk-what">! contradicts' in table.html
    read_page(table.html)


def test_a_capture_without_arp_says_why_there_is_none():
    assert "nobody has to ask" in arp_table(recorded("starttls_tls13")).text


@given(st.binary(max_size=80), st.booleans())
def test_no_frame_is_too_strange(data, arp):
    frame = data[:12] + b"\x08\x06" + data[14:] if arp else data
    for claim in claims([Frame(0, ETHERNET, frame, len(frame))]):
        assert claim.kind in (QUESTION, ANSWER)
