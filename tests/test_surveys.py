"""The tables of published figures: what is in them, and what is said of one with a mistake in it."""

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import published, surveys
from labkit.errors import LabError
from labkit.exercises.lessons import lesson_14
from labkit.surveys import SECONDARY, PublishedFigure

HEADS = ",".join(PublishedFigure._fields)
ROW = "TN,Tunisia,2015,96.1,as given,%,messages,mail to Gmail,secondary,IMC 2015,a magazine"
ROOT = Path(__file__).parent.parent
README = (ROOT / "data" / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def written(tmp_path):
    def write(*lines):
        path = tmp_path / "mine.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", surveys.names())
def test_every_survey_of_the_lab_can_be_read_and_is_a_row_of_the_readme(name):
    found = surveys.survey(name)
    assert found and f"| `{name}.csv` |" in README
    assert all(len(one.counted) > 5 and len(one.citation) > 5 for one in found)


def test_every_table_of_figures_in_the_folder_is_known():
    assert surveys.names() == sorted(path.stem for path in (ROOT / "data").glob("*.csv"))


def test_a_figure_says_its_bound_its_unit_and_its_moment(written):
    (one,) = surveys.read(written(HEADS, ROW))
    assert (one.said, one.number, one.when) == ("96.1 %", "96.1 %", 2015.5)
    bound = one._replace(value=20.0, bound="more than", date="2015-10")
    assert bound.said == "more than 20 %" and bound.when == pytest.approx(2015.79, abs=0.01)
    assert one._replace(value=2303613.0, unit="domains").said == "2,303,613"


WITH_A_MISTAKE = {
    "a value is missing": (ROW.replace("96.1", ""), "mine.csv, row 2, column value: a value is missing"),
    "a citation is missing": (ROW.replace("IMC 2015", " "), "mine.csv, row 2, column citation: a value is missing"),
    "a row is too short": (ROW.rpartition(",")[0], "mine.csv, row 2, column read_in: a value is missing"),
    "a row is too long": (ROW + ",more", "mine.csv, row 2: there are more values than columns"),
    "a word for a number": (ROW.replace("96.1", "many"), "mine.csv, row 2, column value: expected a number"),
    "a comma in a number": (ROW.replace("96.1", '"96,1"'), "row 2, column value: .* not '96,1'"),
    "a negative number": (ROW.replace("96.1", "-1"), "row 2, column value: .* not '-1'"),
    "no number at all": (ROW.replace("96.1", "nan"), "row 2, column value: .* not 'nan'"),
    "digits of another script": (ROW.replace("96.1", "٩٦"), "row 2, column value: expected a number"),
    "an endless number": (ROW.replace("96.1", "9" * 400), "row 2, column value: expected a number"),
    "more than all": (ROW.replace("96.1", "961"), "row 2, column value: expected a share of 0 to 100 %, not '961'"),
    "a month that is none": (ROW.replace("2015,9", "2015-13,9"), "row 2, column date: expected a year"),
    "a strange bound": (ROW.replace("as given", "roughly"), "row 2, column bound: expected one of as given, about"),
    "a strange grade": (ROW.replace("secondary", "hearsay"), "row 2, column grade: expected one of primary"),
    "the same key again": (ROW.replace("TN", "first"), "row 2, column key: 'first' is the key of an earlier row"),
    "a quote that never ends": (ROW.replace("TN", '"TN'), "mine.csv, behind line 2, is not CSV"),
}


@pytest.mark.parametrize("kind", WITH_A_MISTAKE)
def test_a_mistake_is_told_with_the_file_the_row_and_the_column(kind, written):
    line, said = WITH_A_MISTAKE[kind]
    with pytest.raises(LabError, match=said) as told:
        surveys.read(written(HEADS, ROW.replace("TN", "first"), line))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("column", PublishedFigure._fields)
def test_a_missing_column_is_named(column, written):
    heads = [name for name in PublishedFigure._fields if name != column]
    with pytest.raises(LabError, match=f"mine.csv has no column '{column}': its heads are key, of, date"):
        surveys.read(written(",".join(heads), ROW.rpartition(",")[0]))


def test_what_is_no_table_is_told_in_a_sentence(written, tmp_path):
    for lines, said in (((HEADS,), "no rows"), (("",), "no column 'key'"), ((HEADS + ",key", ROW), "column 'key' too")):
        with pytest.raises(LabError, match=said):
            surveys.read(written(*lines))
    (tmp_path / "binary.csv").write_bytes(b"key\xff")
    for name, said in (("binary.csv", "not UTF-8"), ("gone.csv", "cannot be read: No such file"), (".", "cannot be")):
        with pytest.raises(LabError, match=said):
            surveys.read(tmp_path / name)
    with pytest.raises(LabError, match=r"no survey 'rumours': there are dane_domains, .*stripping_by_country"):
        surveys.survey("rumours")


def test_the_order_of_the_columns_does_not_matter_and_a_byte_order_mark_neither(written):
    heads, row = ([*reversed(line.split(","))] for line in (HEADS, ROW))
    assert surveys.read(written("\ufeff" + ",".join(heads), ",".join(row))) == surveys.read(written(HEADS, ROW))


@given(st.lists(st.lists(st.text(max_size=8), max_size=13), max_size=4))
def test_any_table_is_read_or_refused_with_a_sentence(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("any") / "mine.csv"
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        csv.writer(file).writerows([PublishedFigure._fields, *rows])
    try:
        assert all(isinstance(one, PublishedFigure) for one in surveys.read(path))
    except LabError as error:
        assert str(error).startswith("mine.csv")


# ---- the lessons state no figure that is not in the tables

LESSON = (ROOT / "notebooks" / "14_in_the_wild.ipynb").read_text(encoding="utf-8")
_FIGURE = re.compile(r"(\d[\d,.]*\d|\d) ?(%|percent|domains|days|operators|servers)")


def _known():
    return {one.number.removesuffix(" %") for name in surveys.names() for one in surveys.survey(name)}


def test_no_figure_of_the_lesson_is_missing_from_the_tables():
    found = {number.replace("\u202f", "") for number, _ in _FIGURE.findall(LESSON)}
    assert {"96.1", "28.6", "29.6", "68,000", "44"} <= found, "the search finds figures"
    assert found - _known() == set()


def test_no_figure_of_its_exercises_is_missing_either():
    asked, carried = lesson_14.LESSON.prediction, lesson_14._CARRIED
    words = [*carried, *carried.values(), asked.question, asked.because]
    found = {number for text in words for number, _ in _FIGURE.findall(text)}
    assert {"96.1", "61"} <= found and found - _known() == set()


def test_what_was_only_quoted_is_marked_so_wherever_the_lesson_shows_it():
    for name in re.findall(r'published\(\\"(\w+)\\"\)', LESSON):
        picture = published(name).picture()
        for one in picture.rows:
            assert f"{one.citation} ({one.grade})".replace("&", "&amp;") in picture.html
        assert ("quoted" in picture.text) == any(one.grade == SECONDARY for one in picture.rows)
