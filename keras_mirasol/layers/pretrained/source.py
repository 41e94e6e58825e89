"""Models of KerasHub as arguments of layers."""

import json

import keras

# Presets are saved without them, and configurations should stay the same.
_NOT_SAVED = ("build_config", "compile_config")


def backbone_and_source(backbone):
    """A model, and what a layer's configuration says of it.

    Args:
        backbone: a `keras_hub.models.Backbone`, or what
            `keras.saving.serialize_keras_object()` makes of one.

    Returns:
        A pair of the model and a str in JSON: of a dict, Keras would track
        the entries.
    """
    if isinstance(backbone, dict):
        source = backbone
        backbone = keras.saving.deserialize_keras_object(source)
    else:
        source = keras.saving.serialize_keras_object(backbone)
    return backbone, json.dumps(_saved(source))


def _saved(config):
    if isinstance(config, dict):
        return {
            key: _saved(value)
            for key, value in config.items()
            if key not in _NOT_SAVED
        }
    if isinstance(config, (list, tuple)):
        return [_saved(value) for value in config]
    return config
