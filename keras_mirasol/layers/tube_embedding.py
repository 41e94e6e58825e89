"""Video tubes: a strided 3-D patch embedding, dense or sparse."""

import itertools
import math

import keras
from keras import ops

from keras_mirasol.layers.layer_norm import layer_norm
from keras_mirasol.layers.patches import num_windows
from keras_mirasol.layers.patches import windows
from keras_mirasol.layers.positions import SinusoidalPositions


@keras.saving.register_keras_serializable(package="keras_mirasol")
class TubeEmbedding(keras.layers.Layer):
    """Cuts snippets of video into tubes and embeds each as a token.

    A tube is a box of `kernel` = (time, height, width) that is moved by
    `stride`, from `offset` on; every position is projected linearly to one
    token. Several tubes of different shapes may be used side by side: their
    tokens follow one another. A tube of kernel `(1, p, p)` with stride
    `(1, p, p)` is the plain patch embedding of an image. Tokens carry fixed
    sines and cosines of their tube's centre,
    `index * stride + offset + kernel // 2`, so that tubes of all shapes share
    one system of coordinates (Piergiovanni et al., "TubeViT", 2022,
    section 3).

    Args:
        dim: int. Width of a token.
        tubes: list of dicts with keys `"kernel"`, `"stride"` (defaults to the
            kernel) and `"offset"` (defaults to zeros), each a triple of ints
            (time, height, width), in frames and pixels. TubeViT's are made by
            `keras_mirasol.layers.sparse_tubes`.
        wavelengths: pair of floats, the shortest and longest wavelength of
            the positions, in frames and pixels. Defaults to `(4.0, 1000.0)`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch, frames, height, width, channels)`, all but
            the batch static.

    Returns:
        A tensor of shape `(batch, tokens, dim)`.

    Raises:
        ValueError: if a tube is not made of triples of ints, or does not fit
            the snippet.

    Example:
    ```python
    tubes = [
        {"kernel": (2, 8, 8)},
        {"kernel": (4, 4, 4), "stride": (4, 16, 16), "offset": (0, 2, 2)},
    ]
    embedding = keras_mirasol.layers.TubeEmbedding(64, tubes)
    snippets = np.random.uniform(size=(3, 4, 32, 32, 3))
    embedding(snippets).shape  # (3, 2 * 4 * 4 + 1 * 2 * 2, 64)
    ```
    """

    def __init__(self, dim, tubes, wavelengths=(4.0, 1000.0), **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.tubes = [_standardize(tube) for tube in tubes]
        if not self.tubes:
            raise ValueError("`tubes` must hold at least one tube.")
        self.wavelengths = tuple(wavelengths)
        self.projections = [
            keras.layers.Dense(dim, dtype=self.dtype_policy, name=f"tube_{i}")
            for i in range(len(self.tubes))
        ]
        self.norm = layer_norm("norm", self.dtype_policy)
        self.positions = SinusoidalPositions(
            dim,
            self.wavelengths,
            gain=0.5,
            dtype=self.dtype_policy,
            name="positions",
        )

    def build(self, x_shape):
        for tube, projection in zip(self.tubes, self.projections, strict=True):
            size = math.prod(tube["kernel"]) * x_shape[-1]
            projection.build((None, None, size))
        self.centres = tube_centres(self.tubes, x_shape[1:4])
        self.norm.build((None, None, self.dim))
        self.positions.build((len(self.centres), 3))

    def call(self, x):
        tokens = ops.concatenate(
            [
                projection(_cut(x, **tube))
                for tube, projection in zip(
                    self.tubes, self.projections, strict=True
                )
            ],
            axis=1,
        )
        # Faint content would drown in its position, which has a fixed size.
        return self.norm(tokens) + self.positions(
            ops.array(self.centres, "float32")
        )

    def inflate(self, kernel, bias=None):
        """Takes over the patch embedding of a trained model of images.

        Each tube gets the patches' weights, resized to its height and width
        and spread evenly over its frames: where nothing moves, a tube of the
        patches' size embeds what they embed ("TubeViT", section 3.2, after
        "I3D", arXiv 1705.07750).

        Args:
            kernel: array `(height, width, channels, dim)`, the kernel of the
                convolution that cuts an image into patches, such as
                `vit.get_layer("vit_patching_and_embedding")
                .patch_embedding.kernel`.
            bias: array `(dim,)`. Defaults to `None`, zeros.

        Raises:
            ValueError: if the kernel is for other channels or another width,
                or the layer is not built.

        Example:
        ```python
        encoder = keras_mirasol.layers.VideoEncoder(
            2, [{"kernel": (2, 8, 8)}], dim=64, num_layers=2, num_heads=4
        )
        encoder.build((None, None, 32, 32, 3))
        patches = keras.layers.Conv2D(64, kernel_size=16, strides=16)
        patches.build((None, 32, 32, 3))
        encoder.embedding.inflate(patches.kernel, patches.bias)
        ```
        """
        height, width, *rest = kernel.shape
        channels = self._channels()
        if rest != [channels, self.dim]:
            raise ValueError(
                "The kernel of patches must have the shape (height, width, "
                f"channels, dim) with {channels} channels and a dim of "
                f"{self.dim}. Received: shape {tuple(kernel.shape)}"
            )
        for tube, projection in zip(self.tubes, self.projections, strict=True):
            time, *size = tube["kernel"]
            images = ops.transpose(ops.convert_to_tensor(kernel), (3, 0, 1, 2))
            resized = ops.image.resize(
                images,
                size,
                interpolation="bilinear",
                antialias=True,
                data_format="channels_last",
            )
            # What is even over a patch is embedded alike at every size.
            area = math.prod(size)
            resized = resized * (height * width / area)
            of_patch, of_tube = (
                ops.sum(x, axis=(1, 2), keepdims=True)
                for x in (images, resized)
            )
            resized = resized + (of_patch - of_tube) / area
            tubes = ops.repeat(resized[:, None] / time, time, axis=1)
            projection.kernel.assign(
                ops.transpose(ops.reshape(tubes, (self.dim, -1)))
            )
            projection.bias.assign(
                ops.zeros(self.dim) if bias is None else bias
            )

    def _channels(self):
        if not self.built:
            raise ValueError(
                "Build the layer first, with `build(x_shape)` or by a call."
            )
        tube, projection = self.tubes[0], self.projections[0]
        return projection.kernel.shape[0] // math.prod(tube["kernel"])

    def compute_output_shape(self, x_shape):
        count = sum(
            math.prod(grid) for grid in tube_grids(self.tubes, x_shape[1:4])
        )
        return (x_shape[0], count, self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "tubes": self.tubes,
            "wavelengths": self.wavelengths,
        }


def tube_grids(tubes, extent):
    """How many positions each tube takes along time, height and width.

    Args:
        tubes: list of dicts, see `TubeEmbedding`.
        extent: triple of ints, the snippet's frames, height and width.

    Returns:
        A list of triples of ints.

    Raises:
        ValueError: if a tube does not fit.
    """
    grids = []
    for tube in map(_standardize, tubes):
        grid = tuple(
            num_windows(size, kernel, stride, offset)
            for size, kernel, stride, offset in zip(
                extent,
                tube["kernel"],
                tube["stride"],
                tube["offset"],
                strict=True,
            )
        )
        if min(grid) < 1:
            raise ValueError(
                f"A tube with kernel {tube['kernel']} and offset "
                f"{tube['offset']} does not fit a snippet of {extent[0]} "
                f"frames of {extent[1]}x{extent[2]}. Use a smaller kernel or "
                "offset, or more frames per snippet or larger frames."
            )
        grids.append(grid)
    return grids


def tube_centres(tubes, extent):
    """Centres (time, height, width) of all tubes, in token order."""
    centres = []
    tubes = list(map(_standardize, tubes))
    for tube, grid in zip(tubes, tube_grids(tubes, extent), strict=True):
        for index in itertools.product(*map(range, grid)):
            centres.append(
                tuple(
                    i * stride + offset + kernel // 2
                    for i, stride, offset, kernel in zip(
                        index,
                        tube["stride"],
                        tube["offset"],
                        tube["kernel"],
                        strict=True,
                    )
                )
            )
    return centres


def _standardize(tube):
    unknown = set(tube) - {"kernel", "stride", "offset"}
    if "kernel" not in tube or unknown:
        raise ValueError(
            'A tube is a dict with the key "kernel" and, optionally, '
            f'"stride" and "offset". Received: {tube}'
        )
    full = {
        "kernel": tube["kernel"],
        "stride": tube.get("stride", tube["kernel"]),
        "offset": tube.get("offset", (0, 0, 0)),
    }
    for key, triple in full.items():
        least = 0 if key == "offset" else 1
        if (
            not isinstance(triple, (tuple, list))
            or len(triple) != 3
            or any(int(size) != size or size < least for size in triple)
        ):
            raise ValueError(
                f'The "{key}" of a tube must be three ints of at least '
                f"{least}, (time, height, width). Received: {triple}"
            )
    return {key: tuple(triple) for key, triple in full.items()}


def _cut(x, kernel, stride, offset):
    """Tubes of one shape, flattened: `(batch, tokens, pixels * channels)`."""
    for axis in range(3):
        # Each split axis leaves two behind.
        x = windows(x, 2 * axis + 1, kernel[axis], stride[axis], offset[axis])
    x = ops.transpose(x, (0, 1, 3, 5, 2, 4, 6, 7))
    count = math.prod(x.shape[1:4])
    return ops.reshape(x, (-1, count, math.prod(x.shape[4:])))
