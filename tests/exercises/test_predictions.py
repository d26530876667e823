import pytest
from asked import lesson
from page_checks import read_page

from labkit.errors import LabError
from labkit.exercises import Lesson, Prediction, add, keeping, predict, progress, recall
from labkit.show import choices


@pytest.fixture(autouse=True)
def asked():
    add(lesson())


def test_a_prediction_is_asked_for_with_all_its_choices():
    page = predict("mine")
    assert "(a) everything" in page.text and "(b) what comes after" in page.text and 'predict("mine", "a")' in page.text
    assert {"? mine: predict", "(a) everything"} <= set(read_page(page.html).words)


@pytest.mark.parametrize("choice", ["b", "B", " b "])
def test_a_prediction_can_be_made_in_code(choice):
    assert "you predict" in predict("mine", choice).text
    page = recall("mine")
    assert page.text.startswith("✔ mine: as you predicted") and "Everything before it is open." in page.text


def test_a_wrong_prediction_is_recalled_beside_what_is_right_and_why():
    predict("mine", "a")
    said = recall("mine").text
    assert said.startswith("✘ mine: not as you predicted")
    assert "You said (a) everything" in said and "Right is (b)" in said and "Everything before it is open." in said


def test_recalling_without_a_prediction_says_so_and_tells_what_is_right():
    said = recall("mine").text
    assert "you predicted nothing" in said and "Right is (b)" in said and "Everything before it is open." in said


def test_a_prediction_may_change_until_it_is_recalled():
    predict("mine", "a")
    predict("mine", "b")
    assert "You said (b)" in predict("mine").text
    assert recall("mine").text.startswith("✔")
    assert "decided" in predict("mine", "a").text
    assert recall("mine").text.startswith("✔")


def test_a_prediction_can_still_be_made_after_all_cells_were_run():
    recall("mine")
    assert "you predict" in predict("mine", "b").text
    assert recall("mine").text.startswith("✔")


@pytest.mark.parametrize("choice", ["c", "", 1, ["b"]], ids=repr)
def test_a_choice_that_does_not_exist_is_refused(choice):
    with pytest.raises(LabError, match="is not one of the choices a, b"):
        predict("mine", choice)


def test_a_lesson_that_does_not_exist_or_asks_nothing_is_refused():
    add(Lesson("bare", "Nothing to predict"))
    for ask in (predict, recall):
        with pytest.raises(LabError, match="did you mean 'mine'"):
            ask("mine.")
        with pytest.raises(LabError, match="asks for no prediction"):
            ask("bare")


def parts(form):
    """The buttons of the form, by what they say, and the place below them."""
    _, *buttons, reply = form.widget().children
    return {button.description: button for button in buttons}, reply


def test_the_form_keeps_what_was_clicked():
    buttons, reply = parts(predict("mine"))
    assert list(buttons) == ["(a) everything", "(b) what comes after the 220"] and not reply.value
    for button in buttons.values():
        button.click()
        assert "you predict" in reply.value and button.description in "".join(read_page(reply.value).words)
    assert "(b) what comes after" in progress().text
    assert recall("mine").text.startswith("✔")


def test_the_form_is_shown_again_with_the_choice_that_was_made():
    predict("mine", "a")
    _, reply = parts(predict("mine"))
    assert "you predict" in reply.value and "(a) everything" in reply.value


def test_a_form_that_is_clicked_after_the_answer_was_shown_changes_nothing():
    buttons, reply = parts(predict("mine"))
    predict("mine", "a")
    recall("mine")
    buttons["(b) what comes after the 220"].click()
    assert "decided" in reply.value
    assert recall("mine").text.startswith("✘")


def test_the_form_is_a_widget_where_a_kernel_runs_and_a_page_elsewhere(monkeypatch):
    assert predict("mine")._repr_mimebundle_() == {}
    monkeypatch.setattr(choices, "in_kernel", lambda: True)
    assert list(predict("mine")._repr_mimebundle_()) == ["application/vnd.jupyter.widget-view+json"]


def test_each_choice_is_answered_with_what_is_wrong_with_it():
    wrong = {"a": "Not the greeting.", "c": "Not the end."}
    choices = {"a": "all", "b": "some", "c": "none"}
    add(Lesson("mine", "Mine", Prediction("How much?", choices, right="b", because="So it is.", wrong=wrong)))
    for letter, sentence in wrong.items():
        keeping.keeper.cache_clear()
        predict("mine", letter)
        said = recall("mine").text
        assert sentence in said and "Right is (b)" in said and "So it is." in said
        assert not [other for other in wrong.values() if other != sentence and other in said]


def test_only_wrong_choices_have_something_wrong_with_them():
    for letter in ("b", "d"):
        with pytest.raises(LabError, match=f"{letter} is not one of the wrong choices"):
            Prediction("How much?", {"a": "all", "b": "some"}, right="b", because="So.", wrong={letter: "No."})
