"""A clip as a model sees and hears it."""

import numpy as np
from matplotlib.patches import Rectangle

from keras_mirasol.visualization.picture import GREY
from keras_mirasol.visualization.picture import WIDTH
from keras_mirasol.visualization.picture import Picture

MOST_FRAMES = 16
# Inches.
FRAMES_HEIGHT, SPECTROGRAM_HEIGHT = 1.0, 1.6


def plot_clip(clip, preprocessor, title=None):
    """Draws a clip: frames over spectrogram, with borders of snippets.

    Frames and spectrogram are what the model gets: scaled, and as its adapted
    converters make them. A modality that a snippet lacks is hatched.

    Args:
        clip: dict of one clip with `"videos"` and/or `"audio"`, as
            `keras_mirasol.data.load_clip` returns it.
        preprocessor: a `MirasolCausalLMPreprocessor`.
        title: str. Defaults to `None`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there is no clip, or it is not as described.

    Example:
    ```python
    task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
    clip = keras_mirasol.data.load_clip("dog.mp4")
    figure = keras_mirasol.visualization.plot_clip(clip, task.preprocessor)
    figure.savefig("dog.png")
    ```
    """
    figure = Picture(FRAMES_HEIGHT + SPECTROGRAM_HEIGHT + 0.7)
    axes = figure.subplots(
        2,
        1,
        sharex=True,
        height_ratios=(FRAMES_HEIGHT, SPECTROGRAM_HEIGHT),
    )
    draw_clip(*axes, features_of(clip, preprocessor), preprocessor)
    axes[-1].set_xlabel("seconds")
    if title is not None:
        axes[0].set_title(title)
    return figure


def features_of(clip, preprocessor):
    """Features of the snippets that a clip has, without those added to it."""
    features = preprocessor.generate_preprocess({**clip, "prompts": ""})
    features = {key: np.asarray(value[0]) for key, value in features.items()}
    there = features["video_mask"] | features["audio_mask"]
    count = 1 + np.flatnonzero(there).max(initial=0)
    per_snippet = {
        "pixel_values": preprocessor.frames_per_snippet,
        "audio_features": preprocessor.audio_frames_per_snippet,
        "video_mask": 1,
        "audio_mask": 1,
    }
    return {key: features[key][: count * n] for key, n in per_snippet.items()}


def draw_clip(frames_axes, spectrogram_axes, features, preprocessor):
    """Draws what `features_of()` returned on axes that share their seconds."""
    seconds = preprocessor.snippet_seconds
    snippets = len(features["video_mask"])
    _draw_frames(frames_axes, features, preprocessor)
    spectrogram_axes.imshow(
        features["audio_features"].T,
        extent=(0, snippets * seconds, 0, features["audio_features"].shape[1]),
        origin="lower",
        aspect="auto",
        cmap="magma",
    )
    frames_axes.set(ylabel="frames", yticks=[], ylim=(0, 1))
    spectrogram_axes.set(ylabel="mel bin")
    for axes, key in (
        (frames_axes, "video_mask"),
        (spectrogram_axes, "audio_mask"),
    ):
        _hatch_what_is_missing(axes, features[key], seconds)
        draw_borders(axes, snippets, seconds)
        axes.set_xlim(0, snippets * seconds)


def draw_borders(axes, snippets, seconds):
    """Draws the borders of snippets, where there is room for them."""
    if snippets <= 64:
        for t in range(1, snippets):
            axes.axvline(t * seconds, color="white", linewidth=1.5)
            axes.axvline(t * seconds, color="black", linewidth=0.5)


def _draw_frames(axes, features, preprocessor):
    """Frames at their times, as many as fit beside each other."""
    converter = preprocessor.video_converter
    # Back to what can be seen.
    pixels = features["pixel_values"] - np.float32(converter.offset)
    pixels = np.clip(pixels / np.float32(converter.scale) / 255, 0, 1)
    height, width = pixels.shape[1:3]
    room = int(0.9 * WIDTH / (FRAMES_HEIGHT * width / height))
    snippets = len(features["video_mask"])
    shown = min(len(pixels), room, MOST_FRAMES)
    if snippets <= shown:
        shown -= shown % snippets  # as many for each snippet
    total = len(pixels) / preprocessor.frame_rate
    for i in range(shown):
        frame = pixels[int((i + 0.5) * len(pixels) / shown)]
        axes.imshow(
            frame,
            extent=(i * total / shown, (i + 1) * total / shown, 0, 1),
            aspect="auto",
        )


def _hatch_what_is_missing(axes, mask, seconds):
    low, high = axes.get_ylim()
    for t in np.flatnonzero(~mask):
        axes.add_patch(
            Rectangle(
                (t * seconds, low),
                seconds,
                high - low,
                facecolor="white",
                edgecolor=GREY,
                hatch="//",
                linewidth=0,
            )
        )
    if not mask.any():
        axes.text(
            len(mask) * seconds / 2,
            (low + high) / 2,
            "none",
            ha="center",
            va="center",
            backgroundcolor="white",
        )
