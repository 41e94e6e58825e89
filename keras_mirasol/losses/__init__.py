"""The objectives, as plain functions of tensors."""

from keras_mirasol.losses.next_latent import next_latent_loss
from keras_mirasol.losses.reconstruction import next_frames_loss
from keras_mirasol.losses.reconstruction import next_spectrogram_loss
from keras_mirasol.losses.text import text_loss

__all__ = [
    "next_frames_loss",
    "next_latent_loss",
    "next_spectrogram_loss",
    "text_loss",
]
