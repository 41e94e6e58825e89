from fractions import Fraction

import av
import numpy as np
import pytest

from keras_mirasol.data import write_clip

pytestmark = pytest.mark.any_backend


def decode(path):
    """All frames with their times, and the audio laid out by its times."""
    with av.open(str(path)) as container:
        frames = [
            (frame.time, frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]
    with av.open(str(path)) as container:
        blocks = list(container.decode(audio=0))
    rate = blocks[0].sample_rate
    audio = np.zeros(round(blocks[-1].time * rate) + blocks[-1].samples)
    for block in blocks:
        start = round(block.time * rate)
        audio[start : start + block.samples] = block.to_ndarray()[0]
    return frames, audio


@pytest.mark.parametrize(
    "frame_rate, sampling_rate",
    [(25, 44100), (Fraction(30000, 1001), 16000), (12.5, 48000)],
)
def test_a_flash_and_a_click_at_one_time_stay_together(
    tmp_path, frame_rate, sampling_rate
):
    flash = 10
    moment = float(flash / frame_rate)
    frames = np.zeros((20, 48, 80, 3), dtype="uint8")
    frames[flash:] = 255
    time = np.arange(round(20 / frame_rate * sampling_rate)) / sampling_rate
    audio = np.where(time >= moment, np.sin(2 * np.pi * 880 * time), 0) / 2

    path = tmp_path / "clip.mp4"
    write_clip(
        path,
        frames,
        audio,
        frame_rate=frame_rate,
        sampling_rate=sampling_rate,
    )

    decoded, sound = decode(path)
    assert len(decoded) == 20
    seen = next(time for time, frame in decoded if frame.mean() > 128)
    heard = np.argmax(np.abs(sound) > 0.15) / sampling_rate
    assert seen == pytest.approx(moment, abs=1e-3)
    assert heard == pytest.approx(moment, abs=0.01)
    assert abs(len(sound) - len(audio)) <= 1024


@pytest.mark.parametrize(
    "colour", [(235, 35, 35), (40, 80, 250), (245, 220, 40), (128, 128, 128)]
)
def test_colours_are_kept_and_their_matrix_is_named(tmp_path, colour):
    frames = np.full((4, 32, 32, 3), colour, dtype="uint8")
    path = tmp_path / "clip.mp4"
    write_clip(path, frames, np.zeros(4000), frame_rate=16, sampling_rate=16000)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert (frame.colorspace, frame.color_range) == (5, 1)  # BT.601, limited
    pixels = frame.to_ndarray(format="rgb24").astype(int)
    assert np.abs(pixels - colour).max() <= 6


def test_an_existing_file_is_replaced(tmp_path):
    path = tmp_path / "clip.mp4"
    for count in (8, 4):
        write_clip(
            path,
            np.zeros((count, 32, 32, 3), dtype="uint8"),
            np.zeros(4000),
            frame_rate=16,
            sampling_rate=16000,
        )
    assert len(decode(path)[0]) == 4


@pytest.mark.parametrize(
    "change, message",
    [
        ({"frames": np.zeros((4, 32, 32, 3))}, "uint8"),
        ({"frames": np.zeros((4, 32, 32), dtype="uint8")}, "height, width, 3"),
        ({"frames": np.zeros((4, 31, 32, 3), dtype="uint8")}, "even height"),
        ({"frames": np.zeros((0, 32, 32, 3), dtype="uint8")}, "one frame"),
        ({"audio": np.zeros((4000, 2))}, r"shape \(samples,\)"),
        ({"audio": np.zeros(4000, dtype="int16")}, "divide int16"),
        ({"audio": np.zeros(0)}, "one sample"),
        ({"frame_rate": 0}, "`frame_rate` must be positive"),
        ({"sampling_rate": 12345}, "resample"),
    ],
)
def test_arguments_that_cannot_be_encoded_are_refused(
    tmp_path, change, message
):
    arguments = {
        "frames": np.zeros((4, 32, 32, 3), dtype="uint8"),
        "audio": np.zeros(4000),
        "frame_rate": 16,
        "sampling_rate": 16000,
    }
    path = tmp_path / "clip.mp4"
    with pytest.raises(ValueError, match=message):
        write_clip(path, **{**arguments, **change})
    assert not path.exists()
