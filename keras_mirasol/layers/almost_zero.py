"""How projections start that read from what is untrained."""

import keras


def almost_zero(size=0.01):
    """Initializer of a projection that reads from what is still untrained.

    At full size, what is read at first is noise to the loss, and the quickest
    way to less of it is to silence the layers that are read from, for good.
    Almost closed, the projection opens to what turns out to be of use.

    Args:
        size: float. Of what is read, beside that of an ordinary projection.
            The smaller it is, the longer the layers that are read from wait
            for their gradients. Defaults to `0.01`.
    """
    return keras.initializers.VarianceScaling(size**2)
