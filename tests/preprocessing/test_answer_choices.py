import numpy as np
import pytest

from keras_mirasol.preprocessing.answer_choices import choice_rows

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize(
    "prompts", ["a?", ["a?", "b?"], [["a?", "b?"], ["c?", "d?"]]]
)
@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_one_list_is_for_all_prompts(prompts, kind):
    rows, is_there = choice_rows(kind(["yes", "no"]), prompts)
    assert rows.tolist() == [["yes", "no"]]
    assert is_there.all()


def test_a_list_for_each_prompt_clip_by_clip():
    choices = [[["a", "b"], ["c", "d"]], [["e", "f"], ["g", "h"]]]
    rows, _ = choice_rows(choices, [["1?", "2?"], ["3?", "4?"]])
    assert rows.tolist() == [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]]


def test_shorter_lists_are_filled_up_with_what_is_not_there():
    rows, is_there = choice_rows([["a"], ["b", "c", "d"]], ["1?", "2?"])
    assert rows.tolist() == [["a", "a", "a"], ["b", "c", "d"]]
    assert is_there.tolist() == [[True, False, False], [True, True, True]]


@pytest.mark.parametrize(
    "choices, prompts",
    [
        ("yes", "a?"),
        ([], "a?"),
        ([["yes"]], "a?"),
        (["yes", ""], "a?"),
        (["yes", 3], "a?"),
        (None, ["a?", "b?"]),
        ([["yes"]], ["a?", "b?"]),
        ([["yes"], []], ["a?", "b?"]),
        ([["yes"], "no"], ["a?", "b?"]),
        ([["yes"], ["no"]], [["a?", "b?"], ["c?", "d?"]]),
    ],
)
def test_choices_that_do_not_fit_the_prompts(choices, prompts):
    with pytest.raises(ValueError, match="`choices` must be a list of strings"):
        choice_rows(choices, prompts)
