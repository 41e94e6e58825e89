import numpy as np
import pytest
from arrays import assert_close
from arrays import assert_same_bits
from arrays import randomize
from keras import ops

from keras_mirasol.layers import MatchingHead
from keras_mirasol.layers import TextEmbedding

# Of three texts the last has a gap and padding before it.
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]], bool)
LAST = [3, 1, 3]


@pytest.fixture
def hidden_states(normal):
    return normal(3, 4, 6)


def test_the_last_real_token_is_embedded(hidden_states):
    embed = TextEmbedding(embedding_dim=5)
    embed.build((None, None, 6))
    randomize(embed)
    (kernel,) = embed.get_weights()
    expected = hidden_states[np.arange(3), LAST] @ kernel
    expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
    assert_close(embed(hidden_states, MASK), expected)
    assert embed.count_params() == 6 * 5


def test_the_last_real_token_decides_whether_it_matches(hidden_states):
    head = MatchingHead()
    head.build((None, None, 6))
    randomize(head)
    kernel, bias = head.logit.get_weights()
    expected = hidden_states[np.arange(3), LAST] @ kernel[:, 0] + bias[0]
    assert_close(head(hidden_states, MASK), expected)
    assert head.count_params() == 6 + 1


@pytest.mark.parametrize("layer", [TextEmbedding(5), MatchingHead()])
def test_padding_changes_nothing(layer, hidden_states):
    before = ops.convert_to_numpy(layer(hidden_states, MASK))
    hidden_states[~MASK] = np.nan
    assert_same_bits(layer(hidden_states, MASK), before)
    longer = np.pad(hidden_states, ((0, 0), (0, 3), (0, 0)))
    padding = np.pad(MASK, ((0, 0), (0, 3)))
    assert_close(layer(longer, padding), before)
