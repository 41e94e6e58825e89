"""Models of KerasHub as arguments of layers."""

import json

import keras


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
    return backbone, json.dumps(source)
