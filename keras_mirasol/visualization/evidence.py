"""Which moment of a clip an answer came from."""

import numpy as np

from keras_mirasol.visualization.clip import FRAMES_HEIGHT
from keras_mirasol.visualization.clip import SPECTROGRAM_HEIGHT
from keras_mirasol.visualization.clip import draw_borders
from keras_mirasol.visualization.clip import draw_clip
from keras_mirasol.visualization.clip import features_of
from keras_mirasol.visualization.picture import WIDTH
from keras_mirasol.visualization.picture import Picture

ROW_HEIGHT = 0.3  # inches
MOST_NUMBERS = 16  # snippets whose values are written, too


def plot_evidence(evidence, clip=None, preprocessor=None, title=None):
    """Draws what an answer rests on, moment by moment.

    Below the clip, if it is given, a row for each token of the answer: what
    the text decoder attends to, and by how many nats the picture and the
    sound of each snippet make the token likelier, or less likely.

    Args:
        evidence: dict, from `keras_mirasol.evaluation.answer_evidence`.
        clip: dict of the clip that it is about. Defaults to `None`: it is not
            drawn.
        preprocessor: a `MirasolCausalLMPreprocessor`; needed with `clip`.
        title: str. Defaults to `None`, the answer.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there is a clip without a preprocessor, or `evidence`
            is about another clip.

    Example:
    ```python
    task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
    clip = keras_mirasol.data.load_clip("dog.mp4")
    evidence = keras_mirasol.evaluation.answer_evidence(
        task, clip, "what is heard first?"
    )
    figure = keras_mirasol.visualization.plot_evidence(
        evidence, clip, task.preprocessor
    )
    figure.savefig("evidence.png")
    ```
    """
    tokens, snippets = evidence["attention"].shape
    height = max(0.45, ROW_HEIGHT * tokens)
    heights = [height] * 3
    if clip is not None:
        heights = [FRAMES_HEIGHT, SPECTROGRAM_HEIGHT, *heights]
    # Wider than a clip alone by what names and scales take.
    figure = Picture(sum(heights) + 0.35 * len(heights) + 0.6, 1.2 * WIDTH)
    axes, bars = figure.subplots(
        len(heights),
        2,
        height_ratios=heights,
        width_ratios=(60, 1),
        sharex="col",
        squeeze=False,
    ).T
    if clip is not None:
        _draw_clip_above(axes[:2], bars[:2], clip, preprocessor, snippets)

    largest = max(np.abs(evidence[key]).max() for key in ("video", "audio"))
    # Less than a tenth of a nat is not worth a colour.
    gains = dict(cmap="PuOr_r", vmin=-max(largest, 0.1), vmax=max(largest, 0.1))
    for i, (key, label, colours) in enumerate(
        (
            ("attention", "attention", dict(cmap="Blues", vmin=0)),
            ("video", "picture adds,\nnats", gains),
            ("audio", "sound adds,\nnats", gains),
        ),
        start=len(heights) - 3,
    ):
        image = _draw_rows(axes[i], evidence, key, colours)
        axes[i].set_ylabel(label, rotation=0, ha="right", va="center")
        figure.colorbar(image, cax=bars[i])
        bars[i].tick_params(labelsize=7)
    axes[-1].set_xlabel("seconds")
    axes[0].set_title(title or f"answer: {evidence['answer']}")
    return figure


def _draw_clip_above(axes, bars, clip, preprocessor, snippets):
    if preprocessor is None:
        raise ValueError(
            "A clip is drawn as its preprocessor makes it. Give `preprocessor`"
            ", or leave out `clip`."
        )
    features = features_of(clip, preprocessor)
    if len(features["video_mask"]) != snippets:
        raise ValueError(
            f"`evidence` is about {snippets} snippets, but `clip` has "
            f"{len(features['video_mask'])}. Give the clip that it was made "
            "of."
        )
    draw_clip(*axes, features, preprocessor)
    for bar in bars:
        bar.axis("off")


def _draw_rows(axes, evidence, key, colours):
    """A row for each token, a column for each snippet."""
    values, seconds = evidence[key], evidence["snippet_seconds"]
    tokens, snippets = values.shape
    image = axes.imshow(
        values,
        extent=(0, snippets * seconds, tokens, 0),
        aspect="auto",
        interpolation="nearest",
        **colours,
    )
    draw_borders(axes, snippets, seconds)
    axes.set_yticks(np.arange(tokens) + 0.5, map(repr, evidence["tokens"]))
    axes.tick_params(axis="y", length=0)
    if snippets <= MOST_NUMBERS:
        for i, t in np.ndindex(values.shape):
            share = image.norm(values[i, t])
            dark = share > 0.6 if key == "attention" else abs(share - 0.5) > 0.3
            axes.text(
                (t + 0.5) * seconds,
                i + 0.5,
                f"{values[i, t]:.2f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else "black",
            )
    return image
