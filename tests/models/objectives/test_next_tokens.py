"""Responses are scored in chunks, as if all logits were made at once."""

import keras
import numpy as np
import pytest
import small_models
from arrays import assert_close
from gradients import gradients
from keras import ops

from keras_mirasol.models.objectives import next_tokens

VOCABULARY, DIM, CHUNK = 7, 5, 2
HIDDEN = np.random.default_rng(0).normal(size=(2, 7, DIM)).astype("float32")
TOKENS = np.array([[0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0]], "int32")
# At most three tokens of a text: two chunks of two, and two for nothing.
WEIGHTS = np.array([[0, 1, 0, 0, 2, 1, 0], [0, 0, 0, 0.5, 0, 0, 1]], "float32")


@pytest.fixture
def embedding(monkeypatch):
    monkeypatch.setattr(next_tokens, "_LOGITS", 1)
    monkeypatch.setattr(next_tokens, "_LEAST", CHUNK)
    layer = keras.layers.ReversibleEmbedding(VOCABULARY, DIM)
    layer.build()
    rng = np.random.default_rng(1)
    layer.embeddings.assign(rng.normal(size=(VOCABULARY, DIM)))
    return layer


def score(hidden, embedding):
    return next_tokens.score_next_tokens(
        hidden,
        ops.convert_to_tensor(TOKENS),
        ops.convert_to_tensor(WEIGHTS),
        embedding,
        VOCABULARY,
    )


def rows(*columns):
    """Of a table, sorted: the order of tokens does not matter."""
    columns = [column.ravel() for column in columns]
    return np.array(sorted(zip(*columns, strict=True)))


def test_scores_are_those_of_tokens_that_weigh_something(embedding):
    # One token is right by construction, the others are as it comes.
    matrix = ops.convert_to_numpy(embedding.embeddings)
    hidden = HIDDEN.copy()
    hidden[0, 4] = 3 * matrix[TOKENS[0, 4]]
    logits = hidden @ matrix.T
    cross_entropy = np.log(np.exp(logits).sum(axis=-1))
    cross_entropy -= np.take_along_axis(logits, TOKENS[..., None], -1)[..., 0]
    is_right = logits.argmax(axis=-1) == TOKENS
    some = WEIGHTS > 0
    assert is_right[some].any() and not is_right[some].all()

    scores = score(ops.convert_to_tensor(hidden), embedding)
    scores = [ops.convert_to_numpy(x) for x in scores]
    scored = scores[2] > 0
    assert_close(
        rows(*(x[scored] for x in scores)),
        rows(cross_entropy[some], is_right[some], WEIGHTS[some]),
    )


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="others know all shapes"
)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_numbers_of_texts_and_of_tokens_may_be_open(embedding, jit_compile):
    import tensorflow as tf

    @tf.function(
        jit_compile=jit_compile,
        input_signature=[
            tf.TensorSpec((None, None, DIM)),
            tf.TensorSpec((None, None), "int32"),
            tf.TensorSpec((None, None)),
        ],
    )
    def mean(hidden, token_ids, weights):
        scores = next_tokens.score_next_tokens(
            hidden, token_ids, weights, embedding, VOCABULARY
        )
        return tf.reduce_sum(scores[0] * scores[2])

    expected = score(ops.convert_to_tensor(HIDDEN), embedding)
    assert_close(
        mean(HIDDEN, TOKENS, WEIGHTS), tf.reduce_sum(expected[0] * expected[2])
    )


def test_gradients_are_those_of_all_logits_at_once(embedding):
    hidden = keras.Variable(HIDDEN)

    def loss():
        cross_entropy, _, weights = score(hidden * 1.0, embedding)
        return ops.sum(cross_entropy * weights)

    def expected_loss():
        logits = ops.matmul(
            hidden.value, ops.transpose(embedding.embeddings.value)
        )
        of_tokens = ops.sparse_categorical_crossentropy(
            ops.convert_to_tensor(TOKENS), logits, from_logits=True
        )
        return ops.sum(of_tokens * ops.convert_to_tensor(WEIGHTS))

    variables = [hidden, embedding.embeddings]
    for actual, expected in zip(
        gradients(loss, variables),
        gradients(expected_loss, variables),
        strict=True,
    ):
        assert np.abs(expected).max() > 0.1
        assert_close(actual, expected)


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="others say nothing of a branch"
)
def test_tokens_without_weight_do_not_meet_the_vocabulary(
    embedding, monkeypatch
):
    met = []
    call = embedding.call
    monkeypatch.setattr(
        embedding,
        "call",
        lambda x, reverse: met.append(x.shape[1]) or call(x, reverse=reverse),
    )
    score(ops.convert_to_tensor(HIDDEN), embedding)
    # Three tokens of a text, of seven, and one that fills the chunk.
    assert met == [CHUNK, CHUNK]


def test_a_model_learns_as_with_all_logits(monkeypatch):
    """Losses, accuracy and weights after a step, with chunks and without."""

    def after_a_step(logits):
        monkeypatch.setattr(next_tokens, "_LOGITS", logits)
        monkeypatch.setattr(next_tokens, "_LEAST", CHUNK)
        keras.utils.set_random_seed(0)
        task = small_models.build_task(preprocessor=None)
        small_models.sharpen(task)
        task.compile(keras.optimizers.SGD(0.1), **small_models.QUICKLY)
        x = small_models.random_inputs(length=6)
        # Of two texts of six tokens each, so many are of responses.
        weights = np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 1]], "float32")
        y = np.roll(x["token_ids"], -1, axis=1)
        logs = task.train_on_batch(x, y, weights, return_dict=True)
        return logs, task.get_weights()

    logs, weights = after_a_step(1)
    expected_logs, expected = after_a_step(2**22)
    assert logs.keys() == expected_logs.keys() >= {"token_accuracy"}
    for name, value in logs.items():
        assert value == pytest.approx(expected_logs[name], rel=1e-5)
    for actual, weight in zip(weights, expected, strict=True):
        assert_close(actual, weight)
