"""Piece by piece, a clip is what it is as a whole."""

import numpy as np
import pytest
import small_models
import whole_model
from arrays import assert_close
from arrays import differ
from keras import ops

SNIPPETS = 5
# What comes at a time: frames and samples, no whole snippets.
PIECES = [(3, 700), (0, 4000), (1, 0), (6, 5300)]
KEYS = {"video": "videos", "audio": "audio"}
BOTH = tuple(KEYS)


@pytest.fixture(scope="module")
def task(kind):
    return whole_model.build_task(kind, has_preprocessor=True)


@pytest.fixture(scope="module")
def clip():
    return small_models.random_clip(SNIPPETS)


def _features(task, clip, modalities=BOTH):
    clip = {KEYS[modality]: clip[KEYS[modality]] for modality in modalities}
    return task.preprocessor.generate_preprocess({**clip, "prompts": "?"})


def watch(stream, clip):
    """Latents of a clip that comes piece by piece."""
    parts, frames, samples = [], 0, 0
    for more_frames, more_samples in PIECES:
        piece = {
            "video": clip["videos"][frames : frames + more_frames],
            "audio": clip["audio"][samples : samples + more_samples],
        }
        frames, samples = frames + more_frames, samples + more_samples
        piece = [piece[m] if m in stream.modalities else None for m in BOTH]
        parts.append(ops.convert_to_numpy(stream.observe(*piece)))
    assert (frames, samples) == (len(clip["videos"]), len(clip["audio"]))
    return np.concatenate(parts)


@pytest.mark.parametrize("modalities", [BOTH, BOTH[:1], BOTH[1:]], ids="+".join)
def test_latents_are_those_of_the_whole_clip(task, clip, modalities):
    features = _features(task, clip, modalities)
    whole = task.backbone.predict_on_batch(features)["snippet_latents"][0]
    # Room for one snippet at first, which is doubled on the way.
    stream = task.stream(max_snippets=1, modalities=modalities)
    latents = watch(stream, clip)
    assert stream.num_snippets == SNIPPETS
    assert_close(latents, whole)
    # Both modalities count.
    other = task.backbone.predict_on_batch(_features(task, clip))
    assert differ(latents, other["snippet_latents"][0]) == (modalities != BOTH)


@pytest.mark.parametrize("window, num_sinks", [(2, 1), (1, 0)])
def test_latents_of_a_window_are_those_of_a_band(task, clip, window, num_sinks):
    joint_tokens = task.backbone.predict_on_batch(_features(task, clip))[
        "joint_tokens"
    ]
    whole = task.backbone.snippet_transformer(
        joint_tokens, window=window, num_sinks=num_sinks
    )
    stream = task.stream(window=window, num_sinks=num_sinks)
    latents = watch(stream, clip)
    assert_close(latents, whole[0])
    assert differ(latents, watch(task.stream(), clip))


def test_answers_are_those_about_the_clip_so_far(task, clip):
    stream = task.stream(max_snippets=SNIPPETS)
    for count in (0, 2, 5):
        so_far = {
            "videos": clip["videos"][: count * small_models.FRAMES],
            "audio": clip["audio"][: count * small_models.SAMPLES],
        }
        before = stream.num_snippets
        stream.observe(
            so_far["videos"][before * small_models.FRAMES :],
            so_far["audio"][before * small_models.SAMPLES :],
        )
        given = so_far if count else {"videos": None, "audio": None}
        expected = task.generate({**given, "prompts": "what?"})
        # It may be asked again.
        assert stream.ask("what?") == expected
        assert stream.ask("what?") == expected
