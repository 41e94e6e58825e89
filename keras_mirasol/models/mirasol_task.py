"""What all tasks of Mirasol share."""

import keras
from keras import ops

from keras_mirasol.models.mirasol_backbone import MirasolBackbone
from keras_mirasol.models.mirasol_causal_lm_preprocessor import (
    MirasolCausalLMPreprocessor,
)
from keras_mirasol.models.shipped_presets import ShippedPresets

# Outputs with a row a text; the others have a row a clip.
TEXT_OUTPUTS = {"logits", "text_embeddings", "match_logits"}


class MirasolTask(ShippedPresets):
    """Makes a KerasHub task of a backbone and what is read from it.

    To be inherited from before `keras_hub.models.Task`, which cannot be
    inherited from on two ways at once.

    Args:
        backbone: a `MirasolBackbone`.
        preprocessor: a `MirasolCausalLMPreprocessor` or `None`.
        outputs: dict of what the task makes of `backbone.input`. Defaults to
            the outputs of the backbone.
        **kwargs: see `keras_hub.models.Task`.

    Raises:
        ValueError: if the preprocessor does not make what the backbone reads.
    """

    backbone_cls = MirasolBackbone
    preprocessor_cls = MirasolCausalLMPreprocessor

    def __init__(self, backbone, preprocessor=None, outputs=None, **kwargs):
        if preprocessor is not None:
            _check_match(backbone, preprocessor)
            _mark_as_built(preprocessor)
        self.backbone = backbone
        self.preprocessor = preprocessor
        super().__init__(
            inputs=backbone.input,
            outputs=outputs or backbone(backbone.input),
            **kwargs,
        )
        # Texts may also come as (batch, texts_per_clip, L); see `call()`.
        self.input_spec = None

    def preprocess_samples(self, x, y=None, sample_weight=None):
        # What `clip_dataset` makes with a preprocessor is ready.
        if "token_ids" in x:
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        return super().preprocess_samples(x, y, sample_weight)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Of Keras on TensorFlow. Under `tf.distribute` it would take the mean
        # of a batch over the replicas, which masks have not, only to build
        # what is built already.
        if self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def call(self, inputs, training=None, mask=None):
        _check_rank(inputs["token_ids"])
        texts_shape = ops.shape(inputs["token_ids"])
        if len(texts_shape) == 2:
            return super().call(inputs, training=training)
        outputs = super().call(
            {
                **inputs,
                "token_ids": text_rows(inputs["token_ids"]),
                "padding_mask": text_rows(inputs["padding_mask"]),
            },
            training=training,
        )
        return {
            name: ops.reshape(value, (*texts_shape[:2], *ops.shape(value)[1:]))
            if name in TEXT_OUTPUTS
            else value
            for name, value in outputs.items()
        }


def _mark_as_built(preprocessor):
    """Preprocessing has no weights, but Keras builds it by a first call.

    Until then, Keras on JAX computes each `predict()` of a task twice, the
    first time operation by operation, for the sake of building alone.
    """
    for layer in preprocessor._flatten_layers():
        layer.built = True


def _check_rank(token_ids):
    # Given shapes of two ranks, TensorFlow compiles for any, which is too many.
    if getattr(token_ids.shape, "rank", 0) is None:
        raise ValueError(
            "On TensorFlow, `fit()`, `evaluate()` and `predict()` take texts "
            "that have an axis of texts a clip, or texts that have none, but "
            "not first the ones and then the others. Received: token ids of "
            "both kinds. Give all of them that axis, be it of length 1, or "
            "call `compile()` in between."
        )


def text_rows(values):
    """Values of tokens, `(..., L)`, as one row a text, `(texts, L)`."""
    return ops.reshape(values, (-1, ops.shape(values)[-1]))


def snippet_mask(x):
    """Which snippets have video or audio, `(batch, T)`."""
    return ops.logical_or(
        ops.cast(x["video_mask"], "bool"), ops.cast(x["audio_mask"], "bool")
    )


def encode_text(backbone, token_ids, padding_mask):
    """Hidden states of texts by themselves, `(texts, L, text_hidden_dim)`.

    The text decoder is shown a clip without any snippet.
    """
    no_latents = ops.zeros(
        (1, 1, backbone.num_joint_tokens, backbone.hidden_dim),
        backbone.compute_dtype,
    )
    return backbone.text_decoder(
        backbone.token_embedding(token_ids),
        no_latents,
        ops.zeros((1, 1), "bool"),
        padding_mask,
    )


def _check_match(backbone, preprocessor):
    pairs = {
        "frames_per_snippet": preprocessor.frames_per_snippet,
        "bands_per_snippet": preprocessor.bands_per_snippet,
        "image_size": preprocessor.video_converter.image_size,
        "num_mels": preprocessor.audio_converter.num_mels,
        "snippet_seconds": preprocessor.snippet_seconds,
    }
    for name, value in pairs.items():
        expected = getattr(backbone, name)
        if value != expected:
            raise ValueError(
                "The preprocessor does not make what the backbone reads: its "
                f"`{name}` is {value}, the backbone's is {expected}. Give "
                "both the same."
            )
    try:
        size = preprocessor.tokenizer.vocabulary_size()
    except ValueError:
        # When a saved task is loaded, its vocabulary comes from a file, later.
        return
    if size > backbone.vocabulary_size:
        raise ValueError(
            f"The tokenizer has {size} tokens, but the backbone's "
            f"`vocabulary_size` is {backbone.vocabulary_size}. Use a backbone "
            "with a vocabulary at least as large."
        )
