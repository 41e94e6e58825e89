"""Manifests to batches of clips and the questions about them."""

import operator
import os
from pathlib import Path

import tensorflow as tf

import keras_mirasol.data.iterators_at_exit  # noqa: F401
from keras_mirasol.data.augmentation import as_augmentation
from keras_mirasol.data.clip_reader import Clip
from keras_mirasol.data.clip_reader import ClipReader
from keras_mirasol.data.clip_texts import ClipTexts
from keras_mirasol.data.group_lines import group_lines
from keras_mirasol.data.manifest import lines_of
from keras_mirasol.data.modality_dropout import ModalityDropout
from keras_mirasol.data.salts import with_salts

# How many clips of a cache in memory are drawn from at a time: all of a small
# corpus, and few enough that the first batch does not wait for a large one.
_SHUFFLED_CLIPS = 1024


def clip_dataset(
    manifest,
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
    on_error="raise",
    num_parallel=None,
    drop_remainder=False,
):
    """Makes a `tf.data.Dataset` of a manifest's clips and questions.

    Lines about the same clip (the same media, `"start"` and `"end"`) are
    grouped where the first of them stands, so that the clip is decoded once a
    pass, and cut into groups of `texts_per_clip`: each is one element of a
    batch, and a pass covers each line exactly once. Where a clip's last group
    is smaller, it is filled with empty texts of sample weight zero.

    ```
    manifest         one clip a group       elements, texts_per_clip=2
    a  q1            a: q1 q2 q3            (a, q1 q2)
    b  q4      ->    b: q4             ->   (a, q3 --)
    a  q2                                   (b, q4 --)
    a  q3
    ```

    What is drawn at random comes after the cache, which keeps as much work as
    it can:

    ```
    plain      decode  preprocess  [cache]              texts  dropout  batch
    augment    decode  [cache]     augment  preprocess  texts  dropout  batch
    ```

    Args:
        manifest: str or path of a manifest, or a list of lines as
            `read_manifest` returns it.
        preprocessor: a `MirasolCausalLMPreprocessor`, or any object with its
            `frame_rate`, `sampling_rate`, `preprocess_clip` and
            `preprocess_texts`. Defaults to `None`: raw clips at the rates of
            `load_clip`.
        batch_size: int. Elements a batch.
        texts_per_clip: int. How many questions share one clip in an element.
            The clip is encoded once for all of them. Defaults to `1`.
        shuffle: bool. Whether each pass has an order of its own, of clips and
            of the lines of a clip. Defaults to `False`: the manifest's order.
        seed: int. Makes all that is drawn at random reproducible: the order,
            `augment` and `modality_dropout`, of every pass. Passes differ
            from each other all the same. Defaults to `None`.
        repeat: bool. Whether to start over without end. Batches then run on
            from one pass into the next. Defaults to `False`.
        cache: bool or str. `True` keeps clips in memory after the first pass,
            a path keeps them in files that begin with it, so that later
            passes decode nothing. The first pass must run to its end.
            Defaults to `False`.
        augment: `True` or a `keras_mirasol.data.ClipAugmentation`: changes
            each clip a little, anew in each pass, so that few clips are not
            learnt by heart. For training alone. `True` stands for
            `ClipAugmentation()`. All elements of a clip change alike in one
            pass. A cache then keeps the frames in their own size, which may
            need far more room than preprocessed ones. Defaults to `None`:
            clips stay as they are.
        modality_dropout: float or dict. The chance that an element with both
            video and audio loses one of them, either with half this chance,
            so that a model learns to make do with one. A dict such as
            `{"audio": 0.2, "video": 0.05}` gives the chance of losing each.
            Drawn anew for each element in each pass; no element loses both,
            or the only one it has. What is lost is masked, or in raw clips
            empty. For training alone. Defaults to `None`: nothing is lost.
        on_error: `"raise"` or `"skip"`: what to do with a clip that cannot be
            loaded. `"skip"` leaves its lines out and warns once. Defaults to
            `"raise"`.
        num_parallel: int. Clips to decode at a time. Defaults to `None`, the
            number of cores.
        drop_remainder: bool. Whether to leave out a last batch that is not
            full. Defaults to `False`.

    Returns:
        A `tf.data.Dataset` of `(x, y, sample_weight)`. `x` is a dict of
        `"pixel_values"`, `"audio_features"`, `"video_mask"` and
        `"audio_mask"`, padded with zeros and `False` to the batch's longest
        clip, and of `"token_ids"` and `"padding_mask"`, of shape
        `(batch, length)`, or `(batch, texts_per_clip, length)` if
        `texts_per_clip` is greater than 1, like `y` and `sample_weight`.

        Without a preprocessor, a dataset of dicts: `"videos"` and `"audio"`,
        ragged, and `"prompts"` and `"responses"`, strings of shape `(batch,)`
        or `(batch, texts_per_clip)`. A clip without one of the streams has
        zero frames or zero samples.

    Raises:
        ValueError: if an argument is not one of those above, the manifest is
            not valid, or media is missing and `on_error="raise"`.

    Example:

    ```python
    train = keras_mirasol.data.clip_dataset(
        "train.jsonl", task.preprocessor, batch_size=16, shuffle=True
    )
    task.fit(train)

    # Of few clips: each is seen a little differently in each epoch.
    train = keras_mirasol.data.clip_dataset(
        "train.jsonl",
        task.preprocessor,
        batch_size=16,
        shuffle=True,
        cache=True,
        augment=True,
        modality_dropout=0.2,
    )
    ```
    """
    _check_arguments(
        on_error,
        batch_size=batch_size,
        texts_per_clip=texts_per_clip,
        num_parallel=1 if num_parallel is None else num_parallel,
    )
    augmentation = as_augmentation(augment)
    dropout = None
    if modality_dropout is not None:
        dropout = ModalityDropout(modality_dropout)
    num_parallel = num_parallel or os.cpu_count()
    lines = lines_of(manifest, "manifest")
    clips = [Clip(group) for group in group_lines(lines)]
    if on_error == "raise":
        _check_media(clips)
    reader = ClipReader(clips, preprocessor, skip=on_error == "skip")
    texts = ClipTexts(clips, texts_per_clip)

    dataset = tf.data.Dataset.range(len(clips))
    if shuffle:
        # Below a cache the order of the first pass stays.
        dataset = dataset.shuffle(len(clips), seed)
    dataset = reader.decode(dataset, num_parallel)
    if augmentation is None:
        dataset = reader.preprocess(dataset, num_parallel)
    if cache:
        dataset = _cached(dataset, cache, reader, raw=augmentation is not None)
        if shuffle:
            # References to what is in memory, but copies of what is in files.
            at_hand = _SHUFFLED_CLIPS if cache is True else 4 * batch_size
            dataset = dataset.shuffle(min(len(clips), at_hand), seed)
    if augmentation is not None:
        dataset = with_salts(dataset, seed).map(
            lambda item, salt: (item[0], augmentation(item[1], salt)),
            num_parallel_calls=num_parallel,
            deterministic=True,
        )
        dataset = reader.preprocess(dataset, num_parallel)
    dataset = texts.attach(dataset, shuffle, seed)
    if dropout is not None:
        dataset = with_salts(dataset, seed).map(
            lambda item, salt: {**item, "clip": dropout(item["clip"], salt)}
        )
    if on_error == "raise":
        # Lets Keras know the length of an epoch.
        dataset = dataset.apply(
            tf.data.experimental.assert_cardinality(texts.num_elements)
        )
    if shuffle and texts.num_elements > len(clips):
        # Spreads the elements of a clip over as many as a batch of clips has.
        per_clip = -(-texts.num_elements // len(clips))
        dataset = dataset.shuffle(per_clip * batch_size, seed)
    if repeat:
        dataset = dataset.repeat()
    if preprocessor is None:
        dataset = dataset.ragged_batch(batch_size, drop_remainder)
        dataset = dataset.map(_raw_batch)
    else:
        dataset = dataset.padded_batch(
            batch_size, drop_remainder=drop_remainder
        )
        dataset = dataset.map(
            lambda batch: _packed_batch(batch, preprocessor),
            num_parallel_calls=num_parallel,
        )
    return dataset.prefetch(tf.data.AUTOTUNE)


def _raw_batch(batch):
    return {
        **batch["clip"],
        "prompts": batch["prompts"],
        "responses": batch["responses"],
    }


def _packed_batch(batch, preprocessor):
    x, y, sample_weight = preprocessor.preprocess_texts(
        batch["prompts"], batch["responses"]
    )
    # An empty text is packed as any other: nothing is to be learnt from it.
    asked = tf.cast(batch["asked"], sample_weight.dtype)
    return {**batch["clip"], **x}, y, sample_weight * asked[..., None]


def _cached(dataset, cache, reader, raw):
    if cache is True:
        return dataset.cache()
    Path(cache).parent.mkdir(parents=True, exist_ok=True)
    # Other media or another preprocessor must not meet these clips.
    return dataset.cache(f"{cache}-{reader.fingerprint(raw=raw)}")


def _check_media(clips):
    numbers = {}
    for clip in clips:
        for path in clip.paths:
            numbers.setdefault(path, []).extend(clip.lines)
    missing = [
        f"'{path}' (line{'s'[: len(lines) > 1]} {', '.join(map(str, lines))})"
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


def _check_arguments(on_error, **counts):
    if on_error not in ("raise", "skip"):
        raise ValueError(
            f'`on_error` must be "raise" or "skip". Received: {on_error!r}'
        )
    for name, value in counts.items():
        try:
            positive = operator.index(value) > 0
        except TypeError:
            positive = False
        if not positive or isinstance(value, bool):
            raise ValueError(
                f"`{name}` must be a positive int. Received: {value!r}"
            )
