"""A table of words, and the block events of a provider, whatever they hold."""

from datetime import UTC, datetime

from page_checks import read_page

from labkit.servers.provider import BlockEvent
from labkit.show.blocks import Blocks
from labkit.show.table import table

HOSTILE = '<script>"x"\x1b[31m\u202e&'


def test_a_table_shows_anything_as_words():
    page = table(HOSTILE, ("a", HOSTILE), [("1", HOSTILE)])
    assert "\x1b" not in page.text and "\u202e" not in page.text
    assert HOSTILE.startswith("<script>") and "<script>" in " ".join(read_page(page.html).words)


def test_a_narrow_table_is_aligned_and_a_wide_one_is_a_block_for_each_row():
    assert table("c", ("a", "bb"), [("1", "2"), ("111", "")]).text == "c\na    bb\n1    2\n111"
    assert table("c", ("a", "b"), [("1", "x" * 200)]).text == f"c\na 1\n  b: {'x' * 200}"


def test_block_events_are_a_list_that_shows_itself():
    blocks = Blocks()
    assert "dropped no message" in repr(blocks) and "dropped no message" in blocks._repr_html_()
    blocks.append(BlockEvent("bob@lab.test", f"no TLS {HOSTILE}", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)))
    assert "03:04:05    bob@lab.test  no TLS" in repr(blocks)
    page = read_page(blocks._repr_html_())
    assert {"time (UTC)", "recipient", "reason", "bob@lab.test"} <= set(page.words)
