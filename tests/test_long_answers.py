"""The benchmark of long clips: they say what the short ones did."""

import functools
import json

import numpy as np
import pytest
import small_models
from scripts import ROOT
from scripts import load_script

from keras_mirasol.data import sounding_shapes

pytestmark = pytest.mark.any_backend

SCENE = sounding_shapes.corpus_scene(3, seed=0)


@functools.cache
def benchmark():
    return load_script("benchmarks/long_answers.py")


def laid_out(layout):
    return benchmark().laid_out(SCENE, layout, frame_rate=8)


def test_long_clips_are_eight_times_as_long():
    shapes = {
        layout: [len(signal) for signal in laid_out(layout).values()]
        for layout in benchmark().LAYOUTS
    }
    assert shapes.pop("2 seconds") == [16, 32000]
    assert all(lengths == [128, 256000] for lengths in shapes.values())


@pytest.mark.parametrize(
    "layout, here, elsewhere",
    [
        ("beginning", slice(0, 16), slice(16, None)),
        ("end", slice(112, None), slice(0, 112)),
    ],
)
def test_a_scene_is_at_one_end_and_nothing_is_elsewhere(
    layout, here, elsewhere
):
    short, long = laid_out("2 seconds"), laid_out(layout)
    np.testing.assert_array_equal(long["videos"][here], short["videos"])
    assert (long["videos"][elsewhere] == SCENE.background).all()
    samples = [
        slice(*(None if i is None else 2000 * i for i in (s.start, s.stop)))
        for s in (here, elsewhere)
    ]
    np.testing.assert_array_equal(long["audio"][samples[0]], short["audio"])
    assert not long["audio"][samples[1]].any()


def test_events_last_longer_with_their_sounds_or_without():
    stretched, held = laid_out("stretched"), laid_out("held")
    np.testing.assert_array_equal(stretched["videos"], held["videos"])
    # Of the first 4 seconds of each, which half sounds?
    event = 4 * 16000
    sounding = np.abs(held["audio"][:event].reshape(8, -1)).max(axis=1) > 0.01
    assert sounding.tolist() == [True] + [False] * 7
    short = laid_out("2 seconds")
    np.testing.assert_array_equal(held["audio"][:8000], short["audio"][:8000])
    quietest = np.abs(stretched["audio"][:event].reshape(8, -1)).max(axis=1)
    assert (quietest > 0).all()


def test_whole_and_streamed_answers_come_in_the_order_of_questions():
    task = small_models.shared_task()
    clips = [small_models.random_clip(3, seed=seed) for seed in range(2)]
    prompts = [["a", "b"], ["c", "d"]]
    whole = benchmark().answer_whole(task, clips, prompts)
    streamed = benchmark().answer_streamed(task, clips, prompts, {})
    assert streamed == whole
    assert np.shape(whole) == (2, 2)


def test_ratios_are_to_short_clips_answered_whole():
    rows = [
        {"layout": "2 seconds", "mode": "whole", "exact_match": 0.8},
        {"layout": "end", "mode": "window 8", "exact_match": 0.4},
    ]
    rows = benchmark().with_ratios(rows)
    assert [row["ratio_to_trained"] for row in rows] == [1.0, 0.5]


def test_recorded_ratios_are_those_of_what_was_recorded():
    path = ROOT / "benchmarks/results/long_answers.json"
    if not path.exists():
        pytest.skip("it was not measured yet")
    rows = json.loads(path.read_text())["rows"]
    assert rows == benchmark().with_ratios(rows)
    modes = (benchmark().WHOLE, *benchmark().STREAMS)
    assert [(row["layout"], row["mode"]) for row in rows] == [
        (layout, mode) for layout in benchmark().LAYOUTS for mode in modes
    ]
