"""A configuration says everything that a part was made of."""

import inspect

import small_models


def _parts(task):
    """The task and all layers of this package that it is made of."""
    preprocessor = task.preprocessor
    yield from (preprocessor, preprocessor.tokenizer)
    yield from (preprocessor.video_converter, preprocessor.audio_converter)
    for layer in task._flatten_layers():
        if type(layer).__module__.startswith("keras_mirasol."):
            yield layer


def test_every_argument_is_in_it(combiner):
    backbone = small_models.build_backbone(combiner=combiner)
    checked = set()
    for part in _parts(small_models.build_task(backbone=backbone)):
        arguments = set(inspect.signature(type(part)).parameters) - {"kwargs"}
        assert arguments <= set(part.get_config()), type(part).__name__
        checked.add(type(part).__name__)
    assert {
        "MirasolCausalLM",
        "MirasolBackbone",
        "MirasolCausalLMPreprocessor",
        "VideoEncoder",
        type(backbone.combiner).__name__,
        "Attention",
        "SpectrogramReconstruction",
    } <= checked
