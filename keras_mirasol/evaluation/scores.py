"""Shares of right answers."""

from keras_mirasol.metrics import exact_match


def share_by(lines, key=None):
    """Share of answers that match their response, in all or by a key.

    Args:
        lines: list of dicts with `"response"` and `"answer"`, as
            `answer_manifest` returns it.
        key: str. Lines are grouped by their value of this key, in sorted
            order, type by type. Defaults to `None`, no groups.

    Returns:
        A float between 0 and 1, or a dict from value to float.

    Raises:
        ValueError: if there are no lines, or one lacks the key.

    Example:
    ```python
    lines = [
        {"response": "red", "answer": "red", "kind": "seen"},
        {"response": "bell", "answer": "drum", "kind": "heard"},
    ]
    keras_mirasol.evaluation.share_by(lines)  # 0.5
    keras_mirasol.evaluation.share_by(lines, "kind")
    # {"heard": 0.0, "seen": 1.0}
    ```
    """
    if not lines:
        raise ValueError("Expected at least one line. Received none.")
    if key is None:
        right = exact_match(
            [line["response"] for line in lines],
            [line["answer"] for line in lines],
        )
        return sum(right) / len(right)
    groups = {}
    for line in lines:
        if key not in line:
            raise ValueError(f"A line lacks the key {key!r}: {line}")
        groups.setdefault(line[key], []).append(line)
    # Values of different types, such as `None` and strings, have no order.
    ordered = sorted(groups, key=lambda value: (type(value).__name__, value))
    return {value: share_by(groups[value]) for value in ordered}
