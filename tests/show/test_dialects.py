"""The dialects beside each other: the table is the dialects' own data, the steps are those of live sessions."""

from page_checks import read_page

from labkit import Lab, dialect_table, policies, recorded, step_table
from labkit.dialects import ALL


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
