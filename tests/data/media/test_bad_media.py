"""Media that is damaged or no media: reported, never cut short in silence."""

import struct
import warnings
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import solid
from media_files import tone
from media_files import write_media

from keras_mirasol.data import clip_dataset
from keras_mirasol.data import iter_clip
from keras_mirasol.data import load_clip
from keras_mirasol.data import write_manifest
from keras_mirasol.data.media.media_file import MediaFile

pytestmark = pytest.mark.any_backend

FASTSTART = {"options": {"movflags": "faststart"}}
# Formats that state how long they are.
STATING = {
    "clip.mp4": {},
    "index_first.mp4": FASTSTART,
    "clip.mov": {"audio_codec": "pcm_s16le"},
    "clip.mkv": {"audio_codec": "flac"},
    "clip.webm": {"video_codec": "libvpx", "audio_codec": "libopus"},
    "clip.avi": {
        "video_codec": "mpeg4",
        "audio_codec": "libmp3lame",
        "clock": 8,
    },
    "wave.avi": {
        "video_codec": "mjpeg",
        "pix_fmt": "yuvj420p",
        "audio_codec": "pcm_s16le",
        "clock": 8,
    },
    "sound.flac": {"audio_codec": "flac"},
    "sound.m4a": FASTSTART,
}
# And those that do not.
OTHERS = {
    "clip.ts": {},
    "clip.flv": {},
    "clip.mpg": {
        "video_codec": "mpeg1video",
        "audio_codec": "mp2",
        "frame_rate": 24,
        "clock": 24,
    },
    "sound.mp3": {"audio_codec": "libmp3lame"},
    "sound.wav": {"audio_codec": "pcm_s16le"},
    "sound.ogg": {"audio_codec": "libopus"},
    "sound.aac": {"format": "adts"},
}


def noise_frames(count):
    """Frames that do not compress to nothing."""
    coarse = np.random.default_rng(0).integers(0, 255, (count, 6, 8, 3))
    return coarse.astype("uint8").repeat(8, axis=1).repeat(8, axis=2)


def write(path, **settings):
    """Two seconds of noise in sight, unless it is sound alone, and sound."""
    frame_rate = settings.setdefault("frame_rate", 8)
    count = 0 if "sound" in Path(path).name else 2 * frame_rate
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * 48000)
    return write_media(
        path, frames=noise_frames(count), audio=noise, **settings
    )


def error_of(path, **settings):
    """What is said of a file that cannot be loaded."""
    with pytest.raises(ValueError) as raised:
        load_clip(path, **settings)
    assert str(path) in str(raised.value)
    return str(raised.value)


class TestTruncation:
    @pytest.mark.parametrize("name", STATING)
    def test_at_every_tenth_is_reported(self, tmp_path, name):
        path = Path(write(tmp_path / name, **STATING[name]))
        data = path.read_bytes()
        assert len(load_clip(path)["audio"]) >= 2 * 16000
        for tenth in range(10):
            path.write_bytes(data[: tenth * len(data) // 10])
            error_of(path)
            with pytest.raises(ValueError, match=name):
                list(iter_clip(path, seconds=0.5))

    @pytest.mark.parametrize("name", OTHERS)
    def test_at_every_tenth_is_what_is_there(self, tmp_path, name):
        path = Path(write(tmp_path / name, **OTHERS[name]))
        data = path.read_bytes()
        whole, loaded = load_clip(path), 0
        for tenth in range(10):
            path.write_bytes(data[: tenth * len(data) // 10])
            try:
                clip = load_clip(path)
            except ValueError as error:
                assert str(path) in str(error)
                continue
            loaded += 1
            if "audio" in clip:
                # The last packet is cut, and what comes last overlaps.
                assert len(clip["audio"]) <= len(whole["audio"])
                count = max(0, len(clip["audio"]) - 2048)
                np.testing.assert_allclose(
                    clip["audio"][:count], whole["audio"][:count], atol=1e-4
                )
            if "videos" in clip:
                assert len(clip["videos"]) <= len(whole["videos"])
                # The last frame is cut, and holds as long as two.
                count = max(0, len(clip["videos"]) - 2)
                np.testing.assert_array_equal(
                    clip["videos"][:count], whole["videos"][:count]
                )
        assert loaded >= 4

    def test_an_mp4_index_that_is_cut_off_after_the_first_stream(
        self, tmp_path
    ):
        # FFmpeg takes the part of the index that is there for the whole.
        path = Path(write(tmp_path / "clip.mp4"))
        data = path.read_bytes()
        second = data.rindex(b"trak") - 4
        path.write_bytes(data[:second])
        with av.open(str(path)) as container:
            assert len(container.streams) == 1
        assert "no readable index" in error_of(path)

    @pytest.mark.parametrize("asked", [{}, {"audio": False}, {"video": False}])
    def test_matroska_that_states_the_length_of_the_longest_stream_alone(
        self, tmp_path, asked
    ):
        # As muxers other than FFmpeg's write it.
        path = tmp_path / "clip.mkv"
        write_media(
            path,
            frames=noise_frames(40),
            frame_rate=8,
            audio=tone(440, 3, 48000),
        )
        data = path.read_bytes().replace(b"DURATION", b"DURATIOX")
        path.write_bytes(data)
        clip = load_clip(path, **asked)
        assert len(clip.get("videos", [0] * 40)) == 40
        # The block that AAC begins with is there as well.
        assert len(clip.get("audio", [0] * 48000)) in range(48000, 48400)
        path.write_bytes(data[: 6 * len(data) // 10])
        assert "breaks off" in error_of(path, **asked)
        # Before the break it can be read.
        assert load_clip(path, end=1, **asked)


def overwrite(path, name, offset, value):
    """Writes bytes at an offset from where a box of this name begins."""
    data = bytearray(Path(path).read_bytes())
    at = data.index(name) + offset
    data[at : at + len(value)] = value
    Path(path).write_bytes(data)


class TestAbsurdHeaders:
    def test_a_duration_of_days(self, tmp_path):
        path = write(tmp_path / "clip.mp4")
        # After the version, the times of creation and the ticks per second.
        overwrite(path, b"mdhd", 20, struct.pack(">I", 2**32 - 2))
        # What the table of samples adds up to is what counts.
        assert len(load_clip(path)["videos"]) == 16

    def test_a_duration_of_days_in_matroska(self, tmp_path):
        path = write(tmp_path / "clip.mkv")
        data = Path(path).read_bytes()
        assert b"00:00:02.0" in data
        data = data.replace(b"00:00:02.0", b"99:00:02.0")
        Path(path).write_bytes(data)
        # Frames small enough that those of four days would fit into memory.
        assert "declares 356402.00 s" in error_of(path, image_size=4)
        # What is no time states nothing.
        Path(path).write_bytes(data.replace(b"99:00:02.0", b"xx:00:02.0"))
        assert len(load_clip(path)["videos"]) == 16

    def test_a_frame_that_lasts_for_days(self, tmp_path):
        path = write(tmp_path / "clip.mp4")
        # After the version, the number of entries and the frames of the first.
        overwrite(path, b"stts", 16, struct.pack(">I", 2**31 - 1))
        assert "clock" in error_of(path) or "declares" in error_of(path)

    @pytest.mark.parametrize("start", ["video_start", "audio_start"])
    def test_a_stream_that_begins_hours_late(self, tmp_path, start):
        path = write(tmp_path / "clip.mkv", **{start: 20000})
        message = error_of(path)
        assert f"its {start[:5]} begins at 20000 s, more than" in message
        with pytest.raises(ValueError, match="clock is damaged"):
            list(iter_clip(path, seconds=10))
        # Where it is, it can be read.
        assert load_clip(path, start=20000.5)

    @pytest.mark.parametrize("entry", [b"stsz", b"stco", b"stsc", b"stts"])
    @pytest.mark.parametrize("value", [0, 2**31 - 1, 2**32 - 1])
    def test_tables_of_billions_of_entries(self, tmp_path, entry, value):
        path = write(tmp_path / "clip.mp4")
        offset = 12 if entry == b"stsz" else 8
        whole = load_clip(path)
        overwrite(path, entry, offset, struct.pack(">I", value))
        try:
            clip = load_clip(path)
        except ValueError as error:
            assert str(path) in str(error)
        else:
            for key, values in whole.items():
                np.testing.assert_array_equal(clip[key], values)

    def test_pictures_larger_than_any_screen(self, tmp_path):
        path = write(tmp_path / "clip.avi", **STATING["wave.avi"])
        data = Path(path).read_bytes()
        # Every JPEG says how many rows and columns it has.
        size = b"\xff\xc0\x00\x11\x08" + struct.pack(">2H", 48, 64)
        assert data.count(size) == 16
        large = size[:5] + struct.pack(">2H", 65535, 65535)
        Path(path).write_bytes(data.replace(size, large))
        assert "its video" in error_of(path)

    @pytest.mark.parametrize("rate", [1, 999, 2**31 - 1])
    def test_rates_that_no_sound_has(self, tmp_path, rate):
        path = write(tmp_path / "sound.wav", audio_codec="pcm_s16le")
        overwrite(path, b"fmt ", 12, struct.pack("<I", rate))
        assert f"its audio has {rate} samples per second" in error_of(path)


class TestNoMedia:
    def test_lists_of_other_files(self, tmp_path):
        # A list that may grow would be read for ever.
        write(tmp_path / "part.ts")
        segment = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\npart.ts\n"
        files = {
            "live.m3u8": segment,
            "done.m3u8": segment + "#EXT-X-ENDLIST\n",
            "joined.mp4": "ffconcat version 1.0\nfile part.ts\n",
            "itself.mp4": "ffconcat version 1.0\nfile itself.mp4\n",
        }
        for name, text in files.items():
            (tmp_path / name).write_text(text)
            assert "a list of other files" in error_of(tmp_path / name)

    def test_a_name_that_no_file_can_have(self, tmp_path):
        assert "cannot be read" in error_of(tmp_path / f"{'x' * 300}.mp4")

    def test_a_web_page_a_picture_and_an_archive(self, tmp_path):
        (tmp_path / "page.mp4").write_text("<!DOCTYPE html><p>Not found" * 99)
        (tmp_path / "file.mp4").write_bytes(b"PK\x03\x04" + bytes(3000))
        for name in ("page.mp4", "file.mp4"):
            assert "expected video or audio" in error_of(tmp_path / name)
        # A picture is a video of one frame.
        path = write_media(
            tmp_path / "picture.png",
            frames=[solid(90)],
            frame_rate=8,
            video_codec="png",
            pix_fmt="rgb24",
            clock=8,
            format="image2pipe",
        )
        videos = load_clip(path)["videos"]
        np.testing.assert_array_equal(videos, [solid(90)])


class TestErrorsOfPyAV:
    def test_memory_that_runs_out_is_reported(self, tmp_path, monkeypatch):
        path = write(tmp_path / "clip.mp4")

        def exhausted(*args):
            raise MemoryError

        monkeypatch.setattr(MediaFile, "decode", exhausted)
        assert "more memory than there is" in error_of(path)

    def test_streams_that_the_header_does_not_tell_of(
        self, tmp_path, monkeypatch
    ):
        # After the last packet PyAV asks for them, and has none.
        path = write(tmp_path / "clip.mkv")
        whole = load_clip(path)
        opened = MediaFile._open

        class Container:
            def __init__(self, container):
                self._container = container

            def __getattr__(self, name):
                return getattr(self._container, name)

            def demux(self, stream):
                yield from self._container.demux(stream)
                raise IndexError("list index out of range")

        monkeypatch.setattr(
            MediaFile, "_open", lambda self: Container(opened(self))
        )
        clip = load_clip(path)
        for key, values in whole.items():
            np.testing.assert_array_equal(clip[key], values)


@pytest.fixture
def folder(tmp_path):
    """A folder of good and bad clips, and which are good."""
    good, names = [], []

    def add(name, data=None, is_good=False):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        names.append(name)
        if is_good:
            good.append(name)

    for name, settings in {**STATING, **OTHERS}.items():
        path = Path(write(tmp_path / name, **settings))
        add(name, is_good=True)
        data = path.read_bytes()
        if name in STATING:
            add(f"cut_{name}", data[: 6 * len(data) // 10])
            add(f"stub_{name}", data[:64])
            hole = bytearray(data)
            first, last = 5 * len(data) // 10, 7 * len(data) // 10
            hole[first:last] = bytes(last - first)
            add(f"hole_{name}", bytes(hole))
    add("zero.mp4", b"")
    add("text.mp4", b"This is no video.\n" * 99)
    add("noise.mp4", np.random.default_rng(0).bytes(20000))
    add("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nx.ts\n")
    add("missing.mp4")
    (tmp_path / "Käse und 音.mp4").write_bytes(
        (tmp_path / "clip.mp4").read_bytes()
    )
    add("Käse und 音.mp4", is_good=True)
    return tmp_path, names, good


def test_a_dataset_skips_and_names_what_is_bad_and_loses_nothing_else(folder):
    folder, names, good = folder
    lines = [
        {"media": name, "prompt": name, "response": str(part)}
        for name in names
        for part in range(2)
    ]
    manifest = write_manifest(folder / "manifest.jsonl", lines)
    dataset = clip_dataset(
        manifest, batch_size=4, texts_per_clip=2, on_error="skip"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batches = list(dataset)
    found = [
        prompts[0].decode()
        for batch in batches
        for prompts in batch["prompts"].numpy()
    ]
    assert found == good
    assert len(good) == 17 and len(names) - len(good) == 32
    heard = [len(a) for batch in batches for a in batch["audio"]]
    assert min(heard) >= 2 * 16000

    report = dataset.report()
    assert report.num_clips == len(names)
    bad = [name for name in names if name not in good]
    assert [clip.media for clip in report.dropped] == [
        (str(folder / name),) for name in bad
    ]
    for name, clip in zip(bad, report.dropped, strict=True):
        first = 1 + 2 * names.index(name)
        assert clip.lines == (first, first + 1)
        assert clip.reason.startswith(
            f"Cannot load media file '{folder / name}': "
        )
