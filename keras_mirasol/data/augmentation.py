"""Random changes to clips that leave their meaning as it is."""

import dataclasses
import math

import tensorflow as tf

from keras_mirasol.data.amounts import is_amount
from keras_mirasol.data.salts import AUGMENTATION
from keras_mirasol.data.salts import seed_of


@dataclasses.dataclass(frozen=True)
class ClipAugmentation:
    """Moves, zooms, brightens, amplifies and adds noise, at random.

    Few clips are soon learnt by heart; seen a little differently each time,
    they are not. All frames of a clip change alike, so that what moves on
    screen goes on moving as it did, and sight and sound stay in step. Nothing
    is mirrored: left stays left. A modality that is absent stays absent.

    `clip_dataset(..., augment=...)` applies it to each clip anew in each pass.

    Args:
        shift: float. How far the picture moves at most, up or down as a
            fraction of its height, and left or right as a fraction of its
            width. Pixels at the edge are repeated. Defaults to `0.1`.
        scale: float. How much the picture grows or shrinks at most: its size
            is multiplied by `1 / (1 + scale)` to `1 + scale`, about its
            middle. Defaults to `0.1`.
        brightness: float. How much is added to or taken from all pixels at
            most, as a fraction of white. Defaults to `0.1`.
        gain_decibels: float. How much louder or quieter the audio becomes at
            most, in decibels. What is then beyond full scale is clipped.
            Defaults to `6.0`, half or twice the amplitude.
        noise: float. How loud the white noise added to the audio is at most:
            its root mean square, where full scale is 1. Defaults to `0.0`.

        Each is drawn uniformly, the size and the gain on a logarithmic scale;
        `0.0` turns it off.

    Call arguments:
        clip: dict of `"videos"`, uint8 of shape `(frames, height, width, 3)`,
            and `"audio"`, float32 of shape `(samples,)`, as `load_clip`
            returns it. Either may be empty or left out.
        seed: int. Determines what is drawn.

    Returns:
        A dict of tensors with the keys, shapes and types of `clip`; the audio
        is within `[-1, 1]`.

    Raises:
        ValueError: if an argument is not a number in its range.

    Example:
    ```python
    augmentation = keras_mirasol.data.ClipAugmentation(shift=0.2, noise=0.01)
    clip = {
        "videos": np.zeros((16, 48, 64, 3), "uint8"),
        "audio": np.zeros(32000, "float32"),
    }
    augmentation(clip, seed=0)["videos"]  # (16, 48, 64, 3)
    ```
    """

    shift: float = 0.1
    scale: float = 0.1
    brightness: float = 0.1
    gain_decibels: float = 6.0
    noise: float = 0.0

    def __post_init__(self):
        picture = "a fraction of the picture's height and width, 0.0 to 1.0"
        self._check("shift", 1, picture)
        self._check("scale", math.inf, "a fraction of the size, at least 0.0")
        self._check("brightness", 1, "a fraction of white, 0.0 to 1.0")
        self._check("gain_decibels", math.inf, "decibels, at least 0.0")
        self._check("noise", 1, "a fraction of full scale, 0.0 to 1.0")

    def _check(self, name, largest, unit):
        value = getattr(self, name)
        if not is_amount(value, largest):
            raise ValueError(
                f"`{name}` must be {unit}; 0.0 turns it off. Received: "
                f"{name}={value!r}"
            )

    def __call__(self, clip, seed):
        seed = seed_of(seed, AUGMENTATION)
        draws = tf.random.stateless_uniform([6], seed, minval=-1, maxval=1)
        down, right, size, brightness, gain, noise = tf.unstack(draws)
        clip = dict(clip)
        if "videos" in clip:
            clip["videos"] = self._changed_frames(
                clip["videos"],
                down * self.shift,
                right * self.shift,
                (1 + self.scale) ** size,
                brightness * self.brightness,
            )
        if "audio" in clip:
            clip["audio"] = self._changed_samples(
                clip["audio"],
                gain * self.gain_decibels,
                tf.abs(noise) * self.noise,
                seed,
            )
        return clip

    def _changed_frames(self, frames, down, right, size, brightness):
        pixels = tf.cast(frames, tf.float32)
        if self.shift or self.scale:
            pixels = move(pixels, down, right, size)
        if self.brightness:
            pixels += 255 * brightness
        return tf.cast(tf.round(tf.clip_by_value(pixels, 0, 255)), tf.uint8)

    def _changed_samples(self, audio, decibels, noise, seed):
        audio = tf.convert_to_tensor(audio, tf.float32)
        if self.gain_decibels:
            audio = amplify(audio, decibels)
        if self.noise:
            audio += noise * tf.random.stateless_normal(tf.shape(audio), seed)
        return tf.clip_by_value(audio, -1, 1)


def as_augmentation(augment):
    """The `ClipAugmentation` that `clip_dataset`'s argument asks for."""
    if augment is None or augment is False:
        return None
    if augment is True:
        return ClipAugmentation()
    if isinstance(augment, ClipAugmentation):
        return augment
    raise ValueError(
        "`augment` must be `True`, `False` or a "
        "`keras_mirasol.data.ClipAugmentation`, such as "
        f"`ClipAugmentation(shift=0.2)`. Received: {augment!r}"
    )


def move(frames, down, right, size):
    """Shifts and scales all frames alike, bilinearly; edges are repeated.

    Args:
        frames: float tensor of shape `(frames, height, width, channels)`.
        down: scalar. How far to move, as a fraction of the height.
        right: scalar. How far to move, as a fraction of the width.
        size: scalar. What the size is multiplied by, about the middle.

    Returns:
        A float tensor of the shape of `frames`.
    """
    shape = tf.shape(frames)[1:3]
    height, width = tf.unstack(tf.cast(shape, tf.float32))
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    # For each pixel of the result, where it comes from.
    step, none = 1 / size, tf.zeros(())
    from_y = middle_y - step * (middle_y + down * height)
    from_x = middle_x - step * (middle_x + right * width)
    transform = [step, none, from_x, none, step, from_y, none, none]
    return tf.ensure_shape(
        tf.raw_ops.ImageProjectiveTransformV3(
            images=frames,
            transforms=tf.stack(transform)[None],
            output_shape=shape,
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        ),
        frames.shape,
    )


def amplify(audio, decibels):
    """Multiplies the wave so that it is louder by `decibels`."""
    return audio * 10 ** (decibels / 20)
