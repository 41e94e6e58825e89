"""The media files of a benchmark, found by their names."""

import functools
from pathlib import Path

SUFFIXES = (
    ".mp4",
    ".mkv",
    ".webm",
    ".avi",
    ".mov",
    ".m4v",
    ".flv",
    ".3gp",
    ".wav",
    ".flac",
    ".mp3",
    ".m4a",
    ".ogg",
    ".opus",
)


class MediaFolder:
    """Finds files by their path in a folder, whatever their suffix.

    Benchmarks name clips by an id, and copies of them differ in suffixes and
    in whether files lie in folders. A name with folders is looked for as it
    is, then by its last part alone.

    Args:
        folder: str or path.

    Raises:
        ValueError: if there is no such folder.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise ValueError(
                f"There is no folder {str(folder)!r}. `media` must be the "
                "folder that the clips are in."
            )

    @functools.cached_property
    def _paths(self):
        """Files by their path in the folder, and by their name alone."""
        paths = {}
        for path in sorted(self.folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES:
                inside = path.relative_to(self.folder).with_suffix("")
                paths[inside.as_posix()] = path
                # Whatever has the name as its path goes before it.
                paths.setdefault(path.stem, path)
        return paths

    def find(self, *names):
        """The path of the first of some names that there is, or `None`."""
        for name in names:
            for key in (name, name.rsplit("/", 1)[-1]):
                if key in self._paths:
                    return self._paths[key]
        return None
