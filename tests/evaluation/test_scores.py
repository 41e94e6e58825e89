import pytest

from keras_mirasol.evaluation import share_by

LINES = [
    {"response": "red", "answer": "red", "kind": "seen"},
    {"response": "blue", "answer": "red", "kind": "seen"},
    {"response": "bell", "answer": "bell", "kind": "heard"},
    {"response": "drum", "answer": "drum", "kind": "heard"},
]


def test_share_of_all_lines():
    assert share_by(LINES) == 0.75


def test_share_by_the_values_of_a_key():
    assert share_by(LINES, "kind") == {"heard": 1.0, "seen": 0.5}


def test_refuses_no_lines_and_a_missing_key():
    with pytest.raises(ValueError, match="at least one line"):
        share_by([])
    with pytest.raises(ValueError, match="lacks the key 'colour'"):
        share_by(LINES, "colour")
