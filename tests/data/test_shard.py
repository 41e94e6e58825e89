import pytest

from keras_mirasol.data.shard import part_of

pytestmark = pytest.mark.any_backend


def test_the_whole_is_one_part():
    assert part_of(7, None) == part_of(7, (0, 1)) == (0, 7)


def test_parts_follow_each_other_and_differ_by_one_at_most():
    assert [part_of(7, (index, 3)) for index in range(3)] == [
        (0, 2),
        (2, 4),
        (4, 7),
    ]
    assert [part_of(3, (index, 3)) for index in range(3)] == [
        (0, 1),
        (1, 2),
        (2, 3),
    ]


@pytest.mark.parametrize(
    "shard", [(1, 1), (-1, 2), (0, 0), (0.5, 2), 1, "01", (0, 1, 2)]
)
def test_what_is_no_part(shard):
    with pytest.raises(ValueError, match="`shard` must be a pair of ints"):
        part_of(7, shard)


def test_no_part_is_empty():
    with pytest.raises(ValueError, match="cuts 2 clips into 3 parts"):
        part_of(2, (0, 3))
