import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mirasol.models import MirasolVideoConverter


def _grey(row, frames=1, height=4):
    """Frames whose rows all have these grey levels."""
    row = np.array(row, "uint8")
    return np.broadcast_to(
        row[None, None, :, None], (frames, height, len(row), 3)
    )


def test_pixels_run_from_minus_one_to_one():
    converter = MirasolVideoConverter(2)
    video = np.concatenate([_grey([v] * 4) for v in (0, 51, 255)])
    pixels = converter(video)
    assert pixels.shape == (3, 2, 2, 3) and pixels.dtype == "float32"
    for frame, value in zip(pixels, (-1.0, -0.6, 1.0), strict=True):
        np.testing.assert_allclose(frame, value, atol=1e-6)


def test_scale_and_offset():
    converter = MirasolVideoConverter(2, scale=0.1, offset=3.0)
    np.testing.assert_allclose(converter(_grey([50] * 4)), 8.0, atol=1e-5)


def test_shrinks_bilinearly_without_aliasing():
    # Twice as wide triangles: weights 3, 3 and 1 of the three nearest pixels.
    converter = MirasolVideoConverter((4, 2), scale=1.0, offset=0.0)
    pixels = converter(_grey([0, 0, 210, 210]))
    np.testing.assert_allclose(pixels[0, 0, :, 0], [30.0, 180.0], atol=1e-4)


def test_channels_keep_their_order():
    video = np.zeros((1, 4, 4, 3), "uint8")
    video[..., 0], video[..., 2] = 255, 51
    pixel = MirasolVideoConverter(2)(video)[0, 0, 0]
    np.testing.assert_allclose(pixel, [1.0, -1.0, -0.6], atol=1e-6)


@pytest.mark.parametrize("crop, edge", [(False, 1.0), (True, -1.0)])
def test_nothing_on_screen_is_lost_unless_cropped(crop, edge):
    # White at either end of a wide frame.
    converter = MirasolVideoConverter(4, crop_to_aspect_ratio=crop)
    pixels = converter(_grey([255, 255, 0, 0, 0, 0, 255, 255]))
    assert pixels.shape == (1, 4, 4, 3)
    assert pixels[0, 0, 0, 0] > 0 if edge > 0 else pixels[0, 0, 0, 0] == edge


def test_no_frames_stay_no_frames():
    shape = MirasolVideoConverter((6, 8))(np.zeros((0, 4, 4, 3), "uint8")).shape
    assert shape == (0, 6, 8, 3)


def test_output_shape_is_that_of_the_output():
    converter = MirasolVideoConverter((6, 8))
    assert converter.compute_output_shape((5, 4, 4, 3)) == (5, 6, 8, 3)
    assert converter.compute_output_shape((None, None, None, 3)) == (
        None,
        6,
        8,
        3,
    )


def test_pipeline_gives_the_same():
    converter = MirasolVideoConverter(5)
    video = np.random.default_rng(0).integers(
        0, 256, (3, 12, 9, 3), dtype="uint8"
    )
    dataset = tf.data.Dataset.from_tensors(video).map(converter)
    np.testing.assert_array_equal(next(iter(dataset)), converter(video))


def test_config_round_trip():
    settings = dict(
        image_size=(6, 8),
        frame_rate=4.0,
        scale=0.5,
        offset=0.25,
        crop_to_aspect_ratio=True,
    )
    converter = MirasolVideoConverter(**settings)
    config = converter.get_config()
    assert {key: config[key] for key in settings} == settings
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(converter)
    )
    assert isinstance(copy, MirasolVideoConverter)
    assert copy.get_config() == config


def _dark(frames=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, (20, 30, 40), (frames, 8, 6, 3)).astype("uint8")


def _moments(converter, *clips):
    pixels = np.concatenate([converter(clip) for clip in clips])
    return pixels.mean(axis=(0, 1, 2)), pixels.std(axis=(0, 1, 2))


def test_is_adapted_to_mean_0_and_deviation_1_per_channel():
    converter = MirasolVideoConverter((8, 6))
    clips = [_dark(4), _dark(7, seed=1)]
    before = converter(clips[0])
    assert converter.adapt(clips) is None
    assert (before != converter(clips[0])).all()
    mean, deviation = _moments(converter, *clips)
    np.testing.assert_allclose(mean, 0, atol=1e-5)
    np.testing.assert_allclose(deviation, 1, rtol=1e-5)
    # As large as it is, a frame is its own resized pixels.
    pixels = np.concatenate(clips).reshape(-1, 3).astype("float64")
    np.testing.assert_allclose(converter.scale, 1 / pixels.std(axis=0))
    np.testing.assert_allclose(
        converter.offset, -pixels.mean(axis=0) / pixels.std(axis=0)
    )


@pytest.mark.parametrize("kind", ["batch", "clip", "generator", "dataset"])
def test_adapts_to_clips_however_they_come(kind):
    clips = np.stack([_dark(), _dark(seed=1)])
    if kind == "clip":
        clips = clips[:1]
    given = {
        "batch": lambda: clips,
        "clip": lambda: clips[0],
        "generator": lambda: iter(clips),
        "dataset": lambda: tf.data.Dataset.from_tensors(clips),
    }[kind]()
    converter, expected = MirasolVideoConverter(4), MirasolVideoConverter(4)
    expected.adapt(list(clips))
    converter.adapt(given)
    assert converter.get_config() == {
        **expected.get_config(),
        "name": converter.name,
    }


def test_adapts_to_resized_pixels():
    # Stripes that resizing takes the mean of.
    converter = MirasolVideoConverter(2)
    converter.adapt(_grey([0, 100, 0, 100]))
    np.testing.assert_allclose(
        -np.divide(converter.offset, converter.scale), 50, atol=1
    )


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_constant_is_not_blown_up(level):
    converter = MirasolVideoConverter(2)
    converter.adapt(_grey([level] * 4))
    np.testing.assert_allclose(converter(_grey([level] * 4)), 0, atol=1e-4)
    # Half a deviation a grey level, and no more.
    assert converter.scale == [0.5] * 3


def test_adapts_to_so_many_clips():
    clips = [_grey([10] * 4), _grey([30] * 4), _grey([90] * 4)]
    converter = MirasolVideoConverter(2)
    converter.adapt(iter(clips), num_clips=2)
    np.testing.assert_allclose(converter(clips[0]), -1, atol=1e-5)
    np.testing.assert_allclose(converter(clips[1]), 1, atol=1e-5)


def test_without_a_frame_there_is_nothing_to_adapt_to():
    with pytest.raises(ValueError, match="Expected clips of uint8 frames"):
        MirasolVideoConverter(2).adapt([np.zeros((0, 4, 4, 3), "uint8")])
    with pytest.raises(ValueError, match="must be uint8"):
        MirasolVideoConverter(2).adapt(np.zeros((2, 4, 4, 3)))


def test_adapted_settings_survive_saving():
    converter = MirasolVideoConverter(4)
    converter.adapt(_dark())
    config = json.loads(json.dumps(converter.get_config()))
    copy = MirasolVideoConverter.from_config(config)
    np.testing.assert_array_equal(copy(_dark()), converter(_dark()))


def test_a_setting_that_is_assigned_takes_effect():
    converter = MirasolVideoConverter(2)
    video = _grey([50] * 4)
    converter(video)
    converter.scale, converter.offset = 0.1, np.array([3.0, 4.0, 5.0])
    np.testing.assert_allclose(converter(video)[0, 0, 0], [8, 9, 10], atol=1e-5)
    assert converter.get_config()["offset"] == [3.0, 4.0, 5.0]


@pytest.mark.parametrize("name", ["scale", "offset"])
def test_a_setting_of_two_channels_is_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a number, or 3"):
        MirasolVideoConverter(2, **{name: [1.0, 2.0]})
