"""Frames to pixel values."""

import keras
import keras_hub
import numpy as np

from keras_mirasol import keras_compat
from keras_mirasol.models.clip_statistics import adapt_converters
from keras_mirasol.models.clip_statistics import plain_floats
from keras_mirasol.models.clip_statistics import signals
from keras_mirasol.models.mirasol_backbone import MirasolBackbone
from keras_mirasol.models.shipped_presets import ShippedPresets
from keras_mirasol.preprocessing.graph import in_graph
from keras_mirasol.preprocessing.resizing import resize_frames

# In grey levels of 255. What deviates less is noise of cameras and codecs: a
# constant channel must not be blown up to a deviation of 1.
MIN_DEVIATION = 2.0


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MirasolVideoConverter(ShippedPresets, keras_hub.layers.VideoConverter):
    """Resizes frames and scales their pixels.

    The result is `pixels * scale + offset`. `adapt()` sets both, so that each
    channel has mean 0 and deviation 1 over the data: a model that is trained
    from scratch on dark frames learns nothing of them otherwise. A model that
    comes with weights must keep the settings that it was trained with.

    Args:
        image_size: int or pair of ints, (height, width) of the result.
        frame_rate: float. Frames per second of the clips that are given.
            Defaults to `8.0`.
        scale: float, or list of 3 floats, one for each channel. Multiplies
            pixels. Defaults to `1 / 127.5`.
        offset: float, or list of 3 floats. Added to scaled pixels. Defaults
            to `-1.0`.
        crop_to_aspect_ratio: bool. Crop frames to the aspect ratio of
            `image_size` before they are resized, instead of squeezing them.
            Defaults to `False`, so that nothing on screen is lost.
        interpolation: str, such as `"bilinear"` or `"bicubic"`; see
            `keras.layers.Resizing`. Defaults to `"bilinear"`.
        antialias: bool. Whether to filter what is made smaller. Defaults to
            `True`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        videos: uint8 tensor of shape `(frames, height, width, 3)`.

    Returns:
        A float32 tensor of shape `(frames, *image_size, 3)`, by default with
        values from -1 to 1.

    Raises:
        ValueError: if `scale` or `offset` is neither a number nor 3 of them.

    Example:
    ```python
    converter = keras_mirasol.models.MirasolVideoConverter(image_size=32)
    clip = np.zeros((16, 64, 96, 3), "uint8")
    converter(clip).shape  # (16, 32, 32, 3)
    ```
    """

    backbone_cls = MirasolBackbone

    def __init__(
        self,
        image_size,
        frame_rate=8.0,
        scale=1 / 127.5,
        offset=-1.0,
        crop_to_aspect_ratio=False,
        interpolation="bilinear",
        antialias=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        # KerasHub's own, which is not used and would be saved with presets.
        keras_compat.drop_layer(self, "image_converter")
        if isinstance(image_size, int):
            image_size = (image_size, image_size)
        self.image_size = tuple(image_size)
        self.frame_rate = frame_rate
        self.scale = plain_floats("scale", scale, 3)
        self.offset = plain_floats("offset", offset, 3)
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.interpolation = interpolation
        self.antialias = antialias
        self.resizing = keras.layers.Resizing(
            *self.image_size,
            crop_to_aspect_ratio=crop_to_aspect_ratio,
            interpolation=interpolation,
            antialias=antialias,
            dtype="float32",
            name="resizing",
        )

    def adapt(self, data, num_clips=256):
        """Sets `scale` and `offset` to the mean and deviation of frames.

        They are those of resized pixels, channel by channel. The deviation is
        taken to be at least `MIN_DEVIATION`, 2 of 255 grey levels.

        Args:
            data: uint8 frames of a clip, `(frames, height, width, 3)`, or of
                a batch of clips, as an array or a ragged tensor; or an
                iterable of these.
            num_clips: int. How many clips to look at: drawn from an array or
                a list, always the same ones, and the first ones of any other
                iterable. Defaults to `256`; `None` for all.

        Raises:
            ValueError: if there is no frame, or frames are not as described.

        Example:
        ```python
        converter = keras_mirasol.models.MirasolVideoConverter(image_size=32)
        clips = np.random.randint(0, 40, (4, 16, 64, 96, 3)).astype("uint8")
        converter.adapt(clips)
        converter(clips[0]).mean()  # about 0
        ```
        """
        adapt_converters(
            [self],
            ((videos,) for videos in signals(data, "videos", num_clips)),
            "clips of uint8 frames",
        )

    def normalize(self, mean, deviation):
        """Sets `scale` and `offset`; see `adapt()`."""
        deviation = np.maximum(deviation, MIN_DEVIATION)
        self.scale = (1 / deviation).tolist()
        self.offset = (-mean / deviation).tolist()

    @in_graph
    def unscaled(self, videos):
        """Resized pixels, from 0 to 255."""
        return resize_frames(videos, self.resizing)

    @in_graph
    def call(self, videos):
        scale, offset = np.float32(self.scale), np.float32(self.offset)
        return self.unscaled(videos) * scale + offset

    def compute_output_shape(self, videos_shape):
        return (*videos_shape[:-3], *self.image_size, 3)

    def get_config(self):
        return {
            **super().get_config(),
            "image_size": self.image_size,
            "frame_rate": self.frame_rate,
            "scale": plain_floats("scale", self.scale, 3),
            "offset": plain_floats("offset", self.offset, 3),
            "crop_to_aspect_ratio": self.crop_to_aspect_ratio,
            "interpolation": self.interpolation,
            "antialias": self.antialias,
        }
