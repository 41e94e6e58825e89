"""Caches change how long an answer takes, not the answer."""

import numpy as np
import pytest
import small_models

# Longer than the prompts' bucket, and than what PyTorch takes to record a step.
LENGTH = 40
PROMPTS = [3, 7, 3, 4]  # tokens; the first two are about one clip


@pytest.fixture
def inputs():
    """Two clips with two prompts each; the second clip is heard only."""
    inputs = small_models.random_inputs(texts=2, length=LENGTH)
    inputs["padding_mask"] = np.arange(LENGTH) < np.array(PROMPTS)[:, None]
    inputs["video_mask"][1] = False
    inputs["audio_mask"][0, 1] = False
    # What is asked about both is answered by what is seen and heard.
    inputs["token_ids"][2] = inputs["token_ids"][0]
    return inputs


def _recompute(task, inputs):
    """Greedy answers, for every token by the whole sequence anew.

    Returns them and by how much the best token was ahead, at the closest.
    """
    token_ids, margins = inputs["token_ids"].copy(), []
    for length in range(min(PROMPTS), LENGTH):
        prompt_or_past = np.arange(LENGTH) < length
        logits = task.predict_on_batch(
            {
                **inputs,
                "token_ids": token_ids,
                "padding_mask": inputs["padding_mask"] | prompt_or_past,
            }
        )["logits"][:, length - 1]
        free = ~inputs["padding_mask"][:, length]
        token_ids[free, length] = logits.argmax(axis=-1)[free]
        second, best = np.sort(logits, axis=-1)[free, -2:].T
        margins.append((best - second).min())
    return token_ids, min(margins)


def test_cached_answers_are_those_of_the_whole_sequence(task, inputs):
    expected, margin = _recompute(task, inputs)
    # No tie that rounding could decide, and texts that are worth comparing.
    assert margin > 1e-4
    answers = [
        row[length:].tolist()
        for row, length in zip(expected, PROMPTS, strict=True)
    ]
    assert len({tuple(answer) for answer in answers}) == 4
    assert len({token for answer in answers for token in answer}) > 6

    outputs = task.generate(inputs, stop_token_ids=None, strip_prompt=False)
    np.testing.assert_array_equal(outputs["token_ids"], expected)
