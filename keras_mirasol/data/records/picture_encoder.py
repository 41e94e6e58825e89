"""Compresses frames to pictures."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class PictureEncoder:
    """Compresses the frames of a clip, one by one.

    Args:
        image_format: `"jpeg"`, or `"png"`, which is larger and loses nothing.
        quality: int, 1 to 100. How fine a JPEG is; PNG has no use for it.
    """

    image_format: str
    quality: int

    def __post_init__(self):
        if self.image_format not in ("jpeg", "png"):
            raise ValueError(
                '`image_format` must be "jpeg" or "png". Received: '
                f"{self.image_format!r}"
            )
        is_int = type(self.quality) is int
        if not is_int or not 1 <= self.quality <= 100:
            raise ValueError(
                "`quality` must be an int from 1 to 100. Received: "
                f"{self.quality!r}"
            )

    @property
    def format(self):
        return self.image_format.upper()

    def __call__(self, frames):
        with tf.device("cpu"):
            return [self._encode(frame).numpy() for frame in frames]

    def _encode(self, frame):
        if self.image_format == "png":
            return tf.io.encode_png(frame)
        # At a model's image size colours are worth their full resolution.
        return tf.io.encode_jpeg(
            frame, quality=self.quality, chroma_downsampling=False
        )
