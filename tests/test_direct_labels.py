"""The benchmark of direct labels: its clips, its models and its ratios."""

import functools
import json

import numpy as np
import pytest
from scripts import load_script

pytestmark = pytest.mark.any_backend


@functools.cache
def benchmark():
    return load_script("benchmarks/direct_labels.py")


@functools.cache
def clips(corpus):
    if corpus == "shapes":
        return benchmark().shape_clips(16, seed=0)
    return benchmark().digit_clips(20, held_out=10, seed=0)


def test_images_are_scaled_about_their_middle_and_moved():
    image = np.array([[1.0, 2.0], [3.0, 4.0]])[..., None]
    # Twice as high, with its middle on the corner between four pixels.
    drawn = benchmark().resample(
        image, np.array([2.0, 1.0]), np.array([2.0, 1.0]), size=4
    )
    rows = np.array([[0.75, 0], [0.75, 0.25], [0.25, 0.75], [0, 0.75]])
    expected = np.zeros((4, 4))
    expected[:, :2] = rows @ image[..., 0]
    np.testing.assert_allclose(drawn[..., 0], expected, atol=1e-6)


def test_every_frame_of_a_digit_clip_shows_the_digit_whole():
    brightness = clips("digits").pixel_values.astype("float32")
    # Bilinear weights lose next to nothing of what is inside the frame.
    totals = brightness.sum(axis=(2, 3, 4))
    np.testing.assert_allclose(totals[:, 0], totals[:, 1], rtol=0.1)
    assert totals.min() > 0
    assert (brightness[:, 0] != brightness[:, 1]).any(axis=(1, 2, 3)).all()


def test_labels_are_those_of_the_scenes():
    from keras_mirasol.data import sounding_shapes

    events = sounding_shapes.corpus_scene(3, seed=0).events
    seen = clips("shapes").labels["seen"][3]
    heard = clips("shapes").labels["heard"][3]
    # A quarter of a second a snippet, half a second an event.
    for snippet, (shape, sound) in enumerate(zip(seen, heard, strict=True)):
        event = events[snippet // 2]
        assert sounding_shapes.SHAPES[shape] == event.shape
        assert sounding_shapes.SOUNDS[sound] == event.sound


@pytest.mark.parametrize("corpus", ["shapes", "digits"])
@pytest.mark.parametrize(
    "stage", ["strided convolutions", "encoder", "joint tokens", "latents"]
)
def test_every_stage_tells_what_it_can_of_each_snippet(stage, corpus):
    model = benchmark().build_model(stage, clips(corpus))
    shapes = {key: tuple(x.shape) for key, x in model.output.items()}
    if corpus == "digits":
        assert shapes == {"seen": (None, 1, 10)}
    elif stage == "strided convolutions":
        assert shapes == {"seen": (None, 8, 5)}
    else:
        assert shapes == {"seen": (None, 8, 5), "heard": (None, 8, 6)}


def test_the_peer_has_about_as_many_parameters_as_the_encoder():
    peer, encoder = (
        benchmark().build_model(stage, clips("digits")).count_params()
        for stage in ("strided convolutions", "encoder")
    )
    assert 0.8 < peer / encoder < 1.25


def test_a_stage_is_trained_and_measured_on_changed_clips():
    row = benchmark().measure(
        "encoder",
        clips("digits"),
        steps=2,
        seed=0,
        change=benchmark().shift_and_scale,
    )
    assert row["stage"] == "encoder"
    assert 0 <= row["held_out"]["seen"] <= 1
    assert row["seconds_of_a_core"] > 0


def test_no_clip_comes_again_before_all_others_have(monkeypatch):
    monkeypatch.setattr(benchmark(), "SNIPPETS_PER_STEP", 5)
    digits = clips("digits")
    model = benchmark().build_model("strided convolutions", digits)
    pixels = [x["pixel_values"] for x, _ in digits.batches(model, 8, seed=1)]
    epochs = np.concatenate(pixels).reshape(2, 20, -1)
    for epoch in epochs:
        assert len(np.unique(epoch, axis=0)) == 20
    assert (epochs[0] != epochs[1]).any()


def test_ratios_are_of_what_is_seen_in_held_out_clips():
    rows = [
        {"stage": "strided convolutions", "held_out": {"seen": 0.8}},
        {"stage": "latents", "held_out": {"seen": 0.6, "heard": 1.0}},
    ]
    both = benchmark().with_ratios(rows)
    assert [row["ratio_to_peer"] for row in both] == [1.0, 0.75]
    assert benchmark().with_ratios(rows[1:])[0]["ratio_to_peer"] is None


def test_the_recorded_stages_learn_what_they_are_shown():
    result = json.loads(benchmark().RESULT.read_text())
    assert result["settings"]["steps"] == 234
    for rows in result["corpora"].values():
        assert [row["stage"] for row in rows] == list(benchmark().STAGES)
    for row in result["corpora"]["shapes"]:
        assert min(row["held_out"].values()) >= 0.96
    peer, encoder, *fused = result["corpora"]["digits"]
    assert encoder["ratio_to_peer"] >= 0.9
    assert min(row["ratio_to_peer"] for row in fused) >= 0.85
