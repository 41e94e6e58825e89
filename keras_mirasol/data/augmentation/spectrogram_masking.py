"""Bands of a spectrogram that are masked at random, by tensorflow-io.

Its ops draw where to mask by `tf.random.uniform()`, which no seed makes
reproducible in a parallel pipeline, or other in each pass. The bound of such
a draw may be of a type of ours, though, and TensorFlow then asks us to draw:
`tf.experimental.dispatch_for_api` is there for it. So the ops mask by a seed,
and `tf.random.uniform()` stays what it is for everyone else.
"""

import warnings

import tensorflow as tf

from keras_mirasol.data.salts import SPECTROGRAM_MASKING
from keras_mirasol.data.salts import seed_of


def mask_spectrogram(features, seed, mels, audio_frames):
    """Replaces a band of mel bins and one of spectrogram frames by 0.

    The width of each is drawn from none to the largest, and its place from
    all where it lies within the spectrogram.

    Args:
        features: float tensor of shape `(audio_frames, mels)`.
        seed: int. Determines what is drawn.
        mels: int. The largest width of the band of mel bins; 0 for none.
        audio_frames: int. The largest width of the band of spectrogram
            frames; 0 for none.

    Returns:
        A tensor like `features`.

    Raises:
        ImportError: if tensorflow-io is not installed.
    """
    audio = import_tensorflow_io().audio
    seeds = tf.random.split(seed_of(seed, SPECTROGRAM_MASKING), 2)
    masked, size = features, tf.shape(features)
    if mels:
        masked = audio.freq_mask(masked, _widths(mels, size[1], seeds[0]))
    if audio_frames:
        masked = audio.time_mask(
            masked, _widths(audio_frames, size[0], seeds[1])
        )
    return tf.ensure_shape(masked, features.shape)


def import_tensorflow_io():
    """The module `tensorflow_io`; says how to get it where it is missing."""
    try:
        with warnings.catch_warnings():
            # Its C++ libraries are those of an older TensorFlow, and cannot
            # be loaded. The ops used here are TensorFlow's own, put together
            # in Python.
            for message in (
                "unable to load libtensorflow_io",
                "file system plugins are not loaded",
            ):
                warnings.filterwarnings("ignore", message, UserWarning)
            import tensorflow_io
    except ImportError as error:
        raise ImportError(
            "`mask_mels` and `mask_audio_frames` need tensorflow-io, which "
            f"cannot be imported: {error}. Install it with `pip install "
            '"keras-mirasol[tfio]"`, on Python 3.11 or 3.12: there is none '
            "for later ones."
        ) from error
    return tensorflow_io


class _Widths(tf.experimental.ExtensionType):
    """Widths below `value`, for a `_Width` to be drawn from."""

    value: tf.Tensor
    seed: tf.Tensor


class _Width(tf.experimental.ExtensionType):
    """A width that was drawn. `size - width` are the places of a band."""

    value: tf.Tensor
    seed: tf.Tensor

    def __rsub__(self, size):
        # One more than tensorflow-io has, which never masks the last bin.
        return _Places(size - self.value + 1, tf.random.fold_in(self.seed, 1))

    def __radd__(self, start):
        return start + self.value


class _Places(tf.experimental.ExtensionType):
    """Places below `value`, for one to be drawn from, a plain tensor."""

    value: tf.Tensor
    seed: tf.Tensor


def _widths(largest, size, seed):
    return _Widths(tf.minimum(largest, size) + 1, seed)


@tf.experimental.dispatch_for_api(tf.random.uniform, {"maxval": _Widths})
def _draw_width(
    shape, minval=0, maxval=None, dtype=tf.float32, seed=None, name=None
):
    draw = tf.random.stateless_uniform(
        shape, maxval.seed, minval, maxval.value, dtype
    )
    return _Width(draw, maxval.seed)


@tf.experimental.dispatch_for_api(tf.random.uniform, {"maxval": _Places})
def _draw_place(
    shape, minval=0, maxval=None, dtype=tf.float32, seed=None, name=None
):
    return tf.random.stateless_uniform(
        shape, maxval.seed, minval, maxval.value, dtype
    )
