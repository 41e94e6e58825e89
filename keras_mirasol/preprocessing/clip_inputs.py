"""What users hand in, checked and brought to one form."""

import dataclasses

import numpy as np

from keras_mirasol.preprocessing.absent import NO_AUDIO
from keras_mirasol.preprocessing.absent import NO_VIDEO

KEYS = ("videos", "audio", "prompts", "responses")
_BOTH_OR_NEITHER = (
    '`"videos"` and `"audio"` must both be one clip or both be a batch. For '
    "one clip give videos of shape (frames, height, width, 3) and mono audio "
    "of shape (samples,)."
)
_SHAPES = {
    "videos": (
        '`"videos"` must have shape (frames, height, width, 3), or (batch, '
        "frames, height, width, 3). Received: shape {}."
    ),
    "audio": (
        '`"audio"` must be mono, of shape (samples,) or (batch, samples). '
        "Received: shape {}. Average the channels first."
    ),
}


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
    _check_keys(x, needs_responses)
    videos, audio = (
        _signals(x.get(key), key, *checks) for key, checks in _CHECKS.items()
    )
    kinds = {s.is_single for s in (videos, audio) if s is not None}
    if len(kinds) > 1:
        raise ValueError(_BOTH_OR_NEITHER)
    prompts, responses = (
        to_python(x["prompts"]),
        to_python(x.get("responses")),
    )
    one_text = isinstance(prompts, (str, bytes))
    is_single = kinds.pop() if kinds else one_text
    if one_text and not is_single:
        _refuse_batch_of_clips(x)
    prompts = _texts(prompts, "prompts", is_single)
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
            f"{counts}. Give one prompt, or one list of prompts, per clip."
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


def check_symbolic_inputs(x):
    """Checks raw clips and texts in a graph, as far as is known there.

    Args:
        x: dict of dense or ragged tensors of a `tf.data` pipeline.

    Returns:
        A bool, whether `x` is one clip, not a batch.

    Raises:
        ValueError: as `standardize_inputs`.
    """
    _check_keys(x, needs_responses=True)
    kinds = set()
    for key, rank, check in (
        ("videos", 4, _check_video_type),
        ("audio", 1, _check_audio_type),
    ):
        signal = x.get(key)
        if signal is None:
            continue
        check(signal.dtype.as_numpy_dtype)
        if signal.shape.rank not in (None, rank, rank + 1):
            raise ValueError(_SHAPES[key].format(signal.shape))
        kinds.add(signal.shape.rank == rank)
    if len(kinds) > 1:
        raise ValueError(_BOTH_OR_NEITHER)
    return kinds.pop() if kinds else x["prompts"].shape.rank == 0


def dicts_of(inputs, expected):
    """The dicts of an iterable, one by one.

    Args:
        inputs: what was given in place of a dict.
        expected: str. What each dict must have.

    Returns:
        An iterator of dicts.

    Raises:
        ValueError: if `inputs` or one of its items is something else.
    """
    is_text = isinstance(inputs, (str, bytes))
    if is_text or not hasattr(inputs, "__iter__"):
        raise ValueError(
            f"Expected a {expected}, or an iterable of such dicts. Received: "
            f"{type(inputs).__name__}"
        )
    for item in inputs:
        if not isinstance(item, dict):
            raise ValueError(
                f"Expected a {expected}, or an iterable of such dicts. "
                f"Received: {type(inputs).__name__} of {type(item).__name__}"
            )
        yield item


def is_one_clip(x):
    """Whether a dict of raw clips is one clip, not a batch of them."""
    for key, (_, absent) in _CHECKS.items():
        if x.get(key) is not None:
            return not _is_batch(x[key], absent)
    return isinstance(to_python(x["prompts"]), (str, bytes))


def check_clips_are_there(x, batch, samples_per_snippet):
    """Refuses to look at a clip that holds next to nothing.

    Args:
        x: dict of raw clips.
        batch: the `ClipBatch` that was made of it.
        samples_per_snippet: int.

    Raises:
        ValueError: if neither `"videos"` nor `"audio"` is given, or a clip
            without video has audio of less than half a snippet. `None` given
            for both, of a clip or of all, says that this is meant.
    """
    if not set(_CHECKS) & set(x):
        raise ValueError(
            'There is no clip: give `"videos"` and/or `"audio"`. Received the '
            f"keys: {sorted(x)}. To ask without a clip, give `None` for both."
        )
    for index, (video, audio) in enumerate(
        zip(batch.videos, batch.audio, strict=True)
    ):
        given = [_item(x.get(key), index, batch.is_single) for key in _CHECKS]
        if all(item is None for item in given) or len(video):
            continue
        if 2 * len(audio) < samples_per_snippet:
            raise ValueError(
                f"Clip {index} has no frame of video, and {len(audio)} "
                "samples of audio, which is less than half a snippet of "
                f"{samples_per_snippet}. Give a longer clip, or `None` if it "
                "is to have none."
            )


def _item(signals, index, is_single):
    return signals if signals is None or is_single else signals[index]


def _check_keys(x, needs_responses):
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
                f'`"{key}"` is missing. Expected a string per clip, or a list '
                "of strings per clip."
            )


def _refuse_batch_of_clips(x):
    key = "audio" if x.get("audio") is not None else "videos"
    received = x[key]
    received = (
        f"of shape {tuple(received.shape)}"
        if hasattr(received, "shape")
        else f"a list of {len(received)}"
    )
    raise ValueError(
        f'`"{key}"` is a batch of clips, but `"prompts"` is one string. '
        f'Received: `"{key}"` {received}. For one clip give videos of shape '
        "(frames, height, width, 3) and mono audio of shape (samples,), the "
        "mean of its channels. For a batch give a list with a string per clip."
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
        value = [np.asarray(to_dense(row)) for row in value]
    if not _is_batch(value, absent):
        return _Signals([check(np.asarray(value))], True)
    if isinstance(value, (list, tuple)):
        items = [absent if item is None else np.asarray(item) for item in value]
        if items and items[0].ndim == 0:
            raise ValueError(
                f'`"{key}"` must be an array, or a list of arrays. Received a '
                f"list of {type(value[0]).__name__}; use `np.array(...)`."
            )
        return _Signals([check(item) for item in items], False)
    return _Signals([check(item) for item in np.asarray(value)], False)


def _is_batch(value, absent):
    """Whether signals are a batch, where `absent` is one that is not there."""
    is_list = isinstance(value, (list, tuple)) or hasattr(value, "to_list")
    return is_list or np.ndim(value) == absent.ndim + 1


def to_dense(row):
    """A signal as one tensor, be it a row of a ragged batch."""
    return row.to_tensor() if hasattr(row, "to_tensor") else row


def _check_video(video):
    if video.ndim != 4 or video.shape[-1] != 3:
        raise ValueError(_SHAPES["videos"].format(video.shape))
    _check_video_type(video.dtype)
    return video if len(video) else NO_VIDEO


def _check_video_type(dtype):
    if dtype != np.uint8:
        raise ValueError(
            '`"videos"` must be uint8 with values from 0 to 255. Received: '
            f'{np.dtype(dtype)}. Scale to 0..255 and use `.astype("uint8")`.'
        )


def _check_audio(audio):
    if audio.ndim != 1:
        raise ValueError(_SHAPES["audio"].format(audio.shape))
    _check_audio_type(audio.dtype)
    return audio.astype("float32")


def _check_audio_type(dtype):
    if not np.issubdtype(dtype, np.floating):
        raise ValueError(
            '`"audio"` must be floating point with values from -1 to 1. '
            f"Received: {np.dtype(dtype)}. Divide 16-bit integers by 32768.0."
        )


# How each signal is checked, and what stands for one that is absent.
_CHECKS = {
    "videos": (_check_video, NO_VIDEO),
    "audio": (_check_audio, NO_AUDIO),
}


def to_python(texts):
    """Texts of an array or a tensor as a string or (nested) lists of them."""
    if hasattr(texts, "numpy"):
        texts = texts.numpy()
    return texts.tolist() if isinstance(texts, np.ndarray) else texts


def _texts(value, key, is_single):
    """Strings of shape `(batch,)` or `(batch, texts_per_clip)`."""
    if is_single:
        value = [value]
    rows = list(value) if isinstance(value, (list, tuple)) else []
    rows = [to_python(row) for row in rows]
    rows = [list(row) if isinstance(row, tuple) else row for row in rows]
    widths = {len(row) if isinstance(row, list) else None for row in rows}
    flat = [
        text
        for row in rows
        for text in (row if isinstance(row, list) else [row])
    ]
    if (
        not rows
        or len(widths) > 1
        or 0 in widths
        or any(not isinstance(text, (str, bytes)) for text in flat)
    ):
        raise ValueError(
            f'`"{key}"` must be a string per clip, or an equally long list of '
            f"strings per clip. Received: {value[0] if is_single else value!r}"
        )
    return np.array(rows, dtype=object)


def signals_of(value, key):
    """Checked arrays of one clip, or of each clip of a batch.

    Args:
        value: array, ragged tensor or list, as for `standardize_inputs`.
        key: `"videos"` or `"audio"`.

    Returns:
        A list of arrays.

    Raises:
        ValueError: if they are not as described.
    """
    return _signals(value, key, *_CHECKS[key]).items


def clip_signals(x):
    """Videos and audio of raw clips, texts aside.

    Args:
        x: dict with `"videos"` and/or `"audio"`, of a clip or of a batch.

    Returns:
        A list of pairs `(videos, audio)`, one for each clip, without frames
        or samples where it has none.

    Raises:
        ValueError: if there is neither, or they are not as described.
    """
    if not isinstance(x, dict):
        raise ValueError(
            'Expected raw clips, dicts with `"videos"` and/or `"audio"`, as '
            "`clip_dataset(manifest)` makes them without a preprocessor. "
            f"Received: {type(x).__name__}"
        )
    x = {key: x[key] for key in _CHECKS if x.get(key) is not None}
    count = count_clips(x)
    batch = standardize_inputs(
        {**x, "prompts": "" if count is None else [""] * count}
    )
    return list(zip(batch.videos, batch.audio, strict=True))


def count_clips(x):
    """How many clips a dict of raw clips without texts has.

    Args:
        x: dict with `"videos"` and/or `"audio"`.

    Returns:
        An int for a batch, `None` for a single clip.

    Raises:
        ValueError: if there is neither, or they are not as described.
    """
    for key, checks in _CHECKS.items():
        signals = _signals(x.get(key), key, *checks)
        if signals is not None:
            return None if signals.is_single else len(signals.items)
    raise ValueError(
        'Expected a dict with `"videos"` and/or `"audio"`. Received the keys: '
        f"{sorted(x)}"
    )
