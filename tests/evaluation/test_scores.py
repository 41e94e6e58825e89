import pytest

from keras_mirasol.evaluation import share_by

pytestmark = pytest.mark.any_backend

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


def test_groups_of_values_that_have_no_order():
    lines = [
        {"response": "a", "answer": "a", "kind": kind}
        for kind in ("seen", None, 2, "heard", 10)
    ]
    shares = share_by(lines, "kind")
    assert list(shares) == [None, 2, 10, "heard", "seen"]
