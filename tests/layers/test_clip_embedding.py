import numpy as np
import pytest
from arrays import assert_close
from arrays import assert_same_bits
from arrays import differ
from arrays import layer_norm
from arrays import randomize
from compiled import compiled
from keras import ops

from keras_mirasol.layers import ClipEmbedding

MASK = np.array([[True, False, True], [False, False, False]])


@pytest.fixture(scope="module")
def embed():
    layer = ClipEmbedding(embedding_dim=5, dim=8, num_heads=2)
    layer.build((None, None, 2, 8))
    return randomize(layer)


@pytest.fixture(scope="module")
def call(embed):
    return compiled(embed)


@pytest.fixture
def latents(normal):
    return normal(2, 3, 2, 8)


def test_the_query_reads_all_tokens_of_the_snippets_that_exist(
    embed, call, latents
):
    query = ops.convert_to_numpy(embed.query)
    attention = embed.attention
    tokens = latents[0, [0, 2]].reshape(1, 4, 8)
    read = query + ops.convert_to_numpy(
        attention(query[None], attention.key_values(tokens))
    )
    normed = layer_norm(read[0, 0], embed.norm.get_weights())
    expected = normed @ embed.projection.get_weights()[0]
    expected /= np.sqrt((expected**2).sum())
    assert_close(call(latents, MASK)[0], expected)


def test_embeddings_have_length_1(call, latents):
    embeddings = ops.convert_to_numpy(call(100 * latents, MASK))
    assert_close((embeddings**2).sum(-1), np.ones(2))


def test_what_is_masked_changes_nothing(call, latents):
    before = ops.convert_to_numpy(call(latents, MASK))
    assert np.isfinite(before).all()
    latents[~MASK] = np.nan
    assert_same_bits(call(latents, MASK), before)


def test_a_clip_without_snippets_has_one_embedding(call, latents, normal):
    nothing = np.zeros_like(MASK)
    embeddings = ops.convert_to_numpy(call(latents, nothing))
    assert_close(embeddings[0], embeddings[1])
    assert differ(embeddings[0], call(latents, ~nothing)[0])


def test_clips_may_have_any_number_of_snippets(embed, latents):
    padded = np.concatenate([latents, latents], axis=1)
    mask = np.concatenate([MASK, np.zeros_like(MASK)], axis=1)
    assert_close(embed(padded, mask), embed(latents, MASK))


def test_weights(embed):
    # Query, attention with four projections, normalisation, projection.
    expected = 8 + 4 * (8 * 8 + 8) + 2 * 8 + 8 * 5
    assert embed.count_params() == expected
