from keras import ops

from keras_mirasol.losses.masked_mean import masked_mean
from keras_mirasol.losses.next_latent import next_snippet_mask


def next_frames_loss(pixel_values, frames, snippet_mask, video_mask):
    """Squared error of reconstructed small frames of the next snippet.

    The target is the mean of the pixels that each small pixel covers.

    Args:
        pixel_values: tensor of shape `(batch, T * F, height, width, 3)`.
        frames: tensor of shape `(batch, T, F, small_height, small_width, 3)`,
            whose sizes divide those of `pixel_values`; `[:, t]` reconstructs
            snippet t + 1.
        snippet_mask: bool tensor `(batch, T)`, which snippets exist.
        video_mask: bool tensor `(batch, T)`, which snippets have video.

    Returns:
        A scalar float32 tensor; 0 where no next snippet has video.

    Raises:
        ValueError: if the sizes of `frames` do not divide.

    Example:
    ```python
    clip = np.ones((1, 4, 8, 8, 3))  # two snippets of two frames
    frames = np.zeros((1, 2, 2, 4, 4, 3))
    mask = np.ones((1, 2), bool)
    keras_mirasol.losses.next_frames_loss(clip, frames, mask, mask)  # 1.0
    ```
    """
    count, small_height, small_width, channels = frames.shape[2:]
    height, width = pixel_values.shape[2:4]
    if height % small_height or width % small_width:
        raise ValueError(
            f"The size {small_height}x{small_width} of the reconstructed "
            f"frames must divide that of `pixel_values`, {height}x{width}. "
            "Reconstruct frames of another size."
        )
    target = ops.reshape(
        pixel_values,
        (
            -1,
            small_height,
            height // small_height,
            small_width,
            width // small_width,
            channels,
        ),
    )
    target = ops.reshape(
        ops.mean(target, axis=(2, 4)),
        (ops.shape(frames)[0], -1, count, small_height, small_width, channels),
    )
    return _next_snippet_error(target, frames, snippet_mask, video_mask)


def next_spectrogram_loss(
    audio_features, spectrogram, snippet_mask, audio_mask
):
    """Squared error of the reconstructed small spectrogram of the next snippet.

    The target is the mean of the mel bins that each small bin covers.

    Args:
        audio_features: tensor of shape `(batch, T * A, mels)`.
        spectrogram: tensor of shape `(batch, T, A, small_mels)`, whose sizes
            divide those of `audio_features`; `[:, t]` reconstructs snippet
            t + 1.
        snippet_mask: bool tensor `(batch, T)`, which snippets exist.
        audio_mask: bool tensor `(batch, T)`, which snippets have audio.

    Returns:
        A scalar float32 tensor; 0 where no next snippet has audio.

    Raises:
        ValueError: if the mels of `spectrogram` do not divide.

    Example:
    ```python
    audio = np.ones((1, 4, 8))  # two snippets of two spectrogram frames
    spectrogram = np.zeros((1, 2, 2, 4))
    mask = np.ones((1, 2), bool)
    keras_mirasol.losses.next_spectrogram_loss(
        audio, spectrogram, mask, mask
    )  # 1.0
    ```
    """
    count, bins = spectrogram.shape[2:]
    mels = audio_features.shape[2]
    if mels % bins:
        raise ValueError(
            f"The {bins} mels of the reconstructed spectrogram must divide "
            f"those of `audio_features`, {mels}. Reconstruct another number."
        )
    target = ops.reshape(audio_features, (-1, bins, mels // bins))
    target = ops.reshape(
        ops.mean(target, axis=-1),
        (ops.shape(spectrogram)[0], -1, count, bins),
    )
    return _next_snippet_error(target, spectrogram, snippet_mask, audio_mask)


def _next_snippet_error(target, reconstruction, snippet_mask, target_mask):
    mask = next_snippet_mask(snippet_mask, target_mask)
    within = tuple(range(2, len(target.shape)))
    target = ops.where(
        # Not even NaN may pass from what is masked.
        ops.expand_dims(mask, within),
        ops.cast(target[:, 1:], "float32"),
        0,
    )
    error = ops.square(target - ops.cast(reconstruction[:, :-1], "float32"))
    return masked_mean(ops.mean(error, axis=within), mask)
