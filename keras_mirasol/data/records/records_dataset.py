"""Records to batches of clips and the questions about them."""

import os

import numpy as np
import tensorflow as tf

from keras_mirasol.data.augmentation.clip_augmentation import as_augmentation
from keras_mirasol.data.clip_batches import clip_batches
from keras_mirasol.data.clip_loader import rates_of
from keras_mirasol.data.clip_loader import settings_of
from keras_mirasol.data.records.conversion import INDEX
from keras_mirasol.data.records.conversion import summary_of
from keras_mirasol.data.records.sequence_example import from_record
from keras_mirasol.data.records.shard_files import ShardFiles
from keras_mirasol.data.records.shard_files import read_json
from keras_mirasol.data.shard import part_of

# Where clips are shuffled: how many shards are read at a time, and how many
# clips, still compressed, are drawn from.
_OPEN_SHARDS = 8
_SHUFFLED_CLIPS = 256


def records_dataset(
    folder,
    preprocessor=None,
    *,
    batch_size,
    texts_per_clip=1,
    shuffle=False,
    seed=None,
    repeat=False,
    cache=False,
    augment=None,
    modality_dropout=None,
    num_parallel=None,
    drop_remainder=False,
    shard=None,
    num_snippets=None,
    clip_index=False,
):
    """Makes a `tf.data.Dataset` of the records that `write_records` wrote.

    The same as `clip_dataset` makes of the manifest, but for what JPEG loses
    and for the order of shuffled clips. It reads several shards at a time and
    draws from 256 clips of these; with small shards that is as good as
    shuffling all of them. It is a graph of TensorFlow's own operations,
    without Python: it can be sent to other machines or saved.

    Args:
        folder: str or path. What `write_records` wrote to.
        preprocessor: as for `clip_dataset`. Its rates must be those of the
            records.
        batch_size: int. Elements a batch.
        texts_per_clip: int. Defaults to `1`.
        shuffle: bool. Defaults to `False`: the manifest's order.
        seed: int. Defaults to `None`.
        repeat: bool. Defaults to `False`.
        cache: bool or str. Defaults to `False`.
        augment: `True` or a `ClipAugmentation`. Defaults to `None`. What it
            enlarges is as sharp as the records' `image_size` allows.
        modality_dropout: float or dict. Defaults to `None`.
        num_parallel: int. Clips to decode at a time. Defaults to `None`, the
            number of cores.
        drop_remainder: bool. Defaults to `False`.
        shard: pair of ints, `(index, count)`. Only the shards that hold clips
            of this part are read. Defaults to `None`: all clips.
        num_snippets: int. Defaults to `None`, what the clips need.
        clip_index: bool. Defaults to `False`.

        See `clip_dataset` for more about them.

    Returns:
        A `tf.data.Dataset` as of `clip_dataset`, with a `report()` of the
        clips that `write_records` left out.

    Raises:
        ValueError: if the folder holds no records or not all of them, they
            have other rates than the preprocessor, or an argument is not one
            of those above.

    Example:

    ```python
    test = keras_mirasol.data.records_dataset(
        "records", task.preprocessor, batch_size=16
    )
    task.evaluate(test)
    ```
    """
    return clip_batches(
        RecordClips(folder, settings_of(preprocessor), shard),
        preprocessor,
        batch_size=batch_size,
        texts_per_clip=texts_per_clip,
        shuffle=shuffle,
        seed=seed,
        repeat=repeat,
        cache=cache,
        augmentation=as_augmentation(augment, preprocessor),
        modality_dropout=modality_dropout,
        num_parallel=num_parallel,
        drop_remainder=drop_remainder,
        num_snippets=num_snippets,
        clip_index=clip_index,
    )


class RecordClips:
    """Clips that are read from records, as `clip_batches` takes them.

    Args:
        folder: str or path.
        settings: dict of arguments of `load_clip` that the clips should have.
        shard: pair of ints, index and count, or None.

    Attributes: see `FileClips`.
    """

    may_drop = False

    def __init__(self, folder, settings, shard):
        index = read_json(os.path.join(os.fspath(folder), INDEX))
        if index is None:
            raise ValueError(
                f"Expected records in '{folder}', but it has no '{INDEX}'. "
                "Write them with `keras_mirasol.data.write_records`."
            )
        _check_settings(folder, index["settings"], settings)
        self._files = ShardFiles(folder, index["shards"])
        described = self._files.describe_all()
        summary = summary_of(self._files, described, index["clips"])
        self._report = summary.report
        written = index["settings"]
        self._frame_size = tuple(written["image_size"] or (None, None))
        self.rates = rates_of(written)
        self._checksums = [found["sha256"] for found in described]
        lengths = [len(found["texts"]) for found in described]
        texts = np.concatenate([found["texts"] for found in described])
        first, last = part_of(len(texts), shard)
        self._part = [first, last]
        self.num_clips = last - first
        self.texts_per_clip = texts[first:last].astype(int)
        # Of each shard the clips from one on, and how many.
        begin = np.cumsum([0, *lengths])[:-1]
        skipped = np.clip(first - begin, 0, lengths)
        taken = np.clip(last - begin, 0, lengths) - skipped
        self._spans = [
            (self._files.path(number), skip, take)
            for number, (skip, take) in enumerate(
                zip(skipped, taken, strict=True)
            )
            if take
        ]

    def dataset(self, shuffle, seed, num_parallel):
        """A `tf.data.Dataset` of a pass; see `FileClips`."""
        paths, skipped, taken = map(np.array, zip(*self._spans, strict=True))
        dataset = tf.data.Dataset.from_tensor_slices((paths, skipped, taken))
        if shuffle:
            dataset = dataset.shuffle(len(paths), seed)
        dataset = dataset.interleave(
            lambda path, skip, take: (
                tf.data.TFRecordDataset(path).skip(skip).take(take)
            ),
            cycle_length=_OPEN_SHARDS if shuffle else 1,
        )
        if shuffle:
            dataset = dataset.shuffle(_SHUFFLED_CLIPS, seed)
        return dataset.map(
            lambda record: from_record(record, self._frame_size),
            num_parallel_calls=num_parallel,
            deterministic=True,
        )

    def with_texts(self, item):
        """The texts are in the records."""
        return item

    def identity(self):
        """What determines the clips, to be written as JSON."""
        return [self._checksums, self._part]

    def name_of(self, index):
        """What a clip is called: by its place in the manifest, from 0 on."""
        return f"clip {index} of the manifest"

    def report(self):
        """The `ClipReport` of what was left out of the records."""
        return self._report


def _check_settings(folder, written, wanted):
    for name in ("frame_rate", "sampling_rate", "crop_to_aspect_ratio"):
        # Frames in their own size are cropped by whoever resizes them.
        if name == "crop_to_aspect_ratio" and written["image_size"] is None:
            continue
        if name in wanted and wanted[name] != written[name]:
            raise ValueError(
                f"The records in '{folder}' have {name}={written[name]}, but "
                f"the preprocessor wants {name}={wanted[name]}. Write them "
                "anew with this preprocessor, in another folder."
            )
