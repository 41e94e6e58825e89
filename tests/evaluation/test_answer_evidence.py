"""What an answer rests on, for models and clips where it is known."""

import keras
import numpy as np
import pytest
import small_models
from keras import ops

from keras_mirasol.evaluation import answer_evidence
from keras_mirasol.evaluation.answer_evidence import _gains

PROMPT, ANSWER = "what?", "ab"


@pytest.fixture(scope="module")
def task():
    keras.utils.set_random_seed(1)
    return small_models.sharpen(small_models.build_task())


@pytest.fixture(scope="module")
def clip():
    return small_models.random_clip(3)


@pytest.fixture(scope="module")
def evidence(task, clip):
    return answer_evidence(task, clip, PROMPT, ANSWER, num_masks=32)


def test_each_token_has_a_row_and_each_snippet_a_column(evidence):
    assert evidence["answer"] == ANSWER
    assert evidence["tokens"] == ["a", "b"]
    assert evidence["snippet_seconds"] == 0.25
    for key in ("attention", "video", "audio"):
        assert evidence[key].shape == (2, 3)
        assert np.abs(evidence[key]).max() > 1e-4


def test_likelihoods_are_those_of_the_whole_clip(task, clip, evidence):
    batch = {key: value[None] for key, value in clip.items()}
    x, y, weight = task.preprocessor(
        {**batch, "prompts": [[PROMPT]], "responses": [[ANSWER]]}
    )
    logits = ops.log_softmax(task(x)["logits"], axis=-1)
    rows = np.flatnonzero(np.asarray(weight)[0, 0])
    expected = ops.convert_to_numpy(logits)[
        0, 0, rows, np.asarray(y)[0, 0, rows]
    ]
    # The last one is the answer's end.
    np.testing.assert_allclose(
        evidence["log_likelihood"], expected[:-1], atol=1e-4
    )


def test_attention_leaves_a_rest_to_the_null_token(evidence):
    totals = evidence["attention"].sum(axis=-1)
    assert (evidence["attention"] >= 0).all()
    assert (totals < 1).all() and (totals > 0).all()


def test_what_is_not_there_adds_nothing(task, clip):
    evidence = answer_evidence(
        task, {"audio": clip["audio"]}, PROMPT, ANSWER, num_masks=16
    )
    assert not evidence["video"].any()
    assert evidence["audio"].any()


def test_gains_are_those_of_a_sum_of_what_is_there():
    rng = np.random.default_rng(0)
    masks = {
        "video_mask": rng.random((64, 3)) < 0.5,
        "audio_mask": rng.random((64, 3)) < 0.5,
    }
    # The picture of snippet 0 adds 2, the sound of snippet 2 takes 1 away;
    # of two sounds that say the same, each adds half of it.
    same = masks["audio_mask"][:, 0] | masks["audio_mask"][:, 1]
    values = 2.0 * masks["video_mask"][:, 0] - 1.0 * masks["audio_mask"][:, 2]
    gains = _gains(masks, (values + 4.0 * same - 7)[:, None])
    np.testing.assert_allclose(gains["video"], [[2, 0, 0]], atol=0.5)
    np.testing.assert_allclose(gains["audio"], [[2, 2, -1]], atol=0.5)


def test_evidence_is_reproducible(task, clip, evidence):
    again = answer_evidence(task, clip, PROMPT, ANSWER, num_masks=32)
    np.testing.assert_array_equal(again["video"], evidence["video"])
    other = answer_evidence(task, clip, PROMPT, ANSWER, num_masks=32, seed=1)
    assert (other["video"] != evidence["video"]).any()


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(prompt=["a", "b"]), "one string"),
        (dict(answer=""), "at least one character"),
    ],
)
def test_what_is_no_single_answer_is_refused(task, clip, change, message):
    settings = {"prompt": PROMPT, "answer": ANSWER, **change}
    with pytest.raises(ValueError, match=message):
        answer_evidence(task, clip, **settings)


def test_a_preprocessor_is_needed(task, clip):
    bare = type(task)(task.backbone)
    with pytest.raises(ValueError, match="needs a preprocessor"):
        answer_evidence(bare, clip, PROMPT, ANSWER)
