"""Loads the clips of a manifest by their index, and keeps count of bad ones."""

import dataclasses
import os
import threading
import warnings

from keras_mirasol.data.group_lines import group_lines
from keras_mirasol.data.manifest import MEDIA_KEYS
from keras_mirasol.data.manifest import lines_of
from keras_mirasol.data.media.load_clip import load_clip
from keras_mirasol.data.shard import part_of


@dataclasses.dataclass
class Clip:
    """A span of media, and the manifest's lines about it by their numbers."""

    lines: dict

    @property
    def source(self):
        """One of the lines: they all name the same media and span."""
        return next(iter(self.lines.values()))

    @property
    def paths(self):
        return [self.source[key] for key in MEDIA_KEYS if key in self.source]


@dataclasses.dataclass(frozen=True)
class DroppedClip:
    """A clip that was left out.

    Args:
        media: tuple of str. The paths of its media.
        lines: tuple of int. The numbers of the manifest's lines about it.
        reason: str. Why it could not be loaded.

    Example:
    ```python
    for clip in dataset.report().dropped:
        print(clip.media, clip.lines, clip.reason)
    ```
    """

    media: tuple
    lines: tuple
    reason: str


@dataclasses.dataclass(frozen=True)
class ClipReport:
    """Which clips of a manifest were left out, so far.

    Args:
        num_clips: int. How many clips there are in all.
        dropped: tuple of `DroppedClip`, in the order of the manifest.

    Example:
    ```python
    dataset = keras_mirasol.data.clip_dataset(
        "train.jsonl", task.preprocessor, batch_size=16, on_error="skip"
    )
    task.fit(dataset)
    print(dataset.report())
    # 1 of 2000 clips was left out, with 3 lines:
    # 'dog.mp4' (lines 5, 6, 9): Cannot load media file ...
    ```
    """

    num_clips: int
    dropped: tuple

    def __str__(self):
        count = len(self.dropped)
        lines = sum(len(clip.lines) for clip in self.dropped)
        words = (
            f"{count} of {self.num_clips} clips "
            f"{'was' if count == 1 else 'were'} left out"
        )
        if not count:
            return f"{words}."
        return "\n".join(
            [
                f"{words}, with {lines} line{'s'[: lines != 1]}:",
                *(
                    f"{named(clip.media, clip.lines)}: {clip.reason}"
                    for clip in self.dropped
                ),
            ]
        )


class ClipLoader:
    """Loads clips by their index.

    Args:
        clips: list of `Clip`s, or dict of them by their index.
        settings: dict. Further arguments of `load_clip`.
        skip: bool. Whether to leave out clips that cannot be loaded, with a
            warning for each file.
    """

    def __init__(self, clips, settings, *, skip):
        self.clips = clips
        self.settings = settings
        self._skip = skip
        self._reasons = {}
        self._lock, self._warned_of = threading.Lock(), set()

    def __reduce__(self):
        # Each worker process keeps count of its own.
        return _loader, (self.clips, self.settings, self._skip)

    def __call__(self, index):
        """Loads a clip.

        Args:
            index: int. Which one.

        Returns:
            A dict as of `load_clip`; `None` if the clip is left out.

        Raises:
            ValueError: if it cannot be loaded and is not to be left out.
        """
        if index in self._reasons:
            return None
        try:
            return load_clip(self.clips[index].source, **self.settings)
        except ValueError as error:
            if not self._skip:
                raise
            self._drop(index, error)
            return None

    def check_some_are_left(self):
        """Raises a `ValueError` if no clip at all can be loaded."""
        if len(self._reasons) == len(self.clips):
            reason = list(self._reasons.values())[-1]
            raise ValueError(
                f"No clip of the manifest can be loaded. The last: {reason}"
            )

    def report(self):
        """The `ClipReport` of what was left out so far."""
        dropped = [
            DroppedClip(
                tuple(self.clips[index].paths),
                tuple(self.clips[index].lines),
                self._reasons[index],
            )
            for index in sorted(self._reasons)
        ]
        return ClipReport(len(self.clips), tuple(dropped))

    def _drop(self, index, reason):
        paths = tuple(self.clips[index].paths)
        # Clips are loaded by several threads.
        with self._lock:
            self._reasons[index] = str(reason)
            is_known = paths in self._warned_of
            self._warned_of.add(paths)
        if not is_known:
            warnings.warn(f"Left out of the dataset: {reason}", stacklevel=2)


def clips_of(manifest, on_error, shard=None):
    """The clips of a manifest.

    Args:
        manifest: path of a manifest, or a list of its lines.
        on_error: `"raise"`, media must be there, or `"skip"`.
        shard: pair of ints, index and count, or None. The part to take.

    Returns:
        A list of `Clip`s, in the order of the manifest.

    Raises:
        ValueError: if `on_error` is neither, or media of any clip does not
            exist though it must.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(
            f'`on_error` must be "raise" or "skip". Received: {on_error!r}'
        )
    clips = [
        Clip(group) for group in group_lines(lines_of(manifest, "manifest"))
    ]
    first, last = part_of(len(clips), shard)
    clips = clips[first:last]
    if on_error == "raise":
        _check_media(clips)
    return clips


def _check_media(clips):
    numbers = {}
    for clip in clips:
        for path in clip.paths:
            numbers.setdefault(path, []).extend(clip.lines)
    missing = [
        named([path], lines)
        for path, lines in numbers.items()
        if not os.path.isfile(path)
    ]
    if missing:
        shown = "; ".join(missing[:10])
        more = f"; and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise ValueError(
            f"The manifest names media that does not exist: {shown}{more}. "
            "Paths are relative to the manifest's folder. Add the files, mend "
            'the lines, or leave them out with `on_error="skip"`.'
        )


def _loader(clips, settings, skip):
    return ClipLoader(clips, settings, skip=skip)


def settings_of(preprocessor):
    """How a preprocessor's clips are loaded: arguments of `load_clip`.

    Args:
        preprocessor: has `clip_settings`, or else `frame_rate` and
            `sampling_rate`; or None, for raw clips.

    Returns:
        A dict.
    """
    if preprocessor is None:
        return {}
    settings = getattr(preprocessor, "clip_settings", None)
    if settings is None:
        settings = {
            "frame_rate": preprocessor.frame_rate,
            "sampling_rate": preprocessor.sampling_rate,
        }
    return settings


def rates_of(settings):
    """The rates among arguments of `load_clip`, as far as they are given."""
    names = ("frame_rate", "sampling_rate")
    return {name: settings[name] for name in names if name in settings}


def named(paths, lines):
    """Media and the lines about it, for messages."""
    paths = "' and '".join(paths)
    return (
        f"'{paths}' (line{'s'[: len(lines) > 1]} {', '.join(map(str, lines))})"
    )
