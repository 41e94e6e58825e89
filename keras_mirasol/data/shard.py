"""Which part of a dataset each of several processes reads."""

import operator


def part_of(length, shard):
    """Where a part of a sequence begins and ends.

    Parts are runs of neighbours, whose lengths differ by at most 1.

    Args:
        length: int. How long the sequence is.
        shard: pair of ints, `(index, count)`; None stands for the whole.

    Returns:
        A pair of ints, the first index of the part and that behind its last.

    Raises:
        ValueError: if `shard` is not such a pair, or a part would be empty.
    """
    if shard is None:
        return 0, length
    try:
        index, count = map(operator.index, shard)
        is_shard = 0 <= index < count
    except (TypeError, ValueError):
        is_shard = False
    if not is_shard:
        raise ValueError(
            "`shard` must be a pair of ints, `(index, count)`, with an index "
            f"from 0 to `count - 1`. Received: shard={shard!r}"
        )
    if count > length:
        raise ValueError(
            f"`shard` cuts {length} clips into {count} parts, of which some "
            "would be empty. Use fewer processes, or more clips."
        )
    return length * index // count, length * (index + 1) // count
