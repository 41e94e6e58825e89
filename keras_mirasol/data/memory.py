"""What does not fit into this machine's memory is an error, not a crash."""

import os


def check_memory(file, needed, what):
    """Raises the `ValueError` of a file that needs more than there is.

    Args:
        file: `MediaFile`. What is read.
        needed: int. How many bytes it takes.
        what: str. What it takes them for, in the plural.
    """
    if needed > memory():
        raise file.error(
            f"{what} need {needed / 2**30:.0f} GiB, more than this machine's "
            "memory. Choose a smaller `image_size`, `frame_rate` or "
            "`sampling_rate`, or read spans of it with `iter_clip`."
        )


def memory():
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
