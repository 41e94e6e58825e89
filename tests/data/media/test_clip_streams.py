"""Clips that are read span by span."""

from fractions import Fraction

import numpy as np
import pytest
from media_files import solid
from media_files import tone
from media_files import write_media

from keras_mirasol.data import iter_clip
from keras_mirasol.data import load_clip
from keras_mirasol.data.media.media_file import MediaFile

pytestmark = pytest.mark.any_backend


def levels(count):
    """Frames whose grey level tells them apart."""
    return [solid(level) for level in np.linspace(10, 240, count).astype(int)]


@pytest.fixture(
    scope="module",
    params=[
        {"name": "clip.mp4"},
        {"name": "late_audio.mkv", "audio_start": Fraction(3, 4)},
        {"name": "late_video.mp4", "video_start": Fraction(5, 4)},
        {"name": "ntsc.mov", "frame_rate": 30000 / 1001},
        {"name": "wave.mkv", "audio_codec": "pcm_s16le"},
        {"name": "short_video.mp4", "video_seconds": 2},
        {"name": "no_video.m4a", "video_seconds": 0},
    ],
    ids=lambda param: param["name"],
)
def media(request, tmp_path_factory):
    options = dict(request.param)
    name = options.pop("name")
    seconds = options.pop("video_seconds", 5.3)
    frame_rate = options.setdefault("frame_rate", 25)
    noise = np.random.default_rng(0).normal(0, 0.1, int(4.9 * 44100))
    return write_media(
        tmp_path_factory.mktemp("media") / name,
        frames=levels(round(seconds * frame_rate)),
        audio=noise,
        sampling_rate=44100,
        audio_options={"aac_pns": "0"} if name[-3:] != "mkv" else {},
        **options,
    )


def joined(spans, key):
    return np.concatenate([span[key] for span in spans if key in span])


@pytest.mark.parametrize("seconds", [0.125, 1, 2.5, 100])
@pytest.mark.parametrize("cut", [{}, {"start": 0.5, "end": 4.25}])
def test_joined_spans_are_the_clip(media, seconds, cut):
    whole = load_clip(media, **cut)
    spans = list(iter_clip(media, seconds=seconds, **cut))
    for key in whole:
        np.testing.assert_array_equal(joined(spans, key), whole[key])


def test_spans_are_in_step(media):
    whole = load_clip(media)
    spans = list(iter_clip(media, seconds=0.5))
    for index, span in enumerate(spans):
        for key, steps in (("videos", 4), ("audio", 8000)):
            expected = whole.get(key, [])[steps * index : steps * (index + 1)]
            assert len(span.get(key, [])) == len(expected)
            if key in span:
                np.testing.assert_array_equal(span[key], expected)


def test_each_stream_is_decoded_once(tmp_path, monkeypatch):
    path = write_media(
        tmp_path / "clip.mp4", frames=levels(100), audio=tone(440, 4, 48000)
    )
    decode, decoded = MediaFile.decode, {"video": 0, "audio": 0}

    def counting(self, kind, start):
        for frame in decode(self, kind, start):
            decoded[kind] += 1
            yield frame

    monkeypatch.setattr(MediaFile, "decode", counting)
    spans = iter_clip(path, seconds=0.5)
    next(spans)
    # Not before it is needed: half a second and a frame of each.
    assert 12 <= decoded["video"] < 20
    list(spans)
    # 187.5 blocks of 1024 samples.
    assert decoded == {"video": 100, "audio": 188}


def test_a_line_of_a_manifest_is_iterated(tmp_path):
    seen = write_media(tmp_path / "seen.mp4", frames=levels(50))
    heard = write_media(
        tmp_path / "heard.wav",
        audio=tone(440, 3, 48000),
        audio_codec="pcm_s16le",
    )
    line = {"video": seen, "audio": heard, "start": 0.5, "end": 2.5}
    spans = list(iter_clip(line, seconds=1, image_size=16))
    assert [span["videos"].shape for span in spans if "videos" in span] == [
        (8, 16, 16, 3),
        (4, 16, 16, 3),
    ]
    assert [len(span["audio"]) for span in spans] == [16000, 16000]


def test_files_are_closed_when_the_iteration_is_left(tmp_path, monkeypatch):
    path = write_media(
        tmp_path / "clip.mp4", frames=levels(50), audio=tone(440, 2, 48000)
    )
    closed, leave = [], MediaFile.__exit__

    def noting(self, *exception):
        closed.append(self)
        leave(self, *exception)

    monkeypatch.setattr(MediaFile, "__exit__", noting)
    spans = iter_clip(path, seconds=0.5)
    next(spans)
    spans.close()
    assert len(closed) == 2


@pytest.mark.parametrize(
    "settings, match",
    [
        ({"seconds": 0.1}, "whole number of frames.* seconds=0.1.* 0.8 frames"),
        ({"seconds": 0}, "whole number of frames, at least one"),
        ({"seconds": -1}, "at least one"),
        (
            {"seconds": 0.125, "sampling_rate": 11025},
            "whole number of samples.* 1378.12 samples",
        ),
        ({"seconds": 1, "start": 9}, "`start` is 9.0 s, at or beyond its end"),
        ({"seconds": 1, "frame_rate": 0}, "`frame_rate` must be"),
        ({"seconds": 1, "video": False, "audio": False}, "Nothing was asked"),
    ],
)
def test_arguments(tmp_path, settings, match):
    path = write_media(tmp_path / "clip.mp4", frames=levels(25))
    with pytest.raises(ValueError, match=match):
        list(iter_clip(path, **settings))


def test_a_missing_file_is_an_error_at_once():
    with pytest.raises(ValueError, match="'nowhere.mp4'.* does not exist"):
        iter_clip("nowhere.mp4", seconds=1)
