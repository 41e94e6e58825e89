import numpy as np
import pytest
import tensorflow as tf

from keras_mirasol.preprocessing import ClipConverter

pytestmark = pytest.mark.any_backend

# Snippets of 2 frames, and of 10 samples in 5 spectrogram frames.
FRAMES, AUDIO_FRAMES, SAMPLES = 2, 5, 10


def mean_level(videos):
    """Frames of 1x1: their mean level, and their height and width."""
    levels = tf.reduce_mean(tf.cast(videos, tf.float32), axis=(1, 2, 3))
    size = tf.cast(tf.shape(videos)[1:3], tf.float32)
    size = tf.ones_like(levels)[:, None] * size
    return tf.concat([levels[:, None], size], axis=1)[:, None, None, :]


def pairs(audio):
    """Spectrogram frames of one mel: the sum of two samples."""
    return tf.reduce_sum(tf.reshape(audio, (-1, 2)), axis=1, keepdims=True)


CONVERTER = ClipConverter(mean_level, pairs, FRAMES, AUDIO_FRAMES, SAMPLES)


def video(*levels, size=(2, 3)):
    levels = np.array(levels, "uint8").reshape(-1, 1, 1, 1)
    return np.broadcast_to(levels, (len(levels), *size, 3))


def converted(videos, audio, num_snippets=None):
    return CONVERTER.convert(
        tf.constant(videos), tf.constant(audio, tf.float32), num_snippets
    )


def converted_batch(videos, audio, count):
    texts = tf.fill([count], "what?")
    return tf.function(lambda: CONVERTER.convert_batch(videos, audio, texts))()


@pytest.mark.parametrize(
    "frames, samples, video_mask, audio_mask",
    [
        (4, 30, [1, 1, 0], [1, 1, 1]),
        (6, 10, [1, 1, 1], [1, 0, 0]),
        (0, 20, [0, 0], [1, 1]),
        (4, 0, [1, 1], [0, 0]),
        (0, 0, [0], [0]),  # a text about nothing has one empty snippet
        (5, 14, [1, 1, 1], [1, 0, 0]),  # half is rounded up
    ],
)
def test_masks_tell_which_snippets_have_what(
    frames, samples, video_mask, audio_mask
):
    features = converted(video(*[7] * frames), np.ones(samples))
    np.testing.assert_array_equal(features["video_mask"], video_mask)
    np.testing.assert_array_equal(features["audio_mask"], audio_mask)
    snippets = len(video_mask)
    assert features["pixel_values"].shape == (snippets * FRAMES, 1, 1, 3)
    assert features["audio_features"].shape == (snippets * AUDIO_FRAMES, 1)


def test_video_ends_with_its_last_frame_and_audio_with_silence():
    features = converted(video(3, 4, 5), np.arange(1, 7))
    levels = features["pixel_values"][:, 0, 0, 0]
    np.testing.assert_array_equal(levels, [3, 4, 5, 5])
    # One snippet of sound, filled up, and one that has none.
    sums = features["audio_features"][:, 0]
    np.testing.assert_array_equal(sums, [3, 7, 11, 0, 0, 0, 0, 0, 0, 0])


def test_a_clip_that_is_too_long_is_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="A clip has"):
        converted(video(*range(4)), np.ones(21), num_snippets=1)


def test_long_clips_are_filled_up_to_a_bucket():
    features = converted(video(*range(2 * 9)), np.ones(10 * 9))
    present = [True] * 9 + [False]
    np.testing.assert_array_equal(features["video_mask"], present)
    np.testing.assert_array_equal(features["audio_mask"], present)
    assert len(features["pixel_values"]) == 10 * FRAMES
    assert len(features["audio_features"]) == 10 * AUDIO_FRAMES


def test_a_clip_can_be_filled_up():
    features = converted(video(9, 9), np.ones(10), num_snippets=3)
    levels = features["pixel_values"][:, 0, 0, 0]
    np.testing.assert_array_equal(levels, [9, 9, 0, 0, 0, 0])
    np.testing.assert_array_equal(features["video_mask"], [1, 0, 0])


def test_clips_of_a_dense_batch_get_as_many_snippets_as_the_longest():
    videos = np.stack([video(1, 2, 3, 4), video(5, 6, 7, 8)])
    features = converted_batch(videos, np.ones((2, 50), "float32"), 2)
    assert features["pixel_values"].shape == (2, 5 * FRAMES, 1, 1, 3)
    for i, clip in enumerate(videos):
        alone = converted(clip, np.ones(50))
        for key, value in alone.items():
            np.testing.assert_array_equal(features[key][i], value)


def test_clips_of_a_ragged_batch_keep_their_own_lengths_and_sizes():
    clips = [
        (video(1, 1, size=(1, 3)), np.ones(70, "float32")),
        (video(*range(6), size=(4, 2)), np.ones(20, "float32")),
        (video(size=(0, 0)), np.ones(0, "float32")),
    ]
    videos = tf.data.Dataset.from_generator(
        lambda: (clip for clip, _ in clips),
        output_signature=tf.TensorSpec((None, None, None, 3), tf.uint8),
    )
    videos = next(iter(videos.ragged_batch(3)))
    audio = tf.ragged.constant([audio.tolist() for _, audio in clips])
    features = converted_batch(videos, audio, 3)
    assert features["video_mask"].shape == (3, 7)
    np.testing.assert_array_equal(
        tf.reduce_sum(tf.cast(features["video_mask"], tf.int32), 1), [1, 3, 0]
    )
    np.testing.assert_array_equal(
        tf.reduce_sum(tf.cast(features["audio_mask"], tf.int32), 1), [7, 2, 0]
    )
    sizes = features["pixel_values"][:2, 0, 0, 0, 1:]
    np.testing.assert_array_equal(sizes, [[1, 3], [4, 2]])


def test_a_batch_without_a_modality_has_none_of_its_snippets():
    audio = np.ones((3, 20), "float32")
    features = converted_batch(None, audio, 3)
    assert not np.any(features["video_mask"])
    assert np.all(features["audio_mask"])
    videos = np.stack([video(1, 2)] * 3)
    features = converted_batch(videos, None, 3)
    assert np.all(features["video_mask"])
    assert not np.any(features["audio_mask"])
    features = converted_batch(None, None, 3)
    assert features["video_mask"].shape == (3, 1)
    assert not np.any(features["video_mask"])
