"""FTP's data connections are named after their control connection, and a file in clear text on one can be read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import require

from labkit import Lab, attacks, recorded
from labkit.__main__ import main
from labkit.attacks.verdict import LEAKED, UNHARMED
from labkit.capture.conversation import Chunk, Conversation, Endpoint
from labkit.decode.dialogue import read
from labkit.decode.further import joined
from labkit.decode.privacy import visible
from labkit.dialects import FTP

FILE = "The PIN is 4921."


def conversation(turns, port):
    chunks = [Chunk(number, number, side, "data", data, len(data)) for number, (side, data) in enumerate(turns, 1)]
    begun = Chunk(0, 0, "client", "syn", b"", 0)
    ends = Endpoint("192.0.2.1", 50000), Endpoint("192.0.2.2", port)
    return Conversation(*ends, [tuple(chunk) for chunk in (begun, *chunks)])


def files(capture):
    return [one.value for one in capture.visible() if one.what == "file" and FILE in one.value]


def test_a_file_in_clear_text_is_named_and_readable():
    capture = recorded("ftp_clear")
    control, data = capture.dialogues
    assert data.part_of == f"FTP data of {control.client}" and not control.part_of
    assert files(capture) == [FILE]
    text = capture.transcript().text
    assert f"FTP data of {control.client}" in text and "No TLS: everything crossed the wire in clear text." in text


def test_the_command_names_it_though_its_control_connection_ends_behind_it(tmp_path, capsys):
    path = tmp_path / "ftp.pcapng"
    recorded("ftp_clear").save(path)
    assert main(["decode", str(path)]) == 0
    text = capsys.readouterr().out
    assert text.index("\nFTP, ") < text.index("\nFTP data of"), "behind its control connection"
    assert "a protocol that the lab does not know" not in text
    assert main(["decode", "--json", str(path)]) == 0
    told = [json.loads(line)["readable"] for line in capsys.readouterr().out.splitlines()]
    assert [one["value"] for found in told for one in found if one["what"] == "file" and FILE in one["value"]] == [FILE]


@pytest.mark.parametrize(
    "asked", (b"PORT 192,0,2,1,156,64\r\n", b"EPRT |1|192.0.2.1|40000|\r\n", b"eprt |2|::1|40000|\r\n")
)
def test_a_connection_that_the_server_makes_to_the_client_belongs_to_the_conversation(asked):
    control = conversation([("server", b"220 FTP\r\n"), ("client", asked), ("server", b"200 ok\r\n")], 21)
    file = Chunk(9, 9, "client", "data", FILE.encode(), len(FILE))
    data = Conversation(Endpoint("192.0.2.2", 20), Endpoint("192.0.2.1", 40000), [tuple(file)])
    first, second = joined(map(read, (control, data)))
    assert second.part_of == f"FTP data of {first.client}"
    assert [one[:2] for one in visible(second)] == [("file", FILE)]


def test_text_that_belongs_to_nothing_that_is_known_is_told_as_text_and_what_is_none_is_not():
    said = [("client", b"hello there\n"), ("server", b"\x00\x01\xff\xfe\x80")]
    assert [one[:2] for one in visible(read(conversation(said, 40000)))] == [("text", "hello there\n")]


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
