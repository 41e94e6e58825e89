import math
import re

import keras
import numpy as np
import pytest

from keras_mirasol.losses import text_clip_pairs

EVERYTHING = np.ones(8, bool)


def both(token_ids, texts=None, clips=None, padding_mask=None):
    """Pairs and negatives, of two clips unless told otherwise."""
    token_ids = np.array(token_ids, "int32")
    if padding_mask is None:
        padding_mask = np.ones(token_ids.shape, bool)
    texts = EVERYTHING[: len(token_ids)] if texts is None else np.array(texts)
    clips = EVERYTHING[:2] if clips is None else np.array(clips)
    return tuple(
        np.asarray(matrix).astype(int).tolist()
        for matrix in text_clip_pairs(token_ids, padding_mask, texts, clips)
    )


def test_texts_belong_to_their_clip_and_to_no_other():
    pairs, negatives = both([[1, 2], [1, 3]])
    assert pairs == [[1, 0], [0, 1]]
    assert negatives == [[0, 1], [1, 0]]


def test_the_texts_of_a_clip_stand_together():
    pairs, negatives = both([[1], [2], [3], [4]])
    assert pairs == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert negatives == [[0, 1], [0, 1], [1, 0], [1, 0]]


def test_a_text_is_no_negative_of_a_clip_of_which_the_same_is_told():
    # The second text of the first clip is the first one of the second clip.
    pairs, negatives = both([[1], [2], [2], [4]])
    assert pairs == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert negatives == [[0, 1], [0, 0], [0, 0], [1, 0]]


def test_tokens_of_padding_make_no_difference_but_its_length_does():
    mask = np.array([[1, 1, 0], [1, 1, 0]], bool)
    _, negatives = both([[1, 2, 7], [1, 2, 9]], padding_mask=mask)
    assert negatives == [[0, 0], [0, 0]]
    mask = np.array([[1, 1, 0], [1, 1, 1]], bool)
    _, negatives = both([[1, 2, 7], [1, 2, 7]], padding_mask=mask)
    assert negatives == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    "masks, pairs, negatives",
    [
        # Texts that do not count, of which one equals one that does.
        (
            {"texts": [True, False, True, False]},
            [[1, 0], [0, 0], [0, 1], [0, 0]],
            [[0, 1], [0, 0], [1, 0], [0, 0]],
        ),
        (
            {"clips": [True, False]},
            [[1, 0], [1, 0], [0, 0], [0, 0]],
            [[0, 0], [0, 0], [1, 0], [0, 0]],
        ),
        (
            {"clips": [False, False]},
            [[0, 0], [0, 0], [0, 0], [0, 0]],
            [[0, 0], [0, 0], [0, 0], [0, 0]],
        ),
    ],
)
def test_what_is_masked_is_neither_pair_nor_negative(masks, pairs, negatives):
    # The last text is also told of the first clip.
    assert both([[1], [4], [3], [4]], **masks) == (pairs, negatives)


def test_a_batch_of_one_clip_has_no_negatives():
    pairs, negatives = both([[1], [2]], clips=[True])
    assert pairs == [[1], [1]]
    assert negatives == [[0], [0]]


def test_many_texts_take_memory_of_pairs_of_texts_alone():
    jax = pytest.importorskip("jax")
    if keras.backend.backend() != "jax":
        pytest.skip("looks into the program, which JAX shows")
    texts, length = 64, 32
    program = jax.make_jaxpr(text_clip_pairs)(
        np.zeros((texts, length), "int32"),
        np.ones((texts, length), bool),
        np.ones(texts, bool),
        np.ones(texts, bool),
    )
    sizes = [
        math.prod(map(int, shape.split(",")))
        for shape in re.findall(r":\w+\[([\d,]+)\]", str(program))
    ]
    assert max(sizes) == texts * texts
