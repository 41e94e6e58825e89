"""The objectives, as plain functions of tensors."""

from keras_mirasol.losses.contrastive import contrastive_loss
from keras_mirasol.losses.matching import hard_negatives
from keras_mirasol.losses.matching import matching_loss
from keras_mirasol.losses.next_latent import next_latent_loss
from keras_mirasol.losses.pairs import text_clip_pairs
from keras_mirasol.losses.past_latent import past_latent_loss
from keras_mirasol.losses.reconstruction import next_frames_loss
from keras_mirasol.losses.reconstruction import next_spectrogram_loss
from keras_mirasol.losses.text import text_loss

__all__ = [
    "contrastive_loss",
    "hard_negatives",
    "matching_loss",
    "next_frames_loss",
    "next_latent_loss",
    "next_spectrogram_loss",
    "past_latent_loss",
    "text_clip_pairs",
    "text_loss",
]
