import numpy as np
import pytest
import tensorflow as tf

from keras_mirasol.data import ClipAugmentation
from keras_mirasol.data.augmentation.modality_dropout import ModalityDropout

pytestmark = pytest.mark.any_backend

DRAWS = 4000
BOTH = {"video_mask": [True, True, False], "audio_mask": [True, False, False]}


def draw(rate, clip):
    """What is left of each mask, over many draws."""
    dropout = ModalityDropout(rate)
    clip = {key: tf.constant(mask) for key, mask in clip.items()}
    dataset = tf.data.Dataset.range(DRAWS).map(lambda i: dropout(clip, i))
    (left,) = dataset.batch(DRAWS)
    return left["video_mask"].numpy(), left["audio_mask"].numpy()


def assert_rate(taken, expected):
    """Within four deviations of a binomial distribution."""
    deviation = (expected * (1 - expected) / DRAWS) ** 0.5
    assert abs(np.mean(taken) - expected) <= 4 * deviation


@pytest.mark.parametrize(
    "rate, of_video, of_audio",
    [
        (0.2, 0.1, 0.1),
        (1.0, 0.5, 0.5),
        ({"audio": 0.2, "video": 0.05}, 0.05, 0.2),
        ({"audio": 0.3}, 0.0, 0.3),
        ({"audio": 0.7, "video": 0.3}, 0.3, 0.7),
        (0, 0.0, 0.0),
    ],
)
def test_each_is_taken_at_its_rate_and_never_both(rate, of_video, of_audio):
    video, audio = draw(rate, BOTH)
    no_video, no_audio = ~video.any(axis=1), ~audio.any(axis=1)
    assert_rate(no_video, of_video)
    assert_rate(no_audio, of_audio)
    assert not (no_video & no_audio).any()
    # What is not taken is as it was.
    assert (video[~no_video] == BOTH["video_mask"]).all()
    assert (audio[~no_audio] == BOTH["audio_mask"]).all()


@pytest.mark.parametrize("only", ["video_mask", "audio_mask"])
def test_the_only_one_is_never_taken(only):
    clip = {**{key: [False] * 3 for key in BOTH}, only: BOTH[only]}
    video, audio = draw(1.0, clip)
    assert (video == clip["video_mask"]).all()
    assert (audio == clip["audio_mask"]).all()


def test_raw_clips_are_emptied():
    clip = {
        "videos": tf.ones((4, 2, 2, 3), tf.uint8),
        "audio": tf.ones((9,)),
        "other": tf.constant(1),
    }
    dropout = ModalityDropout(0.5)
    lengths = set()
    for seed in range(50):
        left = dropout(clip, seed)
        assert set(left) == set(clip)
        lengths.add((len(left["videos"]), len(left["audio"])))
    assert lengths == {(4, 9), (0, 9), (4, 0)}
    for key in ("videos", "audio"):
        alone = {**clip, key: clip[key][:0]}
        left = ModalityDropout(1.0)(alone, 0)
        for name, value in alone.items():
            np.testing.assert_array_equal(left[name], value)


def test_draws_are_independent_of_an_augmentation_s():
    # Of the same seeds; the first draw of each.
    augmentation = ClipAugmentation(shift=0.5, scale=0.0, brightness=0.0)
    dropout = ModalityDropout({"audio": 0.5})
    frames = np.zeros((1, 16, 1, 3), "uint8")
    frames[:, 8] = 255
    clip = {"videos": frames, "audio": np.zeros(4, "float32")}
    drawn = []
    for seed in range(200):
        pixels = augmentation(clip, seed)["videos"].numpy()
        kept = dropout(clip, seed)["audio"]
        drawn.append((pixels[0, :, 0, 0].argmax(), len(kept) > 0))
    # Four deviations of the correlation of 200 independent pairs.
    assert abs(np.corrcoef(np.transpose(drawn))[0, 1]) < 4 / 200**0.5


@pytest.mark.parametrize(
    "rate",
    [
        *(-0.1, 1.1, True, "0.2", (0.1, 0.2), float("nan")),
        {"audio": 0.6, "video": 0.5},
        {"sound": 0.1},
        {"audio": None},
    ],
)
def test_rates_are_checked(rate):
    with pytest.raises(ValueError, match="`modality_dropout` must be"):
        ModalityDropout(rate)
