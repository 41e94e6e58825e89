"""The objectives of snippets: what the next one is like."""

import math

from keras_mirasol import losses
from keras_mirasol.layers import FrameReconstruction
from keras_mirasol.layers import NextLatentPredictor
from keras_mirasol.layers import SpectrogramReconstruction
from keras_mirasol.models.mirasol_backbone import snippet_mask
from keras_mirasol.models.mirasol_task import precision
from keras_mirasol.models.objectives.objective import Objective


class LatentObjective(Objective):
    """The joint tokens of the next snippet."""

    name = "latent"

    def connect(self, backbone, read):
        head = NextLatentPredictor(
            backbone.hidden_dim,
            dtype=precision(backbone),
            name="next_latent_predictor",
        )
        return {"predicted_joint_tokens": head(read["snippet_latents"])}

    def loss(self, x, y, y_pred, sample_weight, training):
        return losses.next_latent_loss(
            y_pred["joint_tokens"],
            y_pred["predicted_joint_tokens"],
            snippet_mask(x),
        )


class FrameObjective(Objective):
    """Small frames of the next snippet.

    Args:
        weight: float.
        downsampling: int. How many times smaller they are, along height and
            width.
    """

    name = "frame"

    def __init__(self, weight, downsampling):
        super().__init__(weight)
        self.downsampling = downsampling

    def connect(self, backbone, read):
        frames = backbone.frames_per_snippet
        height, width = (
            _downsampled(size, "image_size", self.downsampling, "frame")
            for size in backbone.image_size
        )
        head = FrameReconstruction(
            backbone.hidden_dim,
            (frames, height, width, 3),
            patch_size=(frames, _patch_side(height), _patch_side(width)),
            num_heads=backbone.num_heads,
            dtype=precision(backbone),
            name="frame_reconstruction",
        )
        return {"frames": head(read["snippet_latents"])}

    def loss(self, x, y, y_pred, sample_weight, training):
        return losses.next_frames_loss(
            x["pixel_values"],
            y_pred["frames"],
            snippet_mask(x),
            x["video_mask"],
        )

    def get_config(self):
        return {
            **super().get_config(),
            "frame_downsampling": self.downsampling,
        }


class SpectrogramObjective(Objective):
    """A small spectrogram of the next snippet.

    Args:
        weight: float.
        downsampling: int. How many times fewer mel bins it has.
    """

    name = "spectrogram"

    def __init__(self, weight, downsampling):
        super().__init__(weight)
        self.downsampling = downsampling

    def connect(self, backbone, read):
        audio_frames = backbone.audio_frames_per_snippet
        mels = _downsampled(
            backbone.num_mels, "num_mels", self.downsampling, "mel"
        )
        head = SpectrogramReconstruction(
            backbone.hidden_dim,
            (audio_frames, mels),
            patch_size=(audio_frames, _patch_side(mels)),
            num_heads=backbone.num_heads,
            dtype=precision(backbone),
            name="spectrogram_reconstruction",
        )
        return {"spectrogram": head(read["snippet_latents"])}

    def loss(self, x, y, y_pred, sample_weight, training):
        return losses.next_spectrogram_loss(
            x["audio_features"],
            y_pred["spectrogram"],
            snippet_mask(x),
            x["audio_mask"],
        )

    def get_config(self):
        return {**super().get_config(), "mel_downsampling": self.downsampling}


def _downsampled(size, name, downsampling, prefix):
    """A size as it is reconstructed."""
    if size % downsampling:
        raise ValueError(
            f"`{prefix}_downsampling` must divide the backbone's `{name}`. "
            f"Received: {prefix}_downsampling={downsampling}, {name}={size}"
        )
    return size // downsampling


def _patch_side(size):
    """The side of patches: four to a side, but none of less than about 4.

    Each patch is a query, and costs what a token costs: more of them would
    take as long as the encoders.
    """
    divisors = [side for side in range(1, size + 1) if size % side == 0]
    wanted = max(4, size / 4)
    return min(divisors, key=lambda side: abs(math.log(side / wanted)))
