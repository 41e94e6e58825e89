"""The ablation: its clips, its rows, and what it makes of its runs."""

import functools

import keras
import numpy as np
import pytest
from scripts import load_script

from keras_mirasol.data import sounding_shapes

pytestmark = pytest.mark.any_backend


@functools.cache
def benchmark():
    return load_script("benchmarks/ablation.py")


@functools.cache
def clips():
    return load_script("benchmarks/ablation_corpus.py")


@functools.cache
def corpus():
    preprocessor = clips().build_preprocessor(seed=5, num_clips=6)
    return preprocessor, clips().Corpus(preprocessor, 6, seed=5)


def told(texts):
    """What the texts of `(x, y, sample_weight)` ask and answer."""
    preprocessor, _ = corpus()
    x, y, weights = texts
    token_ids = x["token_ids"].reshape(-1, y.shape[-1])
    asked = preprocessor.generate_postprocess(
        {
            "token_ids": token_ids,
            "padding_mask": x["padding_mask"].reshape(token_ids.shape)
            & (weights.reshape(token_ids.shape) == 0),
        }
    )
    answered = preprocessor.generate_postprocess(
        {
            "token_ids": y.reshape(token_ids.shape),
            "padding_mask": weights.reshape(token_ids.shape) > 0,
        }
    )
    return [
        (prompt.strip(), answer)
        for prompt, answer in zip(asked, answered, strict=True)
    ]


def test_scenes_last_four_seconds_and_sounds_half_a_second():
    scene = clips().long_scene(3, seed=5)
    assert sum(event.seconds for event in scene.events) == clips().SECONDS
    heard = [event.seconds * event.sounding for event in scene.events]
    assert heard == pytest.approx([0.5] * 4)
    day = sounding_shapes.corpus_scene(3, seed=5)
    assert [e.colour for e in scene.events] == [e.colour for e in day.events]


def test_clips_are_asked_what_is_true_of_them():
    _, made = corpus()
    batch = made.clips(np.array([2, 4]), np.random.default_rng(0))
    count = sum(clips().ASKED.values())
    assert batch[1].shape == (2, count, clips().SEQUENCE_LENGTH)
    assert batch[0]["pixel_values"].shape[:2] == (2, 16)
    questions = told(batch)
    for place, index in enumerate((2, 4)):
        scene = clips().long_scene(index, seed=5)
        true = {
            (question["prompt"], question["response"])
            for kind in clips().ASKED
            for question in sounding_shapes.questions(scene, kind)
        }
        asked = set(questions[place * count :][:count])
        assert len(asked) == count and asked <= true


def test_a_moment_is_half_a_second_of_the_event_it_tells_of():
    _, made = corpus()
    indices = np.array([1, 1, 3, 5])
    batch = made.moments(indices, np.random.default_rng(0))
    captions = [answer for _, answer in told(batch)[::4]]
    for pixels, caption, index in zip(
        batch[0]["pixel_values"], captions, indices, strict=True
    ):
        events = clips().long_scene(index, seed=5).events
        (event,) = [
            i
            for i, e in enumerate(events)
            if caption == f"a {e.colour} {e.shape} and a {e.sound}"
        ]
        first = int(4 * sum(e.seconds for e in events[:event]))
        np.testing.assert_array_equal(
            pixels, made.pixel_values[index, first : first + 2]
        )
    assert batch[0]["audio_features"].shape == (4, 10, 32)


def test_clips_are_filled_up_to_whole_snippets():
    _, made = corpus()
    batch = made.moments(np.array([0, 1]), np.random.default_rng(0))
    x, _, _ = clips().in_snippets(batch, 4)
    assert x["pixel_values"].shape[:2] == (2, 4)
    assert x["audio_features"].shape[:2] == (2, 20)
    assert not x["pixel_values"][:, 2:].any()
    assert x["video_mask"].shape == x["audio_mask"].shape == (2, 1)


def test_all_rows_have_the_parameters_of_both_within_a_tenth():
    rows = benchmark().ROWS
    counts = {}
    for name in rows:
        with keras.StatelessScope(initialize_variables=False):
            counts[name] = benchmark().build_backbone(name, 383).count_params()
    assert len(rows) >= 13
    for name, count in counts.items():
        assert count == pytest.approx(counts["both"], rel=0.1), name


def test_without_a_combiner_all_tokens_are_handed_on(normal):
    layer = benchmark().AllTokens(5, 8)
    here = np.ones((2, 4), bool)
    video, audio = normal(2, 4, 3, 6), normal(2, 4, 2, 7)
    tokens = keras.ops.convert_to_numpy(layer(video, audio, here, here))
    assert tokens.shape == (2, 4, 5, 8)
    np.testing.assert_allclose(
        tokens[:, :, 3:],
        keras.ops.convert_to_numpy(layer.audio_projection(audio)),
        rtol=1e-5,
    )


def run(row, seed, exact_match):
    by_kind = dict.fromkeys(clips().ASKED, exact_match)
    return {
        "row": row,
        "seed": seed,
        "exact_match": exact_match,
        "by_kind": by_kind,
    }


def cost(parameters, tokens, seconds, mib):
    return {
        "parameters": parameters,
        "attended_tokens": tokens,
        "step_seconds": seconds,
        "activation_mib": mib,
    }


def test_the_table_has_means_spreads_and_ratios_to_flat():
    result = {
        "runs": [
            run("flat", 0, 0.4),
            run("flat", 1, 0.6),
            run("flat", 2, 0.8),
            run("both", 0, 0.9),
        ],
        "costs": {
            "flat": cost(1000, 640, 2.0, 300.0),
            "both": cost(1100, 16, 0.5, 60.0),
        },
    }
    _, _, flat, both = benchmark().table(result).splitlines()
    assert flat.startswith("| flat | 0.600 ± 0.200 | 0.60 |")
    assert flat.endswith("| 3 | 1,000 | 640 | 1.00 | 1.00 |")
    # A single run has no spread.
    assert both.startswith("| both | 0.900 | 0.90 |")
    assert both.endswith("| 1 | 1,100 | 16 | 0.25 | 0.20 |")
