"""The activation of all MLPs."""

import keras


@keras.saving.register_keras_serializable(package="keras_mirasol")
def gelu(x):
    # The tanh form: cheaper, and every export format has it.
    return keras.activations.gelu(x, approximate=True)
