"""What a stream knows of its snippets: a nested dict of tensors.

- `"num_snippets"`: int32 `(batch,)`, how many snippets each stream has.
- `"latent_caches"`: keys and values of the snippet Transformer.
- `"memory"`: what text attends to, as `TextDecoder.encode_memory()` makes it.
- `"combiner"`: the state of a Combiner that has one.

Caches and memory have a slot for each of a number of snippets; see
`layers/snippet_slots.py`.
"""

import keras
from keras import ops

from keras_mirasol.layers.snippet_slots import slot_of
from keras_mirasol.models.mirasol_backbone import snippet_mask


def empty_state(backbone, batch_size, num_slots):
    """The state before the first snippet.

    Args:
        backbone: a `MirasolBackbone`.
        batch_size: int. Number of streams.
        num_slots: int. Snippets that there is room for.
    """
    combiner = backbone.combiner
    return {
        "num_snippets": ops.zeros((batch_size,), "int32"),
        "latent_caches": backbone.snippet_transformer.empty_caches(
            batch_size, num_slots
        ),
        "memory": backbone.text_decoder.empty_memory(
            batch_size, num_slots, backbone.num_joint_tokens
        ),
        "combiner": {"state": combiner.empty_state(batch_size)}
        if hasattr(combiner, "empty_state")
        else {},
    }


def observe_snippet(backbone, state, snippets, window=None, num_sinks=0):
    """The state after one snippet more.

    Args:
        backbone: a `MirasolBackbone`.
        state: dict, from `empty_state()` or an earlier call.
        snippets: dict with the inputs of the backbone that are about clips, of
            one snippet each. `"is_new"`, bool `(batch,)`, tells which streams
            have one, if not all; the others stay as they are.
        window: int or `None`. See `SnippetTransformer`.
        num_sinks: int. Likewise; 0 without a window.

    Returns:
        A pair of the state, and the snippet latents `(batch, m, hidden_dim)`.
    """
    count = state["num_snippets"]
    joint_tokens = backbone.encode_snippets(snippets, **state["combiner"])
    combiner = {}
    if state["combiner"]:
        joint_tokens, combiner["state"] = joint_tokens
    latents, latent_caches = backbone.snippet_transformer(
        joint_tokens,
        caches=state["latent_caches"],
        start=count,
        window=window,
        num_sinks=num_sinks,
    )
    num_slots = num_slots_of(backbone, state["memory"]["memory_mask"])
    slots = slot_of(count, num_slots, num_sinks)
    after = {
        "num_snippets": count + 1,
        "latent_caches": latent_caches,
        "memory": backbone.text_decoder.extend_memory(
            state["memory"], latents, snippet_mask(snippets), slots[:, None]
        ),
        "combiner": combiner,
    }
    if "is_new" in snippets:
        after = choose_rows(snippets["is_new"], after, state)
    return after, latents[:, 0]


def choose_rows(is_chosen, chosen, others):
    """Joins two states, stream by stream.

    Args:
        is_chosen: bool tensor `(batch,)`.
        chosen: the state of the streams for which it is `True`.
        others: the state of the others.
    """

    def choose(a, b):
        rows = ops.reshape(is_chosen, (-1, *[1] * (len(a.shape) - 1)))
        return ops.where(rows, a, b)

    return keras.tree.map_structure(choose, chosen, others)


def with_room(backbone, state, num_slots):
    """A state without a window, with empty slots up to so many."""
    memory = state["memory"]
    missing = num_slots - num_slots_of(backbone, memory["memory_mask"])
    tokens = missing * backbone.num_joint_tokens

    def longer(key_values):
        return [
            ops.pad(x, [(0, 0), (0, 0), (0, 0), (0, tokens), (0, 0)])
            for x in key_values
        ]

    return {
        **state,
        "latent_caches": longer(state["latent_caches"]),
        "memory": {
            "memory_key_values": longer(memory["memory_key_values"]),
            "memory_mask": ops.pad(
                memory["memory_mask"],
                [(0, 0), (0, tokens)],
                constant_values=False,
            ),
        },
    }


def num_slots_of(backbone, memory_mask):
    """How many snippets there is room for, by the mask of the memory."""
    # The first is the null token.
    return (memory_mask.shape[1] - 1) // backbone.num_joint_tokens
