import keras
import numpy as np
import pytest
from arrays import assert_close
from arrays import layer_norm
from arrays import randomize
from arrays import sinusoids
from compiled import compiled
from keras import ops

from keras_mirasol.layers import TubeEmbedding
from keras_mirasol.layers.tube_embedding import tube_centres
from keras_mirasol.layers.tube_embedding import tube_grids

# Sparse tubes for clips of 32 frames of 224x224 (TubeViT, section 3).
TUBEVIT = [
    {"kernel": (8, 8, 8), "stride": (16, 32, 32)},
    {"kernel": (16, 4, 4), "stride": (6, 32, 32), "offset": (4, 8, 8)},
    {"kernel": (4, 12, 12), "stride": (16, 32, 32), "offset": (0, 16, 16)},
    {"kernel": (1, 16, 16), "stride": (32, 16, 16)},
]


def convolved(x, tube, projection):
    """The tokens of a tube, by a convolution with the same weights."""
    kernel, bias = projection.get_weights()
    size = tube["kernel"]
    convolution = keras.layers.Conv3D(
        8, size, strides=tube["stride"], kernel_initializer="zeros"
    )
    time, height, width = tube["offset"]
    x = x[:, time:, height:, width:]
    convolution.build(x.shape)
    convolution.set_weights([kernel.reshape(*size, 3, 8), bias])
    return ops.convert_to_numpy(compiled(convolution)(x)).reshape(len(x), -1, 8)


def test_equals_convolutions_normalised_plus_positions(normal):
    tubes = [
        {"kernel": (2, 4, 4)},
        {"kernel": (3, 2, 2), "stride": (1, 3, 4), "offset": (0, 1, 2)},
    ]
    embedding = TubeEmbedding(8, tubes, wavelengths=(4.0, 50.0))
    x = normal(2, 4, 8, 8, 3)
    embedding.build(x.shape)
    randomize(embedding)

    tokens = np.concatenate(
        [
            convolved(x, tube, projection)
            for tube, projection in zip(
                embedding.tubes, embedding.projections, strict=True
            )
        ],
        axis=1,
    )
    assert tokens.shape == (2, 2 * 2 * 2 + 2 * 2 * 2, 8)
    gain = ops.convert_to_numpy(embedding.positions.gain)
    positions = sinusoids(tube_centres(tubes, (4, 8, 8)), 8, 4.0, 50.0)
    assert_close(
        compiled(embedding)(x),
        layer_norm(tokens, embedding.norm.weights) + gain * positions,
    )


def test_exact_number_of_weights():
    tubes = [{"kernel": (2, 4, 4)}, {"kernel": (1, 2, 2)}]
    embedding = TubeEmbedding(8, tubes)
    embedding.build((None, 4, 8, 8, 3))
    # Two projections, the normalisation and the positions' gain.
    assert embedding.count_params() == (
        (32 * 3 * 8 + 8) + (4 * 3 * 8 + 8) + 2 * 8 + 1
    )


def test_grids_of_tubevit():
    grids = tube_grids(TUBEVIT, (32, 224, 224))
    assert grids == [(2, 7, 7), (3, 7, 7), (2, 7, 7), (1, 14, 14)]
    embedding = TubeEmbedding(8, TUBEVIT)
    assert embedding.compute_output_shape((None, 32, 224, 224, 3)) == (
        None,
        98 + 147 + 98 + 196,
        8,
    )


def test_centres_of_tubevit():
    centres = tube_centres(TUBEVIT, (32, 224, 224))
    families = np.split(np.array(centres), np.cumsum([98, 147, 98]))
    ends = [(tuple(f[0]), tuple(f[-1])) for f in families]
    assert ends == [
        ((4, 4, 4), (20, 196, 196)),
        ((12, 10, 10), (24, 202, 202)),
        ((2, 22, 22), (18, 214, 214)),
        ((0, 8, 8), (0, 216, 216)),
    ]
    # Width runs fastest, then height, then time.
    assert centres[1] == (4, 4, 36)
    assert centres[7] == (4, 36, 4)
    assert centres[49] == (20, 4, 4)


@pytest.mark.parametrize(
    "tube",
    [
        {"kernel": (5, 4, 4)},
        {"kernel": (2, 4, 4), "offset": (3, 0, 0)},
        {"kernel": (2, 4, 4), "offset": (0, 0, 5)},
    ],
    ids=["kernel", "late", "aside"],
)
def test_tube_that_does_not_fit_is_named(tube):
    kernel = str(tube["kernel"]).replace("(", r"\(").replace(")", r"\)")
    embedding = TubeEmbedding(8, [{"kernel": (1, 1, 1)}, tube])
    with pytest.raises(
        ValueError, match=f"kernel {kernel}.*does not fit.*4 frames of 8x8"
    ):
        embedding.build((None, 4, 8, 8, 3))


@pytest.mark.parametrize(
    "tubes, match",
    [
        ([], "at least one tube"),
        ([{"stride": (1, 1, 1)}], 'the key "kernel"'),
        ([{"kernel": (1, 1, 1), "strides": (1, 1, 1)}], "strides"),
        ([{"kernel": (4, 4)}], '"kernel" of a tube must be three ints'),
        ([{"kernel": 4}], '"kernel" of a tube must be three ints'),
        ([{"kernel": (1.5, 4, 4)}], "at least 1"),
        ([{"kernel": (0, 4, 4)}], "at least 1"),
        ([{"kernel": (1, 4, 4), "stride": (1, 0, 4)}], '"stride"'),
        ([{"kernel": (1, 4, 4), "offset": (0, -1, 0)}], "at least 0"),
    ],
)
def test_tubes_that_are_none(tubes, match):
    with pytest.raises(ValueError, match=match):
        TubeEmbedding(8, tubes)


def _tokens_before_the_norm(layer, x):
    """What the tubes are projected to."""
    return [
        convolved(x, tube, projection)
        for tube, projection in zip(layer.tubes, layer.projections, strict=True)
    ]


def test_inflated_tubes_embed_a_still_image_as_its_patches(normal):
    patches = keras.layers.Conv2D(8, kernel_size=4, strides=4)
    patches.build((None, 8, 8, 3))
    randomize(patches)
    layer = TubeEmbedding(8, [{"kernel": (2, 4, 4)}, {"kernel": (1, 4, 4)}])
    layer.build((None, 2, 8, 8, 3))
    layer.inflate(patches.kernel, patches.bias)
    image = normal(3, 8, 8, 3)
    own = ops.convert_to_numpy(patches(image)).reshape(3, 4, 8)
    still = np.stack([image, image], axis=1)
    together, one_by_one = _tokens_before_the_norm(layer, still)
    assert_close(together, own)
    assert_close(one_by_one, np.concatenate([own, own], axis=1))


def test_inflated_tubes_of_other_sizes_embed_even_colours_alike(normal):
    patches = keras.layers.Conv2D(8, kernel_size=4, strides=4)
    patches.build((None, 8, 8, 3))
    randomize(patches)
    layer = TubeEmbedding(8, [{"kernel": (2, 8, 8)}, {"kernel": (1, 2, 4)}])
    layer.build((None, 2, 8, 8, 3))
    layer.inflate(patches.kernel)
    patches.bias.assign(np.zeros(8))
    colour = np.broadcast_to(normal(1, 1, 1, 1, 3), (1, 2, 8, 8, 3))
    own = ops.convert_to_numpy(patches(colour[:, 0]))[0, 0, 0]
    for tokens in _tokens_before_the_norm(layer, colour):
        assert_close(tokens, np.broadcast_to(own, tokens.shape), atol=1e-4)


@pytest.mark.any_backend
def test_patches_of_another_width_are_not_inflated():
    layer = TubeEmbedding(8, [{"kernel": (1, 4, 4)}])
    with pytest.raises(ValueError, match="Build the layer first"):
        layer.inflate(np.zeros((4, 4, 3, 8)))
    layer.build((None, 1, 8, 8, 3))
    with pytest.raises(ValueError, match=r"3 channels and a dim of 8.*16\)"):
        layer.inflate(np.zeros((4, 4, 3, 16)))
