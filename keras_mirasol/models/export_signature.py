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
    lengths = {
        "pixel_values": (num_snippets, backbone.frames_per_snippet),
        "audio_features": (num_snippets, backbone.audio_frames_per_snippet),
        "video_mask": (num_snippets, 1),
        "audio_mask": (num_snippets, 1),
        "token_ids": (sequence_length, 1),
        "padding_mask": (sequence_length, 1),
    }
    return [
        {
            name: keras.InputSpec(
                shape=(
                    batch_size,
                    None if count is None else count * span,
                    *backbone.input[name].shape[2:],
                ),
                dtype=backbone.input[name].dtype,
                name=name,
            )
            for name, (count, span) in lengths.items()
        }
    ]


def polymorphic_shapes(backbone, signature):
    """The shapes of a signature with a name for each open length, for JAX.

    Keras names each open length by itself. Here frames, spectrogram frames and
    masks have one length, T, in common.
    """
    names = {
        "pixel_values": f"{backbone.frames_per_snippet}*t",
        "audio_features": f"{backbone.audio_frames_per_snippet}*t",
        "video_mask": "t",
        "audio_mask": "t",
        "token_ids": "l",
        "padding_mask": "l",
    }

    def named(name, spec):
        batch, length, *rest = spec.shape
        batch = "batch" if batch is None else batch
        length = names[name] if length is None else length
        return f"({', '.join(map(str, (batch, length, *rest)))})"

    return [{name: named(name, spec) for name, spec in signature[0].items()}]
