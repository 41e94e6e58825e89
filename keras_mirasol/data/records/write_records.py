"""Writes the clips of a manifest as sharded TFRecords."""

import itertools
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from keras_mirasol.data.clip_batches import check_counts
from keras_mirasol.data.records.conversion import Conversion
from keras_mirasol.data.records.conversion import RecordsSummary
from keras_mirasol.data.records.conversion import size

# How many clips may be ready before they are written.
_AHEAD = 16

# How many clips a dry run tries.
_TRIED = 16


def write_records(
    manifest,
    folder,
    preprocessor=None,
    *,
    image_format="jpeg",
    quality=95,
    clips_per_shard=128,
    label_key=None,
    on_error="raise",
    num_parallel=None,
    dry_run=False,
    verbose=True,
    **settings,
):
    """Decodes the clips of a manifest once and writes them as TFRecords.

    `records_dataset` reads them several times as fast as `clip_dataset` reads
    the media. A clip is a `tf.train.SequenceExample` in the keys of
    MediaSequence, which DMVR, Scenic and MediaPipe read too:

    | key | value |
    |---|---|
    | `image/encoded`, `image/timestamp` | pictures and their times, in µs |
    | `WAVEFORM/feature/floats` | all samples, as one feature |
    | `clip/media_id`, `clip/data_path` | `"id"` and media of the line |
    | `clip/start/timestamp`, `clip/end/timestamp` | the span, in µs |
    | `caption/string`, `prompt/string` | responses and prompts, by line |
    | `clip/label/index`, `clip/label/text` | the clip's labels |
    | `clip/line/json` | the lines with all of their keys |

    Clips are written in the order of the manifest, `clips_per_shard` to a
    file. A shard gets its name when it is complete, and its checksum beside
    it. A run that was interrupted is started again by the same call: it keeps
    what is intact, and each clip is there once. So a shard that was damaged
    is written anew, and one whose media or lines have changed.

    Args:
        manifest: str or path of a manifest, or a list of its lines.
        folder: str or path of a folder to write to, also of a file system
            that TensorFlow knows, such as `"gs://bucket/records"`.
        preprocessor: has the `clip_settings` by which clips are loaded, such
            as a `MirasolCausalLMPreprocessor`: rates and image size. Defaults
            to `None`: those of `load_clip`.
        image_format: `"jpeg"`, or `"png"`, which loses nothing. Defaults to
            `"jpeg"`.
        quality: int, 1 to 100. That of JPEG. Defaults to `95`.
        clips_per_shard: int. Clips in a file. Defaults to `128`.
        label_key: str. A further key of all lines that holds a label of the
            clip, to be written as such, once where several lines share it.
            Defaults to `None`: no labels.
        on_error: `"raise"` or `"skip"`: what to do with a clip that cannot be
            loaded. `"skip"` leaves it out and names it in what is returned.
            Defaults to `"raise"`.
        num_parallel: int. Clips to decode at a time. Defaults to `None`, the
            number of cores.
        dry_run: bool. Whether to try a few clips only, and print how large
            the records would be. Defaults to `False`.
        verbose: bool. Whether to show a progress bar. Defaults to `True`.
        **settings: `frame_rate`, `sampling_rate`, `image_size` and
            `crop_to_aspect_ratio` of `load_clip`, in place of those of the
            preprocessor. A larger `image_size` leaves pixels for `augment`.

    Returns:
        A `RecordsSummary`; that of what was tried if `dry_run`.

    Raises:
        ValueError: if an argument is not one of those above, the manifest is
            not valid, a clip cannot be loaded and `on_error="raise"`, or the
            folder holds records of other settings.

    Example:

    ```python
    preprocessor = task.preprocessor
    keras_mirasol.data.write_records("train.jsonl", "records", preprocessor)
    train = keras_mirasol.data.records_dataset(
        "records", preprocessor, batch_size=16, shuffle=True
    )
    task.fit(train)
    ```
    """
    check_counts(num_parallel=1 if num_parallel is None else num_parallel)
    conversion = Conversion(
        manifest,
        folder,
        preprocessor,
        settings,
        image_format=image_format,
        quality=quality,
        clips_per_shard=clips_per_shard,
        label_key=label_key,
        on_error=on_error,
    )
    pool = ThreadPoolExecutor(num_parallel or os.cpu_count())
    try:
        if dry_run:
            return _try(conversion, pool)
        conversion.begin()
        todo = {
            shard: conversion.clips_in(shard) for shard in conversion.todo()
        }
        clips_done = _progress(sum(map(len, todo.values())), verbose)
        for shard, clips in todo.items():
            conversion.writer.write(
                shard,
                clips,
                lambda record, indices: map(
                    clips_done, _in_order(pool, record, indices)
                ),
            )
    finally:
        pool.shutdown(cancel_futures=True)
    return conversion.finish()


def _in_order(pool, function, items):
    """Like `pool.map()`, but only a few results ahead of what is taken."""
    ahead = deque()
    for item in items:
        ahead.append(pool.submit(function, item))
        if len(ahead) > _AHEAD:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def _progress(num_clips, verbose):
    """Shows one clip more each time that something passes through."""
    bar = keras.utils.Progbar(
        num_clips,
        verbose=int(verbose),
        stateful_metrics=["clips/s"],
        unit_name="clip",
    )
    begun, count = time.monotonic(), itertools.count(1)

    def passing(record):
        done = next(count)
        rate = done / max(time.monotonic() - begun, 1e-9)
        bar.update(done, [("clips/s", rate)])
        return record

    return passing


def _try(conversion, pool):
    """Writes nothing; prints how large the records would be."""
    num_clips = len(conversion.clips)
    tried = sorted({round(i) for i in np.linspace(0, num_clips - 1, _TRIED)})
    load = conversion.writer.loader(dict(enumerate(conversion.clips)))
    begun = time.monotonic()
    records = [
        record
        for record in _in_order(
            pool, lambda index: conversion.writer.record(index, load), tried
        )
        if record is not None
    ]
    seconds = (time.monotonic() - begun) / len(tried) * num_clips
    each = sum(map(len, records)) / max(len(records), 1)
    summary = RecordsSummary(
        folder=conversion.files.folder,
        num_clips=round(num_clips * len(records) / len(tried)),
        num_shards=conversion.files.num_shards,
        num_bytes=round(num_clips * len(records) / len(tried) * each),
        report=load.report(),
    )
    print(
        f"By {len(tried)} of {num_clips} clips, {size(each)} each, there will "
        f"be, after {seconds / 60:.1f} minutes, {summary}"
    )
    return summary
