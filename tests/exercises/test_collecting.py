"""A class table from saved progress: every file has its row, and one with a problem costs only itself."""

import csv
import io
import json
import os

import pytest
from hypothesis import given as given_that
from hypothesis import strategies as st

from labkit.__main__ import main
from labkit.errors import LabError
from labkit.exercises.collecting import collect
from labkit.exercises.record import Guess, StudentRecord, Work, _digest, read_record


def progress_of(student, *solved, **more):
    """The text of a progress file in which these exercises are solved at the first try."""
    return StudentRecord(student, {number: Work(1, True) for number in solved} | more).written()


@pytest.fixture
def files(tmp_path):
    """Write files by name, and return their paths in order."""

    def written(**contents):
        for name, content in contents.items():
            data = content if isinstance(content, bytes) else content.encode()
            (tmp_path / f"{name}.json").write_bytes(data)
        return [tmp_path / f"{name}.json" for name in contents]

    return written


def rows(table):
    return list(csv.DictReader(io.StringIO(table.csv)))


def test_a_class_is_a_row_for_each_student_in_order_of_their_names(files):
    table = collect(files(b=progress_of("bob", "00.1", "08.2"), a=progress_of("Anna", "00.1", "00.2", "00.3")))
    assert [(row["student"], row["00"], row["08"], row["solved"]) for row in rows(table)] == [
        ("Anna", "3", "0", "3"),
        ("bob", "1", "1", "2"),
    ]
    assert "Solved exercises of 2 students" in table.text and table.problems == []
    heads, of, anna, bob = (line.split() for line in table.text.splitlines()[1:])
    assert (
        heads[:2] == ["student", "00"]
        and of[:2] == ["of", "3"]
        and anna[:2] == ["Anna", "3"]
        and bob[:2] == ["bob", "1"]
    )


def test_a_student_without_a_name_is_called_by_the_file_and_a_long_name_is_cut_in_the_table_only(files):
    table = collect(files(chidi=progress_of("0123456789abcdef"), long=progress_of("x" * 90)))
    assert [row["student"] for row in rows(table)] == ["0123456789abcdef", "x" * 90]
    assert "\nchidi " in table.text and "x" * 90 not in table.text and max(map(len, table.text.splitlines())) <= 120


def test_students_whose_names_are_cut_alike_are_all_drawn(files):
    table = collect(files(a=progress_of("x" * 90), b=progress_of("x" * 91)))
    assert table.picture.html.count("xxxxx…") >= 2


def test_tries_hints_and_solutions_are_added_up(files):
    work = {"00.1": Work(3, True, 2, True), "01.1": Work(2, False, 1, False)}
    (row,) = rows(collect(files(a=StudentRecord("anna", work).written())))
    assert [row[name] for name in ("solved", "tries", "hints", "solutions")] == ["1", "5", "3", "1"]
    assert int(row["of"]) > 40


def test_exercises_of_ones_own_have_a_column(files):
    table = collect(files(a=progress_of("anna", "mine.1", "mine.2"), b=progress_of("bob", "mine.2")))
    assert [row["mine"] for row in rows(table)] == ["2", "1"]


GOOD = progress_of("bob", "00.1")
HARMED = {
    "edited": (GOOD.replace('"tried": 1', '"tried": 9'), "it was changed by something other than the lab"),
    "cut": (GOOD[:-30], "it is damaged or cut off"),
    "empty": ("", "it is damaged or cut off"),
    "binary": (b"\xff\x00\x80" * 50, "it is damaged or cut off"),
    "foreign": ('{"cells": [], "metadata": {}}', "it holds something else"),
    "list": ("[1, 2]", "it holds something else"),
    "number": ("5", "it holds something else"),
    "deep": ("[" * 100_000, "it is damaged or cut off"),
    "deep_inside": ('{"digest": "x", "a": ' + "[" * 900 + "]" * 900 + "}", "it "),
    "large": (" " * 2_000_000 + GOOD, "it is larger than any progress file"),
}


@pytest.mark.parametrize("name", HARMED)
def test_a_file_with_a_problem_is_told_in_a_sentence_and_the_table_is_made(files, name, capsys):
    content, told = HARMED[name]
    paths = files(**{name: content, "good": progress_of("anna", "00.1")})
    before = [path.read_bytes() for path in paths]
    table = collect(paths)
    (problem,) = table.problems
    assert problem.startswith(f"{paths[0]} is not counted, because ") and told in problem and problem.endswith(".")
    good, bad = rows(table)
    assert (good["student"], good["solved"], bad["student"], bad["solved"]) == ("anna", "1", "", "")
    assert bad["files"] == str(paths[0]) and bad["notes"] == problem
    assert "1 file could not be counted" in table.text
    assert main(["collect", *map(str, paths)]) == 1
    assert capsys.readouterr().err.splitlines() == [f"labkit: {problem}"]
    assert [path.read_bytes() for path in paths] == before


FORGED = [
    {"student": 5},
    {"student": ""},
    {"exercises": []},
    {"exercises": {"00.1": {"tried": "often", "solved": True, "hints": 0, "solution": False}}},
    {"exercises": {"00.1": {"tried": -1, "solved": True, "hints": 0, "solution": False}}},
    {"exercises": {"00.1": {"tried": 10**400, "solved": True, "hints": 0, "solution": False}}},
    {"exercises": {"00.1": {"tried": 1, "solved": "yes", "hints": 0, "solution": False}}},
    {"exercises": {"00.1": {"tried": 1}}},
    {"exercises": {"00.1": 7}},
    {"predictions": {"00": {"choice": 5, "recalled": False}}},
    {"predictions": {"00": {"choice": "a", "recalled": 1}}},
    {"predictions": None},
]


@pytest.mark.parametrize("change", FORGED, ids=str)
def test_values_that_the_lab_never_writes_are_not_counted_whatever_the_digest_says(files, change):
    content = {"student": "eve", "exercises": {}, "predictions": {}} | change
    table = collect(files(eve=json.dumps(content | {"digest": _digest(content)})))
    assert "another version of the lab" in table.problems[0]


def test_two_files_of_one_student_are_one_row_and_that_is_told(files):
    paths = files(a=progress_of("anna", "00.1"), copy=progress_of("anna", "00.1"), later=progress_of("anna", "00.2"))
    table = collect([*paths, paths[0]])
    assert [(row["student"], row["solved"]) for row in rows(table)] == [("anna", "2")]
    copy, later, again = table.problems
    assert copy == f"{paths[1]} holds the same as {paths[0]}: it is counted once."
    assert later == f"{paths[2]} is of the same student as {paths[0]}: of each exercise, the best is counted."
    assert again.startswith(str(paths[0]))


def test_files_that_are_not_there_or_are_no_files_are_told_and_nothing_hangs(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    paths = [tmp_path, tmp_path / "gone.json", tmp_path / "pipe"]
    told = collect(paths).problems
    assert ["it is a folder" in told[0], *("there is no such file" in each for each in told[1:])] == [True] * 3
    assert main(["collect", *map(str, paths)]) == 2
    with pytest.raises(LabError, match="nothing to collect"):
        collect([])


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\tx", 'a,b"c\r\nd', "Zoë 🦊", "\u202eevil", "\ud800"]
)
def test_a_name_is_text_in_a_spreadsheet_whatever_is_in_it(files, name):
    (row,) = rows(collect(files(a=progress_of(name, "00.1"))))
    assert row["student"] and not row["student"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert row["solved"] == "1" and row["student"].isprintable()


def test_the_table_is_written_and_drawn(files, tmp_path, capsys):
    paths = files(a=progress_of("anna", "00.1"), b="not a record")
    sheet, drawn = tmp_path / "class.csv", tmp_path / "class.png"
    assert main(["collect", *map(str, paths), "--csv", str(sheet), "--picture", str(drawn)]) == 1
    assert sheet.read_bytes() == collect(paths).csv.encode() and drawn.read_bytes().startswith(b"\x89PNG")
    assert main(["collect", str(paths[0]), "--csv", str(tmp_path)]) == 2
    assert main(["collect", str(paths[0]), "--picture", str(tmp_path / "class.bmp")]) == 2
    assert main(["collect", str(paths[1]), "--picture", str(tmp_path / "none.svg")]) == 2
    told = capsys.readouterr().err
    assert "cannot be written" in told and "end the name with .svg" in told and "Traceback" not in told


def test_the_picture_has_the_table_in_words(files):
    picture = collect(files(a=progress_of("anna", "00.1"))).picture
    assert "anna" in picture.words and "1 student" in picture.label and 'role="img"' in picture.html


def test_a_file_that_could_not_be_counted_has_its_row_in_the_picture(files):
    table = collect(files(a=progress_of("anna", "00.1"), cut=GOOD[:-30]))
    svg = table.picture.html.partition("</svg>")[0]
    assert ">cut<" in svg and svg.count(">?<") == len(table.exercises)


@given_that(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_a_file_holds_is_a_record_or_a_sentence(data):
    try:
        read_record(data)
    except ValueError as error:
        assert str(error).startswith("it ")


WORKS = st.builds(Work, st.integers(0, 99), st.booleans(), st.integers(0, 9), st.booleans())
GUESSES = st.builds(Guess, st.none() | st.sampled_from("abcd"), st.booleans())


@given_that(st.text(min_size=1), st.dictionaries(st.text(), WORKS), st.dictionaries(st.text(), GUESSES))
def test_what_the_lab_writes_it_reads(student, exercises, predictions):
    record = StudentRecord(student, exercises, predictions)
    assert read_record(record.written().encode()) == record
