"""What is seen and heard at once is in the same snippet."""

from fractions import Fraction

import numpy as np
import pytest
import small_models
from media_files import solid
from media_files import write_media

from keras_mirasol.data import clip_dataset
from keras_mirasol.data import write_manifest

SNIPPET = 4  # of a quarter of a second: from 1 s to 1.25 s
# Frames per second, and when the tracks start, in seconds.
FILES = {
    "as sampled": (8, 0, 0),
    "film": (24, 0, 0),
    "ntsc": (Fraction(30000, 1001), 0, 0),
    "fast": (60, 0, 0),
    "both late": (25, 2, 2),
    "late video": (30, Fraction(1, 2), 0),
    "late audio": (24, 0, Fraction(1, 2)),
    "both late, video later": (25, 3, Fraction(5, 2)),
}


def _write_flash_and_click(path, frame_rate, video_start, audio_start):
    """White for the whole of the snippet, and a click in its midst."""
    zero = min(video_start, audio_start)
    begin, end = (zero + Fraction(n, 4) for n in (SNIPPET, SNIPPET + 1))
    frames = [
        solid(255 if begin <= video_start + k / frame_rate < end else 0)
        for k in range(round(2 * frame_rate))
    ]
    audio = np.zeros(2 * 48000, "float32")
    click = round(((begin + end) / 2 - audio_start) * 48000)
    audio[click - 24 : click + 24] = 0.9
    return write_media(
        path,
        frames=frames,
        frame_rate=frame_rate,
        video_start=video_start,
        audio=audio,
        audio_start=audio_start,
    )


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """What the model gets of each file, by its name."""
    folder = tmp_path_factory.mktemp("sync")
    lines = []
    for name, settings in FILES.items():
        _write_flash_and_click(folder / f"{name}.mp4", *map(Fraction, settings))
        lines.append({"media": f"{name}.mp4", "prompt": "?", "response": "!"})
    dataset = clip_dataset(
        write_manifest(folder / "manifest.jsonl", lines),
        small_models.build_preprocessor(),
        batch_size=1,
    )
    clips = [x for x, _, _ in dataset.as_numpy_iterator()]
    return dict(zip(FILES, clips, strict=True))


@pytest.mark.parametrize("name", FILES)
def test_flash_and_click_are_in_the_same_snippet(features, name):
    x = {key: array[0] for key, array in features[name].items()}
    count = len(x["video_mask"])
    brightness = x["pixel_values"].reshape(count, -1).mean(axis=1)
    loudness = np.exp(x["audio_features"]).reshape(count, -1).sum(axis=1)
    # Where one of them ended before the other there is nothing.
    brightness = brightness[x["video_mask"]]
    loudness = loudness[x["audio_mask"]]
    assert np.argmax(brightness) == np.argmax(loudness) == SNIPPET
    # The whole of the snippet is white, and none of the others.
    assert brightness[SNIPPET] > 0.9
    assert np.delete(brightness, SNIPPET).max() < -0.9
