"""What users hand in, checked and brought to one form."""

import dataclasses

import numpy as np

KEYS = ("videos", "audio", "prompts", "responses")
NO_VIDEO = np.zeros((0, 1, 1, 3), "uint8")
NO_AUDIO = np.zeros((0,), "float32")


@dataclasses.dataclass
class ClipBatch:
    """A batch of clips with their texts.

    Args:
        videos: list of uint8 arrays, no frames where there is no video.
        audio: list of float32 arrays, no samples where there is no audio.
        prompts: array of strings, `(batch,)` or `(batch, texts_per_clip)`.
        responses: the same, or `None`.
        is_single: bool. Whether one clip was given, not a batch.
    """

    videos: list
    audio: list
    prompts: np.ndarray
    responses: np.ndarray | None
    is_single: bool


def standardize_inputs(x, needs_responses=False):
    """Checks raw clips and texts, one clip or a batch.

    Args:
        x: dict; see `MirasolCausalLMPreprocessor`.
        needs_responses: bool. Whether `"responses"` must be there.

    Returns:
        A `ClipBatch`.

    Raises:
        ValueError: if a key is missing or unknown, or a value is not as
            described.
    """
    if not isinstance(x, dict):
        raise ValueError(
            'Expected a dict with `"videos"` and/or `"audio"` and '
            f'`"prompts"`. Received: {type(x).__name__}'
        )
    unknown = sorted(set(x) - set(KEYS))
    if unknown:
        raise ValueError(f"Unknown keys {unknown}. Known keys: {list(KEYS)}.")
    for key in ("prompts", "responses")[: 1 + needs_responses]:
        if x.get(key) is None:
            raise ValueError(
                f'`"{key}"` is missing. Expected a string a clip, or a list '
                "of strings a clip."
            )
    videos = _signals(x.get("videos"), "videos", _check_video, NO_VIDEO)
    audio = _signals(x.get("audio"), "audio", _check_audio, NO_AUDIO)
    kinds = {s.is_single for s in (videos, audio) if s is not None}
    if len(kinds) > 1:
        raise ValueError(
            '`"videos"` and `"audio"` must both be one clip or both be a '
            "batch. For one clip give videos of shape (frames, height, width, "
            "3) and mono audio of shape (samples,)."
        )
    is_single = kinds.pop() if kinds else isinstance(x["prompts"], str)
    prompts = _texts(x["prompts"], "prompts", is_single)
    responses = x.get("responses")
    if responses is not None:
        responses = _texts(responses, "responses", is_single)
    counts = {"prompts": len(prompts)}
    if videos is not None:
        counts["videos"] = len(videos.items)
    if audio is not None:
        counts["audio"] = len(audio.items)
    if len(set(counts.values())) > 1:
        raise ValueError(
            "The numbers of clips and of their prompts differ. Received: "
            f"{counts}. Give one prompt, or one list of prompts, a clip."
        )
    if responses is not None and responses.shape != prompts.shape:
        raise ValueError(
            "Each prompt needs one response. Received: prompts of shape "
            f"{prompts.shape} and responses of shape {responses.shape}"
        )
    batch_size = len(prompts)
    return ClipBatch(
        videos=videos.items if videos else [NO_VIDEO] * batch_size,
        audio=audio.items if audio else [NO_AUDIO] * batch_size,
        prompts=prompts,
        responses=responses,
        is_single=is_single,
    )


@dataclasses.dataclass
class _Signals:
    items: list
    is_single: bool


def _signals(value, key, check, absent):
    """A clip's signal, or a batch of them, as a list of checked arrays."""
    if value is None:
        return None
    if hasattr(value, "to_list"):  # A ragged batch.
        value = [np.asarray(_to_dense(row)) for row in value]
    if isinstance(value, (list, tuple)):
        items = [absent if item is None else np.asarray(item) for item in value]
        if items and items[0].ndim == 0:
            raise ValueError(
                f'`"{key}"` must be an array, or a list of arrays. Received a '
                f"list of {type(value[0]).__name__}; use `np.array(...)`."
            )
        return _Signals([check(item) for item in items], False)
    array = np.asarray(value)
    if array.ndim == absent.ndim + 1:
        return _Signals([check(item) for item in array], False)
    return _Signals([check(array)], True)


def _to_dense(row):
    return row.to_tensor() if hasattr(row, "to_tensor") else row


def _check_video(video):
    if video.ndim != 4 or video.shape[-1] != 3:
        raise ValueError(
            '`"videos"` must have shape (frames, height, width, 3), or '
            "(batch, frames, height, width, 3). Received: shape "
            f"{video.shape}."
        )
    if video.dtype != np.uint8:
        raise ValueError(
            '`"videos"` must be uint8 with values from 0 to 255. Received: '
            f'{video.dtype}. Scale to 0..255 and use `.astype("uint8")`.'
        )
    return video if len(video) else NO_VIDEO


def _check_audio(audio):
    if audio.ndim != 1:
        raise ValueError(
            '`"audio"` must be mono, of shape (samples,) or (batch, samples). '
            f"Received: shape {audio.shape}. Average the channels first."
        )
    if not np.issubdtype(audio.dtype, np.floating):
        raise ValueError(
            '`"audio"` must be floating point with values from -1 to 1. '
            f"Received: {audio.dtype}. Divide 16-bit integers by 32768.0."
        )
    return audio.astype("float32")


def _texts(value, key, is_single):
    """Strings of shape `(batch,)` or `(batch, texts_per_clip)`."""
    if hasattr(value, "numpy"):
        value = value.numpy()
    if isinstance(value, (str, bytes)):
        value = [value] if is_single else value
    elif is_single:
        value = [list(value)]
    if isinstance(value, (str, bytes)):
        raise ValueError(
            f'`"{key}"` must be a list with a string a clip when a batch of '
            f"clips is given. Received one string: {value!r}"
        )
    rows = [
        row if isinstance(row, (str, bytes)) else list(row) for row in value
    ]
    widths = {None if isinstance(r, (str, bytes)) else len(r) for r in rows}
    flat = [
        text
        for row in rows
        for text in ([row] if isinstance(row, (str, bytes)) else row)
    ]
    if (
        not rows
        or len(widths) > 1
        or 0 in widths
        or any(not isinstance(text, (str, bytes)) for text in flat)
    ):
        raise ValueError(
            f'`"{key}"` must be a string a clip, or an equally long list of '
            f"strings a clip. Received: {value!r}"
        )
    return np.array(rows, dtype=object)
