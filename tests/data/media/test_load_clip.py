from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import amplitude_of
from media_files import greys
from media_files import set_display_rotation
from media_files import solid
from media_files import tone
from media_files import write_media

from keras_mirasol.data import load_clip
from keras_mirasol.data.media.media_file import MediaFile

pytestmark = pytest.mark.any_backend


def noise_frames(count, seed=0):
    """Frames that do not compress to nothing."""
    coarse = np.random.default_rng(seed).integers(0, 255, (count, 12, 16, 3))
    return coarse.astype("uint8").repeat(4, axis=1).repeat(4, axis=2)


class TestLateStreams:
    def test_late_video_begins_with_black_frames(self, tmp_path):
        path = write_media(
            tmp_path / "clip.mp4",
            frames=[solid(200)] * 50,
            video_start=1,
            audio=tone(440, 3, 48000),
        )
        videos = load_clip(path)["videos"]
        np.testing.assert_allclose(greys(videos), [0] * 8 + [200] * 16, atol=3)

    def test_late_audio_begins_with_silence(self, tmp_path):
        path = write_media(
            tmp_path / "clip.mkv",
            frames=[solid(200)] * 75,
            audio=tone(440, 2, 48000),
            audio_start=1,
            audio_codec="pcm_s16le",
        )
        audio = load_clip(path)["audio"]
        assert len(audio) == 3 * 16000
        assert np.abs(audio[:15900]).max() < 0.01
        assert amplitude_of(audio[16000:], 440, 16000) == pytest.approx(
            0.5, rel=0.02
        )

    def test_one_modality_alone_is_where_it_is_in_the_whole(self, tmp_path):
        path = write_media(
            tmp_path / "clip.mp4",
            frames=noise_frames(50),
            video_start=Fraction(1, 2),
            audio=tone(440, 2, 48000),
        )
        both = load_clip(path)
        np.testing.assert_array_equal(
            load_clip(path, audio=False)["videos"], both["videos"]
        )
        np.testing.assert_array_equal(
            load_clip(path, video=False)["audio"], both["audio"]
        )


class TestVideo:
    @pytest.mark.parametrize("native_rate", [8, 24, 25, 30, 60])
    def test_frames_are_those_on_screen_at_the_middle(
        self, tmp_path, native_rate
    ):
        levels = np.linspace(0, 255, 2 * native_rate).round()
        path = write_media(
            tmp_path / "clip.mp4",
            frames=[solid(level) for level in levels],
            frame_rate=native_rate,
        )
        videos = load_clip(path)["videos"]
        middles = (np.arange(16) + 0.5) / 8
        expected = levels[np.floor(middles * native_rate).astype(int)]
        np.testing.assert_allclose(greys(videos), expected, atol=3)

    def test_variable_frame_rate(self, tmp_path):
        rng = np.random.default_rng(0)
        times = np.concatenate([[0], np.cumsum(rng.uniform(0.01, 0.4, 19))])
        times = np.round(times, 3)
        levels = np.arange(20) * 12
        path = write_media(
            tmp_path / "clip.mp4",
            frames=[solid(level) for level in levels],
            times=times,
        )
        videos = load_clip(path)["videos"]
        middles = (np.arange(len(videos)) + 0.5) / 8
        expected = levels[np.searchsorted(times, middles, "right") - 1]
        np.testing.assert_allclose(greys(videos), expected, atol=3)
        assert times[-1] * 8 <= len(videos) + 0.5 <= (times[-1] + 0.4) * 8 + 1

    def test_the_last_frame_lasts_as_long_as_the_file_says(self, tmp_path):
        path = tmp_path / "slides.mp4"
        with av.open(str(path), "w") as container:
            video = container.add_stream("mjpeg", rate=10)
            video.width, video.height, video.pix_fmt = 64, 48, "yuvj420p"
            for index, seconds in enumerate((0.1, 0.1, 0.1, 2)):
                frame = av.VideoFrame.from_ndarray(
                    solid(60 * index), format="rgb24"
                )
                frame.pts, frame.time_base = index, Fraction(1, 10)
                for packet in video.encode(frame):
                    packet.duration = round(10 * seconds)
                    container.mux(packet)
        videos = load_clip(path, frame_rate=10)["videos"]
        np.testing.assert_allclose(
            greys(videos), [0, 60, 120] + [180] * 20, atol=3
        )

    def test_frames_are_repeated_where_the_video_is_slower(self, tmp_path):
        path = write_media(
            tmp_path / "clip.mp4",
            frames=[solid(0), solid(100), solid(200)],
            frame_rate=1,
        )
        videos = load_clip(path, frame_rate=4)["videos"]
        np.testing.assert_allclose(
            greys(videos), [0] * 4 + [100] * 4 + [200] * 4, atol=3
        )

    def test_ntsc_rate_is_exact(self, tmp_path):
        path = write_media(
            tmp_path / "clip.mp4",
            frames=[solid(level) for level in range(60, 210)],
            frame_rate=30000 / 1001,
        )
        videos = load_clip(path, frame_rate=30000 / 1001)["videos"]
        np.testing.assert_allclose(greys(videos), range(60, 210), atol=2)

    def test_a_shorter_clip_than_a_frame_gives_one(self, tmp_path):
        path = write_media(tmp_path / "clip.mp4", frames=[solid(90)])
        videos = load_clip(path, frame_rate=1)["videos"]
        assert videos.shape == (1, 48, 64, 3)
        np.testing.assert_allclose(greys(videos), [90], atol=3)

    def test_colours_are_red_green_blue(self, tmp_path):
        frame = np.zeros((48, 96, 3), "uint8")
        for channel in range(3):
            frame[:, 32 * channel : 32 * (channel + 1), channel] = 200
        path = write_media(tmp_path / "clip.mp4", frames=[frame] * 10)
        videos = load_clip(path)["videos"]
        # Away from the borders, where colour is stored at half resolution.
        for channel in range(3):
            patch = videos[0, :, 32 * channel + 8 : 32 * channel + 24]
            expected = np.eye(3)[channel] * 200
            np.testing.assert_allclose(patch.mean((0, 1)), expected, atol=6)

    @pytest.mark.parametrize("turns", [1, 2, 3])
    def test_display_matrix_turns_frames_upright(self, tmp_path, turns):
        upright = np.zeros((64, 48, 3), "uint8")
        upright[:16, :16] = 255
        stored = np.ascontiguousarray(np.rot90(upright, -turns))
        path = write_media(tmp_path / "clip.mp4", frames=[stored] * 10)
        set_display_rotation(path, turns)
        videos = load_clip(path)["videos"]
        assert videos.shape[1:] == upright.shape
        assert np.abs(videos[0].astype(int) - upright).mean() < 5

    def test_cover_picture_is_not_video(self, tmp_path):
        path = tmp_path / "song.mp4"
        with av.open(str(path), "w") as container:
            sound = container.add_stream("aac", rate=48000, layout="mono")
            cover = container.add_stream("mjpeg", rate=1)
            cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
            cover.disposition = av.stream.Disposition.attached_pic
            picture = av.VideoFrame.from_ndarray(solid(255), format="rgb24")
            block = av.AudioFrame.from_ndarray(
                tone(440, 1, 48000)[None], "fltp", "mono"
            )
            block.sample_rate = 48000
            for stream, frame in ((cover, picture), (sound, block)):
                container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
        with av.open(str(path)) as container:
            assert len(container.streams.video) == 1
        assert set(load_clip(path)) == {"audio"}


class TestAudio:
    @pytest.mark.parametrize("native_rate", [8000, 16000, 22050, 44100, 48000])
    @pytest.mark.parametrize("sampling_rate", [8000, 16000, 44100])
    def test_a_tone_keeps_frequency_and_amplitude(
        self, tmp_path, native_rate, sampling_rate
    ):
        path = write_media(
            tmp_path / "tone.m4a",
            audio=tone(1000, 1.5, native_rate, amplitude=0.3),
            sampling_rate=native_rate,
        )
        audio = load_clip(path, sampling_rate=sampling_rate)["audio"]
        assert audio.dtype == "float32"
        assert len(audio) == 1.5 * sampling_rate
        middle = audio[sampling_rate // 4 : sampling_rate // 4 + sampling_rate]
        spectrum = np.abs(np.fft.rfft(middle))
        assert np.argmax(spectrum) == 1000
        assert amplitude_of(middle, 1000, sampling_rate) == pytest.approx(
            0.3, rel=0.02
        )

    def test_tones_above_half_the_rate_do_not_fold_back(self, tmp_path):
        path = write_media(
            tmp_path / "tone.wav",
            audio=tone(15000, 1, 48000),
            audio_codec="pcm_s16le",
        )
        audio = load_clip(path, sampling_rate=16000)["audio"]
        assert np.abs(audio[200:-200]).max() < 0.005

    @pytest.mark.parametrize(
        "layout, channels", [("mono", 1), ("stereo", 2), ("5.1", 6)]
    )
    def test_a_tone_on_all_channels_keeps_its_amplitude(
        self, tmp_path, layout, channels
    ):
        path = write_media(
            tmp_path / "tone.mp4",
            audio=np.tile(tone(440, 1, 48000, amplitude=0.8), (channels, 1)),
            layout=layout,
        )
        audio = load_clip(path)["audio"]
        assert amplitude_of(audio[4000:12000], 440, 16000) == pytest.approx(
            0.8, rel=0.03
        )

    def test_stereo_is_the_mean_of_both_channels(self, tmp_path):
        left, right = tone(500, 1, 48000, 0.8), tone(2000, 1, 48000, 0.4)
        path = write_media(
            tmp_path / "tones.wav",
            audio=np.stack([left, right]),
            layout="stereo",
            audio_codec="pcm_s16le",
        )
        audio = load_clip(path, sampling_rate=48000)["audio"]
        np.testing.assert_allclose(audio, (left + right) / 2, atol=1e-4)

    def test_full_scale_stays_within_one(self, tmp_path):
        square = np.sign(tone(100, 1, 48000))
        path = write_media(
            tmp_path / "square.wav", audio=square, audio_codec="pcm_f32le"
        )
        audio = load_clip(path)["audio"]
        assert np.abs(audio).max() == 1.0

    def test_millisecond_clocks_do_not_tear_the_wave(self, tmp_path):
        # Matroska rounds the time of each block to a millisecond.
        wave = tone(440, 2, 44100)
        path = write_media(
            tmp_path / "tone.mkv",
            audio=wave,
            sampling_rate=44100,
            audio_codec="pcm_s16le",
        )
        audio = load_clip(path, sampling_rate=44100)["audio"]
        np.testing.assert_allclose(audio, wave, atol=1e-4)

    def test_a_gap_between_blocks_is_silent(self, tmp_path):
        path = tmp_path / "gap.mkv"
        with av.open(str(path), "w") as container:
            sound = container.add_stream("pcm_s16le", rate=16000, layout="mono")
            for start in (0, 2):
                samples = tone(440, 1, 16000)[None]
                frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
                frame.sample_rate, frame.pts = 16000, start * 16000
                frame.time_base = Fraction(1, 16000)
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
        audio = load_clip(path)["audio"]
        assert len(audio) == 3 * 16000
        assert np.abs(audio[16000:32000]).max() == 0
        within = load_clip(path, start=1.25, end=1.75)["audio"]
        assert within.shape == (8000,) and not within.any()
        np.testing.assert_allclose(
            audio[32000:], tone(440, 1, 16000), atol=1e-4
        )


@pytest.fixture(scope="module")
def noise_clip(tmp_path_factory):
    noise = np.random.default_rng(1).normal(0, 0.1, 6 * 44100)
    return write_media(
        tmp_path_factory.mktemp("cuts") / "clip.mp4",
        frames=noise_frames(150),
        audio=noise,
        sampling_rate=44100,
        # Where AAC replaces noise, decoders make it up.
        audio_options={"aac_pns": "0"},
        audio_start=Fraction(1, 4),
    )


class TestCuts:
    @pytest.mark.parametrize(
        "start, end", [(0, 2), (0.125, 1), (1.5, 4.5), (3.25, 6), (5, None)]
    )
    def test_a_cut_is_a_slice_of_the_whole(self, noise_clip, start, end):
        whole, cut = (
            load_clip(noise_clip),
            load_clip(noise_clip, start=start, end=end),
        )
        last = None if end is None else int(8 * end)
        np.testing.assert_array_equal(
            cut["videos"], whole["videos"][int(8 * start) : last]
        )
        last = None if end is None else int(16000 * end)
        np.testing.assert_allclose(
            cut["audio"],
            whole["audio"][int(16000 * start) : last],
            atol=1e-5,
        )

    @pytest.mark.parametrize("extension", ["mkv", "ts", "mov", "flv"])
    def test_cuts_in_other_containers(self, tmp_path, extension):
        path = write_media(
            tmp_path / f"clip.{extension}",
            frames=noise_frames(100),
            audio=tone(440, 4, 48000),
            keyframe_every=60,
        )
        whole, cut = load_clip(path), load_clip(path, start=1.5, end=3)
        np.testing.assert_array_equal(cut["videos"], whole["videos"][12:24])
        assert len(cut["audio"]) == 24000
        # The blocks' rounded timestamps shift audio by half a millisecond.
        difference = cut["audio"] - whole["audio"][24000:48000]
        assert np.abs(difference).max() < 0.5 * 2 * np.pi * 440 * 0.001

    @pytest.mark.parametrize("keyframe_every", [60, 250])
    @pytest.mark.parametrize("start, end", [(1, 2), (2.5, 3.5)])
    def test_cuts_where_a_jump_lands_behind_the_key_frame(
        self, tmp_path, keyframe_every, start, end
    ):
        # MPEG-TS has no index, so a jump does not know of key frames.
        path = write_media(
            tmp_path / "clip.ts",
            frames=noise_frames(100),
            keyframe_every=keyframe_every,
        )
        whole, cut = load_clip(path), load_clip(path, start=start, end=end)
        np.testing.assert_array_equal(
            cut["videos"], whole["videos"][int(8 * start) : int(8 * end)]
        )

    def test_an_end_beyond_the_clip_is_the_end(self, noise_clip):
        assert len(load_clip(noise_clip, start=5, end=100)["videos"]) == 8

    def test_a_stream_that_ended_before_the_cut_is_absent(self, tmp_path):
        path = write_media(
            tmp_path / "clip.mp4",
            frames=[solid(9)] * 25,
            audio=tone(440, 3, 48000),
        )
        assert set(load_clip(path, start=2)) == {"audio"}

    def test_a_cut_before_late_video_is_black(self, tmp_path):
        path = write_media(
            tmp_path / "clip.mp4",
            frames=[solid(200)] * 25,
            video_start=2,
            audio=tone(440, 3, 48000),
        )
        videos = load_clip(path, end=1)["videos"]
        assert videos.shape == (8, 48, 64, 3) and not videos.any()

    @pytest.mark.parametrize("start", [0, 1])
    def test_a_cut_before_late_audio_is_silent(self, tmp_path, start):
        path = write_media(
            tmp_path / "clip.mp4",
            frames=[solid(200)] * 100,
            audio=tone(440, 1, 48000),
            audio_start=3,
        )
        audio = load_clip(path, start=start, end=2)["audio"]
        assert audio.shape == (16000 * (2 - start),) and not audio.any()

    def test_only_what_is_asked_for_is_decoded(self, noise_clip, monkeypatch):
        decoded = {"video": 0, "audio": 0}
        decode = MediaFile.decode

        def counting(self, kind, start):
            for frame in decode(self, kind, start):
                decoded[kind] += 1
                yield frame

        monkeypatch.setattr(MediaFile, "decode", counting)
        load_clip(noise_clip, start=4, end=5, audio=False)
        # At 25 frames/s with a key frame every 12: the second asked for, half
        # a second before it, up to a group of pictures, one frame more.
        assert 25 < decoded["video"] <= 25 + 13 + 12 + 1
        assert decoded["audio"] == 0
        load_clip(noise_clip, start=4, end=5, video=False)
        # 43 blocks of 1024 samples per second.
        assert 43 < decoded["audio"] <= 1.6 * 43 + 2


class TestStreams:
    def test_no_audio(self, tmp_path):
        path = write_media(tmp_path / "clip.mp4", frames=[solid(9)] * 25)
        clip = load_clip(path)
        assert set(clip) == {"videos"}
        assert clip["videos"].shape == (8, 48, 64, 3)
        assert clip["videos"].dtype == "uint8"

    def test_no_video(self, tmp_path):
        path = write_media(tmp_path / "clip.mp4", audio=tone(440, 1, 48000))
        assert set(load_clip(path)) == {"audio"}

    def test_switches_leave_a_modality_out(self, tmp_path):
        path = write_media(
            tmp_path / "clip.mp4",
            frames=[solid(9)] * 25,
            audio=tone(440, 1, 48000),
        )
        assert set(load_clip(path, video=False)) == {"audio"}
        assert set(load_clip(path, audio=False)) == {"videos"}

    def test_separate_files(self, tmp_path):
        video = write_media(tmp_path / "v.mp4", frames=noise_frames(50))
        audio = write_media(
            tmp_path / "a.wav",
            audio=tone(440, 2, 48000),
            audio_codec="pcm_s16le",
        )
        line = {"video": str(video), "audio": str(audio), "start": 1}
        clip = load_clip(line)
        np.testing.assert_array_equal(
            clip["videos"], load_clip(video)["videos"][8:]
        )
        np.testing.assert_allclose(
            clip["audio"], load_clip(audio)["audio"][16000:], atol=1e-5
        )
        assert set(load_clip(line, video=False)) == {"audio"}
        with pytest.raises(ValueError, match=r"expected audio, .* only video"):
            load_clip({"audio": str(video)})
        del line["audio"]
        with pytest.raises(ValueError, match=r"\['audio', 'media'\].*'start'"):
            load_clip(line, video=False)

    def test_a_line_of_one_file(self, tmp_path):
        path = write_media(tmp_path / "v.mp4", frames=noise_frames(50))
        line = {"media": str(path), "start": 0.5, "end": 1.5, "kind": "seen"}
        for given in ({}, {"start": 0.25}, {"end": 1.0}):
            np.testing.assert_array_equal(
                load_clip(line, **given)["videos"],
                load_clip(path, **{"start": 0.5, "end": 1.5, **given})[
                    "videos"
                ],
            )
        with pytest.raises(ValueError, match="'media'.*Received the keys"):
            load_clip({"path": str(path)})

    def test_path_may_be_any_text(self, tmp_path):
        folder = tmp_path / "Käse und 音 %d #1"
        folder.mkdir()
        path = folder / "ein Ärger: ☃.mp4"
        write_media(path, frames=[solid(9)] * 25)
        assert len(load_clip(path)["videos"]) == 8
        assert len(load_clip(str(path))["videos"]) == 8


@pytest.fixture(scope="module")
def intact_file(tmp_path_factory):
    return write_media(
        tmp_path_factory.mktemp("errors") / "good.mp4",
        frames=noise_frames(100),
        audio=tone(440, 4, 48000),
        options={"movflags": "faststart"},
    )


class TestErrors:
    def raises(self, path, match, **options):
        with pytest.raises(ValueError, match=match) as raised:
            load_clip(path, **options)
        assert str(path) in str(raised.value)

    def test_missing_file(self, tmp_path):
        self.raises(tmp_path / "no.mp4", "does not exist")

    def test_directory(self, tmp_path):
        self.raises(tmp_path, "is a directory")

    def test_zero_bytes(self, tmp_path):
        (tmp_path / "zero.mp4").touch()
        self.raises(tmp_path / "zero.mp4", "0 bytes")

    @pytest.mark.parametrize("name", ["note.mp4", "note.txt"])
    def test_text(self, tmp_path, name):
        (tmp_path / name).write_text("This is no video.\n" * 200)
        self.raises(tmp_path / name, "expected video or audio")

    def test_random_bytes(self, tmp_path):
        data = np.random.default_rng(0).bytes(20000)
        (tmp_path / "noise.mp4").write_bytes(data)
        self.raises(tmp_path / "noise.mp4", "expected video or audio|decoded")

    def test_subtitles_alone(self, tmp_path):
        text = "1\n00:00:00,000 --> 00:00:01,000\nhello\n\n"
        (tmp_path / "words.srt").write_text(text)
        self.raises(tmp_path / "words.srt", "neither video nor audio")

    def test_the_other_stream_alone(self, intact_file, tmp_path):
        silent = write_media(tmp_path / "v.mp4", frames=[solid(9)] * 9)
        self.raises(
            silent, "expected audio, but it has only video", video=False
        )
        self.raises(intact_file, "Nothing was asked", video=False, audio=False)

    def test_mp4_without_its_index(self, tmp_path):
        path = tmp_path / "cut.mp4"
        write_media(path, frames=noise_frames(50))
        data = path.read_bytes()
        assert data.index(b"moov") > 0.6 * len(data)
        path.write_bytes(data[: int(0.6 * len(data))])
        self.raises(path, r"no readable index \(`moov`\)")

    def test_truncated_mp4_with_its_index(self, intact_file, tmp_path):
        data = Path(intact_file).read_bytes()
        cut = tmp_path / "cut.mp4"
        cut.write_bytes(data[: int(0.6 * len(data))])
        self.raises(cut, r"breaks off at 2\.\d+ s, .* declares 4.00 s")
        self.raises(cut, "audio breaks off", video=False)
        # What lies before the break is whole.
        assert len(load_clip(cut, end=1)["videos"]) == 8

    @pytest.mark.parametrize("extension", ["mkv", "mov"])
    def test_truncated_in_other_containers(self, tmp_path, extension):
        path = tmp_path / f"cut.{extension}"
        options = {"movflags": "faststart"} if extension == "mov" else {}
        write_media(
            path,
            frames=noise_frames(100),
            audio=tone(440, 4, 48000),
            options=options,
        )
        data = path.read_bytes()
        path.write_bytes(data[: int(0.6 * len(data))])
        self.raises(path, "breaks off")

    @pytest.mark.parametrize("extension", ["mp4", "mkv", "ts"])
    def test_damage_in_the_middle(self, tmp_path, extension):
        path = tmp_path / f"hole.{extension}"
        write_media(path, frames=noise_frames(100), audio=tone(440, 4, 48000))
        data = bytearray(path.read_bytes())
        first, last = int(0.4 * len(data)), int(0.6 * len(data))
        data[first:last] = bytes(last - first)
        path.write_bytes(data)
        self.raises(path, "video is damaged from 1")
        if extension == "mp4":
            self.raises(path, "audio is damaged from 1", video=False)

    def test_joined_parts_whose_clocks_start_over(self, tmp_path):
        parts = b""
        for part in range(2):
            path = write_media(
                tmp_path / f"{part}.ts",
                frames=noise_frames(75, seed=part),
            )
            parts += Path(path).read_bytes()
        joined = tmp_path / "joined.ts"
        joined.write_bytes(parts)
        self.raises(joined, "timestamps of its video jump")

    def test_a_codec_without_decoder(self, tmp_path):
        path = tmp_path / "odd.mkv"
        write_media(path, frames=[solid(9)] * 9)
        data = path.read_bytes()
        path.write_bytes(data.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"))
        self.raises(path, "no decoder|cannot be decoded")

    @pytest.mark.parametrize(
        "options, match",
        [
            ({"start": 2, "end": 1}, "start=2, end=1"),
            ({"start": 1, "end": 1}, "must come before"),
            ({"start": -1}, "`start` must be a time.* start=-1"),
            ({"end": -1}, "`end` must be a time"),
            ({"start": float("nan")}, "start=nan"),
            ({"start": 4}, "at or beyond its end"),
            ({"start": 100}, "at or beyond its end"),
            ({"start": 100, "end": 101}, "at or beyond its end"),
            ({"start": 1e18}, "at or beyond its end"),
            ({"frame_rate": 0}, "frame_rate=0"),
            ({"frame_rate": -8.0}, "frame_rate=-8.0"),
            ({"sampling_rate": 0}, "sampling_rate=0"),
            ({"sampling_rate": 16000.5}, "sampling_rate=16000.5"),
            ({"sampling_rate": 2**40}, "sampling_rate=1099511627776"),
            ({"sampling_rate": float("inf")}, "sampling_rate=inf"),
        ],
    )
    def test_arguments(self, intact_file, options, match):
        self.raises(intact_file, match, **options)


@pytest.fixture(scope="module")
def bunny(shared):
    path = shared / "media" / "bigbuckbunny.mp4"
    if not path.exists():
        pytest.skip("needs shared/media/bigbuckbunny.mp4")
    return path


class TestBigBuckBunny:
    def test_frames(self, bunny):
        clip = load_clip(bunny, audio=False)
        # 132 frames at 25 frames/s are 5.28 s: 42.24 frames at 8.
        assert clip["videos"].shape == (42, 720, 1280, 3)
        with av.open(str(bunny)) as container:
            native = list(container.decode(video=0))
        for k in (0, 13, 41):
            shown = native[int((k + 0.5) / 8 * 25)]
            np.testing.assert_array_equal(
                clip["videos"][k], shown.to_ndarray(format="rgb24")
            )

    def test_audio_is_the_standard_downmix_of_five_channels(self, bunny):
        audio = load_clip(bunny, video=False, sampling_rate=48000)["audio"]
        # 249 blocks of 1024 samples.
        assert audio.shape == (254976,)
        with av.open(str(bunny)) as container:
            blocks = [f.to_ndarray() for f in container.decode(audio=0)]
        # Front left and right, centre, low frequencies, back left and right.
        weights = np.array([0.5**0.5, 0.5**0.5, 1, 0, 0.5, 0.5])
        expected = weights / weights.sum() @ np.concatenate(blocks, axis=1)
        np.testing.assert_allclose(audio, expected, atol=1e-6)
        assert np.abs(audio).max() > 0.01

    def test_audio_length(self, bunny):
        audio = load_clip(bunny, video=False)["audio"]
        assert audio.shape == (84992,)
        assert np.isfinite(audio).all()

    def test_a_cut(self, bunny):
        whole = load_clip(bunny, video=False)["audio"]
        cut = load_clip(bunny, start=2.5, end=4)
        assert cut["videos"].shape == (12, 720, 1280, 3)
        np.testing.assert_allclose(cut["audio"], whole[40000:64000], atol=1e-5)
