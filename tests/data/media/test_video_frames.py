"""Frames that are scaled as they are decoded."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from media_files import set_display_rotation
from media_files import solid
from media_files import write_media

from keras_mirasol.data import iter_clip
from keras_mirasol.data import load_clip
from keras_mirasol.data.media import memory
from keras_mirasol.data.media import video_frames
from keras_mirasol.data.media.media_file import MediaFile

pytestmark = pytest.mark.any_backend


def smooth_frames(count, size=(120, 160)):
    """Coloured waves that move."""
    rows, columns = np.mgrid[: size[0], : size[1]] / size[0]
    frames = []
    for k in range(count):
        waves = [
            np.sin(7 * rows + k / 3),
            np.sin(5 * columns - k / 4),
            np.sin(4 * (rows + columns) + k / 5),
        ]
        frames.append((127 + 100 * np.stack(waves, -1)).astype("uint8"))
    return frames


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    return write_media(
        tmp_path_factory.mktemp("waves") / "waves.mp4",
        frames=smooth_frames(50),
    )


def resized(videos, image_size, crop):
    """As `MirasolVideoConverter` resizes."""
    layer = keras.layers.Resizing(
        *image_size, crop_to_aspect_ratio=crop, antialias=True, dtype="float32"
    )
    return tf.function(layer)(tf.constant(videos)).numpy()


def assert_alike(scaled, expected):
    """The tolerance: of 255 grey levels, 2 in the mean, 5 for 99 in 100."""
    difference = np.abs(scaled.astype("float32") - expected)
    assert difference.mean() < 2
    assert np.quantile(difference, 0.99) < 5


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize(
    "image_size", [(60, 60), (32, 48), (48, 32), (17, 23), (240, 200)]
)
def test_scaled_frames_are_as_if_resized_afterwards(waves, image_size, crop):
    whole = load_clip(waves)["videos"]
    scaled = load_clip(waves, image_size=image_size, crop_to_aspect_ratio=crop)[
        "videos"
    ]
    assert scaled.dtype == "uint8"
    assert scaled.shape == (16, *image_size, 3)
    assert_alike(scaled, resized(whole, image_size, crop))


def test_real_frames_are_as_if_resized_afterwards(shared):
    path = shared / "media" / "bigbuckbunny.mp4"
    if not path.exists():
        pytest.skip("needs shared/media/bigbuckbunny.mp4")
    whole = load_clip(path, end=1, audio=False)["videos"]
    for image_size in [(224, 224), (64, 64)]:
        scaled = load_clip(path, end=1, audio=False, image_size=image_size)
        assert_alike(scaled["videos"], resized(whole, image_size, False))


def test_one_number_is_height_and_width(waves):
    assert load_clip(waves, image_size=40)["videos"].shape == (16, 40, 40, 3)


def test_frames_of_the_size_asked_for_stay_as_they_are(waves):
    np.testing.assert_array_equal(
        load_clip(waves, image_size=(120, 160))["videos"],
        load_clip(waves)["videos"],
    )


def test_what_is_fine_is_averaged_not_sampled(tmp_path):
    # Stripes of one pixel, black and white, are grey from afar.
    frame = solid(0, size=(96, 128))
    frame[:, ::2] = 255
    path = write_media(
        tmp_path / "stripes.mp4", frames=[frame] * 25, video_codec="libx264"
    )
    videos = load_clip(path, image_size=24)["videos"]
    # At the edge the filter has half of its weight on one column.
    np.testing.assert_allclose(videos[:, :, 1:-1], 127, atol=6)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_videos_are_upright_at_the_size_asked_for(tmp_path, turns):
    frames = smooth_frames(8)
    path = write_media(tmp_path / "clip.mp4", frames=frames, frame_rate=8)
    stored = load_clip(path)["videos"]
    set_display_rotation(path, turns)
    upright = np.rot90(stored, turns, axes=(1, 2))
    np.testing.assert_array_equal(load_clip(path)["videos"], upright)
    for crop in (False, True):
        scaled = load_clip(
            path, image_size=(40, 30), crop_to_aspect_ratio=crop
        )["videos"]
        assert_alike(scaled, resized(upright, (40, 30), crop))


def test_black_before_late_video_has_the_size_asked_for(tmp_path):
    path = write_media(
        tmp_path / "late.mp4",
        frames=[solid(200)] * 25,
        video_start=1,
        audio=np.zeros(48000, "float32"),
    )
    videos = load_clip(path, image_size=(20, 30))["videos"]
    assert videos.shape == (16, 20, 30, 3)
    assert not videos[:8].any()
    np.testing.assert_allclose(videos[8:], 200, atol=3)


def test_more_frames_than_memory_holds_are_an_error(waves, monkeypatch):
    monkeypatch.setattr(memory, "memory", lambda: 10 * 120 * 160 * 3)
    with pytest.raises(ValueError, match="waves.mp4.*160x120.*`image_size`"):
        load_clip(waves)
    assert len(load_clip(waves, image_size=40)["videos"]) == 16


@pytest.mark.parametrize("suffix, is_stated", [("mp4", True), ("ts", False)])
def test_frames_move_only_if_the_file_does_not_tell_how_many(
    tmp_path, monkeypatch, suffix, is_stated
):
    # Some allocators hold them twice meanwhile.
    path = write_media(tmp_path / f"a.{suffix}", frames=smooth_frames(50))
    lengths, reserve = [], video_frames._Frames._reserve

    def reserve_and_note(self, length, shape):
        lengths.append(length)
        reserve(self, length, shape)

    monkeypatch.setattr(video_frames._Frames, "_reserve", reserve_and_note)
    assert len(load_clip(path, frame_rate=25)["videos"]) == 50
    assert (len(lengths) == 1) == is_stated
    lengths.clear()
    for start, end in [(0.2, None), (0.2, 1.8), (1.0, 9.0)]:
        load_clip(path, frame_rate=25, start=start, end=end)
    assert (len(lengths) == 3) == is_stated


def test_no_more_is_decoded_than_shows_that_memory_is_short(waves, monkeypatch):
    decode, decoded = MediaFile.decode, []

    def counting(self, kind, start):
        for frame in decode(self, kind, start):
            decoded.append(frame)
            yield frame

    monkeypatch.setattr(MediaFile, "decode", counting)
    # Room for 16 frames, where one more than 16 is expected.
    monkeypatch.setattr(memory, "memory", lambda: 16 * 120 * 160 * 3)
    with pytest.raises(ValueError, match="17 frames of 160x120"):
        load_clip(waves)
    # At 25 frames a second: those of an eighth of it.
    assert len(decoded) <= 4


def test_a_span_longer_than_the_clip_takes_the_memory_of_the_clip(
    waves, monkeypatch
):
    monkeypatch.setattr(memory, "memory", lambda: 17 * 120 * 160 * 3)
    (span,) = iter_clip(waves, seconds=1000)
    assert len(span["videos"]) == 16


def test_memory_is_what_can_be_had(tmp_path, monkeypatch):
    available, limit = tmp_path / "meminfo", tmp_path / "limit"
    monkeypatch.setattr(memory, "_AVAILABLE", available)
    monkeypatch.setattr(memory, "_LIMIT", limit)
    whole = memory.memory()
    assert whole > 2**28
    available.write_text("MemTotal: 9999 kB\nMemAvailable:  2048 kB\n")
    assert memory.memory() == 2**21
    limit.write_text("max\n")
    assert memory.memory() == 2**21
    limit.write_text("1000000\n")
    assert memory.memory() == 1000000


@pytest.mark.parametrize("image_size", [0, -1, 2.5, (3,), (3, 0), "64", 2**31])
def test_sizes_are_positive_ints(waves, image_size):
    with pytest.raises(ValueError, match="`image_size` must be a positive int"):
        load_clip(waves, image_size=image_size)
