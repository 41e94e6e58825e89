"""The benchmark of long clips and streams: its models and its ratios."""

import functools
import json

import keras
import numpy as np
import pytest
import small_models
from scripts import ROOT
from scripts import load_script

pytestmark = pytest.mark.any_backend


@functools.cache
def benchmark():
    return load_script("benchmarks/scaling.py")


def test_the_flat_model_attends_to_all_tokens_of_all_snippets():
    backbone = small_models.build_backbone()
    flat = small_models.build_backbone(**benchmark().flat_settings(backbone))
    # Tubes of 8x8 in 16x16, and patches of 5 frames and 8 mels in 5 and 16.
    assert flat.num_joint_tokens == 4 + 2
    x = small_models.random_inputs(batch=1, snippets=3)
    outputs = flat.predict_on_batch(x)
    assert outputs["snippet_latents"].shape == (1, 3, 6, 16)
    # Nothing of one snippet reaches another.
    x["pixel_values"][:, : small_models.FRAMES] += 1
    changed = flat.predict_on_batch(x)["snippet_latents"]
    difference = np.abs(changed - outputs["snippet_latents"])
    assert (difference.max(axis=(0, 2, 3)) > 1e-3).tolist() == [1, 0, 0]


@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="JAX tells what it compiled"
)
def test_measures_of_clips_grow_with_them(monkeypatch):
    # A training step takes long to compile.
    monkeypatch.setattr(benchmark(), "MEASURES", ("encode", "text"))
    models = {"flat": benchmark().Measured(small_models.build_backbone())}
    few, many = (
        benchmark().measure_clips(models, frames, rounds=1)
        for frames in (4, 128)
    )
    for measure in benchmark().MEASURES:
        before, after = few[measure]["flat"], many[measure]["flat"]
        assert 0 < before["gflops"] < after["gflops"]
        assert 0 < before["mib"] < after["mib"]
        assert after["seconds"] > 0
    head, *lines = benchmark().clip_table([few, many]).splitlines()
    assert [line.split()[:3] for line in lines] == [
        [measure, "flat", frames]
        for measure in ("encode", "text")
        for frames in ("4", "128")
    ]


@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="JAX tells what it holds"
)
def test_a_stream_is_measured_at_moments():
    task = small_models.shared_task()
    rows = benchmark().measure_stream(task, moments=(2, 6), rounds=1)
    assert [row["snippets"] for row in rows] == [2, 6]
    assert rows[-1]["arrays_over_first"] == 1
    assert rows[0]["resident_over_first"] == 1
    assert rows[-1]["seconds_over_first"] > 0


def test_figures_are_held_against_their_limits():
    clips = [
        {"frames": frames, "encode": {"mirasol": {"gflops": gflops}}}
        for frames, gflops in ((32, 2.0), (512, 34.0))
    ]
    moment = {
        "seconds_over_first": 1.01,
        "resident_over_first": 1.0,
        "arrays_over_first": 1.0,
    }
    steps = {"seconds": [12.0, 0.1, 0.1], "programs": [1, 0, 0]}
    asked = benchmark().figures_asked(
        clips,
        [moment],
        {"seconds_of_video_a_second": {"watching": 20.0}},
        {"jax": steps, "tensorflow": steps},
    )
    assert asked.keys() == benchmark().LIMITS.keys()
    assert {name for name in asked if not asked[name]["met"]} == {
        "encode_operations_512_over_32_frames",
        "first_step_seconds_jax",
        "first_step_seconds_tensorflow",
    }
    assert asked["encode_operations_512_over_32_frames"]["value"] == 17.0
    assert asked["seconds_a_second_on_one_core"]["value"] == 0.05


def test_recorded_figures_are_those_of_what_was_recorded():
    path = ROOT / "benchmarks/results/scaling.json"
    if not path.exists():
        pytest.skip("it was not measured yet")
    report = json.loads(path.read_text())
    assert report["asked"] == benchmark().figures_asked(
        report["clips"],
        report["stream"]["moments"],
        report["mirasol_tiny_on_one_core"],
        report["mirasol_tiny_first_steps"],
    )
    assert report["asked"].keys() == benchmark().LIMITS.keys()
