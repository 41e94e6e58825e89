"""TubeViT's sparse tubes, for snippets of any number of frames."""

# Kernel, stride and offset of each family, for clips of 32 frames.
TUBEVIT_FRAMES = 32
TUBEVIT = (
    ((8, 8, 8), (16, 32, 32), (0, 0, 0)),
    ((16, 4, 4), (6, 32, 32), (4, 8, 8)),
    ((4, 12, 12), (16, 32, 32), (0, 16, 16)),
    ((1, 16, 16), (32, 16, 16), (0, 0, 0)),
)


def sparse_tubes(frames_per_snippet):
    """The four families of sparse tubes of TubeViT, scaled to a snippet.

    A few tubes far apart see a whole snippet at a fraction of the tokens of
    dense patches: boxes of middle duration, long thin ones, short wide ones,
    and the patches of one frame (Piergiovanni et al., "TubeViT", 2022,
    section 3). Their sizes were chosen for 32 frames of 224x224. For F frames,

    - times are multiplied by F / 32 and rounded to whole frames, halves up;
    - kernels and strides are at least one frame, and the kernel of the
      patches is exactly one;
    - heights and widths stay: a larger image has more tokens of the same
      size, as with patches.

    So a snippet costs about the same whatever its frames: at 224x224, 490 or
    539 tokens from two frames on. At 32 frames the tubes are TubeViT's own.
    Images must be at least 28 pixels high and wide.

    Args:
        frames_per_snippet: int. Frames in a snippet, F.

    Returns:
        A list of dicts; see `TubeEmbedding`.

    Raises:
        ValueError: if `frames_per_snippet` is no positive int.

    Example:
    ```python
    tubes = keras_mirasol.layers.sparse_tubes(frames_per_snippet=8)
    embedding = keras_mirasol.layers.TubeEmbedding(64, tubes)
    snippets = np.random.uniform(size=(1, 8, 224, 224, 3))
    embedding(snippets).shape  # (1, 98 + 98 + 98 + 196, 64)
    ```
    """
    if frames_per_snippet != int(frames_per_snippet) or frames_per_snippet < 1:
        raise ValueError(
            "`frames_per_snippet` must be an int of at least 1. Received: "
            f"{frames_per_snippet}"
        )

    def scaled(frames):
        doubled = 2 * frames * int(frames_per_snippet)
        return (doubled + TUBEVIT_FRAMES) // (2 * TUBEVIT_FRAMES)

    return [
        {
            "kernel": (
                1 if kernel[0] == 1 else max(1, scaled(kernel[0])),
                *kernel[1:],
            ),
            "stride": (max(1, scaled(stride[0])), *stride[1:]),
            "offset": (scaled(offset[0]), *offset[1:]),
        }
        for kernel, stride, offset in TUBEVIT
    ]
