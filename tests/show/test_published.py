"""Pictures of published figures: what is drawn is what was published, and the numbers stand below."""

import pytest
from page_checks import read_page, svg_of

from labkit import published, surveys
from labkit.errors import LabError
from labkit.surveys import LOWER, PRIMARY, SECONDARY, PublishedFigure

DRAWN = ("stripping_by_country", "gmail_in_transit", "dane_domains", "mta_sts_adoption")


def row(**changes):
    known = {"key": "one", "of": "all", "date": "2020", "value": 10.0, "bound": "as given", "unit": "%"}
    known |= {"counted": "domains", "population": "a million", "grade": PRIMARY, "citation": "Ada", "read_in": "hers"}
    return PublishedFigure(**{**known, **changes})


def chart(*rows):
    from labkit.show.published import Published

    return Published("mine", rows).picture()


def lines_of(picture):
    """The lines in the drawing that lead from one mark to another: (number of points, dashes)."""
    axes = picture.figure.axes[0]
    return [line for line in axes.lines if line.get_marker() == "None" and line.get_linewidth() == 1.2]


def marks_of(picture):
    return [line for line in picture.figure.axes[0].lines if line.get_marker() != "None"]


@pytest.mark.parametrize("name", DRAWN)
def test_every_number_of_a_picture_stands_in_a_table_below_and_in_its_words(name):
    picture = published(name).picture()
    page = read_page(picture.html)
    for one in surveys.survey(name):
        assert one.said in page.words and one.said in picture.text
        assert f"{one.citation} ({one.grade})" in " ".join(page.words)
    assert svg_of(picture.html).get("aria-label") and "table" in page.tags


@pytest.mark.parametrize("name", DRAWN)
def test_a_survey_is_also_a_table_with_what_was_counted_and_where_it_was_read(name):
    page = read_page(published(name).html)
    for one in surveys.survey(name):
        assert {one.counted, one.population, one.read_in} <= set(page.words)


@pytest.mark.parametrize("bound", LOWER)
def test_a_lower_bound_is_drawn_without_an_end(bound):
    known = [row(key="a", of="known"), row(key="b", of="more", bound=bound)]
    ends = [line for line in chart(*known).figure.axes[0].lines if len(set(line.get_xdata())) == 1]
    heads = [line for line in chart(*known).figure.axes[0].lines if len(line.get_xdata()) == 3]
    assert len(ends) == 2, "the axis, and the end of the one bar that has an end"
    assert len(heads) == 1, "the other has the head of an arrow"
    assert f"{bound} 10 %" in chart(*known).text
    later = [known[1]._replace(date="2019"), known[1]]
    heads = [line for line in chart(*later).figure.axes[0].lines if len(line.get_xdata()) == 3]
    assert len(heads) == 2, "and over time with an arrow upwards"


def test_only_like_is_joined_with_like():
    first = row()
    later = first._replace(key="later", date="2022", value=20.0)
    assert len(lines_of(chart(first, later))) == 1
    for other in ({"population": "ten thousand"}, {"citation": "Bela"}, {"counted": "servers"}, {"of": "some"}):
        picture = chart(first, later._replace(**other))
        assert lines_of(picture) == []
        assert len({mark.get_marker() for mark in marks_of(picture)}) == 2, "and they have marks of their own"


def test_what_was_quoted_is_hollow_and_what_its_authors_wrote_is_filled():
    read = [row(grade=PRIMARY), row(key="b", date="2022", grade=SECONDARY)]
    faces = {mark.get_markerfacecolor() == mark.get_markeredgecolor() for mark in marks_of(chart(*read))}
    assert faces == {True, False}
    pictures = (chart(row(), row(key="b", date="2022", grade=each)) for each in (PRIMARY, SECONDARY))
    said = [one.figure.axes[0].texts[-1].get_text() for one in pictures]
    assert ["Hollow" in legend for legend in said] == [False, True]
    assert "quoted" in chart(row(), row(key="c", date="2021", citation="Bela", grade=SECONDARY)).text


def test_three_populations_of_mta_sts_are_never_one_line():
    picture = published("mta_sts_adoption").picture()
    assert len({mark.get_marker() for mark in marks_of(picture)}) == 3
    assert len(lines_of(picture)) == 2, "between the three figures of the top million"
    assert "about 68,000" in picture.text


def test_labels_do_not_lie_on_each_other():
    for name in DRAWN:
        figure = published(name).picture().figure
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
        touching = [(a, b) for n, a in enumerate(boxes) for b in boxes[n + 1 :] if a.overlaps(b)]
        assert not touching, name


def test_two_figures_of_one_moment_thirty_years_and_a_few_domains_are_drawn_too():
    for values in ((10.0, 12.0), (1.0, 2.0)):
        same = [row(value=values[0]), row(key="b", value=values[1]), row(key="c", date="1990")]
        assert len(chart(*same).figure.axes[0].lines) > 4
    few = chart(row(unit="domains"), row(key="b", date="2021", unit="domains", value=900.0))
    assert "1,000" in [text.get_text() for text in few.figure.axes[0].texts]


def test_what_cannot_be_compared_is_not_drawn():
    with pytest.raises(LabError, match=r"single_figures holds \d+ different measures"):
        published("single_figures").picture()


def test_a_figure_is_found_by_its_key_and_an_unknown_key_leads_to_the_known_ones():
    survey = published("stripping_by_country.csv")
    assert survey["TN"].said == "96.1 %" and survey[0].of == "Tunisia" and len(survey) == len([*survey]) == 7
    with pytest.raises(LabError, match="no figure 'XX': there are TN, IQ"):
        survey["XX"]


@pytest.mark.parametrize("value", (0.0, 0.004, 1.0, 99.9, 100.0))
def test_any_share_has_room_on_its_scale(value):
    picture = chart(row(value=value), row(key="later", date="2021", value=value / 2))
    within = [mark for mark in marks_of(picture) if 30 < float(mark.get_ydata()[0]) < 290]
    assert len(within) == 2 and f"{value:g} %" in picture.text
