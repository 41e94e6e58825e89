"""Clips, wherever they come from, to batches that a task is trained on."""

import hashlib
import json
import operator
import os
from pathlib import Path

import tensorflow as tf

import keras_mirasol.data.iterators_at_exit  # noqa: F401
from keras_mirasol.data.augmentation.modality_dropout import ModalityDropout
from keras_mirasol.data.clip_texts import group_texts
from keras_mirasol.data.clip_texts import num_groups
from keras_mirasol.data.data_position import elements_after
from keras_mirasol.data.salts import with_salts

# How many clips of a cache in memory are drawn from at a time: all of a small
# corpus, and few enough that the first batch does not wait for a large one.
_SHUFFLED_CLIPS = 1024


def clip_batches(
    clips,
    preprocessor,
    *,
    batch_size,
    texts_per_clip,
    shuffle,
    seed,
    repeat,
    cache,
    augmentation,
    modality_dropout,
    num_parallel,
    drop_remainder,
    num_snippets,
    clip_index,
):
    """Makes a `tf.data.Dataset` of clips and questions.

    Args:
        clips: where the clips come from: `FileClips`, or what has its
            methods.
        augmentation: `ClipAugmentation` or None.
        preprocessor, batch_size, texts_per_clip, shuffle, seed, repeat,
            cache, modality_dropout, num_parallel, drop_remainder,
            num_snippets, clip_index: as for `clip_dataset`, which describes
            what comes in which order.

    Returns:
        A `tf.data.Dataset` as of `clip_dataset`.
    """
    check_counts(
        batch_size=batch_size,
        texts_per_clip=texts_per_clip,
        num_parallel=1 if num_parallel is None else num_parallel,
    )
    dropout = None
    if modality_dropout is not None:
        dropout = ModalityDropout(modality_dropout)
    if clip_index and preprocessor is None:
        raise ValueError(
            "`clip_index` is for clips that are preprocessed. Give a "
            "`preprocessor`, or leave it out."
        )
    num_parallel = num_parallel or os.cpu_count()
    fixed = fixed_shape(num_snippets, preprocessor)

    def preprocess(item):
        clip = item["clip"]
        features = preprocessor.preprocess_clip(
            clip["videos"], clip["audio"], *fixed
        )
        return {**item, "clip": features}

    def mapped(dataset, function):
        return dataset.map(
            function, num_parallel_calls=num_parallel, deterministic=True
        )

    def changed(dataset, change):
        return mapped(
            with_salts(dataset, seed),
            lambda item, salt: {**item, "clip": change(item["clip"], salt)},
        )

    # Below a cache the order of the first pass stays.
    dataset = clips.dataset(shuffle, seed, num_parallel)
    if preprocessor is not None and augmentation is None:
        dataset = mapped(dataset, preprocess)
    if cache:
        kept = clips.identity()
        if augmentation is None:
            kept.append(getattr(preprocessor, "get_config", dict)())
            kept += fixed
        dataset = _cached(dataset, cache, kept)
        if shuffle:
            # References to what is in memory, but copies of what is in files.
            at_hand = _SHUFFLED_CLIPS if cache is True else 4 * batch_size
            dataset = dataset.shuffle(min(clips.num_clips, at_hand), seed)
    if augmentation is not None:
        dataset = changed(
            dataset, lambda clip, salt: augmentation(clip, salt, **clips.rates)
        )
        if preprocessor is not None:
            dataset = mapped(dataset, preprocess)
        if augmentation.masks:
            dataset = changed(dataset, augmentation.mask)
    dataset = dataset.map(clips.with_texts)
    dataset = group_texts(dataset, texts_per_clip, shuffle, seed)
    if dropout is not None:
        dataset = changed(dataset, dropout)
    if clip_index:
        dataset = dataset.map(_with_index)
    num_elements = num_groups(clips.texts_per_clip, texts_per_clip)
    if not clips.may_drop:
        # Lets Keras know the length of an epoch.
        dataset = dataset.apply(
            tf.data.experimental.assert_cardinality(num_elements)
        )
    if shuffle and num_elements > clips.num_clips:
        # Spreads the elements of a clip over as many as a batch of clips has.
        per_clip = -(-num_elements // clips.num_clips)
        dataset = dataset.shuffle(per_clip * batch_size, seed)

    def batches(elements):
        if preprocessor is None:
            dataset = elements.ragged_batch(batch_size, drop_remainder)
            dataset = dataset.map(_raw_batch)
        else:
            dataset = elements.padded_batch(
                batch_size, drop_remainder=drop_remainder
            ).map(
                lambda batch: _packed_batch(batch, preprocessor, bool(fixed)),
                num_parallel_calls=num_parallel,
            )
        return dataset.prefetch(tf.data.AUTOTUNE)

    elements = dataset
    dataset = batches(elements.repeat() if repeat else elements)
    dataset.report = clips.report
    dataset.name_of = clips.name_of
    if repeat and not clips.may_drop:
        dataset.after = lambda num_batches: batches(
            elements_after(elements, num_batches * batch_size, num_elements)
        )
    return dataset


def _with_index(item):
    index = tf.cast(item["index"], tf.int32)
    return {**item, "clip": {**item["clip"], "clip_index": index}}


def _raw_batch(batch):
    return {
        **batch["clip"],
        "prompts": batch["prompts"],
        "responses": batch["responses"],
    }


def fixed_shape(num_snippets, preprocessor):
    """The number of snippets that all clips have, if it is given."""
    if num_snippets is None:
        return []
    check_counts(num_snippets=num_snippets)
    if preprocessor is None:
        raise ValueError(
            "`num_snippets` is for clips that are preprocessed. Give a "
            "`preprocessor`, or leave it out."
        )
    return [num_snippets]


def _packed_batch(batch, preprocessor, is_fixed):
    length = [preprocessor.sequence_length] if is_fixed else []
    x, y, sample_weight = preprocessor.preprocess_texts(
        batch["prompts"], batch["responses"], *length
    )
    # An empty text is packed as any other: nothing is to be learnt from it.
    asked = tf.cast(batch["asked"], sample_weight.dtype)
    return {**batch["clip"], **x}, y, sample_weight * asked[..., None]


def _cached(dataset, cache, kept):
    if cache is True:
        return dataset.cache()
    Path(cache).parent.mkdir(parents=True, exist_ok=True)
    # Other media or another preprocessor must not meet these clips.
    kept = json.dumps(kept, sort_keys=True, default=str)
    fingerprint = hashlib.sha256(kept.encode()).hexdigest()[:16]
    return dataset.cache(f"{cache}-{fingerprint}")


def check_counts(**counts):
    """Raises a `ValueError` unless all arguments are positive ints."""
    for name, value in counts.items():
        try:
            positive = operator.index(value) > 0
        except TypeError:
            positive = False
        if not positive or isinstance(value, bool):
            raise ValueError(
                f"`{name}` must be a positive int. Received: {value!r}"
            )
