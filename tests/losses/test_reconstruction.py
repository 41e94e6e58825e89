import keras
import numpy as np
import pytest
from arrays import assert_close
from arrays import assert_same_bits
from docstrings import check_example
from gradients import gradients

from keras_mirasol.losses import next_frames_loss
from keras_mirasol.losses import next_spectrogram_loss

EVERYTHING = np.ones((1, 3), bool)


def clip_and_frames():
    """Three snippets of two 4x4 frames, and 2x2 frames of what is next.

    Snippet t shows stripes of t and t + 2, whose mean is t + 1.
    """
    stripes = np.zeros((4, 4, 3), "float32")
    stripes[:, 1::2] = 2.0
    clip = np.stack([stripes + t for t in (0, 0, 1, 1, 2, 2)])[None]
    means = np.ones((1, 3, 2, 2, 2, 3), "float32")
    frames = means * np.array([2, 3, 50], "float32")[:, None, None, None, None]
    return clip, frames


def clip_and_spectrogram():
    """Three snippets of two frames of four mels, and two mels of the next."""
    stripes = np.array([0, 2, 0, 2], "float32")
    audio_frames = np.stack([stripes + t for t in (0, 0, 1, 1, 2, 2)])[None]
    spectrogram = np.ones((1, 3, 2, 2), "float32")
    return audio_frames, spectrogram * np.array([2, 3, 50], "float32")[
        :, None, None
    ]


LOSSES = {
    "frames": (next_frames_loss, clip_and_frames),
    "spectrogram": (next_spectrogram_loss, clip_and_spectrogram),
}

both_losses = pytest.mark.parametrize(
    "loss, example", LOSSES.values(), ids=LOSSES
)


@both_losses
def test_target_is_the_mean_of_what_a_small_pixel_covers(loss, example):
    media, reconstruction = example()
    assert_close(loss(media, reconstruction, EVERYTHING, EVERYTHING), 0.0)


@both_losses
def test_squared_error(loss, example):
    media, reconstruction = example()
    reconstruction[:, 0] += 3.0  # all of it
    reconstruction[:, 1, 0] -= 2.0  # its first step of two
    loss = loss(media, reconstruction, EVERYTHING, EVERYTHING)
    assert_close(loss, (9.0 + 4.0 / 2) / 2)


def test_rows_columns_and_channels_keep_their_places():
    rng = np.random.default_rng(0)
    small = rng.normal(size=(1, 2, 2, 2, 3, 3)).astype("float32")
    # The second snippet: each small pixel four times as high, twice as wide.
    clip = np.zeros((1, 4, 8, 6, 3), "float32")
    clip[:, 2:] = small[:, 0].repeat(4, axis=2).repeat(2, axis=3)
    mask = np.ones((1, 2), bool)
    assert_close(next_frames_loss(clip, small, mask, mask), 0.0)


def test_frames_and_mels_keep_their_places():
    rng = np.random.default_rng(0)
    small = rng.normal(size=(1, 2, 3, 4)).astype("float32")
    audio_frames = np.zeros((1, 6, 12), "float32")
    audio_frames[:, 3:] = small[:, 0].repeat(3, axis=2)
    mask = np.ones((1, 2), bool)
    assert_close(next_spectrogram_loss(audio_frames, small, mask, mask), 0.0)


@both_losses
@pytest.mark.parametrize(
    "snippets, targets, expected",
    [
        ([True, True, True], [False, True, False], 9.0),
        ([True, True, True], [True, False, True], 4.0),
        ([True, False, True], [True, True, True], 9.0),
        ([False, True, True], [True, True, True], 4.0),
        ([True, True, True], [True, False, False], 0.0),
        ([True, False, False], [True, False, True], 0.0),
    ],
)
def test_snippets_that_exist_whose_next_has_the_target(
    loss, example, snippets, targets, expected
):
    media, reconstruction = example()
    reconstruction[:, 0] += 3.0
    reconstruction[:, 1] += 2.0
    value = loss(
        media, reconstruction, np.array([snippets]), np.array([targets])
    )
    assert_close(value, expected)


@both_losses
@pytest.mark.parametrize("content", [np.nan, np.inf])
def test_masked_content_leaves_no_trace(loss, example, content):
    media, reconstruction = example()
    reconstruction = keras.Variable(reconstruction + 1)
    mask = np.array([[True, True, False]])
    masked = media.copy()
    masked[:, -2:] = content  # the last snippet

    def value_and_gradient(media):
        def value():
            return loss(media, reconstruction.value, EVERYTHING, mask)

        return value(), *gradients(value, [reconstruction])

    expected_value, expected = value_and_gradient(media)
    value, gradient = value_and_gradient(masked)
    assert_close(value, 1.0)
    assert_same_bits(value, expected_value)
    assert_same_bits(gradient, expected)


@both_losses
def test_single_snippet_has_no_next(loss, example):
    media, reconstruction = example()
    mask = np.ones((1, 1), bool)
    assert_close(loss(media[:, :2], reconstruction[:, :1], mask, mask), 0.0)


def test_sizes_that_do_not_divide():
    clip, audio_frames = np.zeros((1, 6, 4, 4, 3)), np.zeros((1, 6, 4))
    with pytest.raises(ValueError, match="3x2 .*divide.* 4x4"):
        next_frames_loss(
            clip, np.zeros((1, 3, 2, 3, 2, 3)), EVERYTHING, EVERYTHING
        )
    with pytest.raises(ValueError, match="3 mels .*divide.* 4"):
        next_spectrogram_loss(
            audio_frames, np.zeros((1, 3, 2, 3)), EVERYTHING, EVERYTHING
        )


@both_losses
def test_example(loss, example):
    check_example(loss)
