"""FTP's data connections are named after their control connection, and a file in clear text on one can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import require

from labkit import Lab, attacks, recorded
from labkit.attacks.verdict import LEAKED, UNHARMED
from labkit.dialects import FTP

FILE = "The PIN is 4921."


def files(capture):
    return [one.value for one in capture.visible() if one.what == "file" and FILE in one.value]


def test_a_file_in_clear_text_is_named_and_readable():
    capture = recorded("ftp_clear")
    control, data = capture.dialogues
    assert data.part_of == f"FTP data of {control.client}" and not control.part_of
    assert files(capture) == [FILE]
    text = capture.transcript().text
    assert f"FTP data of {control.client}" in text and "No TLS: everything crossed the wire in clear text." in text


@pytest.mark.parametrize("name, readable", (("ftp_half_protected", [FILE]), ("ftp_auth_tls_tls13", [])))
def test_behind_a_protected_control_connection_its_secrets_tell_what_belongs_to_it(name, readable):
    closed, opened = recorded(name), recorded(name).decrypted()
    assert [bool(one.part_of) for one in opened.dialogues] == [False, True]
    assert [bool(one.part_of) for one in closed.dialogues] == [False, False]
    assert files(opened) == readable
    assert "TLS 1.3" in opened.transcript().text or readable


@given(st.integers(1, 65535), st.binary(max_size=20))
def test_the_port_is_read_out_of_both_replies_and_out_of_no_nonsense(port, nonsense):
    high, low = divmod(port, 256)
    assert FTP.further("227", b"227 Passive (127,0,0,1,%d,%d)\r\n" % (high, low)) == port
    assert FTP.further("229", b"229 Extended (|||%d|)\r\n" % port) == port
    assert FTP.further("226", b"226 (127,0,0,1,1,2)\r\n") == 0
    for title in ("227", "229"):
        assert FTP.further(title, title.encode() + b" " + nonsense) >= 0


@pytest.mark.parametrize("network", ("loopback", "namespace"))
def test_a_file_in_clear_text_is_leaked_though_the_login_is_not(network):
    require(network)
    for victim, outcome in (("FTP, careful (half protected)", LEAKED), ("FTP, careful", UNHARMED)):
        with Lab(network) as lab:
            lab.start("ftp")
            with lab.mallory(attacks.Vector()) as mallory:
                assert lab.visit(victim).done
            assert mallory.verdict.outcome == outcome, mallory.verdict
            assert mallory.verdict.secrets == (("file",) if outcome == LEAKED else ())
            assert (FILE in repr(mallory.loot)) is (outcome == LEAKED)
