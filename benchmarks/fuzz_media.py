"""Does any damaged media file crash, hang or slip through `load_clip`?

    python benchmarks/fuzz_media.py

Makes small files of many containers and codecs, damages copies of them at
random (bytes flipped, overwritten, cut off, cut out, repeated, spliced from
another file, set to extreme values, headers most of all) and reads each in a
process of its own with a limit of time and of memory: whole, span by span, and
a cut that is scaled. Each must be decoded, or be reported by a `ValueError`
that names it. What is read span by span must be the whole, and a file that was
cut off, of a format that states its length, must not pass for a shorter clip.
Prints a table and writes `benchmarks/results/fuzz_media.json`. Files that fail
are kept in a folder. To make and read one of them again (the damage is seeded,
but encoders give a few other bytes from time to time, so that the file that was
kept is the one that failed):

    python benchmarks/fuzz_media.py --seed 0 --only 1234
"""

import argparse
import collections
import functools
import itertools
import json
import multiprocessing
import multiprocessing.connection
import os
import platform
import re
import resource
import runpy
import signal
import sys
import tempfile
import time
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from measuring import machine

from keras_mirasol.data import iter_clip
from keras_mirasol.data import load_clip
from keras_mirasol.version import __version__

RESULT = Path(__file__).parent / "results" / "fuzz_media.json"
MEDIA_FILES = Path(__file__).parents[1] / "tests" / "media_files.py"
SECONDS_PER_FILE = 10
GIB_PER_FILE = 4
GOOD = ("decoded", "reported")
BAD = ("hang", "crash", "memory", "other error", "differs", "short")
# Those that state how long their streams are, as `load_clip` says.
STATING_LENGTH = ("mp4", "mov", "m4a", "mkv", "webm", "avi", "flac")
# Name: what `write_media` is told. Each has a second of noise in sight and
# sound, and a picture of 64x48, unless it says otherwise.
SEEDS = {
    "h264_aac.mp4": {},
    "h264_aac_faststart.mp4": {"options": {"movflags": "faststart"}},
    "h264_aac_fragments.mp4": {
        "options": {"movflags": "frag_keyframe+empty_moov"}
    },
    "hevc_aac.mp4": {
        "video_codec": "libx265",
        "video_options": {"x265-params": "log-level=none:pools=none"},
    },
    "av1_opus.mp4": {"video_codec": "libsvtav1", "audio_codec": "libopus"},
    "mpeg4_mp3_late.mov": {
        "video_codec": "mpeg4",
        "clock": 12,
        "audio_codec": "libmp3lame",
        "audio_start": Fraction(1, 4),
    },
    "prores_pcm.mov": {
        "video_codec": "prores",
        "pix_fmt": "yuv422p10le",
        "audio_codec": "pcm_s16le",
        "frames": 4,
    },
    "mjpeg_alac.mov": {
        "video_codec": "mjpeg",
        "pix_fmt": "yuvj420p",
        "audio_codec": "alac",
    },
    "h264_flac.mkv": {"audio_codec": "flac"},
    "mpeg4_pcm.mkv": {
        "video_codec": "mpeg4",
        "clock": 12,
        "audio_codec": "pcm_s16le",
    },
    "ffv1_ac3.mkv": {
        "video_codec": "ffv1",
        "pix_fmt": "yuv420p10le",
        "audio_codec": "ac3",
        "layout": "5.1",
        "frames": 4,
    },
    "vp8_opus.webm": {"video_codec": "libvpx", "audio_codec": "libopus"},
    "vp9_vorbis.webm": {
        "video_codec": "libvpx-vp9",
        "audio_codec": "vorbis",
        "audio_options": {"strict": "-2"},
        "layout": "stereo",
    },
    "mpeg4_mp3.avi": {
        "video_codec": "mpeg4",
        "clock": 12,
        "audio_codec": "libmp3lame",
    },
    "mjpeg_pcm.avi": {
        "video_codec": "mjpeg",
        "clock": 12,
        "pix_fmt": "yuvj420p",
        "audio_codec": "pcm_s16le",
    },
    "h264_aac.ts": {},
    "mpeg2_mp2.ts": {
        "video_codec": "mpeg2video",
        "frame_rate": 24,
        "clock": 24,
        "audio_codec": "mp2",
    },
    "mpeg1_mp2.mpg": {
        "video_codec": "mpeg1video",
        "frame_rate": 24,
        "clock": 24,
        "audio_codec": "mp2",
    },
    "h264_aac.flv": {},
    "flv_mp3.flv": {
        "video_codec": "flv",
        "audio_codec": "libmp3lame",
        "sampling_rate": 44100,
    },
    "wmv_wma.asf": {
        "video_codec": "wmv2",
        "audio_codec": "wmav2",
        "sampling_rate": 44100,
        "audio_bit_rate": 64000,
    },
    "mpeg4_amr.3gp": {
        "video_codec": "mpeg4",
        "clock": 12,
        "audio_codec": "libopencore_amrnb",
        "sampling_rate": 8000,
    },
    "rv20_ac3.rm": {"video_codec": "rv20", "clock": 12, "audio_codec": "ac3"},
    "mpeg2_pcm.mxf": {
        "video_codec": "mpeg2video",
        "frame_rate": 25,
        "clock": 25,
        "audio_codec": "pcm_s16le",
    },
    "h264_10bit_eac3.mkv": {
        "video_codec": "libx264",
        "pix_fmt": "yuv420p10le",
        "audio_codec": "eac3",
    },
    "picture.gif": {"video_codec": "gif", "pix_fmt": "rgb8", "audio": False},
    "pcm.wav": {"audio_codec": "pcm_s16le", "frames": 0},
    "float.wav": {
        "audio_codec": "pcm_f32le",
        "layout": "stereo",
        "frames": 0,
    },
    "flac.flac": {"audio_codec": "flac", "frames": 0},
    "mp3.mp3": {"audio_codec": "libmp3lame", "frames": 0},
    "aac.m4a": {"frames": 0},
    "aac.aac": {"format": "adts", "frames": 0},
    "pcm.aiff": {"audio_codec": "pcm_s16be", "frames": 0},
    "alac.caf": {"audio_codec": "alac", "frames": 0},
    "wavpack.wv": {"audio_codec": "wavpack", "frames": 0},
    "tta.tta": {"audio_codec": "tta", "format": "tta", "frames": 0},
    "opus.ogg": {"audio_codec": "libopus", "frames": 0},
    "flac.ogg": {"audio_codec": "flac", "frames": 0},
}
FRAME_RATE = 12
# The encoder of AV1 writes what it does to the terminal.
os.environ.setdefault("SVT_LOG", "1")


@functools.cache
def seed_files():
    """The files to be damaged: a dict of bytes by name."""
    write_media = runpy.run_path(str(MEDIA_FILES))["write_media"]
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (FRAME_RATE, 6, 8, 3), dtype="uint8")
    frames = coarse.repeat(8, axis=1).repeat(8, axis=2)
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in SEEDS.items():
            settings = {**settings}
            count = settings.pop("frames", FRAME_RATE)
            channels = {"stereo": 2, "5.1": 6}.get(settings.get("layout"), 1)
            audio = None
            if settings.pop("audio", True):
                samples = settings.get("sampling_rate", 48000)
                audio = rng.normal(0, 0.1, (channels, samples))
            options = {"fflags": "bitexact", **settings.pop("options", {})}
            path = write_media(
                Path(folder) / name,
                frames=frames[:count],
                frame_rate=settings.pop("frame_rate", FRAME_RATE),
                audio=audio,
                options=options,
                **settings,
            )
            files[name] = Path(path).read_bytes()
    return files


def damaged(index, seed):
    """Makes a damaged file.

    Args:
        index: int. Which one; the seed files take turns.
        seed: int. Seeds all that is drawn.

    Returns:
        `(name, damages, data)`: the name of the seed file, those of what was
        done to it, in order, and the bytes that came of it.
    """
    files = seed_files()
    names = list(files)
    name = names[index % len(names)]
    rng = np.random.default_rng([seed, index])
    data, done = files[name], []
    for _ in range(rng.choice([1, 1, 1, 2, 3, 5])):
        damage = rng.choice(list(DAMAGES))
        done.append(str(damage))
        data = bytes(DAMAGES[damage](bytearray(data), files, rng))
    return name, done, data


def _place(data, rng):
    """A place in the file, in a header more often than not."""
    kind = rng.integers(4)
    if kind == 0 and (names := _names(bytes(data))):
        # MP4, AVI and WAV name their parts by four letters.
        place = names[rng.integers(len(names))] + rng.integers(-4, 48)
    elif kind == 1:
        place = rng.integers(1024)
    elif kind == 2:
        place = len(data) - 1 - rng.integers(2048)
    else:
        place = rng.integers(max(1, len(data)))
    return int(np.clip(place, 0, max(0, len(data) - 1)))


@functools.lru_cache(4)
def _names(data):
    return [
        match.start()
        for match in re.finditer(rb"[A-Za-z][A-Za-z0-9 ]{3}", data)
    ]


def _piece(data, rng):
    first = _place(data, rng)
    longest = max(2, min(len(data) // 4, 2 ** rng.integers(1, 15)))
    return first, first + int(rng.integers(1, longest))


def _flip(data, files, rng):
    for _ in range(2 ** rng.integers(7)):
        place = _place(data, rng)
        data[place : place + 1] = bytes(
            byte ^ int(rng.integers(1, 256)) for byte in data[place : place + 1]
        )
    return data


def _overwrite(data, files, rng):
    first, last = _piece(data, rng)
    length = len(data[first:last])
    fills = (bytes(length), b"\xff" * length, rng.bytes(length))
    data[first:last] = fills[rng.integers(3)]
    return data


def _cut_off(data, files, rng):
    return data[: rng.integers(len(data) + 1)]


def _cut_out(data, files, rng):
    first, last = _piece(data, rng)
    del data[first:last]
    return data


def _repeat(data, files, rng):
    first, last = _piece(data, rng)
    place = _place(data, rng)
    data[place:place] = data[first:last] * int(rng.integers(1, 4))
    return data


def _splice(data, files, rng):
    other = files[rng.choice(list(files))]
    first, last = _piece(other, rng)
    place = _place(data, rng)
    piece = other[first:last]
    replaced = len(piece) if rng.integers(2) else 0
    data[place : place + replaced] = piece
    return data


def _extreme(data, files, rng):
    for _ in range(2 ** rng.integers(4)):
        width = int(2 ** rng.integers(4))
        top = 1 << (8 * width)
        values = (0, 1, 2, top - 1, top - 2, top // 2, top // 2 - 1, top // 16)
        value = values[rng.integers(len(values))]
        order = ("big", "little")[rng.integers(2)]
        place = _place(data, rng)
        data[place : place + width] = value.to_bytes(width, order)
    return data


DAMAGES = {
    "flip": _flip,
    "overwrite": _overwrite,
    "cut off": _cut_off,
    "cut out": _cut_out,
    "repeat": _repeat,
    "splice": _splice,
    "extreme": _extreme,
}


def read(path):
    """Reads a file in three ways.

    Args:
        path: str. The file.

    Returns:
        `(outcome, detail)`: the worst of `GOOD` and `BAD` but for `"hang"`
        and `"crash"`, and lengths, a reason or an exception.
    """
    whole, lengths = _outcome(path, lambda: _digest([load_clip(path)]))
    spans, joined = _outcome(
        path, lambda: _digest(iter_clip(path, seconds=0.5))
    )
    cut, detail = _outcome(
        path, lambda: load_clip(path, start=0.25, end=0.75, image_size=32)
    )
    for outcome, said in ((whole, lengths), (spans, joined), (cut, detail)):
        if outcome not in GOOD:
            return outcome, said
    if whole != spans or (whole == "decoded" and lengths != joined):
        return "differs", f"{lengths}, but span by span {joined}"
    return whole, lengths


def _outcome(path, load):
    try:
        return "decoded", load()
    except ValueError as error:
        # Subclasses are of Python's making, not of ours.
        if type(error) is ValueError and f"'{path}'" in str(error):
            return "reported", str(error)
        return "other error", repr(error)
    except MemoryError as error:
        return "memory", repr(error)
    except Exception as error:
        return "other error", repr(error)


def _digest(spans):
    """The lengths and a checksum of each stream."""
    lengths, sums = collections.Counter(), collections.Counter()
    for span in spans:
        for key, values in span.items():
            lengths[key] += len(values)
            sums[key] = zlib.crc32(np.ascontiguousarray(values), sums[key])
    return {key: (lengths[key], sums[key]) for key in sorted(lengths)}


def is_short(name, done, lengths):
    """Whether a file that was cut off passed for a shorter clip."""
    if done != ["cut off"] or not name.endswith(STATING_LENGTH):
        return False
    whole = _intact(name)
    # What may be missing: two frames of the file, a tenth of a second.
    missing = {"videos": 2 * 8 / FRAME_RATE, "audio": 0.1 * 16000 + 1}
    return any(
        whole[key][0] - lengths.get(key, (0,))[0] > missing[key]
        for key in whole
    )


@functools.cache
def _intact(name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(seed_files()[name])
        return _digest([load_clip(path)])


def try_file(index, seed, folder):
    """Makes a file and reads it.

    Returns:
        `(outcome, detail, name, damages)`.
    """
    name, done, data = damaged(index, seed)
    path = Path(folder) / f"{index}_{name}"
    path.write_bytes(data)
    outcome, detail = read(str(path))
    path.unlink()
    if outcome == "decoded" and is_short(name, done, detail):
        outcome = "short"
    return outcome, str(detail), name, done


class Reader:
    """A process that reads one file after the other.

    Args:
        seed: int. Seeds the damage.
        folder: str. Where to put the files.
    """

    def __init__(self, seed, folder):
        self._seed, self._folder = seed, folder
        self.index = None
        self._start()

    def _start(self):
        context = multiprocessing.get_context("fork")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(theirs, self._seed, self._folder),
            daemon=True,
        )
        self._process.start()
        theirs.close()

    def give(self, index):
        """Has a file read."""
        self.index, self._began = index, time.monotonic()
        self.connection.send(index)

    def result(self):
        """What `_serve` sends, or None as long as there is nothing."""
        if self.connection.poll():
            try:
                return self.connection.recv()
            except EOFError:
                self._process.join()
                code = self._process.exitcode
                name = signal.Signals(-code).name if code < 0 else str(code)
                return self._lost("crash", f"the process ended by {name}")
        if time.monotonic() - self._began > SECONDS_PER_FILE:
            self.close()
            return self._lost("hang", f"more than {SECONDS_PER_FILE} s")
        return None

    def _lost(self, outcome, detail):
        name, done, _ = damaged(self.index, self._seed)
        self._start()
        return (outcome, detail, name, done), SECONDS_PER_FILE, 0.0

    def close(self):
        self._process.kill()
        self._process.join()


def _serve(connection, seed, folder):
    limit_memory()
    while True:
        index = connection.recv()
        began = time.monotonic()
        result = try_file(index, seed, folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        connection.send((result, time.monotonic() - began, peak / 2**20))


def limit_memory():
    """Lets this process have so much memory on top of what it has."""
    status = Path("/proc/self/statm")
    if not status.exists():
        # Only Linux tells.
        return
    pages = int(status.read_text().split()[0])
    size = pages * resource.getpagesize() + GIB_PER_FILE * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def run(num_files, seed, num_processes, keep):
    """Reads all files: counts by container, and what else there is to say."""
    counts = collections.defaultdict(collections.Counter)
    by_damage = collections.defaultdict(collections.Counter)
    failures, slowest, most = [], (0.0, None), 0.0
    left = iter(range(num_files))
    with tempfile.TemporaryDirectory() as folder:
        readers = [Reader(seed, folder) for _ in range(num_processes)]
        busy = {}
        for reader, index in zip(readers, left, strict=False):
            reader.give(index)
            busy[reader] = index
        while busy:
            multiprocessing.connection.wait(
                [reader.connection for reader in busy], timeout=0.5
            )
            for reader, index in list(busy.items()):
                result = reader.result()
                if result is None:
                    continue
                (outcome, detail, name, done), seconds, peak = result
                slowest = max(slowest, (seconds, index))
                most = max(most, peak)
                damage = done[0] if len(done) == 1 else "several"
                counts[Path(name).suffix[1:]][outcome] += 1
                by_damage[damage][outcome] += 1
                if outcome not in GOOD:
                    write_kept(keep, index, seed)
                    failures.append(
                        {
                            "index": index,
                            "file": name,
                            "damage": done,
                            "outcome": outcome,
                            "detail": detail,
                        }
                    )
                    print(json.dumps(failures[-1]), flush=True)
                del busy[reader]
                for index in itertools.islice(left, 1):
                    reader.give(index)
                    busy[reader] = index
        for reader in readers:
            reader.close()
    return {
        "by_container": _sorted(counts),
        "by_damage": _sorted(by_damage),
        "failures": failures,
        "slowest": {"seconds": round(slowest[0], 2), "index": slowest[1]},
        "peak_memory_gib": round(most, 2),
    }


def write_kept(folder, index, seed):
    """Writes a damaged file to keep it, and returns its path."""
    name, _, data = damaged(index, seed)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{seed}_{index}_{name}"
    path.write_bytes(data)
    return path


def _sorted(counts):
    return {
        name: {key: row[key] for key in (*GOOD, *BAD) if row[key]}
        for name, row in sorted(counts.items())
    }


def table(counts):
    """The counts as lines of text."""
    lines = [f"{'':12}" + "".join(f"{key:>12}" for key in (*GOOD, *BAD))]
    for name, row in counts.items():
        lines.append(
            f"{name:12}"
            + "".join(f"{row.get(key, 0):>12}" for key in (*GOOD, *BAD))
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--files", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--keep", type=Path, default=Path("build/fuzz_media"), metavar="FOLDER"
    )
    parser.add_argument("--only", type=int, help="read this one, here")
    parser.add_argument("--out", type=Path, default=RESULT)
    settings = parser.parse_args()
    if settings.only is not None:
        path = write_kept(settings.keep, settings.only, settings.seed)
        _, done, _ = damaged(settings.only, settings.seed)
        print(f"{path}: {', '.join(done)}")
        print(*read(str(path)), sep=": ")
        return

    began = time.monotonic()
    result = run(
        settings.files, settings.seed, settings.processes, settings.keep
    )
    total = collections.Counter()
    for row in result["by_container"].values():
        total.update(row)
    report = {
        "command": "python benchmarks/fuzz_media.py",
        "files": settings.files,
        "seed": settings.seed,
        "seconds_per_file": SECONDS_PER_FILE,
        "gib_per_file": GIB_PER_FILE,
        "total": _sorted({"": total})[""],
        **result,
        "seconds": round(time.monotonic() - began),
        "versions": {
            "keras_mirasol": __version__,
            "av": av.__version__,
            "ffmpeg": av.ffmpeg_version_info,
            "python": platform.python_version(),
        },
        "machine": machine(),
    }
    print(table({**report["by_container"], "total": report["total"]}))
    settings.out.parent.mkdir(exist_ok=True)
    settings.out.write_text(json.dumps(report, indent=1) + "\n")
    if report["failures"]:
        sys.exit(f"{len(report['failures'])} files failed: {settings.keep}")


if __name__ == "__main__":
    main()
