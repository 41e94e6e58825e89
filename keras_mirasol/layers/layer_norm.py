"""The layer normalisation of all layers."""

import keras


def layer_norm(name, dtype):
    return keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype, name=name)
