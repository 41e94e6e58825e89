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
