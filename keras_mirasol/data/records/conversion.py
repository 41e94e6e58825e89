"""The conversion of a manifest to records, shard by shard."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import tensorflow as tf

from keras_mirasol.data.clip_batches import check_counts
from keras_mirasol.data.clip_loader import ClipLoader
from keras_mirasol.data.clip_loader import ClipReport
from keras_mirasol.data.clip_loader import DroppedClip
from keras_mirasol.data.clip_loader import clips_of
from keras_mirasol.data.clip_loader import rates_of
from keras_mirasol.data.clip_loader import settings_of
from keras_mirasol.data.file_clips import version
from keras_mirasol.data.manifest import with_relative_media
from keras_mirasol.data.media.clip_streams import check_rates
from keras_mirasol.data.media.clip_streams import height_and_width
from keras_mirasol.data.records.picture_encoder import PictureEncoder
from keras_mirasol.data.records.sequence_example import to_record
from keras_mirasol.data.records.shard_files import ShardFiles
from keras_mirasol.data.records.shard_files import read_json
from keras_mirasol.data.records.shard_files import write_json

INDEX = "records.json"

# How clips are loaded, where nothing else is said: as by `load_clip`.
_SETTINGS = {
    "frame_rate": 8.0,
    "sampling_rate": 16000,
    "image_size": None,
    "crop_to_aspect_ratio": False,
}


@dataclasses.dataclass(frozen=True)
class RecordsSummary:
    """What a folder of records holds.

    Args:
        folder: str.
        num_clips: int. Clips written.
        num_shards: int.
        num_bytes: int. The size of all shards.
        report: `ClipReport` of the clips that were left out.

    Example:
    ```python
    summary = keras_mirasol.data.write_records("train.jsonl", "records")
    print(summary)
    # 2000 clips in 16 shards, 1.31 GB, in 'records'. 0 of 2000 clips ...
    ```
    """

    folder: str
    num_clips: int
    num_shards: int
    num_bytes: int
    report: ClipReport

    def __str__(self):
        return (
            f"{self.num_clips} clips in {self.num_shards} "
            f"shard{'s'[: self.num_shards != 1]}, {size(self.num_bytes)}, in "
            f"'{self.folder}'. {self.report}"
        )


def size(num_bytes):
    """A number of bytes, to be read."""
    if num_bytes < 1e9:
        return f"{num_bytes / 1e6:.2f} MB"
    return f"{num_bytes / 1e9:.2f} GB"


class Conversion:
    """Which clips go into which shard of a folder, and how.

    Args:
        manifest, folder, preprocessor, settings, clips_per_shard,
            image_format, quality, label_key, on_error: as for
            `write_records`, which says what is raised.

    Attributes:
        clips: list of `Clip`s, all of the manifest.
        files: `ShardFiles`.
        writer: `ShardWriter`.
    """

    def __init__(
        self,
        manifest,
        folder,
        preprocessor,
        settings,
        *,
        clips_per_shard,
        image_format,
        quality,
        label_key,
        on_error,
    ):
        check_counts(clips_per_shard=clips_per_shard)
        self.clips = clips_of(manifest, on_error)
        self._clips_per_shard = clips_per_shard
        num_shards = -(-len(self.clips) // clips_per_shard)
        self.files = ShardFiles(folder, num_shards)
        labels = _labels(self.clips, label_key)
        self.writer = ShardWriter(
            files=self.files,
            settings=_settings(settings_of(preprocessor), settings),
            encode=PictureEncoder(image_format, quality),
            root=_root(manifest),
            skip=on_error == "skip",
            label_key=label_key,
            labels=labels,
        )

    def begin(self):
        """Writes the folder's index, or finds that of a run before.

        Raises:
            ValueError: if the folder holds records of something else.
        """
        path = os.path.join(self.files.folder, INDEX)
        index, found = self.index(), read_json(path)
        if found is None:
            tf.io.gfile.makedirs(self.files.folder)
            write_json(path, index)
        elif found != index:
            other = [key for key in index if found.get(key) != index[key]]
            raise ValueError(
                f"The folder '{self.files.folder}' holds records of another "
                f"conversion: {', '.join(map(repr, other))} in its "
                f"'{INDEX}' is not the same. Choose another folder, or remove "
                "this one."
            )

    def index(self):
        """What is said of all shards, ready for JSON."""
        # As JSON gives it back: with lists for tuples.
        return json.loads(
            json.dumps(
                {
                    "clips": len(self.clips),
                    "clips_per_shard": self._clips_per_shard,
                    "shards": self.files.num_shards,
                    "settings": self.writer.settings,
                    "pictures": dataclasses.asdict(self.writer.encode),
                    "labels": self.writer.labels,
                }
            )
        )

    def todo(self):
        """The shards that are missing, damaged, or of other clips."""
        return [
            shard
            for shard in range(self.files.num_shards)
            if not self.files.is_intact(
                shard, clips=self.writer.fingerprint(self.clips_in(shard))
            )
        ]

    def clips_in(self, shard):
        """The clips of a shard by their index."""
        first = shard * self._clips_per_shard
        clips = self.clips[first : first + self._clips_per_shard]
        return dict(enumerate(clips, first))

    def finish(self):
        """Cleans up, and sums up what the folder holds.

        Raises:
            ValueError: if all clips were left out.
        """
        self.files.remove_partial()
        described = self.files.describe_all()
        summary = summary_of(self.files, described, len(self.clips))
        if not summary.num_clips:
            raise ValueError(f"Nothing was written. {summary.report}")
        return summary


@dataclasses.dataclass(frozen=True)
class ShardWriter:
    """Writes shards: all that a worker needs to know beside its clips.

    Args:
        files: `ShardFiles`.
        settings: dict of arguments of `load_clip`, with both rates.
        encode: `PictureEncoder`.
        root: str. Paths of media are written relative to it; `None` leaves
            them as they are.
        skip: bool. Whether to leave out clips that cannot be loaded.
        label_key: str or None. The key of lines that holds their label.
        labels: list of str. All labels.
    """

    files: ShardFiles
    settings: dict
    encode: PictureEncoder
    root: str | None
    skip: bool
    label_key: str | None
    labels: list

    def write(self, shard, clips, in_order=map):
        """Writes a shard.

        Args:
            shard: int.
            clips: dict of `Clip`s by their index.
            in_order: like `map`, but may work ahead. Defaults to `map`.
        """
        load = self.loader(clips)
        texts = []

        def records():
            written = in_order(lambda index: self.record(index, load), clips)
            for clip, record in zip(clips.values(), written, strict=True):
                if record is not None:
                    texts.append(len(clip.lines))
                    yield record

        def describe():
            dropped = map(dataclasses.asdict, load.report().dropped)
            return {
                "clips": self.fingerprint(clips),
                "texts": texts,
                "dropped": list(dropped),
            }

        self.files.write(shard, records(), describe)

    def loader(self, clips):
        """The `ClipLoader` of clips by their index."""
        return ClipLoader(clips, self.settings, skip=self.skip)

    def record(self, index, load):
        """The record of a clip, as bytes; `None` if it is left out."""
        clip = load(index)
        if clip is None:
            return None
        lines = load.clips[index].lines.values()
        labels = None
        if self.label_key is not None:
            texts = dict.fromkeys(line[self.label_key] for line in lines)
            labels = [(self.labels.index(text), text) for text in texts]
        return to_record(
            clip,
            [self._as_in_manifest(line) for line in lines],
            index=index,
            rates=rates_of(self.settings),
            encode=self.encode,
            labels=labels,
        )

    def fingerprint(self, clips):
        """A short name for clips: their lines and the versions of media."""
        clips = [
            (
                {
                    number: self._as_in_manifest(line)
                    for number, line in clip.lines.items()
                },
                [version(path) for path in clip.paths],
            )
            for clip in clips.values()
        ]
        clips = json.dumps(clips, sort_keys=True, default=str)
        return hashlib.sha256(clips.encode()).hexdigest()[:16]

    def _as_in_manifest(self, line):
        if self.root is None:
            return line
        return with_relative_media(line, self.root)


def _settings(of_preprocessor, given):
    """Arguments of `load_clip`, with both rates."""
    settings = {**_SETTINGS, **of_preprocessor, **given}
    if unknown := set(settings) - set(_SETTINGS):
        raise ValueError(
            f"Expected settings of {sorted(_SETTINGS)}. Received: "
            f"{sorted(unknown)}"
        )
    check_rates(settings["frame_rate"], settings["sampling_rate"])
    size = height_and_width(settings["image_size"])
    return {**settings, "image_size": size}


def _labels(clips, label_key):
    """All labels, sorted."""
    if label_key is None:
        return []
    labels = set()
    for clip in clips:
        for number, line in clip.lines.items():
            if not isinstance(line.get(label_key), str):
                raise ValueError(
                    f"`label_key` is {label_key!r}, but line {number} has no "
                    f"such string. Its keys are: {sorted(line)}"
                )
            labels.add(line[label_key])
    return sorted(labels)


def _root(manifest):
    """The folder of a manifest, or `None` for a list of lines."""
    if isinstance(manifest, (str, os.PathLike)):
        return str(Path(manifest).parent.absolute())
    return None


def summary_of(files, described, num_clips):
    """The `RecordsSummary` of finished shards.

    Args:
        files: `ShardFiles`.
        described: list. What the description of each shard says.
        num_clips: int. How many clips the manifest has.
    """
    dropped = [
        DroppedClip(tuple(clip["media"]), tuple(clip["lines"]), clip["reason"])
        for found in described
        for clip in found["dropped"]
    ]
    return RecordsSummary(
        folder=files.folder,
        num_clips=sum(len(found["texts"]) for found in described),
        num_shards=files.num_shards,
        num_bytes=sum(found["bytes"] for found in described),
        report=ClipReport(num_clips, tuple(dropped)),
    )
