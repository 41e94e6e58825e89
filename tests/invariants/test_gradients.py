"""Training reaches every weight, and none by what is not there."""

import numpy as np
import pytest


def _is_of_no_use(path):
    """Whether the softmax of attention takes a weight out again.

    A bias of the keys adds the same to the scores of all of them, where no
    rotary position turns the keys.
    """
    rotary = path.startswith("text_decoder") and "self_attention" in path
    return path.endswith("key/bias") and not rotary


def test_every_weight_learns(training_step, inputs):
    losses, gradients = training_step(inputs)
    assert all(np.isfinite(value) for value in losses.values())
    sizes = {path: np.abs(g).max() for path, g in gradients.items()}
    useful = {p: size for p, size in sizes.items() if not _is_of_no_use(p)}
    assert min(useful.values()) > 1e-6, min(useful, key=useful.get)
    assert max(sizes[p] for p in sizes if p not in useful) < 1e-6


@pytest.mark.parametrize(
    "mask, encoder",
    [("video_mask", "video_encoder"), ("audio_mask", "audio_encoder")],
)
def test_an_encoder_learns_nothing_without_its_modality(
    training_step, inputs, mask, encoder
):
    inputs[mask][:] = False
    _, gradients = training_step(inputs)
    learns = {path: gradient.any() for path, gradient in gradients.items()}
    assert not any(learns[p] for p in learns if p.startswith(encoder))
    other = {"video_encoder", "audio_encoder"} - {encoder}
    for part in (*other, "combiner", "snippet_transformer", "text_decoder"):
        assert any(learns[p] for p in learns if p.startswith(part)), part
