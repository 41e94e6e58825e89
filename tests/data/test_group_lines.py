import pytest

from keras_mirasol.data import group_lines

pytestmark = pytest.mark.any_backend


def line(media, **span):
    return {"media": media, "prompt": "?", "response": "!", **span}


def test_lines_of_one_span_are_together_in_order():
    lines = [
        line("a", end=2),
        line("b"),
        line("a", start=1, end=2),
        line("a", end=2, kind="seen"),
        line("a"),
    ]
    groups = group_lines(lines)
    assert [list(group) for group in groups] == [[0, 3], [1], [2], [4]]
    assert groups[0][3] is lines[3]


def test_no_start_is_a_start_at_zero():
    lines = [line("a"), line("a", start=0), line("a", start=0.0)]
    assert list(map(list, group_lines(lines))) == [[0, 1, 2]]


def test_separate_files_are_another_clip_than_one_of_both():
    lines = [
        {"video": "a", "audio": "b"},
        {"media": "a"},
        {"video": "a"},
        {"audio": "b", "video": "a"},
    ]
    assert list(map(list, group_lines(lines))) == [[0, 3], [1], [2]]


def test_numbers_of_lines_are_kept():
    assert group_lines({7: line("a"), 9: line("a")}) == [
        {7: line("a"), 9: line("a")}
    ]


def test_no_lines_are_no_clips():
    assert group_lines([]) == []
