"""What does not fit into memory is an error, not the end of the process."""

import os
from pathlib import Path

# Where Linux tells how much memory there is to be had, and how much of it a
# container may have.
_AVAILABLE = Path("/proc/meminfo")
_LIMIT = Path("/sys/fs/cgroup/memory.max")


def check_memory(file, needed, what, held=0):
    """Raises the `ValueError` of a file that needs more than there is.

    Args:
        file: `MediaFile`. What is read.
        needed: int. How many bytes it takes.
        what: str. What it takes them for, in the plural.
        held: int. How many of them it has by now. Defaults to `0`.
    """
    available = memory()
    if needed - held > available:
        raise file.error(
            f"{what} need {needed / 2**30:.1f} GiB, more memory than there is "
            f"({(available + held) / 2**30:.1f} GiB). Choose a smaller "
            "`image_size`, `frame_rate` or `sampling_rate`, or read spans of "
            "it with `iter_clip`."
        )


def memory():
    """Bytes of memory that can be had."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    if _AVAILABLE.exists():
        lines = _AVAILABLE.read_text().splitlines()
        sizes += [
            1024 * int(line.split()[1])
            for line in lines
            if line.startswith("MemAvailable:")
        ]
    if _LIMIT.exists():
        limit = _LIMIT.read_text().strip()
        sizes += [int(limit)] if limit.isdigit() else []
    return min(sizes)
