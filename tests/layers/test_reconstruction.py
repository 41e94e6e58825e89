import numpy as np
import pytest
from arrays import assert_close
from arrays import assert_same_bits
from arrays import dense
from arrays import differ
from arrays import gelu
from arrays import layer_norm
from arrays import randomize
from compiled import compiled
from keras import ops

from keras_mirasol.layers import FrameReconstruction
from keras_mirasol.layers import SpectrogramReconstruction


@pytest.fixture(scope="module")
def frame_head():
    head = FrameReconstruction(8, (2, 4, 6, 3), (1, 2, 3), num_heads=2)
    head.build((None, None, 2, 8))
    return randomize(head)


@pytest.fixture(scope="module")
def spectrogram_head():
    head = SpectrogramReconstruction(8, (4, 6), (2, 3), num_heads=2)
    head.build((None, None, 2, 8))
    return randomize(head)


def test_frames_are_put_together_from_their_patches(
    frame_head, normal, monkeypatch
):
    frames = normal(2, 3, 2, 4, 6, 3)
    patches = np.zeros((6, 2, 2, 2, 1, 2, 3, 3), "float32")
    for snippet, clip in enumerate(frames.reshape(6, 2, 4, 6, 3)):
        for t, i, j in np.ndindex(2, 2, 2):
            patches[snippet, t, i, j] = clip[
                t : t + 1, 2 * i : 2 * i + 2, 3 * j : 3 * j + 3
            ]
    monkeypatch.setattr(frame_head, "read_patches", lambda latents: patches)
    assert_same_bits(frame_head.call(np.zeros((2, 3, 2, 8))), frames)


def test_spectrogram_is_put_together_from_its_patches(
    spectrogram_head, normal, monkeypatch
):
    audio_frames = normal(2, 3, 4, 6)
    patches = np.zeros((6, 2, 2, 2, 3, 1), "float32")
    for snippet, spectrogram in enumerate(audio_frames.reshape(6, 4, 6)):
        for i, j in np.ndindex(2, 2):
            patches[snippet, i, j, ..., 0] = spectrogram[
                2 * i : 2 * i + 2, 3 * j : 3 * j + 3
            ]
    monkeypatch.setattr(
        spectrogram_head, "read_patches", lambda latents: patches
    )
    assert_same_bits(
        spectrogram_head.call(np.zeros((2, 3, 2, 8))), audio_frames
    )


def test_each_query_reads_the_latents_and_draws_its_patch(
    spectrogram_head, normal
):
    head, latents = spectrogram_head, normal(2, 3, 2, 8)
    queries = np.stack(2 * [ops.convert_to_numpy(head.queries)])
    key_values = compiled(head.attention.key_values)(latents[:, 1])
    read = ops.convert_to_numpy(compiled(head.attention)(queries, key_values))
    read = queries + read
    hidden = dense(layer_norm(read, head.mlp_norm.weights), head.mlp_hidden)
    read = read + dense(gelu(hidden), head.mlp_output)
    drawn = dense(layer_norm(read, head.norm.weights), head.patch)
    drawn = drawn.reshape(2, 2, 2, 2, 3)
    spectrogram = ops.convert_to_numpy(compiled(head)(latents))[:, 1]
    assert_close(spectrogram[:, :2, 3:], drawn[:, 0, 1])
    assert_close(spectrogram[:, 2:, :3], drawn[:, 1, 0])


def test_snippets_are_drawn_one_by_one(frame_head, normal):
    draw, latents = compiled(frame_head), normal(2, 3, 2, 8)
    before = ops.convert_to_numpy(draw(latents))
    assert before.shape == (2, 3, 2, 4, 6, 3)
    latents[:, 1] += 1
    after = ops.convert_to_numpy(draw(latents))
    assert_same_bits(after[:, [0, 2]], before[:, [0, 2]])
    assert differ(after[:, 1], before[:, 1])


def test_exact_number_of_weights(frame_head, spectrogram_head):
    attention, norm = 4 * (8 * 8 + 8), 2 * 8
    mlp = norm + (8 * 16 + 16) + (16 * 8 + 8)
    assert frame_head.count_params() == (
        8 * 8 + attention + mlp + norm + (8 * 18 + 18)
    )
    assert spectrogram_head.count_params() == (
        4 * 8 + attention + mlp + norm + (8 * 6 + 6)
    )


@pytest.mark.parametrize(
    "head, target, patch",
    [
        (FrameReconstruction, (2, 4, 6, 3), (1, 3, 3)),
        (FrameReconstruction, (2, 4, 6, 3), (2, 2)),
        (SpectrogramReconstruction, (4, 6), (4, 4)),
        (SpectrogramReconstruction, (4, 6), (1, 2, 2)),
    ],
)
def test_patches_that_do_not_divide_the_target(head, target, patch):
    with pytest.raises(ValueError, match="must divide the target") as error:
        head(8, target, patch)
    assert f"patch_size={patch}" in str(error.value)
