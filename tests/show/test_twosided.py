"""Both sides of an attack, aligned: what is marked as different is what the attacker did."""

from dataclasses import replace

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from page_checks import read_page

from labkit import Lab, attacks, policies, recorded
from labkit.errors import LabError
from labkit.show.twosided import CHANGED, KEPT, MADE_UP, OTHERWISE, OWN, SAME, TwoSided


def _sides(vector, policy, **server):
    with Lab() as lab:
        mail = lab.smtp(**server)
        with lab.mallory(vector) as mallory:
            lab.send(mail, "The PIN is 4921", login=("alice", "hunter2"), policy=policy)
        return mallory.sides


def _found(sides):
    return [(row.what, row.sender, (row.left or row.right).title) for row in sides.differences]


def test_a_line_that_was_removed_is_the_only_difference():
    sides = _sides(attacks.StripCapability(), policies.opportunistic, auth="always")
    assert _found(sides) == [(CHANGED, "server", "250")]
    assert "<mark>250-STARTTLS</mark>" in sides.html
    assert "≠ changed by mallory" in sides.text
    read_page(sides.html)


def test_a_refusal_that_the_server_did_not_give_was_made_up_and_the_question_kept_back():
    sides = _sides(attacks.RefuseUpgrade(), policies.opportunistic, auth="always")
    assert _found(sides) == [(KEPT, "client", "STARTTLS"), (MADE_UP, "server", "502")]
    assert "(nothing)" in sides.text


def test_an_attacker_who_only_reads_changes_nothing():
    assert not _sides(attacks.Vector(), policies.opportunistic, auth="always").differences
    sealed = _sides(attacks.Vector(), policies.verified)
    assert {row.what for row in sealed.rows} == {SAME}


def test_two_tls_sessions_carry_the_same_words():
    sides = _sides(attacks.SelfSigned(), policies.mandatory)
    assert not sides.differences
    assert OWN in {row.what for row in sides.rows if row.left and row.left.title == "Certificate"}
    assert SAME in {row.what for row in sides.rows if row.left and row.left.title == "AUTH"}
    read_page(sides.ladder().html)


def test_the_ladder_has_the_attacker_in_the_middle_and_is_told_in_words():
    picture = _sides(attacks.StripCapability(), policies.opportunistic).ladder()
    assert "mallory in the middle: 1 differences" in picture.label
    assert "what alice sees" in picture.text and "what mail sees" in picture.text
    read_page(picture.html)


@pytest.mark.parametrize("vector", [attacks.CommandInjection, attacks.SelfSigned, attacks.RefuseUpgrade])
def test_no_label_runs_into_a_lock_and_no_mark_into_an_arrow(vector):
    figure = _sides(vector(), policies.mandatory, auth="always", quirks=("keeps the buffer",)).ladder().figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    drawn = figure.axes[0].patches[len(("alice", "mallory", "mail")) :]
    extents = [(patch.zorder == 5, patch.get_window_extent(renderer)) for patch in drawn]
    marks = [extent for is_mark, extent in extents if is_mark]
    labels = [text.get_window_extent(renderer).padded(-0.5) for text in figure.axes[0].texts]
    shapes = [extent for is_mark, extent in extents if not is_mark]
    assert marks and not any(one.overlaps(shape) for one in (*marks, *labels) for shape in shapes)


def test_without_a_visitor_there_are_no_sides():
    with Lab() as lab:
        lab.smtp()
        with lab.mallory(attacks.StripCapability()) as mallory:
            pass
        with pytest.raises(LabError, match="no victim came by"):
            mallory.sides  # noqa: B018 (reading it is the test)


def test_a_hello_that_was_rewritten_in_one_session_is_a_change():
    with Lab() as lab:
        mail = lab.smtp()
        with lab.mallory(attacks.RewrittenHello()) as mallory:
            assert not lab.send(mail, "The PIN is 4921", policy=policies.verified)
    assert _found(mallory.sides)[0] == (CHANGED, "client", "ClientHello")
    assert "was 04 and is 03" in repr(mallory.edits)
    assert "Alert: illegal_parameter" in mallory.sides.text
    assert mallory.server_side.dialogue.session.version == "TLS 1.2"


def test_what_is_stolen_inside_one_session_was_not_changed_on_the_way():
    with Lab() as lab:
        mail = lab.smtp(quirks=("keeps the buffer",))
        with lab.mallory(attacks.StealByInjection()) as mallory:
            lab.send(mail, "The PIN is 4921", login=("alice", "hunter2"), policy=policies.verified)
    assert all(not (row.left or row.right).encrypted for row in mallory.sides.differences)


def test_what_crossed_as_the_same_ciphertext_is_at_most_read_otherwise():
    whole = recorded("starttls_tls13").decrypted().dialogue
    less = replace(whole, events=tuple(event for event in whole.events if event.title != "AUTH"))
    sides = TwoSided(whole, less)
    assert [row.left.title for row in sides.rows if row.what == OTHERWISE] == ["AUTH"]
    assert not sides.differences and "same bytes, read otherwise" in sides.text
