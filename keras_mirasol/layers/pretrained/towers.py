"""What of a KerasHub model sees, and what of it hears."""

import keras

# Models whose output is one vector have their tokens at an earlier layer.
_TOKENS_AT = {
    "SigLIPVisionEncoder": "post_layer_norm",
    "VideoPrismBackbone": "factorized_decoding",
}


def video_tower(backbone):
    """The part of a KerasHub model that makes tokens of images, or of videos.

    Args:
        backbone: a `keras_hub.models.Backbone` of images or videos, or of
            these and text.

    Returns:
        A `keras.Model` from `(batch, height, width, 3)`, or from `(batch,
        frames, height, width, 3)`, to features. It shares the weights of the
        backbone, and has none that the features do not need.

    Raises:
        ValueError: if the backbone reads neither.
    """
    part = getattr(backbone, "vision_encoder", None)
    backbone = part if isinstance(part, keras.Model) else backbone
    x = _input(backbone, ("images", "pixel_values"))
    if x is None or len(x.shape) not in (4, 5):
        raise ValueError(
            "A backbone that sees has an input of images `(batch, height, "
            "width, 3)` or of videos `(batch, frames, height, width, 3)`. "
            f"Received: {type(backbone).__name__} with inputs "
            f"{_inputs_of(backbone)}"
        )
    layer = getattr(backbone, _TOKENS_AT.get(type(backbone).__name__, ""), None)
    output = backbone.output if layer is None else layer.output
    return _model(x, _sequence(output))


def audio_tower(backbone):
    """The part of a KerasHub model that makes tokens of audio.

    Args:
        backbone: a `keras_hub.models.Backbone` of audio, or of audio and
            text, such as that of Whisper or Moonshine.

    Returns:
        A `keras.Model` from what the backbone's audio converter makes,
        `(batch, steps, features)`, to tokens `(batch, tokens, dim)`. Where
        the backbone has a mask of steps, the model takes it as second input.

    Raises:
        ValueError: if the backbone reads no audio.
    """
    names = ("encoder_features", "encoder_input_values", "audio_features")
    x = _input(backbone, names)
    if x is None or len(x.shape) != 3:
        raise ValueError(
            "A backbone that hears has an input of spectrograms or waveforms, "
            "`(batch, steps, features)`. Received: "
            f"{type(backbone).__name__} with inputs {_inputs_of(backbone)}"
        )
    mask = _inputs_of(backbone).get("encoder_padding_mask")
    inputs = x if mask is None else [x, mask]
    return _model(inputs, _sequence(backbone.output))


def _inputs_of(backbone):
    return {x.name: x for x in keras.tree.flatten(backbone.inputs)}


def _input(backbone, names):
    """The input of one of these names, or the only one that there is."""
    inputs = _inputs_of(backbone)
    for name in names:
        if name in inputs:
            return inputs[name]
    return next(iter(inputs.values())) if len(inputs) == 1 else None


def _sequence(outputs):
    """The output with tokens, of a model with several."""
    if not isinstance(outputs, dict):
        return outputs
    names = ("encoder_sequence_output", "sequence_output")
    return next(outputs[name] for name in names if name in outputs)


def _model(inputs, outputs):
    return keras.Model(inputs, outputs, name="features")
