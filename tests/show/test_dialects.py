"""The dialects beside each other: the table is the dialects' own data, the steps are those of live sessions."""

import pytest
from page_checks import read_page

from labkit import Lab, dialect_table, policies, recorded, step_table
from labkit.dialects import ALL
from labkit.errors import LabError


def test_the_table_says_what_each_dialect_says():
    table = dialect_table()
    for dialect in ALL:
        assert dialect.name in table.text and dialect.upgrade in table.text and dialect.go_ahead in table.text
    assert "STLS" in table.html and "tag STARTTLS" in table.html and "465" in table.text
    read_page(table.html)


def test_the_steps_of_two_captures_stand_in_one_row():
    with Lab() as lab:
        mail = lab.smtp(starttls="off")
        with lab.capture() as clear:
            assert lab.send(mail, "hello", policy=policies.none)
    table = step_table({"upgraded": recorded("starttls_tls13").decrypted(), "clear": clear})
    rows = table.text.splitlines()
    assert len(rows) == 8
    assert "250-STARTTLS" in rows[3] and "(not taken)" in rows[3]
    assert "(not taken)" in rows[7] and "EHLO" in rows[7]
    read_page(table.html)


def test_a_step_that_may_be_in_ciphertext_is_not_said_to_be_missing():
    rows = step_table({name: recorded(name) for name in ("starttls_tls13", "implicit_tls13")}).text.splitlines()
    assert rows[7].endswith("(not seen)") and rows[7].count("(not seen)") == 2 and "(not taken)" not in rows[7]
    assert rows[3].startswith("3. offer") and "250-STARTTLS" in rows[3] and rows[3].endswith("(not seen)")
    assert "ClientHello" in rows[6]


def test_the_table_shows_the_dialects_that_are_named():
    table = dialect_table("smtp", "IMAP")
    assert "SMTP" in table.text and "IMAP" in table.text and "XMPP" not in table.text
    with pytest.raises(LabError, match="The lab does not speak 'gopher'"):
        dialect_table("gopher")


@pytest.mark.parametrize("name", ("ldap_clear", "postgresql_clear"))
def test_phrases_that_are_no_text_are_shown_as_text(name):
    capture = recorded(name)
    for shown in (capture.transcript().text, capture.transcript().html, repr(capture.ladder())):
        assert not any("\u2400" <= letter <= "\u241f" for letter in shown)
        assert "hunter2" in shown and "The PIN is 4921." in shown
    lines = capture.transcript().text
    assert "readable: password" in lines and "readable: user name" in lines
