"""Frames to pixel values."""

import keras
import keras_hub

from keras_mirasol.data.graph import in_graph
from keras_mirasol.models.mirasol_backbone import MirasolBackbone
from keras_mirasol.models.shipped_presets import ShippedPresets


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MirasolVideoConverter(ShippedPresets, keras_hub.layers.VideoConverter):
    """Resizes frames (bilinear, antialiased) and scales their pixels.

    Args:
        image_size: int or pair of ints, (height, width) of the result.
        frame_rate: float. Frames a second of the clips that are given.
            Defaults to `8.0`.
        scale: float. Multiplies pixels. Defaults to `1 / 127.5`.
        offset: float. Added to scaled pixels. Defaults to `-1.0`.
        crop_to_aspect_ratio: bool. Crop frames to the aspect ratio of
            `image_size` before they are resized, instead of squeezing them.
            Defaults to `False`, so that nothing on screen is lost.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        videos: uint8 tensor of shape `(frames, height, width, 3)`.

    Returns:
        A float32 tensor of shape `(frames, *image_size, 3)`, by default with
        values from -1 to 1.

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
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(image_size, int):
            image_size = (image_size, image_size)
        self.image_size = tuple(image_size)
        self.frame_rate = frame_rate
        self.scale = scale
        self.offset = offset
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.resizing = keras.layers.Resizing(
            *self.image_size,
            crop_to_aspect_ratio=crop_to_aspect_ratio,
            antialias=True,
            dtype="float32",
            name="resizing",
        )

    @in_graph
    def call(self, videos):
        return self.resizing(videos) * self.scale + self.offset

    def compute_output_shape(self, videos_shape):
        return (*videos_shape[:-3], *self.image_size, 3)

    def get_config(self):
        return {
            **super().get_config(),
            "image_size": self.image_size,
            "frame_rate": self.frame_rate,
            "scale": self.scale,
            "offset": self.offset,
            "crop_to_aspect_ratio": self.crop_to_aspect_ratio,
        }
