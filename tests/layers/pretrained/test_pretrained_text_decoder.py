import numpy as np
import pytest
import small_kerashub
from arrays import assert_close
from arrays import assert_same_bits
from arrays import differ
from arrays import randomize
from compiled import compiled
from gradients import gradients
from keras import ops

from keras_mirasol.layers import PretrainedTextDecoder

LANGUAGE_MODELS = (
    "gpt2",
    "gemma3",
    "gemma",
    "llama3",
    "mistral",
    "qwen",
    "qwen3",
)
HERE = np.array([[True, True, False], [True, True, True]])
# Two texts a clip; one of them is shorter.
MASK = np.ones((4, 9), bool)
MASK[1, 6:] = False

every_model = pytest.mark.parametrize("name", LANGUAGE_MODELS)


@pytest.fixture
def token_ids():
    rng = np.random.default_rng(0)
    return rng.integers(0, small_kerashub.VOCABULARY, (4, 9), dtype="int32")


@pytest.fixture
def latents(normal):
    return normal(2, 3, 2, 10)


def build(name, **settings):
    backbone = getattr(small_kerashub, name)()
    decoder = PretrainedTextDecoder(backbone, memory_dim=10, **settings)
    decoder.build((None, None, 8), (None, None, 2, 10))
    return backbone, decoder


def open_gates(decoder):
    for gate in decoder.gates:
        gate.gate.assign(0.7)


@every_model
def test_with_closed_gates_it_is_the_language_model(name, token_ids, latents):
    backbone, decoder = build(name)
    x = backbone.token_embedding(token_ids)
    hidden = compiled(decoder)(x, latents, HERE, MASK)
    own = backbone({"token_ids": token_ids, "padding_mask": MASK})
    assert_close(
        backbone.token_embedding(hidden, reverse=True)[MASK],
        backbone.token_embedding(own, reverse=True)[MASK],
        atol=1e-4,
    )


@every_model
def test_word_by_word_is_the_same(name, token_ids, latents):
    backbone, decoder = build(name)
    open_gates(decoder)
    x = ops.convert_to_numpy(backbone.token_embedding(token_ids))
    whole = compiled(decoder)(x, latents, HERE, np.ones_like(MASK))
    # At once, then one by one.
    pieces = [x[:, :7], x[:, 7:8], x[:, 8:]]
    memory = decoder.encode_memory(ops.convert_to_tensor(latents), HERE)
    decode = compiled(decoder.decode)
    caches, start, outputs = decoder.empty_caches(4, 12), 0, []
    for piece in pieces:
        hidden, caches = decode(
            ops.convert_to_tensor(piece), memory, caches, np.int32(start)
        )
        outputs.append(hidden)
        start += piece.shape[1]
    assert_close(ops.concatenate(outputs, axis=1), whole, atol=1e-4)


def test_open_gates_read_the_snippets_that_there_are(token_ids, latents):
    backbone, decoder = build("gpt2")
    open_gates(decoder)
    x = backbone.token_embedding(token_ids)
    before = decoder(x, latents, HERE, MASK)
    masked, seen = latents.copy(), latents.copy()
    masked[0, 2] = np.nan
    assert_same_bits(decoder(x, np.nan_to_num(masked), HERE, MASK), before)
    seen[0, 1] += 1.0
    after = decoder(x, seen, HERE, MASK)
    assert differ(after[:2], before[:2])
    assert_same_bits(after[2:], before[2:])


def test_gates_may_stand_before_every_other_block(token_ids, latents):
    backbone = small_kerashub.gpt2(num_layers=5)
    decoder = PretrainedTextDecoder(backbone, 10, gate_every=2, num_heads=4)
    decoder(backbone.token_embedding(token_ids), latents, HERE, MASK)
    assert [gate.num_heads for gate in decoder.gates] == [4, 4, 4]
    seen = []

    def intercept(x, number):
        seen.append(number)
        return x * 0 if number == 4 else x

    outputs = decoder(
        backbone.token_embedding(token_ids),
        latents,
        HERE,
        MASK,
        layer_intercept_fn=intercept,
    )
    assert seen == [0, 1, 2, 3, 4]
    # A normalised zero is the bias.
    bias = ops.convert_to_numpy(decoder.norm.beta)
    assert_close(outputs, np.broadcast_to(bias, outputs.shape))


def test_gradients_reach_the_gates_alone_while_it_is_frozen(token_ids, latents):
    backbone, decoder = build("gpt2")
    open_gates(decoder)
    x = ops.convert_to_numpy(backbone.token_embedding(token_ids))

    def loss():
        return ops.mean(ops.square(decoder(x, latents, HERE, MASK)))

    assert decoder.frozen
    trained = decoder.trainable_weights
    gates = [w for gate in decoder.gates for w in gate.weights]
    assert {id(w) for w in trained} == {
        id(w) for w in (*gates, decoder.null_token)
    }
    for weight, gradient in zip(trained, gradients(loss, trained), strict=True):
        assert np.abs(ops.convert_to_numpy(gradient)).max() > 0, weight.path
    decoder.frozen = False
    assert len(decoder.trainable_weights) == len(decoder.weights)


def test_rematerialized_blocks_have_the_same_gradients(token_ids, latents):
    backbone = small_kerashub.gpt2(dropout=0.0)
    x = ops.convert_to_numpy(backbone.token_embedding(token_ids))
    results = []
    for again in (False, True):
        # Both are made of the same blocks.
        decoder = PretrainedTextDecoder(
            backbone, 10, frozen=False, rematerialize=again
        )
        decoder.build((None, None, 8), (None, None, 2, 10))
        randomize(decoder)
        results.append(_gradients(decoder, x, latents))
    for plain, recomputed in zip(*results, strict=True):
        assert_close(recomputed, plain)


def _gradients(decoder, x, latents):
    def loss():
        outputs = decoder(x, latents, HERE, MASK, training=True)
        return ops.mean(ops.square(outputs))

    return gradients(loss, decoder.trainable_weights)


@pytest.mark.any_backend
def test_other_models_are_refused():
    with pytest.raises(ValueError, match="ViTBackbone, without"):
        PretrainedTextDecoder(small_kerashub.vit(), 10)
