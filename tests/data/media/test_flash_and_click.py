"""What is seen and heard at one time is loaded for one time."""

import math
from fractions import Fraction

import numpy as np
import pytest
from media_files import greys
from media_files import solid
from media_files import write_media

from keras_mirasol.data import iter_clip
from keras_mirasol.data import load_clip

pytestmark = pytest.mark.any_backend

NTSC = Fraction(30000, 1001)
CODECS = {
    "mp4": {},
    "mov": {"audio_codec": "pcm_s16le"},
    "mkv": {"audio_codec": "flac"},
    "webm": {
        "video_codec": "libvpx",
        "video_options": {"deadline": "realtime"},
        "audio_codec": "libopus",
    },
    "avi": {"video_codec": "mpeg4", "audio_codec": "libmp3lame"},
    "ts": {},
    "flv": {},
}
TOGETHER = (0, 0)
OFFSETS = {
    "together": TOGETHER,
    "late together": (2, 2),
    "late video": (Fraction(1, 2), 0),
    "late audio": (0, Fraction(1, 2)),
}
# Seconds that sound may be off beside the picture: clocks of milliseconds, and
# the filters that resample it.
CLOSE = 0.003


def flash_time(videos, frame_rate):
    return np.argmax(greys(videos) > 127) / frame_rate


def click_time(audio, sampling_rate=16000):
    return np.argmax(np.abs(audio)) / sampling_rate


def frame_times(frame_rate):
    """When frames begin, for two seconds; for None at times of all kinds."""
    if frame_rate is not None:
        return [k / Fraction(frame_rate) for k in range(round(2 * frame_rate))]
    gaps = np.random.default_rng(0).integers(1, 6, 100)
    times = [Fraction(int(time), 50) for time in np.cumsum([0, *gaps])]
    return [time for time in times if time < 2]


def flash_and_click(
    folder,
    extension,
    frame_rate=25,
    offset=TOGETHER,
    sampling_rate=48000,
    **settings,
):
    """Writes a video that turns white when a click is heard, after 1.2 s.

    Returns the path, and the time of both within the video.
    """
    times = frame_times(frame_rate)
    flash = next(time for time in times if time >= 1.2)
    video_start, audio_start = offset
    audio = np.zeros(3 * sampling_rate, "float32")
    click = round((video_start + flash - audio_start) * sampling_rate)
    # Long enough to be heard at a twelfth of the sampling rate.
    audio[click : click + max(1, sampling_rate // 16000)] = 1.0
    if extension == "avi":
        # The clock ticks once a frame.
        settings = {"clock": frame_rate or 50, **settings}
    path = write_media(
        folder / f"clip.{extension}",
        frames=[solid(255 * (time >= flash), (32, 48)) for time in times],
        frame_rate=frame_rate or 50,
        times=times,
        audio=audio,
        sampling_rate=sampling_rate,
        video_start=video_start,
        audio_start=audio_start,
        **{**CODECS[extension], **settings},
    )
    return path, flash


def assert_in_step(path, frame_rate, expected, sampling_rate=48000):
    """However the clip is read, by a frame of the rate asked for or better."""
    # At a rate as fine as the frames, within one of them.
    fine = frame_rate or 50
    clip = load_clip(path, frame_rate=fine)
    click = click_time(clip["audio"])
    assert abs(flash_time(clip["videos"], fine) - click) <= 1 / fine + CLOSE
    # Zero may come earlier by what an encoder puts before the first block.
    assert -CLOSE <= click - expected <= 1152 / sampling_rate + CLOSE

    clip = load_clip(path, image_size=16)
    flash = flash_time(clip["videos"], 8)
    # A frame shows the middle of its eighth of a second.
    assert abs(flash - click) <= 0.5 / 8 + 1 / fine + CLOSE < 1 / 4
    assert abs(flash - click) <= 1 / 8 + CLOSE

    within = [
        (flash_time(span["videos"], 8), click_time(span["audio"]))
        for span in iter_clip(path, seconds=0.5)
        if "videos" in span
        and 0 < (greys(span["videos"]) > 127).sum()
        and np.abs(span["audio"]).max() > 0.1
    ]
    # The flash and the click are in one span, the only one with a click.
    assert len(within) == 1
    start = math.floor(2 * click) / 2
    assert within[0] == pytest.approx((flash - start, click - start), abs=1e-3)

    cut = load_clip(path, start=start, end=start + 0.5, image_size=16)
    assert flash_time(cut["videos"], 8) == flash - start
    assert click_time(cut["audio"]) == pytest.approx(click - start, abs=CLOSE)


@pytest.mark.parametrize("frame_rate", [8, 24, 25, NTSC, 30, 60, None])
@pytest.mark.parametrize("extension", CODECS)
def test_at_every_frame_rate(tmp_path, extension, frame_rate):
    path, flash = flash_and_click(tmp_path, extension, frame_rate)
    assert_in_step(path, frame_rate, flash)


@pytest.mark.parametrize("offset", list(OFFSETS)[1:])
@pytest.mark.parametrize("extension", sorted(set(CODECS) - {"avi"}))
def test_wherever_the_streams_start(tmp_path, extension, offset):
    # AVI knows no such thing: there all streams start together.
    video_start, audio_start = OFFSETS[offset]
    path, flash = flash_and_click(
        tmp_path, extension, offset=(video_start, audio_start)
    )
    expected = flash + video_start - min(video_start, audio_start)
    assert_in_step(path, 25, expected)


@pytest.mark.parametrize(
    "extension, audio_codec, sampling_rates",
    [
        ("mp4", "aac", (8000, 11025, 22050, 32000, 44100, 96000)),
        ("mp4", "alac", (8000, 44100, 192000)),
        ("mov", "pcm_s16le", (8000, 44100, 96000, 192000)),
        ("mkv", "flac", (8000, 22050, 88200, 192000)),
        ("webm", "libopus", (8000, 12000, 16000, 24000)),
        ("avi", "libmp3lame", (8000, 16000, 44100)),
        ("avi", "pcm_s16le", (8000, 192000)),
        ("ts", "mp2", (16000, 32000, 44100)),
        ("flv", "aac", (11025, 22050, 44100)),
    ],
)
def test_at_every_sampling_rate(
    tmp_path, extension, audio_codec, sampling_rates
):
    for sampling_rate in sampling_rates:
        path, flash = flash_and_click(
            tmp_path,
            extension,
            sampling_rate=sampling_rate,
            audio_codec=audio_codec,
        )
        assert_in_step(path, 25, flash, sampling_rate)


def test_aac_priming_does_not_delay_the_audio(tmp_path):
    path, flash = flash_and_click(tmp_path, "mp4")
    audio = load_clip(path, sampling_rate=48000, video=False)["audio"]
    # A click of three samples.
    assert abs(int(np.argmax(np.abs(audio))) - 48000 * flash) <= 3
    assert len(audio) == 3 * 48000
