"""Official annotation files, read with errors that say what was expected."""

import csv
import json


def read_json(path, expected):
    """What a JSON file holds.

    Args:
        path: `pathlib.Path`.
        expected: type that it must be of, `list` or `dict`.

    Raises:
        ValueError: if there is no such file, or it holds something else.
    """
    _check_is_there(path)
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, expected):
        raise ValueError(
            f"{path} must hold a JSON {expected.__name__}. Received: "
            f"{type(value).__name__}"
        )
    return value


def read_csv(path, columns, has_header=True):
    """Rows of a CSV file, as dicts.

    Args:
        path: `pathlib.Path`.
        columns: names of columns: those that a header must have, or, without
            one, all of them in order.
        has_header: bool. Defaults to `True`.

    Raises:
        ValueError: if there is no such file, or columns are missing.
    """
    _check_is_there(path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, None if has_header else columns)
        rows = list(rows)
    for number, row in enumerate(rows, 1 + has_header):
        missing = [name for name in columns if row.get(name) is None]
        if missing:
            raise ValueError(
                f"Row {number} of {path} must have the columns "
                f"{', '.join(columns)}. It lacks {', '.join(missing)}."
            )
    return rows


def read_items(path, keys):
    """Dicts of a JSON list, each with some keys."""
    items = read_json(path, list)
    for number, item in enumerate(items):
        check_keys(item, keys, f"Item {number} of {path}")
    return items


def check_keys(item, keys, what):
    """Refuses a dict without some keys."""
    missing = [key for key in keys if key not in item]
    if missing:
        raise ValueError(
            f"{what} must have the keys {', '.join(keys)}. It lacks "
            f"{', '.join(missing)}."
        )


def _check_is_there(path):
    if not path.exists():
        raise ValueError(
            f"There is no {path}. `annotations` must be the folder with the "
            "official files, under their own names."
        )
