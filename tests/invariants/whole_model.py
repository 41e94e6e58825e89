"""A whole model whose outputs depend on all that they may depend on."""

import small_models


def build_task(combiner, preprocessor=None):
    """A task with all objectives, the same on all backends."""
    backbone = small_models.build_backbone(combiner=combiner)
    return small_models.sharpen(small_models.build_task(preprocessor, backbone))
