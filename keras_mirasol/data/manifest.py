"""Reads and writes manifests: one question about a clip a line, as JSON."""

import json
import math
import os
from pathlib import Path

MEDIA_KEYS = ("media", "video", "audio")


def read_manifest(path):
    """Reads a manifest.

    A manifest is a JSON lines file: each line is an object with `"prompt"`
    and `"response"`, strings, and the path of a clip, relative to the
    manifest's folder: `"media"`, or `"video"` and `"audio"` or one of these
    where they are separate files. `"start"` and `"end"`, in seconds, cut the
    clip. Any further keys are kept. Blank lines are skipped.

    Args:
        path: str or path. The manifest, in UTF-8.

    Returns:
        A list of dicts, one per line, in order. The paths of media are
        absolute.

    Raises:
        ValueError: if the manifest is missing, empty or not UTF-8, or a line
            is not such an object; names the manifest and the line.

    Example:

    ```python
    lines = [{"media": "dog.mp4", "prompt": "what barks?", "response": "a dog"}]
    keras_mirasol.data.write_manifest("train.jsonl", lines)
    keras_mirasol.data.read_manifest("train.jsonl")[0]["response"]  # "a dog"
    ```
    """
    return list(numbered_lines(path).values())


def write_manifest(path, lines):
    """Writes a manifest, which `read_manifest` reads.

    Args:
        path: str or path. The file to write; replaced if it exists.
        lines: iterable of dicts, as `read_manifest` returns them. Absolute
            paths of media are written relative to the manifest's folder;
            relative paths are taken to be so already.

    Returns:
        The manifest's path, a `pathlib.Path`.

    Raises:
        ValueError: if there are no lines, or one of them lacks a key or has
            one of the wrong type.

    Example:

    ```python
    keras_mirasol.data.write_manifest(
        "train.jsonl",
        [{"media": "dog.mp4", "prompt": "what barks?", "response": "a dog"}],
    )
    ```
    """
    path = Path(path)
    folder = path.parent.absolute()
    written = []
    for number, line in enumerate(lines, start=1):
        check_line(line, f"Line {number} for manifest '{path}'")
        line = with_relative_media(line, folder)
        written.append(json.dumps(line, ensure_ascii=False) + "\n")
    if not written:
        raise ValueError(
            f"A manifest must have at least one line. Received none for "
            f"'{path}'."
        )
    path.write_text("".join(written), encoding="utf-8", newline="\n")
    return path


def numbered_lines(path):
    """Reads a manifest as a dict from line numbers, from 1, to lines."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"Expected a manifest, a JSON lines file, at '{path}', but "
            f"{'it is a directory' if path.is_dir() else 'no file is there'}. "
            "Check the path."
        )
    try:
        # Some editors begin a file with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Manifest '{path}' must be UTF-8, but its byte {error.start} is "
            "not. Save it as UTF-8."
        ) from error
    lines = {}
    # Not `splitlines`, which also cuts at separators allowed within JSON.
    for number, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        where = f"Line {number} of manifest '{path}'"
        try:
            line = json.loads(content)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{where} is not a JSON object: {error.msg} at column "
                f"{error.colno}. Write one object per line."
            ) from error
        check_line(line, where)
        lines[number] = {
            key: str(path.parent.absolute() / value)
            if key in MEDIA_KEYS
            else value
            for key, value in line.items()
        }
    if not lines:
        raise ValueError(
            f"Manifest '{path}' is empty. Write at least one line, such as "
            '{"media": "dog.mp4", "prompt": "what barks?", '
            '"response": "a dog"}.'
        )
    return lines


def lines_of(manifest, name):
    """The numbered lines of a manifest, or of a list of lines.

    Args:
        manifest: path of a manifest, or a list of its lines.
        name: str. What the list is called in errors.

    Returns:
        A dict from line numbers, from 1, to lines.

    Raises:
        ValueError: if there are no lines, or one is not as it should be.
    """
    if isinstance(manifest, str | os.PathLike):
        return numbered_lines(manifest)
    lines = dict(enumerate(manifest, start=1))
    if not lines:
        raise ValueError(
            f"`{name}` must be a path or a list with at least one line. "
            "Received an empty list."
        )
    for number, line in lines.items():
        check_line(line, f"Line {number} of `{name}`")
    return lines


def with_relative_media(line, folder):
    """A line whose absolute paths of media are relative to a folder."""
    return {
        key: _relative(value, folder) if key in MEDIA_KEYS else value
        for key, value in line.items()
    }


def check_line(line, where):
    """Raises a `ValueError` beginning with `where` unless `line` is one."""
    if not isinstance(line, dict):
        raise ValueError(
            f"{where} must be an object with the keys 'media', 'prompt' and "
            f"'response'. Received: {line!r}"
        )
    for key in ("prompt", "response"):
        if key not in line:
            raise ValueError(
                f"{where} lacks the key '{key}', a string. Its keys are: "
                f"{sorted(line)}"
            )
    given = [key for key in MEDIA_KEYS if key in line]
    if not given:
        raise ValueError(
            f"{where} lacks the key 'media', a path ('video' and 'audio' "
            f"where they are separate files). Its keys are: {sorted(line)}"
        )
    if "media" in given and len(given) > 1:
        raise ValueError(
            f"{where} must have either 'media', or 'video' and 'audio'. "
            f"Received: {given}"
        )
    for key in ("prompt", "response", *given):
        if not isinstance(line[key], str):
            raise ValueError(
                f"{where} has '{key}' of type {type(line[key]).__name__}, but "
                f"it must be a string. Received: {line[key]!r}"
            )
    for key in given:
        if not line[key]:
            raise ValueError(f"{where} has an empty '{key}': give a path.")
    for key in ("start", "end"):
        if key in line and not _is_time(line[key]):
            raise ValueError(
                f"{where} has '{key}' that is not a time: it must be a number "
                "of seconds, not negative; leave the key out for the whole "
                f"clip. Received: {line[key]!r}"
            )
    if "end" in line and line.get("start", 0) >= line["end"]:
        raise ValueError(
            f"{where} must have 'start' before 'end'. Received: "
            f"start={line.get('start', 0)}, end={line['end']}"
        )


def _is_time(value):
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and value >= 0 and math.isfinite(value)


def _relative(path, folder):
    if os.path.isabs(path):
        path = os.path.relpath(path, folder)
    return Path(path).as_posix()
