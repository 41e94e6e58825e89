import numpy as np
import pytest
from arrays import assert_close
from arrays import assert_same_bits
from arrays import differ
from arrays import randomize
from compiled import compiled
from gradients import gradients
from keras import ops

from keras_mirasol.layers import TransformerCombiner

# Two clips of three snippets; (clip, snippet) with a modality each.
VIDEO_MASK = np.array([[True, False, True], [True, True, False]])
AUDIO_MASK = np.array([[True, True, True], [False, True, False]])
NEITHER = (1, 2)


@pytest.fixture(scope="module")
def combiner():
    combiner = TransformerCombiner(
        num_joint_tokens=2, dim=8, num_layers=1, num_heads=2
    )
    combiner.build((None, None, 3, 6), (None, None, 2, 4))
    return randomize(combiner)


@pytest.fixture(scope="module")
def combine(combiner):
    return compiled(combiner)


@pytest.fixture
def video(normal):
    return normal(2, 3, 3, 6)


@pytest.fixture
def audio(normal):
    return normal(2, 3, 2, 4)


def test_last_outputs_of_a_transformer_over_all_tokens(
    combiner, combine, video, audio
):
    everything = np.ones((2, 3), bool)
    joint_tokens = combine(video, audio, everything, everything)
    assert joint_tokens.shape == (2, 3, 2, 8)
    tokens = ops.concatenate(
        [
            combiner.video_projection(video[:, 1]),
            combiner.audio_projection(audio[:, 1]),
            np.stack(2 * [ops.convert_to_numpy(combiner.queries)]),
        ],
        axis=1,
    )
    assert_close(
        joint_tokens[:, 1], compiled(combiner.transformer)(tokens)[:, -2:]
    )


@pytest.mark.parametrize("content", [100.0, np.nan, np.inf])
def test_content_of_a_masked_modality_changes_nothing(
    combine, video, audio, content
):
    before = combine(video, audio, VIDEO_MASK, AUDIO_MASK)
    video[~VIDEO_MASK] = content
    audio[~AUDIO_MASK] = content
    after = combine(video, audio, VIDEO_MASK, AUDIO_MASK)
    assert np.isfinite(ops.convert_to_numpy(before)).all()
    assert_same_bits(after, before)


def test_silence_is_not_absence(combine, video, audio):
    audio[:] = 0
    video_only = combine(video, audio, VIDEO_MASK, np.zeros((2, 3), bool))
    silent = combine(video, audio, VIDEO_MASK, np.ones((2, 3), bool))
    assert differ(silent, video_only)


def test_snippet_without_either_modality(combiner, combine, video, audio):
    joint_tokens = ops.convert_to_numpy(
        combine(video, audio, VIDEO_MASK, AUDIO_MASK)
    )
    queries = ops.convert_to_numpy(combiner.queries)[None]
    assert_close(
        joint_tokens[NEITHER], compiled(combiner.transformer)(queries)[0]
    )


def test_snippets_do_not_see_each_other(combine, video, audio):
    everything = np.ones((2, 3), bool)
    before = ops.convert_to_numpy(combine(video, audio, everything, everything))
    video[:, [0, 2]] += 1
    audio[:, [0, 2]] = 100.0
    after = ops.convert_to_numpy(combine(video, audio, everything, everything))
    assert_same_bits(after[:, 1], before[:, 1])
    assert differ(after[:, 0], before[:, 0])
    assert differ(after[:, 2], before[:, 2])


def test_masked_modality_gets_no_gradient(combiner, video, audio):
    everything, nothing = np.ones((2, 3), bool), np.zeros((2, 3), bool)
    audio[:] = np.nan
    masked = combiner.audio_projection.trainable_weights
    others = [
        weight
        for weight in combiner.trainable_weights
        if all(weight is not other for other in masked)
    ]
    values = gradients(
        lambda: ops.sum(
            ops.square(combiner(video, audio, everything, nothing))
        ),
        masked + others,
    )
    for gradient in values[: len(masked)]:
        assert not gradient.any()
    for gradient, weight in zip(values[len(masked) :], others, strict=True):
        assert np.isfinite(gradient).all(), weight.path
        assert gradient.any(), weight.path


def test_numbers_of_snippets_that_differ(combine, video, audio):
    with pytest.raises(ValueError, match="'video': 3, 'audio': 2"):
        combine(video, audio[:, :2], VIDEO_MASK, AUDIO_MASK[:, :2])
    with pytest.raises(ValueError, match="'audio_mask': 2"):
        combine(video, audio, VIDEO_MASK, AUDIO_MASK[:, :2])


def test_queries_start_small_beside_the_content():
    combiner = TransformerCombiner(num_joint_tokens=32, dim=64)
    combiner.build((None, None, 3, 6), (None, None, 2, 4))
    queries = ops.convert_to_numpy(combiner.queries)
    assert queries.std() == pytest.approx(0.02, rel=0.1)
