"""Goes on with a dataset where a training was interrupted."""

import tensorflow as tf


def without_end(dataset, epochs, steps_per_epoch):
    """A dataset that goes on for ever, from after some epochs on.

    The dataset must be just made, and in the same way as before. Little is
    decoded again: of what `clip_dataset` and `records_dataset` make at most
    two passes, of others that are repeated all that came before.

    Args:
        dataset: a `tf.data.Dataset` of batches.
        epochs: int. How many epochs have been read.
        steps_per_epoch: int. Batches of an epoch, of a dataset without an
            end. `None` if an epoch is all of the dataset.

    Returns:
        A pair of a `tf.data.Dataset` and of the batches of an epoch. It is
        read by one iterator, so that it depends on nothing else how often a
        pass is begun, and with it what is drawn for a shuffle.

    Raises:
        ValueError: if an epoch is a part of a dataset that ends, or is all of
            one whose length is not known.
    """
    length = int(dataset.cardinality())
    if steps_per_epoch is None and length >= 0:
        _begin_passes(dataset, epochs)
        return dataset.repeat(), length
    if steps_per_epoch is None or length >= 0:
        told = {
            tf.data.UNKNOWN_CARDINALITY: "unknown length",
            tf.data.INFINITE_CARDINALITY: "no end",
        }.get(length, f"{length} batches")
        raise ValueError(
            "A training that can be gone on with needs a dataset of known "
            "length, or `steps_per_epoch` and one without end, made with "
            f"`repeat=True`. Received: a dataset of {told} and "
            f"steps_per_epoch={steps_per_epoch}"
        )
    num_batches = epochs * steps_per_epoch
    after = getattr(dataset, "after", dataset.skip)
    return after(num_batches) if num_batches else dataset, steps_per_epoch


def elements_after(elements, count, num_elements):
    """`elements.repeat()` after `count` of them; a pass has `num_elements`."""
    passes, rest = divmod(count, num_elements)
    _begin_passes(elements, passes)
    return elements.skip(rest).concatenate(elements.repeat())


def _begin_passes(dataset, passes):
    """Has what is drawn in later passes be what it is after so many."""
    for number in range(passes):
        if number == 0:
            # All of it: a cache is filled only so.
            for _ in dataset:
                pass
        else:
            # A shuffle below another draws when that is asked for an element.
            next(iter(dataset.take(1)), None)
