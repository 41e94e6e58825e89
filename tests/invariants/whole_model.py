"""A whole model whose outputs depend on all that they may depend on."""

import small_models
import small_parts


def build_task(kind, has_preprocessor=False):
    """A task with all objectives, the same on all backends.

    Args:
        kind: str. The Combiner, or `"pretrained_parts"`.
        has_preprocessor: bool. Defaults to `False`.
    """
    if kind == "pretrained_parts":
        task = small_parts.build_task(**small_parts.ALL_TRAINED)
        if not has_preprocessor:
            task.preprocessor = None
    else:
        task = small_models.build_task(
            small_models.build_preprocessor() if has_preprocessor else None,
            small_models.build_backbone(combiner=kind),
        )
    small_models.sharpen(task)
    for gate in getattr(task.backbone.text_decoder, "gates", ()):
        gate.gate.assign(2.0)
        kernel = gate.attention.output_dense.kernel
        kernel.assign(4.0 * kernel)
    return task
