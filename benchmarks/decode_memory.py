"""Does memory follow the clip that is asked for, and not the file it is in?

    python benchmarks/decode_memory.py

Writes a film of ten minutes, 1080p, and one of two hours, 360p so that it is
read in minutes, both H.264 at 24 frames per second with stereo AAC: a few
seconds are encoded, and their packets repeated. Then loads ten minutes whole,
and reads either film span by span, at 8 frames of 224x224 per second with the
sound. Beside these, ten seconds in their own size, which have no limit. Each is
measured in a process of its own: the most resident memory that it had, beyond
what it had after all imports.

Linux keeps the maximum: it is set back through `/proc/self/clear_refs` and
read as `VmHWM` from `/proc/self/status`. Prints a table and, when everything
was measured, writes `benchmarks/results/decode_memory.json`.
"""

import argparse
import heapq
import itertools
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from measuring import machine

from keras_mirasol.data import iter_clip
from keras_mirasol.data import load_clip
from keras_mirasol.version import __version__

RESULT = Path(__file__).parent / "results" / "decode_memory.json"
FILMS = {
    "ten_minutes": {"seconds": 600, "height": 1080, "width": 1920},
    "two_hours": {"seconds": 7200, "height": 360, "width": 640},
}
FILM_FRAME_RATE = 24
SAMPLING_RATE = 48000
# How long what is encoded lasts before it is repeated.
ENCODED_SECONDS = 4
IMAGE_SIZE = 224
FRAME_RATE = 8
# `seconds` tells how much of a film is loaded, `spans` how much at a time.
# Limits are in MiB.
FIGURES = {
    "load 10 min": {"film": "ten_minutes", "limit": 1.2 * 1024},
    "10 min in spans of 2 s": {"film": "ten_minutes", "spans": 2, "limit": 300},
    "10 min in spans of 10 s": {
        "film": "ten_minutes",
        "spans": 10,
        "limit": 300,
    },
    "2 h in spans of 2 s": {"film": "two_hours", "spans": 2, "limit": 300},
    "2 h in spans of 10 s": {"film": "two_hours", "spans": 10, "limit": 300},
    "load 10 s, not scaled": {
        "film": "ten_minutes",
        "seconds": 10,
        "image_size": None,
        "limit": None,
    },
}
ROW = "{:24} {:>10} {:>10} {:>10} {:>4} {:>7}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--figures", nargs="+", default=list(FIGURES), choices=FIGURES
    )
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--folder", type=Path, help="measure films in here")
    settings = parser.parse_args()
    if settings.folder:
        (figure,) = settings.figures
        print(json.dumps(measured(settings.folder, **FIGURES[figure])))
        return

    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for film in {
            FIGURES[figure]["film"]: None for figure in settings.figures
        }:
            write_film(Path(folder, f"{film}.mp4"), **FILMS[film])
        sizes = {
            path.stem: round(path.stat().st_size / 2**20)
            for path in Path(folder).iterdir()
        }
        print(ROW.format("", "result", "peak", "limit", "met", "time"))
        for figure in settings.figures:
            command = [sys.executable, __file__, "--folder", folder]
            process = subprocess.run(
                [*command, "--figures", figure],
                stdout=subprocess.PIPE,
                check=True,
                text=True,
            )
            figures[figure] = json.loads(process.stdout)
            print(row(figure, figures[figure]), flush=True)

    report = {
        "command": "python benchmarks/decode_memory.py",
        "films": {
            film: {
                **FILMS[film],
                "frame_rate": FILM_FRAME_RATE,
                "sampling_rate": SAMPLING_RATE,
                "mib": mib,
            }
            for film, mib in sizes.items()
        },
        "image_size": IMAGE_SIZE,
        "frame_rate": FRAME_RATE,
        "figures": figures,
        "preloaded": os.environ.get("LD_PRELOAD"),
        "versions": {
            "keras_mirasol": __version__,
            "av": av.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": f"{machine()}, {' '.join(platform.libc_ver())}",
    }
    if list(figures) == list(FIGURES):
        settings.out.parent.mkdir(exist_ok=True)
        settings.out.write_text(json.dumps(report, indent=1) + "\n")
    if any(figure["met"] is False for figure in figures.values()):
        sys.exit("More memory than the limit.")


def row(name, figure):
    limit, met = figure["limit_mib"], figure["met"]
    return ROW.format(
        name,
        f"{figure['largest_clip_mib']:.1f} MiB",
        f"{figure['peak_above_start_mib']:.1f} MiB",
        "-" if limit is None else f"{limit:.0f} MiB",
        "-" if met is None else "yes" if met else "NO",
        f"{figure['seconds']['by_the_clock']:.0f} s",
    )


def measured(
    folder, film, limit, seconds=None, spans=None, image_size=IMAGE_SIZE
):
    """What it takes to read a film, in this process."""
    path = folder / f"{film}.mp4"
    options = {"image_size": image_size, "frame_rate": FRAME_RATE}
    if seconds is not None:
        options["end"] = seconds
    frames = samples = largest = 0
    start = reset_peak()
    clock, cores = time.perf_counter(), time.process_time()
    if spans is None:
        clips = iter([load_clip(path, **options)])
    else:
        clips = iter_clip(path, seconds=spans, **options)
    for clip in clips:
        # The last block of audio may reach beyond the video.
        frames += len(clip.get("videos", ()))
        samples += len(clip["audio"])
        largest = max(largest, sum(array.nbytes for array in clip.values()))
    clock, cores = time.perf_counter() - clock, time.process_time() - cores
    peak = (memory("VmHWM") - start) / 2**20
    expected = FILMS[film]["seconds"] if seconds is None else seconds
    if frames != expected * FRAME_RATE:
        raise ValueError(f"{frames} frames of {expected} s were read.")
    return {
        "frames": frames,
        "samples": samples,
        "largest_clip_mib": round(largest / 2**20, 1),
        "start_mib": round(start / 2**20, 1),
        "peak_above_start_mib": round(peak, 1),
        "limit_mib": limit,
        "met": None if limit is None else peak <= limit,
        "seconds": {
            "by_the_clock": round(clock, 1),
            "of_a_core": round(cores, 1),
        },
    }


def reset_peak():
    """Sets the peak to the memory of now, which it returns, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def memory(name):
    """Bytes that Linux accounts to this process under a name."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{name}:\s+(\d+) kB", status)[1])


def write_film(path, seconds, height, width):
    """Writes a film of a picture that moves, with noise.

    Args:
        path: path. The file to write.
        seconds: int. How long it is, a multiple of `ENCODED_SECONDS`.
        height: int. Height of the picture, a multiple of 40.
        width: int. Width of the picture, a multiple of 40.
    """
    encoded = path.with_suffix(".encoded.mp4")
    encode(encoded, height, width)
    with av.open(encoded) as source, av.open(path, "w") as film:
        packets = {stream: [] for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                packets[packet.stream].append(packet)
        streams = [
            repeated(packets[stream], film.add_stream_from_template(stream))
            for stream in source.streams
        ]
        streams = [
            itertools.takewhile(
                lambda packet: packet.pts * packet.time_base < seconds, stream
            )
            for stream in streams
        ]
        for packet in heapq.merge(*streams, key=dts_in_seconds):
            film.mux(packet)
    encoded.unlink()


def repeated(packets, stream):
    """The packets of a stream for ever, on a clock that goes on."""
    length = sum(packet.duration for packet in packets)
    first = min(packet.pts for packet in packets)
    for cycle in itertools.count():
        for packet in packets:
            copy = av.Packet(bytes(packet))
            copy.stream, copy.time_base = stream, packet.time_base
            copy.pts = packet.pts - first + cycle * length
            copy.dts = packet.dts - first + cycle * length
            copy.duration = packet.duration
            copy.is_keyframe = packet.is_keyframe
            yield copy


def dts_in_seconds(packet):
    return packet.dts * packet.time_base


def encode(path, height, width):
    """Writes a few seconds, with frames out of order as in most films."""
    rng = np.random.default_rng(0)
    # Squares of colour with some grain.
    picture = rng.integers(40, 200, (height // 40, width // 40, 3))
    picture = np.kron(picture, np.ones((40, 40, 1), "int64"))
    picture += rng.integers(-8, 8, picture.shape)
    count = ENCODED_SECONDS * SAMPLING_RATE
    sound = rng.uniform(-0.1, 0.1, (2, count)).astype("float32")
    with av.open(path, "w") as container:
        video = container.add_stream(
            "libx264", rate=FILM_FRAME_RATE, options={"preset": "veryfast"}
        )
        video.height, video.width = height, width
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLING_RATE, layout="stereo")
        for index in range(ENCODED_SECONDS * FILM_FRAME_RATE):
            pixels = np.roll(picture, (4 * index, 8 * index), (0, 1))
            frame = av.VideoFrame.from_ndarray(pixels.astype("uint8"), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FILM_FRAME_RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        block = av.AudioFrame.from_ndarray(sound, "fltp", "stereo")
        block.sample_rate = SAMPLING_RATE
        block.pts, block.time_base = 0, Fraction(1, SAMPLING_RATE)
        container.mux(audio.encode(block))
        container.mux(audio.encode(None))


if __name__ == "__main__":
    main()
