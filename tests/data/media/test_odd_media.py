"""Media that is whole but unusual: sizes, depths, channels, rates, lengths."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries
from av.video.reformatter import ColorRange
from av.video.reformatter import Colorspace
from av.video.reformatter import ColorTrc
from media_files import amplitude_of
from media_files import greys
from media_files import set_display_rotation
from media_files import solid
from media_files import tone
from media_files import write_media

from keras_mirasol.data import iter_clip
from keras_mirasol.data import load_clip
from keras_mirasol.data.media import memory
from keras_mirasol.data.media.audio_samples import _Resampler

pytestmark = pytest.mark.any_backend

QUIET_X265 = {"x265-params": "log-level=none"}
# Four colours side by side.
COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (128, 128, 128)]


def bars(size=(48, 128)):
    height, width = size
    row = np.array(COLOURS, "uint8").repeat(width // 4, axis=0)
    return np.tile(row, (height, 1, 1))


def colours_of(videos):
    """The colour in the middle of each quarter."""
    rows, columns = videos.shape[1:3]
    return videos[:, rows // 2, columns // 8 :: columns // 4]


class TestSizes:
    @pytest.mark.parametrize(
        "name, size, settings",
        [
            ("clip.mp4", (47, 63), {"pix_fmt": "yuv444p"}),
            ("clip.mkv", (47, 63), {"video_codec": "ffv1"}),
            ("clip.avi", (47, 63), {"video_codec": "mpeg4", "clock": 8}),
            ("clip.webm", (47, 63), {"video_codec": "libvpx-vp9"}),
            ("clip.webm", (1, 3), {"video_codec": "libvpx-vp9"}),
            ("clip.mov", (1, 1), {"video_codec": "png", "pix_fmt": "rgb24"}),
            ("clip.mov", (3, 901), {"video_codec": "png", "pix_fmt": "rgb24"}),
        ],
    )
    def test_odd_numbers_of_rows_and_columns(
        self, tmp_path, name, size, settings
    ):
        levels = np.arange(8) * 30
        path = write_media(
            tmp_path / name,
            frames=[solid(level, size) for level in levels],
            frame_rate=8,
            **settings,
        )
        for image_size in (None, (16, 24)):
            videos = load_clip(path, image_size=image_size)["videos"]
            assert videos.shape == (8, *(image_size or size), 3)
            np.testing.assert_allclose(greys(videos), levels, atol=4)

    def test_an_odd_size_is_turned(self, tmp_path):
        upright = np.zeros((63, 47, 3), "uint8")
        upright[:20, :20] = 255
        path = write_media(
            tmp_path / "clip.mp4",
            frames=[np.ascontiguousarray(np.rot90(upright, -1))] * 8,
            frame_rate=8,
            pix_fmt="yuv444p",
        )
        set_display_rotation(path, 1)
        videos = load_clip(path)["videos"]
        assert videos.shape == (8, 63, 47, 3)
        assert np.abs(videos[3].astype(int) - upright).mean() < 5

    def test_a_size_that_changes_on_the_way(self, tmp_path):
        # Frames are scaled to the size of the first.
        parts = b""
        for part, size in enumerate([(48, 64), (96, 128)]):
            path = write_media(
                tmp_path / f"{part}.ts",
                frames=[solid(100 + 50 * part, size)] * 8,
                frame_rate=8,
                video_start=part,
                video_options={"tune": "zerolatency"},
            )
            parts += Path(path).read_bytes()
        (tmp_path / "joined.ts").write_bytes(parts)
        videos = load_clip(tmp_path / "joined.ts")["videos"]
        assert videos.shape == (16, 48, 64, 3)
        np.testing.assert_allclose(greys(videos), [100] * 8 + [150] * 8, atol=3)


class TestDepth:
    @pytest.mark.parametrize("image_size", [None, 24])
    @pytest.mark.parametrize(
        "name, settings",
        [
            ("h264.mp4", {"pix_fmt": "yuv420p10le"}),
            (
                "hevc.mp4",
                {
                    "pix_fmt": "yuv420p10le",
                    "video_codec": "libx265",
                    "video_options": QUIET_X265,
                },
            ),
            ("ffv1.mkv", {"pix_fmt": "yuv420p10le", "video_codec": "ffv1"}),
            ("h264_422.mp4", {"pix_fmt": "yuv422p10le"}),
            ("prores.mov", {"pix_fmt": "yuv422p10le", "video_codec": "prores"}),
            ("grey.mkv", {"pix_fmt": "gray16le", "video_codec": "ffv1"}),
            ("rgb.mkv", {"pix_fmt": "gbrp10le", "video_codec": "ffv1"}),
        ],
    )
    def test_more_than_eight_bits_keep_their_grey_levels(
        self, tmp_path, name, settings, image_size
    ):
        levels = np.arange(9) * 30
        path = write_media(
            tmp_path / name,
            frames=[solid(level) for level in levels],
            frame_rate=8,
            **settings,
        )
        videos = load_clip(path, image_size=image_size)["videos"]
        np.testing.assert_allclose(greys(videos), levels, atol=1)

    @pytest.mark.parametrize("image_size", [None, (24, 64)])
    @pytest.mark.parametrize(
        "name, codec, transfer",
        [
            ("pq.mp4", "libx265", ColorTrc.SMPTE2084),
            ("hlg.mp4", "libx264", ColorTrc.ARIB_STD_B67),
            ("pq.mkv", "ffv1", ColorTrc.SMPTE2084),
        ],
    )
    def test_high_dynamic_range_keeps_its_values(
        self, tmp_path, name, codec, transfer, image_size
    ):
        # By the matrix that the file names; tones are not mapped.
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            options = QUIET_X265 if codec == "libx265" else {}
            video = container.add_stream(codec, rate=8, options=options)
            video.height, video.width = 48, 128
            video.pix_fmt = "yuv420p10le"
            context = video.codec_context
            context.colorspace = Colorspace.BT2020
            context.color_range = ColorRange.MPEG
            context.color_trc = transfer
            context.color_primaries = ColorPrimaries.BT2020
            for index in range(8):
                frame = av.VideoFrame.from_ndarray(bars(), format="rgb24")
                frame = frame.reformat(
                    format="yuv420p10le",
                    dst_colorspace=Colorspace.BT2020,
                    dst_color_range=ColorRange.MPEG,
                )
                frame.pts, frame.time_base = index, Fraction(1, 8)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        with av.open(str(path)) as container:
            assert next(container.decode(video=0)).color_trc == transfer
        videos = load_clip(path, image_size=image_size)["videos"]
        assert len(videos) == 8
        np.testing.assert_allclose(
            colours_of(videos), np.tile(COLOURS, (8, 1, 1)), atol=3
        )

    def test_palettes_and_transparency(self, tmp_path):
        for name, codec, pix_fmt in [
            ("picture.gif", "gif", "rgb8"),
            ("screen.mov", "png", "rgba"),
        ]:
            path = write_media(
                tmp_path / name,
                frames=[solid(0)] * 4 + [solid(255)] * 4,
                frame_rate=8,
                video_codec=codec,
                pix_fmt=pix_fmt,
                clock=8,
            )
            videos = load_clip(path)["videos"]
            np.testing.assert_allclose(
                greys(videos), [0] * 4 + [255] * 4, atol=3
            )


class TestChannels:
    @pytest.mark.parametrize(
        "layout, channels",
        [
            ("mono", 1),
            ("stereo", 2),
            ("2.1", 3),
            ("quad", 4),
            ("5.0", 5),
            ("5.1", 6),
            ("6.1", 7),
            ("7.1", 8),
        ],
    )
    @pytest.mark.parametrize(
        "name, codec", [("tone.mkv", "flac"), ("tone.wav", "pcm_s16le")]
    )
    def test_a_tone_on_all_channels_keeps_its_amplitude(
        self, tmp_path, name, codec, layout, channels
    ):
        path = write_media(
            tmp_path / name,
            audio=np.tile(tone(440, 0.5, 48000, 0.8), (channels, 1)),
            layout=layout,
            audio_codec=codec,
        )
        audio = load_clip(path)["audio"]
        assert len(audio) == 8000
        assert amplitude_of(audio[2000:6000], 440, 16000) == pytest.approx(
            0.8, rel=0.01
        )

    def test_channels_that_no_one_can_place_are_reported(self, tmp_path):
        path = write_media(
            tmp_path / "tone.wav",
            audio=np.tile(tone(440, 0.5, 48000), (8, 1)),
            layout="7.1",
            audio_codec="pcm_s16le",
        )
        data = bytearray(Path(path).read_bytes())
        # In the header: the channels, and which loudspeaker has which.
        at = data.index(b"fmt ") + 8
        assert data[at + 2] == 8
        data[at + 2] = 9
        data[at + 20 : at + 24] = bytes(4)
        Path(path).write_bytes(data)
        with pytest.raises(ValueError, match="tone.wav.*cannot be converted"):
            load_clip(path)


class TestRates:
    @pytest.mark.parametrize(
        "name, codec, rate",
        [
            ("tone.wav", "pcm_s16le", 8000),
            ("tone.wav", "pcm_s16le", 192000),
            ("tone.wav", "pcm_s24le", 176400),
            ("tone.mkv", "flac", 11025),
            ("tone.mkv", "flac", 192000),
            ("tone.m4a", "aac", 96000),
            ("tone.m4a", "alac", 192000),
            ("tone.mp3", "libmp3lame", 8000),
            ("tone.mp3", "libmp3lame", 48000),
            ("tone.ogg", "libopus", 48000),
            ("tone.mka", "ac3", 32000),
        ],
    )
    def test_a_tone_keeps_frequency_and_amplitude(
        self, tmp_path, name, codec, rate
    ):
        path = write_media(
            tmp_path / name,
            audio=tone(1000, 1.5, rate, 0.3),
            sampling_rate=rate,
            audio_codec=codec,
        )
        audio = load_clip(path)["audio"]
        # AC-3 does not say how much of its last block is filling.
        assert 0 <= len(audio) / 16000 - 1.5 <= 2 * 1152 / rate
        middle = audio[4000:20000]
        assert np.argmax(np.abs(np.fft.rfft(middle))) == 1000
        # MP3 makes it a little fainter.
        assert amplitude_of(middle, 1000, 16000) == pytest.approx(0.3, rel=0.06)

    def test_what_a_decoder_holds_back_has_no_time_but_is_heard(self, tmp_path):
        # The last block of Windows Media Audio.
        path = write_media(
            tmp_path / "tone.wma",
            audio=tone(1000, 1, 44100, 0.3),
            sampling_rate=44100,
            audio_codec="wmav2",
            audio_bit_rate=64000,
            format="asf",
        )
        audio = load_clip(path)["audio"]
        # 22 blocks of 2048 samples.
        assert 1 <= len(audio) / 16000 < 1 + 3 * 2048 / 44100
        assert amplitude_of(audio[4000:12000], 1000, 16000) == pytest.approx(
            0.3, rel=0.05
        )


class TestLengths:
    @pytest.mark.parametrize("extension", ["mp4", "mkv", "ts"])
    @pytest.mark.parametrize("seen, heard", [(1, 3), (3, 1)])
    def test_each_stream_has_its_own_length(
        self, tmp_path, extension, seen, heard
    ):
        path = write_media(
            tmp_path / f"clip.{extension}",
            frames=[solid(90)] * (25 * seen),
            audio=tone(440, heard, 48000),
        )
        clip = load_clip(path)
        assert len(clip["videos"]) == 8 * seen
        # In MPEG-TS the first and the last block of 1024 samples are whole.
        assert 0 <= len(clip["audio"]) - 16000 * heard <= 2 * 1024 / 3
        spans = list(iter_clip(path, seconds=0.5))
        assert sum("videos" in span for span in spans) == 2 * seen

    def test_titles_in_any_encoding(self, tmp_path):
        path = tmp_path / "clip.mkv"
        with av.open(str(path), "w") as container:
            container.metadata["title"] = "Caf+ au lait"
            video = container.add_stream("mpeg4", rate=8)
            video.height, video.width = 48, 64
            for _ in range(8):
                frame = av.VideoFrame.from_ndarray(solid(90), format="rgb24")
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        data = path.read_bytes()
        assert b"Caf+ au lait" in data
        path.write_bytes(data.replace(b"Caf+", b"Caf\xe9"))
        assert len(load_clip(path)["videos"]) == 8

    def test_a_film_of_two_hours(self, tmp_path):
        # A frame a second; its grey level tells the minute, and the second's
        # parity.
        def level(second):
            return 2 * (second // 60) + 5 * (second % 2)

        path = write_media(
            tmp_path / "film.mkv",
            frames=[solid(level(k), (16, 16)) for k in range(7200)],
            frame_rate=1,
            clock=1,
            video_codec="ffv1",
        )
        # The last four seconds, half of them beyond the end.
        end = load_clip(path, start=7198, end=7202, frame_rate=1)["videos"]
        expected = [level(7198), level(7199)]
        np.testing.assert_allclose(greys(end), expected, atol=1)
        spans = iter_clip(path, seconds=1, start=3597, end=3603, frame_rate=2)
        levels = [greys(span["videos"]) for span in spans]
        expected = [[level(k)] * 2 for k in range(3597, 3603)]
        np.testing.assert_allclose(levels, expected, atol=1)
        with pytest.raises(ValueError, match="at or beyond its end"):
            load_clip(path, start=7200)
        whole = load_clip(path, frame_rate=0.1, image_size=4)["videos"]
        expected = [level(10 * k + 5) for k in range(720)]
        np.testing.assert_allclose(greys(whole), expected, atol=1)


def write_blocks(path, starts, sampling_rate=48000):
    """Writes a tenth of a second of a tone at each of these seconds."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream(
            "pcm_s16le", rate=sampling_rate, layout="mono"
        )
        for start in starts:
            block = av.AudioFrame.from_ndarray(
                tone(440, 0.1, sampling_rate)[None], "fltp", "mono"
            )
            block.sample_rate = sampling_rate
            block.pts = start * sampling_rate
            block.time_base = Fraction(1, sampling_rate)
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return str(path)


class TestSilence:
    @pytest.mark.parametrize("rate, new_rate", [(48000, 16000), (44100, 16000)])
    def test_silence_that_is_not_filtered_is_as_if_it_were(
        self, rate, new_rate
    ):
        rng = np.random.default_rng(0)
        pieces = [
            rng.normal(0, 0.1, 1000),
            *[np.zeros(131072)] * 4,
            np.zeros(777),
            rng.normal(0, 0.1, 5000),
        ]
        pieces = [piece.astype("float32") for piece in pieces]
        by_pieces, at_once = (
            _Resampler(rate, new_rate),
            _Resampler(rate, new_rate),
        )
        found = np.concatenate([*map(by_pieces, pieces), by_pieces.rest()])
        expected = [at_once(np.concatenate(pieces)), at_once.rest()]
        expected = np.concatenate(expected)
        assert len(found) == len(expected)
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_what_is_heard_after_an_hour_of_silence_is_in_its_place(
        self, tmp_path
    ):
        path = write_blocks(tmp_path / "clip.mkv", [0, 3000])
        audio = load_clip(path)["audio"]
        assert len(audio) == 3000 * 16000 + 1600
        assert not audio[1700 : 3000 * 16000 - 100].any()
        np.testing.assert_allclose(
            audio[3000 * 16000 :][100:1500],
            tone(440, 0.1, 16000)[100:1500],
            atol=1e-3,
        )

    def test_more_samples_than_memory_holds_are_an_error(
        self, tmp_path, monkeypatch
    ):
        path = write_blocks(tmp_path / "clip.mkv", [0, 10])
        monkeypatch.setattr(memory, "memory", lambda: 10 * 16000 * 4)
        with pytest.raises(ValueError, match="clip.mkv.*`sampling_rate`"):
            load_clip(path)
        assert len(list(iter_clip(path, seconds=2.5))) == 5
