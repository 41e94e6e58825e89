import keras
import numpy as np
import pytest

from keras_mirasol.models.allowed_tokens import allowed_tokens

# Three choices of tokens 1, 2, 3, ended and filled up by 0.
CHOICES = [[1, 2, 0], [1, 3, 0], [2, 0, 0]]
# A prompt of two tokens, 4 and 4, and one of three.
PROMPTS = [[4, 4], [4, 4, 4]]


def allowed(answers, index, choices=(CHOICES, CHOICES)):
    """Sets of tokens that may stand at `index`, by text."""
    texts = np.full((2, 8), 4, "int32")
    for text, prompt, answer in zip(texts, PROMPTS, answers, strict=True):
        text[len(prompt) : len(prompt) + len(answer)] = answer
    mask = allowed_tokens(
        keras.ops.convert_to_tensor(texts),
        keras.ops.convert_to_tensor([2, 3]),
        keras.ops.convert_to_tensor(np.array(choices, "int32")),
        index,
        5,
    )
    rows = keras.ops.convert_to_numpy(mask)
    return [set(np.flatnonzero(row).tolist()) for row in rows]


ANYTHING = {0, 1, 2, 3, 4}


def test_an_answer_begins_as_some_choice_and_prompts_are_left_alone():
    assert allowed([[], []], 2) == [{1, 2}, ANYTHING]


@pytest.mark.parametrize(
    "answers, index, expected",
    [
        ([[1], []], 3, [{2, 3}, {1, 2}]),
        ([[2], []], 3, [{0}, {1, 2}]),
        ([[1, 3], [1]], 4, [{0}, {2, 3}]),
        ([[1, 3, 0], [2, 0]], 5, [{0}, {0}]),
    ],
)
def test_it_goes_on_as_the_choices_that_begin_with_it(answers, index, expected):
    assert allowed(answers, index) == expected


def test_after_its_last_token_nothing_comes_but_the_end():
    assert allowed([[1, 3, 0, 0, 0], [2, 0, 0, 0]], 7) == [{0}, {0}]


def test_each_text_has_choices_of_its_own():
    choices = [[[1, 0], [1, 0]], [[3, 0], [2, 0]]]
    assert allowed([[1], []], 3, choices) == [{0}, {2, 3}]
