"""Random changes to clips that leave their meaning as it is."""

import dataclasses
import math
import types

import tensorflow as tf

from keras_mirasol.data.amounts import is_amount
from keras_mirasol.data.amounts import is_count
from keras_mirasol.data.augmentation.spectrogram_masking import (
    import_tensorflow_io,
)
from keras_mirasol.data.augmentation.spectrogram_masking import mask_spectrogram
from keras_mirasol.data.augmentation.time_shift import shift_in_time
from keras_mirasol.data.salts import AUGMENTATION
from keras_mirasol.data.salts import seed_of

# What is drawn, each from -1 to 1. A new one comes last: what a seed draws
# for the others stays as it was.
_DRAWS = (
    "down",
    "right",
    "size",
    "brightness",
    "gain",
    "noise",
    "cut",
    "cut_down",
    "cut_right",
    "flip",
    "contrast",
    "saturation",
    "hue",
    "later",
)


@dataclasses.dataclass(frozen=True)
class ClipAugmentation:
    """Moves, zooms, recolours, amplifies and masks clips, at random.

    Few clips are soon learnt by heart; seen a little differently each time,
    they are not. All frames of a clip change alike, so that what moves on
    screen goes on moving as it did, and sight and sound stay in step. A
    modality that is absent stays absent.

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
        crop: float. How much of the picture's area is cut away at most. What
            is left keeps the picture's proportions, lies anywhere in it, and
            is enlarged to its size. Defaults to `0.0`.
        flip: float. The chance that left and right are exchanged. Defaults to
            `0.0`: answers may tell left from right, texts and clocks can be
            read one way only, and a mirrored clip would teach them wrong.
        contrast: float. How much the contrast grows or falls at most: the
            difference from the clip's mean colour is multiplied by
            `1 / (1 + contrast)` to `1 + contrast`. Defaults to `0.0`.
        saturation: float. How much the saturation of colours grows or falls
            at most, as a factor in the same way. Defaults to `0.0`.
        hue: float. How far hues turn at most, either way, as a fraction of
            the colour circle: by `1 / 3` red becomes green or blue. Answers
            that name colours would be taught wrong by more than a little.
            Defaults to `0.0`.
        time_shift: float. How much earlier or later the content of the clip
            comes at most, in seconds. Video and audio move by the same whole
            number of video frames, and so stay in step; the clip keeps its
            length. What enters at an end is the first or last frame, held,
            and silence; what leaves at the other is lost. Defaults to `0.0`.
        mask_mels: int. The largest width of a band of mel bins that is
            masked, in the whole clip. Needs tensorflow-io, see below.
            Defaults to `0`.
        mask_audio_frames: int. The largest width of a span of spectrogram
            frames that is masked. Defaults to `0`.

        Each is drawn uniformly, the size, the gain, the contrast and the
        saturation on a logarithmic scale; `0` turns it off.

    Masking is for spectrograms, which come after a clip is preprocessed:
    `clip_dataset` does it by `mask()`, and a call leaves it out. What is
    masked becomes 0, the mean of what an adapted `MirasolAudioConverter`
    returns. The ops are `tfio.audio.freq_mask` and `tfio.audio.time_mask`:
    `pip install "keras-mirasol[tfio]"` brings tensorflow-io, on Python 3.11
    or 3.12. It warns that its C++ libraries do not fit the TensorFlow of
    today; these two ops do without, so the warnings are kept back.

    Call arguments:
        clip: dict of `"videos"`, uint8 of shape `(frames, height, width, 3)`,
            and `"audio"`, float32 of shape `(samples,)`, as `load_clip`
            returns it. Either may be empty or left out.
        seed: int. Determines what is drawn.
        frame_rate: float. Video frames per second of the clip, needed for
            `time_shift`. Defaults to `8.0`, as in `load_clip`.
        sampling_rate: float. Audio samples per second of the clip, needed for
            `time_shift`. Defaults to `16000`, as in `load_clip`.

    Returns:
        A dict of tensors with the keys, shapes and types of `clip`; the audio
        is within `[-1, 1]`.

    Raises:
        ValueError: if an argument is not a number in its range, a rate is not
            positive, or `time_shift` is less than a frame.

    Example:
    ```python
    augmentation = keras_mirasol.data.ClipAugmentation(
        shift=0.2, crop=0.3, saturation=0.4, time_shift=0.25, noise=0.01
    )
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
    crop: float = 0.0
    flip: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    time_shift: float = 0.0
    mask_mels: int = 0
    mask_audio_frames: int = 0

    def __post_init__(self):
        picture = "a fraction of the picture's height and width, 0.0 to 1.0"
        self._check("shift", 1, picture)
        self._check("scale", math.inf, "a fraction of the size, at least 0.0")
        self._check("brightness", 1, "a fraction of white, 0.0 to 1.0")
        self._check("gain_decibels", math.inf, "decibels, at least 0.0")
        self._check("noise", 1, "a fraction of full scale, 0.0 to 1.0")
        # Something must be left.
        self._check("crop", 0.99, "a fraction of the area, 0.0 to 0.99")
        self._check("flip", 1, "a chance, 0.0 to 1.0")
        self._check("contrast", math.inf, "a fraction, at least 0.0")
        self._check("saturation", math.inf, "a fraction, at least 0.0")
        self._check("hue", 0.5, "a fraction of the circle, 0.0 to 0.5")
        self._check("time_shift", math.inf, "seconds, at least 0.0")
        self._check_count("mask_mels", "mel bins")
        self._check_count("mask_audio_frames", "spectrogram frames")

    def _check(self, name, largest, unit):
        value = getattr(self, name)
        if not is_amount(value, largest):
            raise ValueError(
                f"`{name}` must be {unit}; 0.0 turns it off. Received: "
                f"{name}={value!r}"
            )

    def _check_count(self, name, unit):
        value = getattr(self, name)
        if not is_count(value):
            raise ValueError(
                f"`{name}` must be a number of {unit}, an int of at least 0; "
                f"0 turns it off. Received: {name}={value!r}"
            )

    def __call__(self, clip, seed, frame_rate=8.0, sampling_rate=16000):
        seed = seed_of(seed, AUGMENTATION)
        drawn = tf.random.stateless_uniform([len(_DRAWS)], seed, -1, 1)
        draws = types.SimpleNamespace(
            **dict(zip(_DRAWS, tf.unstack(drawn), strict=True))
        )
        clip = dict(clip)
        if self.time_shift:
            frames = self._frames_later(draws, frame_rate, sampling_rate)
            clip = shift_in_time(clip, frames, frame_rate, sampling_rate)
        if "videos" in clip:
            clip["videos"] = self._changed_frames(clip["videos"], draws)
        if "audio" in clip:
            clip["audio"] = self._changed_samples(clip["audio"], draws, seed)
        return clip

    def with_room(self, settings):
        """Settings of `load_clip` that leave pixels for what is enlarged.

        Args:
            settings: dict of arguments of `load_clip`.

        Returns:
            A dict like `settings`, with a larger `image_size` if it has one.
        """
        if settings.get("image_size") is None:
            return settings
        largest = (1 + self.scale) / math.sqrt(1 - self.crop)
        size = [math.ceil(largest * side) for side in settings["image_size"]]
        return {**settings, "image_size": tuple(size)}

    @property
    def masks(self):
        """Whether spectrograms are masked, by `mask()`."""
        return bool(self.mask_mels or self.mask_audio_frames)

    def mask(self, clip, seed):
        """Masks the spectrogram of a clip that was preprocessed.

        Args:
            clip: dict with `"audio_features"`, of shape `(audio_frames,
                mels)`, as `preprocess_clip` of a preprocessor returns it.
            seed: int. Determines what is drawn.

        Returns:
            A dict like `clip`.

        Raises:
            ImportError: if tensorflow-io is not installed.

        Example:
        ```python
        augmentation = keras_mirasol.data.ClipAugmentation(mask_mels=8)
        clip = {"audio_features": np.ones((40, 32), "float32")}
        augmentation.mask(clip, seed=0)["audio_features"]  # (40, 32)
        ```
        """
        masked = mask_spectrogram(
            clip["audio_features"], seed, self.mask_mels, self.mask_audio_frames
        )
        return {**clip, "audio_features": masked}

    def _frames_later(self, draws, frame_rate, sampling_rate):
        for name, rate in (
            ("frame_rate", frame_rate),
            ("sampling_rate", sampling_rate),
        ):
            if not 0 < rate < math.inf:
                raise ValueError(
                    f"`{name}` must be a positive number per second, that of "
                    f"the clip. Received: {name}={rate!r}"
                )
        # What is a frame but for rounding is a frame.
        most = math.floor(self.time_shift * frame_rate + 1e-6)
        if not most:
            raise ValueError(
                "`time_shift` must be at least a frame, "
                f"{1 / frame_rate:.4g} seconds at a frame rate of "
                f"{frame_rate}; 0.0 turns it off. Received: "
                f"time_shift={self.time_shift}"
            )
        # -1 to 1 is cut into as many equal parts as there are whole numbers.
        frames = tf.floor((draws.later + 1) / 2 * (2 * most + 1)) - most
        return tf.cast(tf.minimum(frames, most), tf.int32)

    def _changed_frames(self, frames, draws):
        pixels = tf.cast(frames, tf.float32)
        if self.shift or self.scale or self.crop or self.flip:
            pixels = self._moved(pixels, draws)
        if self.contrast or self.saturation or self.hue:
            pixels = self._recoloured(pixels, draws)
        if self.brightness:
            pixels += 255 * draws.brightness * self.brightness
        return tf.cast(tf.round(tf.clip_by_value(pixels, 0, 255)), tf.uint8)

    def _moved(self, pixels, draws):
        # What is left of each side, and how far it may lie from the middle.
        side = tf.sqrt(1 - tf.abs(draws.cut) * self.crop)
        slack = (1 - side) / 2
        # What is cut out is enlarged, and so is its way to the middle.
        return move(
            pixels,
            down=(draws.down * self.shift - draws.cut_down * slack) / side,
            right=(draws.right * self.shift - draws.cut_right * slack) / side,
            size=(1 + self.scale) ** draws.size / side,
            flip=(draws.flip + 1) / 2 < self.flip,
        )

    def _recoloured(self, pixels, draws):
        shape = tf.shape(pixels)
        # As one tall picture: contrast is about the mean of all frames, so
        # that what stays as it is on screen stays of one colour.
        tall = [shape[0] * shape[1], shape[2], 3]
        picture = tf.reshape(pixels / 255, tall)
        if self.hue:
            picture = tf.image.adjust_hue(picture, draws.hue * self.hue)
        if self.saturation:
            picture = tf.image.adjust_saturation(
                picture, (1 + self.saturation) ** draws.saturation
            )
        if self.contrast:
            picture = tf.image.adjust_contrast(
                picture, (1 + self.contrast) ** draws.contrast
            )
        return 255 * tf.reshape(picture, shape)

    def _changed_samples(self, audio, draws, seed):
        audio = tf.convert_to_tensor(audio, tf.float32)
        if self.gain_decibels:
            audio = amplify(audio, draws.gain * self.gain_decibels)
        if self.noise:
            level = tf.abs(draws.noise) * self.noise
            audio += level * tf.random.stateless_normal(tf.shape(audio), seed)
        return tf.clip_by_value(audio, -1, 1)


def as_augmentation(augment, preprocessor):
    """The `ClipAugmentation` that `clip_dataset`'s argument asks for."""
    if augment is None or augment is False:
        return None
    if augment is True:
        return ClipAugmentation()
    if not isinstance(augment, ClipAugmentation):
        raise ValueError(
            "`augment` must be `True`, `False` or a "
            "`keras_mirasol.data.ClipAugmentation`, such as "
            f"`ClipAugmentation(shift=0.2)`. Received: {augment!r}"
        )
    if augment.masks:
        if preprocessor is None:
            raise ValueError(
                "`mask_mels` and `mask_audio_frames` mask spectrograms, which "
                "raw clips do not have. Give `clip_dataset` a `preprocessor`, "
                f"or leave them out. Received: {augment!r}"
            )
        # Here rather than in a graph, where errors are long.
        import_tensorflow_io()
    return augment


def move(frames, down, right, size, flip=False):
    """Flips, scales and shifts all frames alike, in this order.

    They are resampled once, bilinearly; pixels at the edges are repeated.

    Args:
        frames: float tensor of shape `(frames, height, width, channels)`.
        down: scalar. How far to move, as a fraction of the height.
        right: scalar. How far to move, as a fraction of the width.
        size: scalar. What the size is multiplied by, about the middle.
        flip: bool scalar. Whether left and right are exchanged. Defaults to
            `False`.

    Returns:
        A float tensor of the shape of `frames`.
    """
    shape = tf.shape(frames)[1:3]
    height, width = tf.unstack(tf.cast(shape, tf.float32))
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    # For each pixel of the result, where it comes from.
    step_y, none = 1 / size, tf.zeros(())
    step_x = tf.where(flip, -step_y, step_y)
    from_y = middle_y - step_y * (middle_y + down * height)
    from_x = middle_x - step_x * (middle_x + right * width)
    transform = [step_x, none, from_x, none, step_y, from_y, none, none]
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
