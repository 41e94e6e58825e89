import math

import pytest
from compiled import traced
from docstrings import check_example

from keras_mirasol.layers import TubeEmbedding
from keras_mirasol.layers import sparse_tubes
from keras_mirasol.layers.tube_embedding import tube_centres
from keras_mirasol.layers.tube_embedding import tube_grids


def counts(tubes, extent):
    return [math.prod(grid) for grid in tube_grids(tubes, extent)]


def test_the_tubes_of_32_frames_are_those_of_tubevit():
    tubes = sparse_tubes(32)
    assert tubes == [
        {"kernel": (8, 8, 8), "stride": (16, 32, 32), "offset": (0, 0, 0)},
        {"kernel": (16, 4, 4), "stride": (6, 32, 32), "offset": (4, 8, 8)},
        {"kernel": (4, 12, 12), "stride": (16, 32, 32), "offset": (0, 16, 16)},
        {"kernel": (1, 16, 16), "stride": (32, 16, 16), "offset": (0, 0, 0)},
    ]
    extent = (32, 224, 224)
    assert tube_grids(tubes, extent) == [
        (2, 7, 7),
        (3, 7, 7),
        (2, 7, 7),
        (1, 14, 14),
    ]
    assert counts(tubes, extent) == [98, 147, 98, 196]


def test_times_of_8_frames_are_a_quarter_to_the_nearest_frame():
    assert sparse_tubes(8) == [
        {"kernel": (2, 8, 8), "stride": (4, 32, 32), "offset": (0, 0, 0)},
        # 6 / 4 is 1.5, and halves go up.
        {"kernel": (4, 4, 4), "stride": (2, 32, 32), "offset": (1, 8, 8)},
        {"kernel": (1, 12, 12), "stride": (4, 32, 32), "offset": (0, 16, 16)},
        # A quarter of a frame is one frame.
        {"kernel": (1, 16, 16), "stride": (8, 16, 16), "offset": (0, 0, 0)},
    ]
    assert counts(sparse_tubes(8), (8, 224, 224)) == [98, 98, 98, 196]


def test_patches_are_of_one_frame_however_many_there_are():
    tubes = sparse_tubes(64)
    assert [tube["kernel"][0] for tube in tubes] == [16, 32, 8, 1]
    assert [tube["stride"][0] for tube in tubes] == [32, 12, 32, 64]
    assert [tube["offset"][0] for tube in tubes] == [0, 8, 0, 0]
    assert counts(tubes, (64, 224, 224)) == [98, 147, 98, 196]


def test_every_snippet_has_about_as_many_tokens():
    assert sum(counts(sparse_tubes(1), (1, 224, 224))) == 3 * 49 + 196
    for frames in range(2, 129):
        extent = (frames, 224, 224)
        tubes = sparse_tubes(frames)
        assert sum(counts(tubes, extent)) in (490, 539)
        assert max(centre[0] for centre in tube_centres(tubes, extent)) < frames


def test_larger_images_have_more_tubes_of_the_same_size():
    assert tube_grids(sparse_tubes(8), (8, 224, 448)) == [
        (2, 7, 14),
        (2, 7, 14),
        (2, 7, 14),
        (1, 14, 28),
    ]


def test_images_too_small_for_the_widest_tube_are_refused():
    assert counts(sparse_tubes(8), (8, 28, 28)) == [2, 2, 2, 1]
    embedding = TubeEmbedding(8, sparse_tubes(8))
    with pytest.raises(
        ValueError, match=r"\(1, 12, 12\).*does not fit.*8 frames of 27x224"
    ):
        embedding.build((None, 8, 27, 224, 3))


@pytest.mark.parametrize("frames", [6, 5, 1])
def test_tubes_of_longer_snippets_are_refused(frames):
    embedding = TubeEmbedding(8, sparse_tubes(16))
    with pytest.raises(ValueError, match=f"does not fit.*{frames} frames"):
        embedding.build((None, frames, 224, 224, 3))


@pytest.mark.parametrize("frames", [0, -8, 2.5])
def test_no_snippet_has_such_frames(frames):
    with pytest.raises(ValueError, match=f"at least 1. Received: {frames}"):
        sparse_tubes(frames)


def test_example():
    traced(lambda: check_example(sparse_tubes))
