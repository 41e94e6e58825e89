import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from docstrings import check_example

from keras_mirasol.data import ClipAugmentation
from keras_mirasol.data.augmentation.clip_augmentation import as_augmentation
from keras_mirasol.data.augmentation.spectrogram_masking import mask_spectrogram

pytestmark = pytest.mark.any_backend

# There is no tensorflow-io for Python 3.13.
with_tensorflow_io = pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="needs tensorflow-io"
)
FEATURES = tf.ones((6, 5))


def masks(seeds, **widths):
    """Which spectrogram frames and mel bins are masked, for each seed."""
    widths = {"mels": 0, "audio_frames": 0, **widths}

    @tf.function
    def masked(seed):
        return mask_spectrogram(FEATURES, seed, **widths) == 0

    return np.array([masked(tf.constant(seed)) for seed in seeds])


def bands(masks):
    """How often each band, as (first, width), was masked."""
    return Counter(
        (int(np.argmax(mask)) if mask.any() else 0, int(mask.sum()))
        for mask in masks
    )


@with_tensorflow_io
class TestBands:
    def test_mel_bins_are_masked_in_all_spectrogram_frames(self):
        masked = masks(range(400), mels=2)
        assert (masked == masked[:, :1]).all()
        counts = bands(masked[:, 0])
        # No band, five of one bin, the first to the last, and four of two.
        assert set(counts) == {
            (0, 0),
            *[(first, 1) for first in range(5)],
            *[(first, 2) for first in range(4)],
        }
        widths = Counter()
        for (first, width), count in counts.items():
            widths[width] += count
            places = 6 - width if width else 1
            # Four deviations of a third of 400, cut into places.
            expected = 400 / 3 / places
            assert abs(count - expected) < 4 * expected**0.5, (first, width)
        assert max(widths.values()) - min(widths.values()) < 60

    def test_spectrogram_frames_are_masked_in_all_mel_bins(self):
        masked = masks(range(100), audio_frames=3)
        assert (masked == masked[:, :, :1]).all()
        counts = bands(masked[:, :, 0])
        assert {width for _, width in counts} == {0, 1, 2, 3}
        assert {first for first, width in counts if width == 3} == {0, 1, 2, 3}

    def test_both_are_drawn_apart(self):
        masked = masks(range(200), mels=2, audio_frames=2)
        mels, audio_frames = masked.all(axis=1), masked.all(axis=2)
        crosses = audio_frames[:, :, None] | mels[:, None]
        np.testing.assert_array_equal(masked, crosses)
        widths = mels.sum(axis=1), audio_frames.sum(axis=1)
        assert abs(np.corrcoef(widths)[0, 1]) < 0.25

    def test_what_is_not_masked_stays(self):
        features = tf.random.stateless_normal((40, 32), [1, 2])
        for seed in range(5):
            masked = mask_spectrogram(features, seed, 8, 10)
            np.testing.assert_array_equal(
                masked, tf.where(masked == 0, 0.0, features)
            )

    def test_widths_are_those_of_the_spectrogram_at_most(self):
        counts = bands(masks(range(100), mels=50)[:, 0])
        assert {width for _, width in counts} == {*range(6)}
        for shape in ((1, 1), (0, 4)):
            masked = mask_spectrogram(tf.ones(shape), 0, 50, 50)
            assert masked.shape == shape

    def test_a_seed_decides(self):
        first, again = (masks(range(20), mels=5) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert (first[0] != first).any()

    def test_other_draws_of_tensorflow_stay_what_they_are(self):
        tf.random.set_seed(1)
        before = tf.random.uniform([3], maxval=7, dtype=tf.int32)
        tf.random.set_seed(1)
        mask_spectrogram(FEATURES, 0, 2, 2)
        after = tf.random.uniform([3], maxval=7, dtype=tf.int32)
        np.testing.assert_array_equal(before, after)

    def test_shapes_are_known_in_a_pipeline(self):
        dataset = tf.data.Dataset.from_generator(
            lambda: [np.ones((7, 4), "float32")],
            output_signature=tf.TensorSpec((None, 4), tf.float32),
        )
        masked = dataset.map(lambda x: mask_spectrogram(x, 0, 2, 2))
        assert masked.element_spec == dataset.element_spec
        assert next(iter(masked)).shape == (7, 4)


@with_tensorflow_io
class TestAugmentation:
    def test_masks_the_spectrogram_and_nothing_else(self):
        clip = {"audio_features": FEATURES, "audio_mask": tf.ones(3)}
        augmentation = ClipAugmentation(mask_mels=2, mask_audio_frames=3)
        assert augmentation.masks and not ClipAugmentation().masks
        for seed in range(10):
            result = augmentation.mask(clip, seed)
            assert result["audio_mask"] is clip["audio_mask"]
            np.testing.assert_array_equal(
                result["audio_features"], mask_spectrogram(FEATURES, seed, 2, 3)
            )

    def test_example(self):
        check_example(ClipAugmentation.mask)

    def test_warnings_of_tensorflow_io_are_kept_back(self):
        code = """
import tensorflow as tf

from keras_mirasol.data.augmentation.spectrogram_masking import mask_spectrogram

print(mask_spectrogram(tf.zeros((3, 2)), 0, 1, 1).shape)
"""
        result = subprocess.run(
            [sys.executable, "-W", "error::UserWarning", "-c", code],
            capture_output=True,
            text=True,
        )
        assert result.stdout.strip() == "(3, 2)", result.stderr
        assert "UserWarning" not in result.stderr


def test_missing_tensorflow_io_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_io", None)
    with pytest.raises(
        ImportError, match=r'pip install "keras-mirasol\[tfio\]'
    ):
        as_augmentation(ClipAugmentation(mask_mels=1), object())
    # Without masking there is no need of it.
    assert as_augmentation(True, object()) == ClipAugmentation()


@pytest.mark.parametrize("name", ["mask_mels", "mask_audio_frames"])
def test_raw_clips_have_no_spectrogram_to_mask(name):
    augmentation = ClipAugmentation(**{name: 3})
    with pytest.raises(ValueError, match=f"Give .* `preprocessor`.*{name}=3"):
        as_augmentation(augmentation, None)
