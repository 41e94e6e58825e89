"""Shapes of a task's inputs, to be exported."""

import keras


def export_signature(backbone, batch_size, num_snippets, sequence_length):
    """Types and shapes of the inputs of a backbone.

    Args:
        backbone: a `MirasolBackbone`.
        batch_size: int, or `None` for any.
        num_snippets: int, or `None` for any number of snippets.
        sequence_length: int, or `None` for any number of tokens.

    Returns:
        A list of one dict of `keras.InputSpec`s.
    """
    counts = {"t": num_snippets, "l": sequence_length}

    def shape(name, count, span):
        length = None if count is None else count * span
        return (batch_size, length, *backbone.input[name].shape[2:])

    return [
        {
            name: keras.InputSpec(
                shape=shape(name, counts[length], span),
                dtype=backbone.input[name].dtype,
                name=name,
            )
            for name, (length, span) in _lengths(backbone).items()
        }
    ]


def polymorphic_shapes(backbone, signature):
    """The shapes of a signature with a name for each open length, for JAX.

    Keras names each open length by itself. Here frames, spectrogram frames and
    masks have one length, T, in common.
    """
    lengths = _lengths(backbone)

    def named(name, spec):
        batch, length, *rest = spec.shape
        batch = "batch" if batch is None else batch
        if length is None:
            length, span = lengths[name]
            length = length if span == 1 else f"{span}*{length}"
        return f"({', '.join(map(str, (batch, length, *rest)))})"

    return [{name: named(name, spec) for name, spec in signature[0].items()}]


def _lengths(backbone):
    """Of each input, which length it has, and how many steps of it: T or L."""
    return {
        "pixel_values": ("t", backbone.frames_per_snippet),
        "audio_features": ("t", backbone.audio_frames_per_snippet),
        "video_mask": ("t", 1),
        "audio_mask": ("t", 1),
        "token_ids": ("l", 1),
        "padding_mask": ("l", 1),
    }
