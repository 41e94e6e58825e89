"""Which lines of a manifest are about one clip."""

from keras_mirasol.data.manifest import MEDIA_KEYS


def group_lines(lines):
    """Groups the lines of a manifest by the clip that they are about.

    Lines are about one clip if they have the same media, `"start"` and
    `"end"`; no `"start"` is a start at 0.

    Args:
        lines: list of dicts, as `read_manifest()` returns it, or a dict of
            them by their numbers.

    Returns:
        A list of dicts, one per clip in order of first appearance: its lines
        by their numbers, or by their places in the list.

    Example:
    ```python
    lines = [
        {"media": "a.mp4", "prompt": "what is seen?", "response": "a dog"},
        {"media": "b.mp4", "prompt": "what is seen?", "response": "a cat"},
        {"media": "a.mp4", "prompt": "what is heard?", "response": "rain"},
    ]
    groups = keras_mirasol.data.group_lines(lines)
    [list(group) for group in groups]  # [[0, 2], [1]]
    ```
    """
    if not isinstance(lines, dict):
        lines = dict(enumerate(lines))
    groups = {}
    for number, line in lines.items():
        media = tuple(line.get(key) for key in MEDIA_KEYS)
        clip = (*media, line.get("start") or 0, line.get("end"))
        groups.setdefault(clip, {})[number] = line
    return list(groups.values())
