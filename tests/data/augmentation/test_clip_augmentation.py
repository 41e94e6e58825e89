from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from docstrings import check_example
from media_files import tone

from keras_mirasol.data import ClipAugmentation
from keras_mirasol.data.augmentation.clip_augmentation import amplify
from keras_mirasol.data.augmentation.clip_augmentation import as_augmentation
from keras_mirasol.data.augmentation.clip_augmentation import move
from keras_mirasol.data.augmentation.time_shift import shift_in_time
from keras_mirasol.data.salts import AUGMENTATION
from keras_mirasol.data.salts import seed_of

pytestmark = pytest.mark.any_backend

OFF = {
    "shift": 0.0,
    "scale": 0.0,
    "brightness": 0.0,
    "gain_decibels": 0.0,
    "noise": 0.0,
    "crop": 0.0,
    "flip": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "hue": 0.0,
    "time_shift": 0.0,
    "mask_mels": 0,
    "mask_audio_frames": 0,
}
SEEDS = range(100)
# What a raw clip goes through.
EVERYTHING = ClipAugmentation(
    noise=0.01,
    crop=0.3,
    flip=0.5,
    contrast=0.2,
    saturation=0.2,
    hue=0.1,
    time_shift=0.25,
)


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

    @pytest.mark.parametrize(
        "right, size, expected",
        [
            (0.0, 1.0, [40, 30, 20, 10, 0]),
            # Flipped first: what then moves right is the mirrored picture.
            (2 / 5, 1.0, [40, 40, 40, 30, 20]),
            (1 / 5, 2.0, [35, 30, 25, 20, 15]),
        ],
    )
    def test_flips_left_and_right_alone(self, right, size, expected):
        frames = row(0, 10, 20, 30, 40)
        moved = move(frames, down=0.0, right=right, size=size, flip=True)
        np.testing.assert_allclose(moved, row(*expected), atol=1e-3)
        upright = np.swapaxes(frames, 1, 2)
        moved = move(upright, down=right, right=0.0, size=size, flip=True)
        straight = move(upright, down=right, right=0.0, size=size)
        np.testing.assert_allclose(moved, straight, atol=1e-3)


def ramps():
    """A frame whose red tells the row and green the column, times three."""
    frames = np.zeros((1, 60, 80, 3), "uint8")
    frames[..., 0] = 3 * np.arange(60)[:, None]
    frames[..., 1] = 3 * np.arange(80)
    return frames


def drawn(count, seed):
    """The first draws of a seed."""
    seed = seed_of(seed, AUGMENTATION)
    return tf.random.stateless_uniform([count], seed, -1, 1).numpy()


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

    def test_crops_fill_their_range_and_lie_anywhere_in_the_picture(self):
        sides, first, last = [], [], []
        for seed in SEEDS:
            cut = only(crop=0.75)({"videos": ramps()}, seed)["videos"][0]
            # Rows and columns of the picture that came to the middle of the
            # outermost pixels, and the size of the part that they show.
            ends = cut.numpy()[[0, -1], [0, -1], :2] / 3
            size = (ends[1] - ends[0]) / (59, 79)
            # Proportions are kept; colours are whole numbers.
            np.testing.assert_allclose(size[0], size[1], atol=0.02)
            sides.append(size.mean())
            first.append(ends[0] / (59, 79))
            last.append(ends[1] / (59, 79))
        # Half of each side is a quarter of the area.
        assert 0.49 < min(sides) < 0.56 and 0.97 < max(sides) < 1.01
        # From 0.25 to 1 the area is drawn uniformly.
        assert abs(np.mean(np.square(sides)) - 0.625) < 0.09
        # No edge is repeated: within half a pixel the crop is in the picture.
        assert np.min(first) >= 0 and np.max(last) <= 1
        assert np.min(first) < 0.02 and np.max(last) > 0.98
        assert np.max(first) > 0.35 and np.min(last) < 0.65
        assert abs(np.corrcoef(np.transpose(first))[0, 1]) < 0.8

    def test_shift_scale_crop_and_flip_are_one_movement(self):
        frames, seed = ramps(), 4
        augmentation = only(shift=0.1, scale=0.2, crop=0.5, flip=1.0)
        result = augmentation({"videos": frames}, seed)["videos"]
        down, right, size, *_, cut, cut_down, cut_right = drawn(9, seed)
        # Pixel by pixel: through the crop, the shift, the size, the mirror.
        side = (1 - 0.5 * abs(cut)) ** 0.5
        expected = []
        for moved, cut_to, length in (
            (down, cut_down, 60),
            (right, cut_right, 80),
        ):
            at = side * (np.arange(length) - (length - 1) / 2)
            at += cut_to * (1 - side) / 2 * length - 0.1 * moved * length
            at = at / 1.2**size + (length - 1) / 2
            expected.append(3 * np.clip(at, 0, length - 1))
        rows, columns = expected
        np.testing.assert_allclose(result[0, :, 0, 0], rows, atol=0.6)
        np.testing.assert_allclose(result[0, 0, :, 1], 237 - columns, atol=0.6)

    def test_a_share_of_clips_is_flipped(self):
        clip = {"videos": shapes_clip()["videos"]}
        flipped = 0
        for seed in SEEDS:
            result = only(flip=0.25)(clip, seed)["videos"].numpy()
            mirrored = clip["videos"][:, :, ::-1]
            is_flipped = (result == mirrored).all()
            assert is_flipped or (result == clip["videos"]).all()
            flipped += is_flipped
        # Three deviations of 100 draws.
        assert abs(flipped - 25) <= 13

    def test_hues_turn_by_a_share_of_the_circle(self):
        frames = np.zeros((3, 2, 2, 3), "uint8")
        frames[..., 0] = 240
        turns = []
        for seed in SEEDS:
            result = only(hue=1 / 6)({"videos": frames}, seed)["videos"]
            colours = result.numpy().reshape(-1, 3).astype(int)
            np.testing.assert_array_equal(colours, colours[:1].repeat(12, 0))
            red, green, blue = colours[0]
            assert red == 240 and 0 in (green, blue)
            # To yellow or magenta at the farthest, a sixth of the circle.
            turns.append((green - blue) / 240)
        assert -1 <= min(turns) < -0.93 and 0.93 < max(turns) <= 1

    def test_saturation_is_a_factor(self):
        # Of 200, 150 and 100 the brightest stays; the others are 1/4 and 1/2
        # below it, which is multiplied.
        frames = np.broadcast_to(np.uint8([200, 150, 100]), (3, 2, 2, 3))
        factors = []
        for seed in SEEDS:
            result = only(saturation=0.5)({"videos": frames}, seed)["videos"]
            factor = (200 - int(result[0, 0, 0, 2])) / 100
            expected = np.round([200, 200 - 50 * factor, 200 - 100 * factor])
            np.testing.assert_allclose(
                result, np.broadcast_to(expected, frames.shape), atol=1
            )
            factors.append(factor)
        assert 0.66 < min(factors) < 0.71 and 1.41 < max(factors) < 1.51
        assert 35 < np.sum(np.array(factors) < 1) < 65

    def test_contrast_is_a_factor_about_the_mean_of_the_clip(self):
        # A dark frame and a bright one, in both of which a corner is 90: it
        # stays of one colour, whatever else they show.
        frames = np.full((2, 2, 2, 3), 80, "uint8")
        frames[1], frames[:, 0, 0] = 120, 90
        mean = (80 * 3 + 90 + 120 * 3 + 90) / 8
        factors = []
        for seed in SEEDS:
            result = only(contrast=0.5)({"videos": frames}, seed)["videos"]
            result = result.numpy().astype(float)
            factor = (result[1, 1, 1, 0] - result[0, 1, 1, 0]) / 40
            expected = mean + factor * (frames - mean)
            np.testing.assert_allclose(result, expected, atol=1.1)
            factors.append(factor)
        assert 0.64 < min(factors) < 0.73 and 1.39 < max(factors) < 1.53
        assert 35 < np.sum(np.array(factors) < 1) < 65

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


def flash_and_click(flash, click, frames=16, samples=32000):
    """One white frame among black ones and one loud sample in silence."""
    clip = {
        "videos": np.zeros((frames, 2, 3, 3), "uint8"),
        "audio": np.zeros(samples, "float32"),
    }
    clip["videos"][flash], clip["audio"][click] = 255, 0.9
    return clip


def found(clip):
    """The first white frame and the first loud sample."""
    return (
        int(np.argmax(clip["videos"][:, 0, 0, 0])),
        int(np.argmax(clip["audio"])),
    )


class TestTime:
    @pytest.mark.parametrize(
        "rates, most",
        [
            ({}, 4),
            ({"frame_rate": 8.0, "sampling_rate": 16000}, 4),
            ({"frame_rate": 7.0, "sampling_rate": 16000}, 3),
            ({"frame_rate": 30000 / 1001, "sampling_rate": 44100}, 14),
        ],
    )
    def test_flash_and_click_stay_in_step(self, rates, most):
        frame_rate, sampling_rate = rates.values() or (8.0, 16000)
        clip = flash_and_click(flash=16, click=60000, frames=40, samples=10**5)
        moves = Counter()
        for seed in SEEDS:
            result = only(time_shift=0.5)(clip, seed, **rates)
            flash, click = found(result)
            by = flash - 16
            # In whole numbers, so that halves alone could be rounded amiss.
            exact = Fraction(by) / Fraction(frame_rate) * sampling_rate
            assert click - 60000 == round(exact)
            moves[by] += 1
            assert result["videos"].shape == clip["videos"].shape
            assert result["audio"].shape == clip["audio"].shape
        assert min(moves) == -most and max(moves) == most
        # As often earlier as later: four deviations.
        assert abs(sum(by * n for by, n in moves.items()) / 100) < 0.26 * most

    def test_every_whole_number_of_frames_is_as_likely(self):
        clip = {"videos": flash_and_click(8, 0)["videos"]}
        augmentation = only(time_shift=0.25)
        count = Counter(
            int(np.argmax(augmentation(clip, seed)["videos"][:, 0, 0, 0])) - 8
            for seed in range(300)
        )
        assert sorted(count) == [-2, -1, 0, 1, 2]
        # Four deviations of a fifth of 300.
        assert all(abs(n - 60) < 28 for n in count.values())

    @pytest.mark.parametrize(
        "by, frames, samples",
        [
            (2, [1, 1, 1, 2], [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]),
            (-1, [2, 3, 4, 4], [4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0, 0]),
            (0, [1, 2, 3, 4], range(1, 13)),
            # Farther than the clip is long.
            (9, [1, 1, 1, 1], [0] * 12),
            (-9, [4, 4, 4, 4], [0] * 12),
        ],
    )
    def test_what_enters_is_held_frames_and_silence(self, by, frames, samples):
        clip = {
            "videos": np.arange(1, 5, dtype="uint8").reshape(4, 1, 1, 1),
            "audio": np.arange(1, 13, dtype="float32"),
        }
        result = shift_in_time(clip, by, frame_rate=2.0, sampling_rate=6)
        np.testing.assert_array_equal(result["videos"][:, 0, 0, 0], frames)
        np.testing.assert_array_equal(result["audio"], samples)
        for key in clip:
            alone = shift_in_time({key: clip[key]}, by, 2.0, 6)
            assert set(alone) == {key}
            np.testing.assert_array_equal(alone[key], result[key])

    def test_less_than_a_frame_is_refused(self):
        clip = flash_and_click(8, 0)
        with pytest.raises(
            ValueError, match="at least a frame, 0.125 seconds.*time_shift=0.1"
        ):
            only(time_shift=0.1)(clip, 0)
        # 0.1 * 10 frames are one, whatever is rounded.
        only(time_shift=0.1)(clip, 0, frame_rate=10.0)

    @pytest.mark.parametrize("name", ["frame_rate", "sampling_rate"])
    def test_rates_are_positive(self, name):
        with pytest.raises(ValueError, match=f"`{name}` must be .*{name}=0"):
            only(time_shift=0.5)(flash_and_click(8, 0), 0, **{name: 0})


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

    def test_a_seed_draws_what_it_always_did(self):
        audio = tone(440, 0.1, 8000, amplitude=0.3)
        for seed in range(5):
            louder = ClipAugmentation()({"audio": audio}, seed)["audio"]
            # The fifth of six, when there were six.
            expected = amplify(audio, 6.0 * drawn(6, seed)[4])
            np.testing.assert_allclose(louder, expected, atol=1e-6)

    def test_the_absent_stays_absent(self):
        augmentation = EVERYTHING
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
        augmentation = EVERYTHING
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
                    # A graph may round a pixel the other way.
                    atol=1 if key == "videos" else 1e-5,
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
            ({"crop": 1.0}, "`crop` must be a fraction of the area, 0.0 to 0"),
            ({"flip": 2}, "`flip` must be a chance, 0.0 to 1.0"),
            ({"contrast": -1}, "`contrast` must be a fraction, at least 0.0"),
            ({"saturation": None}, "`saturation` must be .*saturation=None"),
            ({"hue": 0.6}, "`hue` must be a fraction of the circle, 0.0 to 0"),
            ({"time_shift": -1}, "`time_shift` must be seconds, at least 0.0"),
            ({"mask_mels": 0.5}, "`mask_mels` must be a number of mel bins, "),
            ({"mask_mels": True}, "an int of at least 0; .*mask_mels=True"),
            (
                {"mask_audio_frames": -1},
                "must be a number of spectrogram frames,.*mask_audio_frames=-1",
            ),
        ],
    )
    def test_ranges(self, options, match):
        with pytest.raises(ValueError, match=match):
            ClipAugmentation(**options)

    def test_what_stands_for_what(self):
        mine = ClipAugmentation(shift=0.3)
        assert as_augmentation(mine, None) is mine
        assert as_augmentation(True, None) == ClipAugmentation()
        assert as_augmentation(None, None) is None
        assert as_augmentation(False, None) is None
        with pytest.raises(ValueError, match="`augment` must be `True`.* 0.1"):
            as_augmentation(0.1, None)


def test_frames_are_decoded_with_room_for_what_is_enlarged():
    settings = {"frame_rate": 8.0, "image_size": (64, 48)}
    plain = ClipAugmentation(scale=0.0)
    assert plain.with_room(settings) == settings
    # A side of half the length remains of a quarter of the area.
    augmentation = ClipAugmentation(scale=0.25, crop=0.75)
    assert augmentation.with_room(settings)["image_size"] == (160, 120)
    assert settings["image_size"] == (64, 48)
    assert augmentation.with_room({}) == {}
