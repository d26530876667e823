import subprocess
import sys
from pathlib import Path

import pytest
from page_checks import read_page
from show_samples import Script, clear_text, starttls

from labkit.capture.pcap import write_pcapng
from labkit.decode.event import CLIENT, TEXT
from labkit.errors import CaptureError, LabError
from labkit.show import capture as room
from labkit.show.capture import Capture, read_capture
from labkit.show.transcript import DIALOGUES_SHOWN


def unknown():
    script = Script()
    script.syn()
    script.add(CLIENT, TEXT, "unknown", "unknown", b"what is this")
    return script.dialogue(dialect=None)


@pytest.fixture
def capture_of(monkeypatch):
    """Makes a capture whose conversations are decoded to the given dialogues; the list says how many were."""
    decoded = []

    def make(dialogues, opened=()):
        def read_all(conversations, secrets=None, names=None):
            for number in range(len(conversations)):
                decoded.append(number)
                yield (opened if secrets is not None else dialogues)[number]

        monkeypatch.setattr(room, "read_all", read_all)
        monkeypatch.setattr(Capture, "conversations", dialogues)
        return Capture(frames=[None] * len(dialogues), keylog="# secrets"), decoded

    return make


def test_a_capture_shows_its_transcript(capture_of):
    capture, _ = capture_of([clear_text()])
    assert "EHLO alice.lab.test" in repr(capture)
    assert "EHLO alice.lab.test" in "".join(read_page(capture._repr_html_()).words)


def test_the_usual_view_is_the_eavesdroppers_and_decrypted_is_another_view_of_the_same(capture_of):
    capture, _ = capture_of([starttls(False)], [starttls(True)])
    opened = capture.decrypted()
    assert "AUTH PLAIN" not in repr(capture) and "AUTH PLAIN" in repr(opened)
    assert "AUTH PLAIN" not in repr(capture)
    assert opened.frames is capture.frames


def test_decoding_is_done_once(capture_of):
    capture, decoded = capture_of([clear_text(), starttls(False)])
    for _ in range(3):
        repr(capture)
        assert len(capture.dialogues) == 2
    assert decoded == [0, 1]


def test_a_capture_that_grows_is_decoded_anew(capture_of):
    capture, decoded = capture_of([clear_text()])
    repr(capture)
    capture.frames.append(None)
    repr(capture)
    assert decoded == [0, 0]


def test_of_five_thousand_conversations_the_first_are_decoded_and_shown_and_the_rest_counted(capture_of):
    capture, decoded = capture_of([starttls(False)] * 5_000)
    html, text = capture._repr_html_(), repr(capture)
    assert len(decoded) == DIALOGUES_SHOWN
    assert f"{5_000 - DIALOGUES_SHOWN:,} more conversations" in text and len(html) < 1_000_000
    assert len(capture.dialogues) == 5_000


def test_the_dialogue_is_the_first_in_a_protocol_that_is_known(capture_of):
    capture, _ = capture_of([unknown(), starttls(False), clear_text()])
    assert capture.dialogue is capture.dialogues[1]


def test_the_only_dialogue_is_the_dialogue_whatever_it_speaks(capture_of):
    capture, _ = capture_of([unknown()])
    assert capture.dialogue.dialect is None


def test_without_a_conversation_the_error_and_the_transcript_say_what_is_there(capture_of):
    capture, _ = capture_of([])
    with pytest.raises(LabError, match=r"no TCP conversation in this capture: it is empty"):
        capture.ladder()
    assert "No TCP conversation" in repr(capture) and "No TCP conversation" in capture._repr_html_()


def test_of_a_file_without_frames_the_file_is_named(tmp_path):
    write_pcapng(tmp_path / "empty.pcapng", [])
    (tmp_path / "cut.pcapng").write_bytes((tmp_path / "empty.pcapng").read_bytes()[:-1])
    for path in tmp_path.iterdir():
        assert f"there is no frame in {path}, so capture or copy it again." in repr(read_capture(path))


def test_when_no_conversation_is_in_a_known_protocol_the_error_points_to_the_others(capture_of):
    capture, _ = capture_of([unknown(), unknown()])
    with pytest.raises(LabError, match=r"None of the 2 conversations .* \.dialogues"):
        capture.bytes("EHLO")


def test_bytes_finds_a_message_by_its_title(capture_of):
    capture, _ = capture_of([starttls(False)])
    assert capture.bytes("ClientHello").text == capture.bytes("clienthello", 0).text
    assert "Ready to start TLS" in capture.bytes("220", 1).text
    assert "Ready to start TLS" in capture.bytes("220", -1).text


def test_bytes_of_a_title_that_does_not_exist_names_those_that_do(capture_of):
    capture, _ = capture_of([starttls(False)], [starttls(True)])
    with pytest.raises(LabError, match=r"no message 'Certificate'.*EHLO.*ClientHello.*\.decrypted\(\)"):
        capture.bytes("Certificate")
    assert "Certificate" in capture.decrypted().bytes("Certificate").text
    with pytest.raises(LabError, match=r"no ClientHello with index 1: there are 1"):
        capture.bytes("ClientHello", 1)


def test_bytes_of_what_is_no_title_and_secrets_of_what_is_no_key_log_are_refused(capture_of):
    capture, _ = capture_of([clear_text()])
    for title in (None, 5, b"ClientHello"):
        with pytest.raises(LabError, match="named by its title"):
            capture.bytes(title)
    for keylog in ("", "keys.log", "# nothing", 5, Path("keys.log")):
        with pytest.raises(CaptureError, match=r"The text .* holds no TLS secret: lines like"):
            capture.decrypted(keylog)


def test_the_ladder_is_that_of_the_dialogue_with_its_notes(capture_of):
    capture, _ = capture_of([starttls(False)])
    assert "the upgrade" in capture.ladder({6: "the upgrade"}).text


def test_printing_a_transcript_loads_no_drawing_library():
    program = """
import sys
from labkit.show.capture import Capture
capture = Capture()
repr(capture), capture._repr_html_()
assert not {"matplotlib", "IPython", "scapy", "numpy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_library_of_pages_is_loaded_when_a_front_end_asks_for_html():
    program = """
import sys
import labkit
from labkit.show.capture import Capture
print(repr(Capture()), labkit.ports.table(587))
assert not {"htpy", "markupsafe"} & set(sys.modules)
Capture()._repr_html_()
assert "htpy" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
