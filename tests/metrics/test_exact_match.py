import pytest

from keras_mirasol.metrics import exact_match


def test_case_counts_and_outer_space_does_not():
    responses = ["a bell", "red", "red", ""]
    answers = [" a bell\n", "Red", "reds", ""]
    assert exact_match(responses, answers) == [True, False, False, True]


def test_refuses_answers_that_are_not_one_a_response():
    with pytest.raises(ValueError, match="2 responses and 1 answers"):
        exact_match(["red", "blue"], ["red"])
