import pytest
from page_checks import read_page
from show_samples import MESSAGE, Script, clear_text, hostile, starttls

from labkit import recorded
from labkit.decode.event import CLIENT, SERVER, TEXT
from labkit.decode.privacy import Exposure
from labkit.show.readings import EVENTS_SHOWN, Reading
from labkit.show.transcript import transcript


def shown(dialogue, *exposures, how=""):
    return transcript([Reading(dialogue, exposures)], how)


def words(page):
    return "".join(read_page(page.html).words)


@pytest.mark.parametrize("dialogue", [clear_text(), starttls(True), starttls(False)], ids=["clear", "opened", "sealed"])
def test_every_event_is_in_both_forms_with_its_meaning(dialogue):
    page = shown(dialogue, how="Captured with a packet socket.")
    for form in (words(page), page.text):
        assert not [event.title for event in dialogue.events if event.title not in form and event.title != "message"]
        assert "What SYN means" in form and "The meaning of line 1." in form
        assert "Captured with a packet socket." in form


def test_the_summary_says_what_became_of_tls():
    assert "No TLS" in shown(clear_text()).text
    assert "TLS 1.3, TLS_AES_256_GCM_SHA384, server name mail.lab.test" in shown(starttls(True)).text
    assert "The secrets of this session are not at hand." in shown(starttls(False)).text


def test_how_something_crossed_the_wire_is_a_word_and_not_only_a_colour():
    assert {"TCP", "CLEAR", "TLS", "TLS decrypted", "decrypted"} <= set(read_page(shown(starttls(True)).html).words)
    assert "ciphertext" in shown(starttls(False)).text


def test_what_can_be_read_on_the_path_is_marked_and_named():
    dialogue = clear_text()
    index = next(n for n, event in enumerate(dialogue.events) if event.title == "AUTH")
    page = shown(dialogue, Exposure("password", "hunter2", index, 11, 31))
    assert ">AGFsaWNlAGh1bnRlcjI=</mark>" in page.html
    assert "password: hunter2" in words(page) and "» readable: password: hunter2" in page.text


def test_two_things_in_the_same_bytes_are_both_named():
    dialogue = clear_text()
    page = shown(dialogue, Exposure("user", "alice", 6, 11, 31), Exposure("password", "hunter2", 6, 11, 31))
    assert "user: alice" in page.text and "password: hunter2" in page.text


def test_the_plain_text_is_not_wider_than_a_page():
    for dialogue in (clear_text(), starttls(True), starttls(False), hostile()):
        page = shown(dialogue, how="A sentence on how it was captured. " * 6)
        assert max(map(len, page.text.splitlines())) <= 120


def test_hostile_bytes_stay_text():
    page = shown(hostile(), Exposure("<script>", "<script>", 3, 4, 20), how="<script>")
    assert "<script>alert" in words(page)
    assert not {"\x1b", "\u202e"} & set(page.html + page.text)


def test_a_very_long_message_and_a_very_long_dialogue_are_cut_and_say_so():
    script = Script()
    script.add(CLIENT, TEXT, "message", "message", MESSAGE * 20_000)
    for _ in range(EVENTS_SHOWN):
        script.say(b"NOOP")
    script.events[0].origin.lines = lambda event: [("the message", "a message")]
    page = shown(script.dialogue())
    assert len(page.html) < 600_000
    for form in (words(page), page.text):
        assert "bytes more" in form and "1 more event" in form


def test_a_reply_without_end_is_cut_and_says_so():
    script = Script()
    script.add(SERVER, TEXT, "greeting", "220", b"220-mail.lab.test\r\n" * 100_000)
    page = shown(script.dialogue())
    assert len(page.html) < 200_000 and len(page.text) < 50_000
    for form in (words(page), page.text):
        assert "bytes more" in form and "The meaning of line 9." in form


def test_a_message_of_tls_opens_to_its_fields():
    page = read_page(shown(starttls(False)).html)
    assert "details" in page.tags and "cipher suites" in "".join(page.words)


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_what_records_that_were_not_opened_mean_is_said_once_on_a_page(version):
    page = recorded(f"starttls_{version}").transcript()
    sealed = "Encrypted; TLS 1.3 does not even show" if version == "tls13" else "on the way only its length can be seen"
    assert words(page).count(sealed) == 1


def test_many_conversations_are_counted():
    page = transcript([Reading(clear_text(), ())] * 3, total=5_000)
    assert "4,997 more conversations" in page.text and "4,997 more conversations" in words(page)
