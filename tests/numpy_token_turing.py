"""A Token Turing Machine in NumPy, token set by token set.

What is masked is left out here, where the layers mask it.
"""

import numpy as np
from arrays import gelu
from arrays import layer_norm
from arrays import sinusoids
from keras import ops


def softmax(x, axis):
    x = np.exp(x - x.max(axis, keepdims=True))
    return x / x.sum(axis, keepdims=True)


def weights_of(layer):
    """A layer's weights by what follows its own name in their paths."""
    weights = {}
    for weight in layer.weights:
        _, _, path = weight.path.rpartition(f"{layer.name}/")
        weights[path] = ops.convert_to_numpy(weight)
    return weights


def attend(queries, keys, values, heads):
    """`softmax(q k^T / sqrt(head_dim)) v`, head by head."""
    attended = [
        softmax(q @ k.T / np.sqrt(q.shape[1]), axis=1) @ v
        for q, k, v in zip(
            np.split(queries, heads, axis=1),
            np.split(keys, heads, axis=1),
            np.split(values, heads, axis=1),
            strict=True,
        )
    ]
    return np.concatenate(attended, axis=1)


def summary(layer, tokens, heads, places=None):
    """`S_k(V)` of tokens `(n, dim)` that stand at `places`."""
    w = weights_of(layer)
    u = layer_norm(tokens, [w["norm/gamma"], w["norm/beta"]])
    if "positions" in w:
        u = u + w["positions"][slice(None) if places is None else places]
    if "logits/kernel" in w:
        hidden = gelu(u @ w["hidden/kernel"] + w["hidden/bias"])
        return softmax(hidden @ w["logits/kernel"], axis=0).T @ tokens
    keys, values = np.split(u @ w["keys_values/kernel"], 2, axis=1)
    attended = attend(w["queries"], keys, values, heads)
    return attended @ w["output/kernel"] + w["output/bias"]


def erase_and_add(layer, memory, outputs):
    """Slot by slot, all outputs one after another."""
    w = weights_of(layer)
    centred = memory - memory.mean(1, keepdims=True)
    deviation = np.sqrt(memory.var(1, keepdims=True) + 1e-6)
    slots = w["norm/gamma"] * centred / deviation + w["positions"]
    keys = slots @ w["key/kernel"]
    new = memory.copy()
    heads = []
    for output in outputs:
        query = output @ w["query/kernel"] + w["query/bias"]
        selected = softmax(keys @ query / np.sqrt(len(query)), axis=0)
        erase = output @ w["erase/kernel"] + w["erase/bias"]
        add = output @ w["add/kernel"] + w["add/bias"]
        heads.append((selected, 1 / (1 + np.exp(-erase)), add))
    for j in range(len(memory)):
        for selected, erase, _ in heads:
            new[j] *= 1 - selected[j] * erase
        for selected, _, add in heads:
            new[j] += selected[j] * add
    return new


def transformer(layer, x, heads):
    """A pre-norm Transformer over tokens `(n, dim)`."""
    w = weights_of(layer)

    def norm(name, x):
        return layer_norm(x, [w[f"{name}/gamma"], w[f"{name}/beta"]])

    def project(name, x, inputs):
        kernel, bias = w[f"{name}/kernel"], w[f"{name}/bias"]
        return x @ kernel.reshape(inputs, -1) + bias.reshape(-1)

    dim = x.shape[1]
    for i in range(layer.num_layers):
        u = norm(f"block_{i}/self_attention_norm", x)
        attention = f"block_{i}/self_attention"
        q, k, v = (
            project(f"{attention}/{name}", u, dim)
            for name in ("query", "key", "value")
        )
        x = x + project(f"{attention}/output", attend(q, k, v, heads), dim)
        u = norm(f"block_{i}/mlp_norm", x)
        hidden = gelu(project(f"block_{i}/mlp_hidden", u, dim))
        x = x + project(f"block_{i}/mlp_output", hidden, hidden.shape[1])
    return norm("norm", x)


def token_turing(combiner, video, audio, video_mask, audio_mask):
    """Joint tokens and last memory of a `TokenTuringCombiner`."""
    clips = [
        _clip(combiner, *clip)
        for clip in zip(video, audio, video_mask, audio_mask, strict=True)
    ]
    joint_tokens, memories = zip(*clips, strict=True)
    return np.stack(joint_tokens), np.stack(memories)


def _clip(combiner, video, audio, video_mask, audio_mask):
    w = weights_of(combiner)
    cell, heads = combiner.recurrence.cell, combiner.num_heads
    size, m = combiner.memory_size, combiner.num_joint_tokens
    n_video, n_audio = video.shape[1], audio.shape[1]
    memory = np.zeros((size, combiner.dim))
    joint_tokens = []
    for t in range(len(video)):
        # M_t, then the tokens that there are, with their places in I_t.
        places = np.arange(n_video + n_audio)
        tokens = np.concatenate(
            [
                video[t] @ w["video_projection/kernel"]
                + w["video_projection/bias"],
                audio[t] @ w["audio_projection/kernel"]
                + w["audio_projection/bias"],
            ]
        )
        if combiner.time_stamps:
            seconds = [t * combiner.snippet_seconds]
            tokens = tokens + w["times/gain"] * sinusoids(
                seconds, combiner.dim, *combiner.wavelengths
            )
        here = np.where(places < n_video, video_mask[t], audio_mask[t])
        tokens, places = tokens[here], places[here]

        read = summary(
            cell.read,
            np.concatenate([memory, tokens]),
            heads,
            np.concatenate([np.arange(size), size + places]),
        )
        outputs = transformer(cell.process, read, heads)
        joint_tokens.append(outputs)
        if not len(tokens):
            continue
        if combiner.write == "erase_and_add":
            memory = erase_and_add(cell.write, memory, outputs)
        else:
            memory = summary(
                cell.write,
                np.concatenate([memory, outputs, tokens]),
                heads,
                np.concatenate([np.arange(size + m), size + m + places]),
            )
    return np.stack(joint_tokens), memory
