"""What lmms-eval finds this package by: `lmms-eval --model mirasol`."""


def manifest():
    """The model as lmms-eval registers it, by its entry point."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(
        model_id="mirasol",
        simple_class_path=(
            "keras_mirasol.evaluation.lmms_eval_model.MirasolForLmmsEval"
        ),
    )
