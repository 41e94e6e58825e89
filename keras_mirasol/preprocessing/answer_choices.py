"""Choices that users hand in, checked and brought to one form."""

import numpy as np

from keras_mirasol.preprocessing.clip_inputs import to_python

_EXPECTED = (
    "`choices` must be a list of strings, for all prompts the same, or such a "
    "list in place of each prompt. Received: "
)


def choice_rows(choices, prompts):
    """Choices of answers, a list for each prompt.

    Args:
        choices: list of strings, for all prompts; or nested as the prompts
            are, with a list of strings for each. Lists may differ in length.
        prompts: a string, or (nested) lists of strings.

    Returns:
        A pair of an array of strings `(rows, choices)`, with one row for all
        prompts or one for each, and a bool array of that shape. Where the
        latter is `False`, a shorter list is filled up with its last choice.

    Raises:
        ValueError: if the choices are not as described.
    """
    choices, prompts = to_python(choices), to_python(prompts)
    rows = [choices] if _is_row(choices) else _rows(choices, prompts)
    counts = np.array([len(row) for row in rows])
    longest = counts.max()
    filled = [[*row, *row[-1:] * (longest - len(row))] for row in rows]
    return np.array(filled, object), np.arange(longest) < counts[:, None]


def _is_row(choices):
    return (
        isinstance(choices, (list, tuple))
        and len(choices) > 0
        and all(isinstance(choice, str) and choice for choice in choices)
    )


def _rows(choices, prompts):
    """A list of strings for each prompt, end to end."""
    if isinstance(prompts, (str, bytes)):
        if not _is_row(choices):
            raise ValueError(f"{_EXPECTED}{choices!r}")
        return [list(choices)]
    if not isinstance(choices, (list, tuple)) or len(choices) != len(prompts):
        raise ValueError(f"{_EXPECTED}{choices!r} for the prompts {prompts!r}")
    return [
        row
        for part, prompt in zip(choices, prompts, strict=True)
        for row in _rows(to_python(part), to_python(prompt))
    ]
