"""Clips and texts of another length need no new program, if of one bucket."""

import collections

import keras
import numpy as np
import pytest
import small_models

from keras_mirasol import layers

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="it compiles nothing"
)


@pytest.fixture
def traced_lengths(monkeypatch):
    """How often the text decoder was traced, by number of snippets."""
    counts = collections.Counter()
    encode_memory = layers.TextDecoder.encode_memory

    def counting(self, snippet_latents, snippet_mask):
        counts[snippet_latents.shape[1]] += 1
        return encode_memory(self, snippet_latents, snippet_mask)

    monkeypatch.setattr(layers.TextDecoder, "encode_memory", counting)
    return counts


def batch(task, snippets, response):
    clip = small_models.random_clip(snippets)
    clips = {key: [value] * 2 for key, value in clip.items()}
    return task.preprocessor(
        {**clips, "prompts": ["a", "b"], "responses": [response, "d"]}
    )


def test_another_length_in_a_bucket_compiles_nothing(traced_lengths):
    task = small_models.build_task()
    traced_lengths.clear()
    first, second = batch(task, 9, "x"), batch(task, 10, "long er")
    for x, _, _ in (first, second):
        assert x["video_mask"].shape == (2, 10)
        assert x["token_ids"].shape == (2, 16)
    assert np.sum(first[0]["video_mask"]) == 18

    for call in (task.fit, task.evaluate):
        call(first[0], first[1], sample_weight=first[2], verbose=0)
        after_first = dict(traced_lengths)
        assert after_first
        call(second[0], second[1], sample_weight=second[2], verbose=0)
        assert dict(traced_lengths) == after_first
