import numpy as np
import pytest
import tensorflow as tf
from docstrings import check_example
from media_files import tone

from keras_mirasol.data import ClipAugmentation
from keras_mirasol.data.augmentation import amplify
from keras_mirasol.data.augmentation import as_augmentation
from keras_mirasol.data.augmentation import move

pytestmark = pytest.mark.any_backend

OFF = {
    "shift": 0.0,
    "scale": 0.0,
    "brightness": 0.0,
    "gain_decibels": 0.0,
    "noise": 0.0,
}
SEEDS = range(100)


def only(**parts):
    """An augmentation that does nothing but these."""
    return ClipAugmentation(**{**OFF, **parts})


def row(*pixels):
    """A frame that has these grey levels in each of three rows."""
    pixels = np.array(pixels, "float32")[None, None, :, None]
    return np.tile(pixels, (1, 3, 1, 3))


def shapes_clip():
    """Ten frames of a bright square that moves to the right, and a tone."""
    frames = np.zeros((10, 40, 60, 3), "uint8")
    for index, frame in enumerate(frames):
        frame[16:24, 20 + index : 28 + index] = 200
    return {"videos": frames, "audio": tone(440, 1, 8000)}


def centres(frames):
    """Row and column of the middle of what is bright, for each frame."""
    weights = np.asarray(frames, "float64").sum(axis=-1)
    weights /= weights.sum(axis=(1, 2), keepdims=True)
    _, height, width = weights.shape
    rows = (weights.sum(axis=2) * np.arange(height)).sum(axis=1)
    columns = (weights.sum(axis=1) * np.arange(width)).sum(axis=1)
    return np.stack([rows, columns], axis=1)


class TestMove:
    def test_a_pixel_moves_by_fractions_of_height_and_width(self):
        frames = np.zeros((2, 8, 10, 3), "float32")
        frames[:, 3, 4] = 255
        moved = move(frames, down=2 / 8, right=-3 / 10, size=1.0).numpy()
        expected = np.zeros_like(frames)
        expected[:, 5, 1] = 255
        np.testing.assert_allclose(moved, expected, atol=1e-3)

    @pytest.mark.parametrize(
        "right, size, expected",
        [
            (2 / 5, 1.0, [0, 0, 0, 10, 20]),
            (-2 / 5, 1.0, [20, 30, 40, 40, 40]),
            (1 / 10, 1.0, [0, 5, 15, 25, 35]),
            # About the middle.
            (0.0, 2.0, [10, 15, 20, 25, 30]),
            (0.0, 0.5, [0, 0, 20, 40, 40]),
            # Scaled first, then moved by the picture's width.
            (1 / 5, 2.0, [5, 10, 15, 20, 25]),
        ],
    )
    def test_ramps_shift_and_scale_and_edges_are_repeated(
        self, right, size, expected
    ):
        frames = row(0, 10, 20, 30, 40)
        moved = move(frames, down=0.0, right=right, size=size)
        np.testing.assert_allclose(moved, row(*expected), atol=1e-3)
        upright = np.swapaxes(frames, 1, 2)
        moved = move(upright, down=right, right=0.0, size=size)
        np.testing.assert_allclose(
            np.swapaxes(moved, 1, 2), row(*expected), atol=1e-3
        )


class TestPicture:
    def test_all_frames_move_alike(self):
        clip = shapes_clip()
        augmentation = only(shift=0.2)
        for seed in range(5):
            moved = centres(augmentation(clip, seed)["videos"])
            by = moved - centres(clip["videos"])
            np.testing.assert_allclose(by, by[:1].repeat(10, 0), atol=0.05)

    def test_shifts_fill_their_range(self):
        clip = {"videos": shapes_clip()["videos"][:1]}
        augmentation = only(shift=0.2)
        by = np.concatenate(
            [centres(augmentation(clip, seed)["videos"]) for seed in SEEDS]
        ) - centres(clip["videos"])
        # 0.2 of 40 rows and of 60 columns.
        for moved, largest in zip(by.T, (8, 12), strict=True):
            assert np.abs(moved).max() <= largest + 0.05
            assert moved.min() < -0.9 * largest
            assert moved.max() > 0.9 * largest
        assert abs(np.corrcoef(by.T)[0, 1]) < 0.3

    def test_sizes_fill_their_range_about_the_middle(self):
        frames = np.zeros((1, 41, 61, 3), "uint8")
        frames[:, 13:28, 23:38] = 200
        augmentation = only(scale=0.5)
        factors = []
        for seed in SEEDS:
            scaled = augmentation({"videos": frames}, seed)["videos"].numpy()
            np.testing.assert_allclose(centres(scaled), [[20, 30]], atol=0.05)
            factors.append((scaled.sum() / frames.sum()) ** 0.5)
        # 1 / 1.5 to 1.5; the edges of the square are soft.
        assert 0.64 < min(factors) < 0.72 and 1.4 < max(factors) < 1.53
        # As often smaller as larger.
        assert 35 < np.sum(np.array(factors) < 1) < 65

    def test_brightness_is_added_to_all_pixels_and_clipped(self):
        frames = np.zeros((3, 2, 2, 3), "uint8")
        frames[:, 0], frames[:, 1, 0], frames[:, 1, 1] = 0, 100, 250
        added = []
        for seed in SEEDS:
            result = only(brightness=0.2)({"videos": frames}, seed)["videos"]
            by = int(result[0, 1, 0, 0]) - 100
            expected = np.clip(frames.astype(int) + by, 0, 255)
            np.testing.assert_array_equal(result, expected)
            added.append(by)
        # 0.2 * 255 = 51.
        assert -51 <= min(added) < -45 and 45 < max(added) <= 51

    def test_moving_makes_nothing_darker(self):
        # Truncated instead of rounded, 77 would become 76 in places.
        frames = np.full((2, 37, 53, 3), 77, "uint8")
        for seed in range(10):
            moved = only(shift=0.3, scale=0.3)({"videos": frames}, seed)
            np.testing.assert_array_equal(moved["videos"], frames)


class TestSound:
    def test_six_decibels_double_the_wave(self):
        audio = tone(440, 0.1, 8000, amplitude=0.3)
        np.testing.assert_allclose(amplify(audio, 6.0206), 2 * audio, atol=1e-5)
        np.testing.assert_allclose(
            amplify(audio, -20.0), 0.1 * audio, atol=1e-6
        )

    def test_gains_are_constant_and_fill_their_range(self):
        audio = tone(440, 0.1, 8000, amplitude=0.3)
        decibels = []
        for seed in SEEDS:
            louder = only(gain_decibels=6.0)({"audio": audio}, seed)["audio"]
            factor = np.dot(louder, audio) / np.dot(audio, audio)
            np.testing.assert_allclose(louder, factor * audio, atol=1e-6)
            decibels.append(20 * np.log10(factor))
        assert -6.001 < min(decibels) < -5.5 and 5.5 < max(decibels) < 6.001
        assert abs(np.mean(decibels)) < 1.2

    def test_what_is_too_loud_is_clipped(self):
        audio = tone(440, 0.1, 8000, amplitude=0.9)
        for seed in range(10):
            result = only(gain_decibels=20.0, noise=0.5)({"audio": audio}, seed)
            assert np.abs(result["audio"]).max() <= 1

    def test_noise_has_a_level_of_its_own_for_each_clip(self):
        silence = {"audio": np.zeros(8000, "float32")}
        levels = []
        for seed in SEEDS:
            noise = only(noise=0.1)(silence, seed)["audio"].numpy()
            levels.append(noise.std())
            assert abs(noise.mean()) < 0.1 * 4 / 8000**0.5
            # White: a sample says nothing about the next.
            assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.06
        assert 0 < min(levels) < 0.01 and 0.09 < max(levels) < 0.103
        assert abs(np.mean(levels) - 0.05) < 0.012

    def test_silence_is_not_absence(self):
        clip = {"audio": np.zeros(800, "float32")}
        result = ClipAugmentation()(clip, 0)["audio"]
        np.testing.assert_array_equal(result, clip["audio"])


class TestClips:
    def test_zeros_turn_all_off(self):
        clip = {
            "videos": np.random.default_rng(0).integers(
                0, 256, (4, 9, 7, 3), "uint8"
            ),
            "audio": tone(440, 0.1, 8000),
        }
        result = only()(clip, 3)
        np.testing.assert_array_equal(result["videos"], clip["videos"])
        np.testing.assert_array_equal(result["audio"], clip["audio"])

    def test_a_seed_decides(self):
        clip, augmentation = shapes_clip(), ClipAugmentation(noise=0.01)
        first, again, other = (augmentation(clip, seed) for seed in (1, 1, 2))
        for key in clip:
            np.testing.assert_array_equal(first[key], again[key])
            assert (first[key].numpy() != other[key].numpy()).any()

    def test_the_absent_stays_absent(self):
        augmentation = ClipAugmentation(noise=0.1)
        clip = shapes_clip()
        for key in clip:
            assert set(augmentation({key: clip[key]}, 0)) == {key}
        empty = {
            "videos": np.zeros((0, 1, 1, 3), "uint8"),
            "audio": np.zeros(0, "float32"),
        }
        result = augmentation(empty, 0)
        assert result["videos"].shape == (0, 1, 1, 3)
        assert result["audio"].shape == (0,)

    def test_clips_of_any_size_share_a_graph(self):
        clips = [
            shapes_clip(),
            {
                "videos": np.full((3, 5, 4, 3), 9, "uint8"),
                "audio": np.full(7, 0.1, "float32"),
            },
        ]
        augmentation = ClipAugmentation(noise=0.01)
        dataset = tf.data.Dataset.from_generator(
            lambda: iter(clips),
            output_signature={
                "videos": tf.TensorSpec((None, None, None, 3), tf.uint8),
                "audio": tf.TensorSpec((None,), tf.float32),
            },
        )
        mapped = dataset.map(lambda clip: augmentation(clip, 5))
        assert mapped.element_spec == dataset.element_spec
        for clip, result in zip(clips, mapped, strict=True):
            expected = augmentation(clip, 5)
            for key in clip:
                np.testing.assert_allclose(
                    result[key].numpy().astype("float32"),
                    expected[key].numpy().astype("float32"),
                    atol=1e-5,
                )

    def test_example(self):
        check_example(ClipAugmentation)


class TestArguments:
    @pytest.mark.parametrize(
        "options, match",
        [
            ({"shift": -0.1}, "`shift` must be a fraction of .*shift=-0.1"),
            ({"shift": 1.1}, "`shift` must be .*0.0 to 1.0"),
            ({"scale": float("inf")}, "`scale` must be a fraction of the size"),
            ({"scale": True}, "`scale` must be .*scale=True"),
            ({"brightness": 2}, "`brightness` must be a fraction of white"),
            ({"gain_decibels": -6.0}, "`gain_decibels` must be decibels"),
            ({"noise": float("nan")}, "`noise` must be .*noise=nan"),
            ({"noise": "0.1"}, "`noise` must be .*0.0 turns it off"),
        ],
    )
    def test_ranges(self, options, match):
        with pytest.raises(ValueError, match=match):
            ClipAugmentation(**options)

    def test_what_stands_for_what(self):
        mine = ClipAugmentation(shift=0.3)
        assert as_augmentation(mine) is mine
        assert as_augmentation(True) == ClipAugmentation()
        assert as_augmentation(None) is as_augmentation(False) is None
        with pytest.raises(ValueError, match="`augment` must be `True`.* 0.1"):
            as_augmentation(0.1)
