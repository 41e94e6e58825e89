"""A strided convolution as one matrix product."""

import keras
from keras import ops

from keras_mirasol.layers.gelu import gelu
from keras_mirasol.layers.layer_norm import layer_norm
from keras_mirasol.layers.patches import windows


@keras.saving.register_keras_serializable(package="keras_mirasol")
class ConvolutionalStem(keras.layers.Layer):
    """Halves images: a 3x3 convolution with stride 2, a norm and a GELU.

    Pixel (i, j) of the result sees rows `2i - 1` to `2i + 1` and columns
    `2j - 1` to `2j + 1`, with zeros around the image.
    Each pixel's channels are normalised before the GELU: small objects are
    then learned from far fewer clips (`benchmarks/direct_labels.py`).

    Args:
        filters: int. Channels of the result.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch, height, width, channels)`, height and
            width static and even.

    Returns:
        A tensor of shape `(batch, height / 2, width / 2, filters)`.

    Raises:
        ValueError: if height or width is odd.

    Example:
    ```python
    stem = keras_mirasol.layers.ConvolutionalStem(24)
    stem(np.random.uniform(size=(2, 32, 32, 3))).shape  # (2, 16, 16, 24)
    ```
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.projection = keras.layers.Dense(
            filters, dtype=self.dtype_policy, name="projection"
        )
        self.norm = layer_norm("norm", self.dtype_policy)

    def build(self, x_shape):
        height, width, channels = x_shape[1:]
        if height % 2 or width % 2:
            raise ValueError(
                "A stem halves its images, whose height and width must be "
                f"even. Received: {height}x{width}. Use an image size that "
                "is a multiple of 2 to the number of stem filters."
            )
        self.projection.build((None, 9 * channels))
        self.norm.build((None, self.filters))

    def call(self, x):
        # Slices and a product, where a convolution's gradient can be slow.
        x = ops.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))
        x = windows(windows(x, 1, size=3, stride=2), 3, size=3, stride=2)
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        x = self.projection(
            ops.reshape(x, (-1, *x.shape[1:3], 9 * x.shape[-1]))
        )
        return gelu(self.norm(x))

    def compute_output_shape(self, x_shape):
        batch, height, width, _ = x_shape
        return (batch, height // 2, width // 2, self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}
