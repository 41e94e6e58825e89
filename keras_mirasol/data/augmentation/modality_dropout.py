"""Takes the picture or the sound away from some clips."""

import tensorflow as tf

from keras_mirasol.data.amounts import is_amount
from keras_mirasol.data.salts import MODALITY_DROPOUT
from keras_mirasol.data.salts import seed_of

_MODALITIES = ("video", "audio")


class ModalityDropout:
    """Takes away either modality of a clip that has both, at random.

    Args:
        rate: float, the chance that one of them is taken, either as likely;
            or a dict of `"audio"` and `"video"`, the chance of each. They are
            never both taken, so the chances must not exceed 1 together.

    Call arguments:
        clip: dict with `"video_mask"` and `"audio_mask"`, which are set to
            `False`, or with `"videos"` and `"audio"`, which are emptied.
        seed: int tensor. Determines what is drawn.

    Returns:
        A dict like `clip`.
    """

    def __init__(self, rate):
        rates = rate
        if is_amount(rate, 1):
            rates = dict.fromkeys(_MODALITIES, rate / 2)
        if (
            not isinstance(rates, dict)
            or not set(rates) <= set(_MODALITIES)
            or not all(is_amount(value, 1) for value in rates.values())
            or sum(rates.values()) > 1
        ):
            raise ValueError(
                "`modality_dropout` must be the chance, 0.0 to 1.0, that a "
                'clip loses a modality, or a dict such as {"audio": 0.2, '
                '"video": 0.05}, the chance that it loses this one, at most '
                f"1.0 together. Received: {rate!r}"
            )
        self._rates = [rates.get(name, 0.0) for name in _MODALITIES]

    def __call__(self, clip, seed):
        raw = "videos" in clip
        keys = ("videos", "audio") if raw else ("video_mask", "audio_mask")
        video, audio = (clip[key] for key in keys)
        if raw:
            has_both = (tf.shape(video)[0] > 0) & (tf.shape(audio)[0] > 0)
        else:
            has_both = tf.reduce_any(video) & tf.reduce_any(audio)
        draw = tf.random.stateless_uniform([], seed_of(seed, MODALITY_DROPOUT))
        # One draw for both: at most one of them is taken.
        first, second = self._rates
        take_video = has_both & (draw < first)
        take_audio = has_both & (draw >= first) & (draw < first + second)
        take_away = _emptied if raw else _masked
        changed = (take_away(video, take_video), take_away(audio, take_audio))
        return {**clip, **dict(zip(keys, changed, strict=True))}


def _emptied(signal, taken):
    return signal[: tf.where(taken, 0, tf.shape(signal)[0])]


def _masked(mask, taken):
    return mask & ~taken
