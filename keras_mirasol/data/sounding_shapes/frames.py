"""Draws the shapes of a scene, antialiased, from their signed distances."""

import numpy as np

from keras_mirasol.data.sounding_shapes.scene import FRAME_RATE
from keras_mirasol.data.sounding_shapes.scene import IMAGE_SIZE

# Far apart in hue, so that subsampled chroma cannot blur one into another.
RGB = {
    "red": (235, 35, 35),
    "green": (30, 190, 50),
    "blue": (40, 80, 250),
    "yellow": (245, 220, 40),
    "purple": (180, 45, 210),
    "white": (245, 245, 245),
}

_PIXELS = np.arange(IMAGE_SIZE, dtype="float32") + 0.5


# Signed distances in pixels, negative inside, for offsets `x` (to the right)
# and `y` (downwards) from the centre of a shape of the given radius.


def _circle(x, y, radius):
    return np.sqrt(x * x + y * y) - radius


def _square(x, y, radius):
    return np.maximum(np.abs(x), np.abs(y)) - 0.85 * radius


def _triangle(x, y, radius):
    # Equilateral, standing on a base as wide as the circle's diameter.
    half_height = radius * np.sqrt(0.75)
    base = y - half_height
    sides = np.sqrt(0.75) * np.abs(x) - 0.5 * (y + half_height)
    return np.maximum(base, sides)


def _cross(x, y, radius):
    x, y = np.abs(x), np.abs(y)
    half_width = 0.3 * radius
    lying = np.maximum(x - radius, y - half_width)
    standing = np.maximum(x - half_width, y - radius)
    return np.minimum(lying, standing)


def _ring(x, y, radius):
    distance = np.sqrt(x * x + y * y)
    return np.maximum(distance - radius, 0.55 * radius - distance)


_DISTANCE = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "ring": _ring,
}


def render_frames(scene):
    """Renders the video of a scene.

    In each event's slot its shape, antialiased, drifts over the scene's
    background.

    Args:
        scene: a `Scene`.

    Returns:
        uint8 array of shape `(frames, 64, 64, 3)`, RGB: 16 frames per second,
        so 32 in a clip of 2 seconds.

    Example:

    ```python
    import numpy as np

    from keras_mirasol.data import sounding_shapes

    scene = sounding_shapes.sample_scene(np.random.default_rng(0))
    sounding_shapes.render_frames(scene).shape  # (32, 64, 64, 3)
    ```
    """
    return np.concatenate(
        [_render_event(event, scene.background) for event in scene.events]
    )


def _render_event(event, background):
    size = IMAGE_SIZE
    num_frames = round(FRAME_RATE * event.seconds)
    # The middle of each frame's display time, relative to the slot's middle.
    moments = (np.arange(num_frames, dtype="float32") + 0.5) / num_frames - 0.5
    (x, y), (dx, dy) = event.centre, event.drift
    centre_x = size * (np.float32(x) + np.float32(dx) * moments)
    centre_y = size * (np.float32(y) + np.float32(dy) * moments)
    distance = _DISTANCE[event.shape](
        _PIXELS[None, None, :] - centre_x[:, None, None],
        _PIXELS[None, :, None] - centre_y[:, None, None],
        np.float32(event.diameter * size / 2),
    )
    coverage = np.clip(0.5 - distance, 0, 1)
    # Blend through a table of 256 levels: much faster than per pixel.
    levels = np.linspace(0, 1, 256)[:, None]
    colour = event.brightness * np.array(RGB[event.colour])
    blend = background + levels * (colour - background)
    table = np.rint(blend).astype("uint8")
    return np.take(table, (255 * coverage + 0.5).astype("uint8"), axis=0)
