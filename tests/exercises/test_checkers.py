import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.exercises import choice, contains, equals, function, members, number, sequence, text, word
from labkit.exercises.checkers import same, shown


def cases(checker, answers):
    return [pytest.param(checker, answer, told, id=f"{told or 'right'}") for answer, told in answers.items()]


EQUALS = equals("250-STARTTLS", {"STARTTLS": "That is what the client sends."}, otherwise="Look at the reply.")
BYTES = equals(b"STARTTLS\r\n")
NUMBER = number(587, mistakes={25: "25 is between servers."}, otherwise="Look at the stage.")
WORD = word("server", "mail", mistakes={"client": "The client asks."}, otherwise="Who replies?")
LETTER = choice("b", {"a": "Not all of it.", "c": "Not nothing."})
SET = members({"EHLO", "MAIL", "RCPT"}, missing={"RCPT": "Who gets it?"}, extra={"TCP": "TCP is no command."})
ORDER = sequence(["220", "EHLO", "STARTTLS"], {"STARTTLS": "It must be offered before."})
PASSWORD = text("Hunter2", {"alice": "That is the user name."}, otherwise="Decode the line.")
TEXT = contains("250-", "STARTTLS", without={"AUTH": "It offers no AUTH before TLS."})
FUNCTION = function({b"\x16": 22, b"\x17": 23}, mistakes={0x1600: "That is the wrong byte order."})

TOLD = [
    *cases(
        PASSWORD,
        {
            "Hunter2": "",
            b"Hunter2\n": "",
            " Hunter2 ": "",
            "hunter2": "upper and lower case",
            b"alice": "That is the user name.",
            "swordfish": "It is not 'swordfish'. Decode the line.",
            7: "text in quotes",
        },
    ),
    *cases(members(("STARTTLS", "LOGINDISABLED")), {("starttls", b"LOGINDISABLED\r\n"): "", ("STARTTLS",): "missing"}),
    *cases(
        EQUALS,
        {
            "250-STARTTLS": "",
            "STARTTLS": "That is what the client sends.",
            "250-starttls": "upper and lower case",
            " 250-STARTTLS\r\n": "spaces or line ends",
            b"250-STARTTLS": "The value is right, but the answer is text",
            b"250": "The answer is text",
            250: 'The answer is text, "like this", and yours is 250.',
            "250 STARTTLS": "It is not '250 STARTTLS'. Look at the reply.",
        },
    ),
    *cases(BYTES, {b"STARTTLS\r\n": "", "STARTTLS\r\n": "answer is bytes", b"STARTTLS": "line ends"}),
    *cases(equals((2, 8)), {(2, 8): "", (8, 2): "It is not (8, 2)."}),
    *cases(equals(True), {True: "", "True": "The answer is True or False"}),
    *cases(equals(1), {1: "", 2: "It is not 2."}),
    *cases(
        NUMBER,
        {
            587: "",
            25: "25 is between servers.",
            588: "588 is too high. Look at the stage.",
            -1: "-1 is too low.",
            "587": "write it without the quotes",
            "many": "The answer is a number, and yours is 'many'.",
            float("nan"): "is a number, and yours is nan",
            1j: "is a number",
        },
    ),
    *cases(number(3.2, tolerance=0.1), {3.3: "", 3.11: "", 3.4: "too high", 3: "too low"}),
    *cases(
        WORD,
        {
            "server": "",
            " Server. ": "",
            "MAIL": "",
            "Client": "The client asks.",
            "mallory": "It is not 'mallory'. Who replies?",
            b"server": "",
            4: "text in quotes",
            len: "text in quotes",
        },
    ),
    *cases(
        LETTER, {"b": "", " B": "", "a": "Not all of it.", "C": "Not nothing.", "d": 'one of "a", "b", "c"', 2: "2"}
    ),
    *cases(
        SET,
        {
            ("MAIL", "EHLO", "RCPT"): "",
            frozenset({"MAIL", "EHLO", "RCPT"}): "",
            ("EHLO", "MAIL"): "but one is missing. Who gets it?",
            ("RCPT",): "2 are missing",
            (): "3 are missing",
            ("EHLO", "TCP"): "'TCP' does not belong there. TCP is no command.",
            ("HELO",): "'HELO' does not belong there.",
            "EHLO": "several things",
            3: "several things",
        },
    ),
    *cases(
        ORDER,
        {
            ("220", "EHLO", "STARTTLS"): "",
            ("220", "STARTTLS", "EHLO"): "It is right up to '220'. At place 2 it is not 'STARTTLS'. It must be offered",
            ("EHLO",): "At place 1 it is not 'EHLO'.",
            ("220",): "So far it is right, but 2 are missing at the end.",
            ("220", "EHLO", "STARTTLS", "220"): "then it should end",
            frozenset({"220"}): "The order matters",
            "220": "The order matters",
        },
    ),
    *cases(
        TEXT,
        {
            "250-mail 250-STARTTLS": "",
            "250-mail": "There is no 'STARTTLS' in '250-mail'.",
            "250-AUTH": "'AUTH' is in it. It offers no AUTH before TLS.",
            b"250-": "The answer is text",
        },
    ),
    *cases(
        FUNCTION,
        {
            (lambda data: data[0]): "",
            (lambda data: 22): "On b'\\x17' it returns 22, but it should be 23.",
            (lambda data: str(data[0])): "it returns '22', but it should be 22. The answer is a number",
            (lambda data: data[0] << 8): "wrong byte order",
            (lambda data: None): "returns nothing",
            (lambda data: data[7]): "stops with IndexError: index out of range",
            (lambda: 1): "stops with TypeError",
            22: "The answer is a function",
        },
    ),
]


@pytest.mark.parametrize(("checker", "answer", "told"), TOLD)
def test_an_answer_is_told_what_is_right_or_wrong_with_it(checker, answer, told):
    said = checker(answer)
    assert (told in said) if told else said == ""


def test_a_collection_without_end_is_looked_at_only_as_far_as_it_must_be():
    assert "0 does not belong there" in SET(range(10**15))
    assert "At place 1 it is not 0" in ORDER(range(10**15))
    assert "The first 3 are right" in sequence([0, 1, 2])(range(10**15))


def test_a_number_that_is_wrong_is_not_said_to_be_no_number():
    assert FUNCTION(lambda data: data[0] + 0.5) == "On b'\\x16' it returns 22.5, but it should be 22."
    assert shown(int) == "a class"


def test_true_is_not_the_number_one():
    assert equals(1)(True) and equals(True)(1) and number(1)(True)


def test_values_in_the_other_kind_of_brackets_are_told_so():
    assert equals((2, 8))([2, 8]).startswith("The values are right, but the answer is a tuple")


def test_what_is_expected_can_depend_on_what_the_answer_is_about():
    for checker, right in [
        (equals(len), 2),
        (number(len), 2),
        (members(list), ["a", "b"]),
        (sequence(list), ("a", "b")),
    ]:
        assert checker(right, "ab") == ""
        assert checker(right, "abc") != ""


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(...),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
)


@given(ANYTHING)
def test_any_plain_answer_to_any_checker_is_right_or_told_in_a_sentence(answer):
    for checker in (EQUALS, BYTES, NUMBER, WORD, PASSWORD, LETTER, SET, ORDER, TEXT, FUNCTION):
        said = checker(answer)
        assert isinstance(said, str) and len(said) < 400


@given(ANYTHING)
def test_an_answer_is_named_in_few_characters(answer):
    assert 0 < len(shown(answer)) <= 60


@given(ANYTHING, ANYTHING)
def test_comparing_answers_gives_a_plain_yes_or_no(one, other):
    assert same(one, other) in (True, False)
