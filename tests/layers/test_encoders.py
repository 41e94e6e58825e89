import functools

import numpy as np
import pytest
from arrays import assert_close
from arrays import assert_same_bits
from arrays import differ
from arrays import randomize
from compiled import compiled
from gradients import gradients
from keras import ops

from keras_mirasol.layers import AudioEncoder
from keras_mirasol.layers import VideoEncoder


@functools.cache
def video_encoder():
    encoder = VideoEncoder(
        2,
        [{"kernel": (2, 2, 2)}],
        dim=8,
        num_layers=1,
        num_heads=2,
        stem_filters=(4,),
    )
    encoder.build((None, None, 8, 8, 3))
    return randomize(encoder)


@functools.cache
def audio_encoder():
    encoder = AudioEncoder(4, (2, 4), dim=8, num_layers=1, num_heads=2)
    encoder.build((None, None, 8))
    return randomize(encoder)


@functools.cache
def encode_with(encoder):
    return compiled(encoder())


# The encoder, the steps of a snippet, the shape of a step; all make 4 tokens.
both_encoders = pytest.mark.parametrize(
    "encoder, span, step",
    [(video_encoder, 2, (8, 8, 3)), (audio_encoder, 4, (8,))],
    ids=["video", "audio"],
)


@both_encoders
def test_length_varies_without_new_weights(normal, encoder, span, step):
    encode, x = encode_with(encoder), normal(2, 3 * span, *step)
    weights = encoder().count_params()
    whole = ops.convert_to_numpy(encode(x))
    assert whole.shape == (2, 3, 4, 8)
    assert_close(encode(x[:, span : 2 * span]), whole[:, 1:2])
    assert encoder().count_params() == weights


@both_encoders
def test_tokens_depend_on_their_snippet_alone(normal, encoder, span, step):
    encode, x = encode_with(encoder), normal(2, 3 * span, *step)
    before = ops.convert_to_numpy(encode(x))
    others = x.copy()
    others[:, :span] = normal(2, span, *step)
    others[:, 2 * span :] = 100.0
    after = ops.convert_to_numpy(encode(others))
    assert_same_bits(after[:, 1], before[:, 1])
    assert differ(after[:, 0], before[:, 0])
    assert differ(after[:, 2], before[:, 2])


@both_encoders
def test_masked_snippets_are_encoded_as_zeros(normal, encoder, span, step):
    encode, x = encode_with(encoder), normal(2, 3 * span, *step)
    mask = np.array([[True, False, True], [True, True, False]])
    x[0, span : 2 * span] = np.nan
    x[1, 2 * span :] = np.inf
    tokens = encode(x, mask)
    expected = encode(np.where(np.isfinite(x), x, 0), np.ones((2, 3), bool))
    assert_same_bits(tokens, expected)


@both_encoders
def test_masked_snippets_leave_no_trace_in_gradients(
    normal, encoder, span, step
):
    x, weights = normal(2, 2 * span, *step), encoder().trainable_weights
    mask = np.array([[True, False], [False, True]])

    def loss(x):
        return lambda: ops.sum(
            ops.square(ops.where(mask[:, :, None, None], encoder()(x, mask), 0))
        )

    masked = x.copy()
    masked[0, span:] = np.nan
    masked[1, :span] = np.inf
    for actual, expected in zip(
        gradients(loss(masked), weights),
        gradients(loss(x), weights),
        strict=True,
    ):
        assert_same_bits(actual, expected)


@both_encoders
def test_mask_of_another_number_of_snippets(normal, encoder, span, step):
    with pytest.raises(ValueError, match="3 snippets, and a mask of 2"):
        encoder()(normal(2, 3 * span, *step), np.ones((2, 2), bool))


@both_encoders
def test_no_whole_number_of_snippets(normal, encoder, span, step):
    with pytest.raises(
        ValueError, match=f"of {span} steps each.* {3 * span + 1} steps"
    ):
        encoder()(normal(2, 3 * span + 1, *step))


def test_tubes_cut_the_feature_maps_of_the_stem(normal):
    encoder, clip = video_encoder(), normal(2, 2, 8, 8, 3)
    frames = clip.reshape(4, 8, 8, 3)
    maps = ops.convert_to_numpy(compiled(encoder.stem[0])(frames))
    assert maps.shape == (4, 4, 4, 4)
    tubes = compiled(encoder.embedding)(maps.reshape(2, 2, 4, 4, 4))
    tokens = compiled(encoder.transformer)(tubes)
    assert_close(encode_with(video_encoder)(clip)[:, 0], tokens)


@pytest.mark.parametrize(
    "tubes, stem_filters, match",
    [
        ([{"kernel": (4, 2, 2)}], (), "does not fit a snippet of 2 frames"),
        ([{"kernel": (2, 8, 8)}], (4,), "2 frames of 4x4"),
        ([{"kernel": (2, 1, 1)}], (4, 4, 4, 4), "even. Received: 1x1"),
    ],
    ids=["frames", "behind the stem", "too deep a stem"],
)
def test_what_does_not_fit_a_snippet(tubes, stem_filters, match):
    encoder = VideoEncoder(2, tubes, 8, 1, 2, stem_filters=stem_filters)
    with pytest.raises(ValueError, match=match):
        encoder.build((None, None, 8, 8, 3))
