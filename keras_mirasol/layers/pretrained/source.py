"""Models and converters of KerasHub as arguments of layers."""

import json

import keras

# Presets are saved without them, and configurations should stay the same.
_NOT_SAVED = ("build_config", "compile_config")


def object_and_source(given):
    """A model or converter, and what a layer's configuration says of it.

    Args:
        given: a model or converter of KerasHub, or what
            `keras.saving.serialize_keras_object()` makes of one.

    Returns:
        A pair of the object and a str in JSON: of a dict, Keras would track
        the entries.
    """
    if isinstance(given, dict):
        source = given
        given = keras.saving.deserialize_keras_object(source)
    else:
        source = keras.saving.serialize_keras_object(given)
    return given, json.dumps(_saved(source))


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
