"""The films that memory is measured with, and what was measured."""

import json
import sys

import numpy as np
import pytest
from scripts import ROOT
from scripts import load_script

from keras_mirasol.data import load_clip

pytestmark = pytest.mark.any_backend


@pytest.fixture(scope="module")
def decode_memory():
    return load_script("benchmarks/decode_memory.py")


@pytest.fixture(scope="module")
def film(decode_memory, tmp_path_factory):
    """Four seconds that are encoded, three times."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    decode_memory.write_film(path, seconds=12, height=80, width=120)
    return path


def test_a_film_repeats_what_is_encoded_without_a_seam(film):
    clip = load_clip(film, frame_rate=24)
    assert clip["videos"].shape == (288, 80, 120, 3)
    # The last block of AAC may reach beyond.
    assert 12 <= len(clip["audio"]) / 16000 < 12.1
    assert clip["audio"].std() > 0.01
    for cycle in (96, 192):
        np.testing.assert_array_equal(
            clip["videos"][cycle : cycle + 96], clip["videos"][:96]
        )
    assert (clip["videos"][0] != clip["videos"][1]).any()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux keeps the maximum")
@pytest.mark.parametrize("spans", [None, 2])
def test_memory_is_measured(decode_memory, film, monkeypatch, spans):
    monkeypatch.setitem(decode_memory.FILMS, "film", {"seconds": 12})
    figure = decode_memory.measured(
        film.parent, "film", limit=1000, spans=spans, image_size=448
    )
    seconds = spans or 12
    mib = (seconds * 8 * 448 * 448 * 3 + seconds * 16000 * 4) / 2**20
    assert figure["frames"] == 96
    np.testing.assert_allclose(figure["largest_clip_mib"], mib, rtol=0.01)
    assert figure["met"] is True
    if spans is None:
        # The clip was not there before.
        assert mib * 0.9 < figure["peak_above_start_mib"] < mib + 100


def test_recorded_figures_are_within_their_limits(decode_memory):
    path = ROOT / "benchmarks" / "results" / "decode_memory.json"
    figures = json.loads(path.read_text())["figures"]
    limits = {
        name: figure["limit"] for name, figure in decode_memory.FIGURES.items()
    }
    assert {name: f["limit_mib"] for name, f in figures.items()} == limits
    assert all(figure["met"] is not False for figure in figures.values())
