"""What all tasks of Mirasol share."""

import contextlib
import json
import warnings
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_mirasol import keras_compat
from keras_mirasol.data.batch_iterables import as_dataset
from keras_mirasol.data.batch_iterables import is_batch_iterable
from keras_mirasol.models.export_signature import export_signature
from keras_mirasol.models.export_signature import polymorphic_shapes
from keras_mirasol.models.mirasol_backbone import MirasolBackbone
from keras_mirasol.models.mirasol_causal_lm_preprocessor import (
    MirasolCausalLMPreprocessor,
)
from keras_mirasol.models.pretrained_parts import PretrainedParts
from keras_mirasol.models.shipped_presets import ShippedPresets

# Outputs with a row per text; the others have a row per clip.
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
        self._has_loaded_task_weights = False
        super().__init__(
            inputs=backbone.input,
            outputs=outputs or backbone(backbone.input),
            **kwargs,
        )
        # Texts may also come as (batch, texts_per_clip, L); see `call()`.
        self.input_spec = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = keras_compat.refuse_cloning(cls.__init__)

    @classmethod
    def from_pretrained_parts(
        cls,
        video,
        audio,
        text,
        *,
        snippet_seconds=1.0,
        frames_per_snippet=4,
        image_size=None,
        sequence_length=128,
        load_weights=True,
        dtype=None,
        task_settings=None,
        **settings,
    ):
        """A task whose eyes, ears and language others have trained.

        The models of KerasHub become the video encoder, the audio encoder and
        the text decoder, with their own converters and tokenizer. They stay
        as they are until told otherwise; what is between them, the Combiner,
        the snippet Transformer and the gates through which text reads clips,
        is new, and is what `fit()` trains first. Before that, answers are
        what the language model writes. `task.backbone.enable_lora_of_parts()`
        lets the models adapt, later. Saved by `save_to_preset()`, all of it
        is one preset.

        Args:
            video: the name of a preset of KerasHub with a model of images
                (ViT, SigLIP, CLIP, DINOv2, DINOv3, ResNet and others) or of
                videos (VideoPrism), or a folder with one; or a pair of a
                `keras_hub.models.Backbone` and its `ImageConverter`.
            audio: likewise, of Whisper or Moonshine, with an
                `AudioConverter`.
            text: likewise, of GPT-2, Gemma, Gemma 3, Llama, Mistral, Qwen or
                others that are built like these, with a `Tokenizer`.
            snippet_seconds: float. Duration of a snippet. Defaults to `1.0`.
            frames_per_snippet: int. Frames of video in a snippet, evenly
                spaced; those that a model of videos takes. Defaults to `4`.
            image_size: int. Height and width of frames, for a preset that may
                be loaded for another size. Defaults to `None`, its own.
            sequence_length: int. Most tokens of a prompt and its answer.
                Defaults to `128`.
            load_weights: bool. Whether to load the weights of presets.
                Defaults to `True`.
            dtype: string or `keras.DTypePolicy`. Defaults to the global
                policy.
            task_settings: dict of further arguments of the task. Defaults to
                `None`.
            **settings: of what is new, and of the parts; see
                `MirasolBackbone.from_pretrained_parts()`.

        Returns:
            A task with its preprocessor. `print(task.backbone.parts_report)`
            tells what was taken, what is new and what was left behind.

        Raises:
            ValueError: if a part is given otherwise or cannot be what it is
                to be, or a snippet is no whole number of audio frames.

        Example:
        ```python
        task = keras_mirasol.models.MirasolCausalLM.from_pretrained_parts(
            video="dinov2_small", audio="whisper_tiny_en", text="gpt2_base_en"
        )
        ```
        """
        parts = PretrainedParts(
            video,
            audio,
            text,
            snippet_seconds,
            frames_per_snippet,
            image_size,
            load_weights,
            dtype,
        )
        return cls(
            parts.build_backbone(cls.backbone_cls, **settings),
            parts.build_preprocessor(cls.preprocessor_cls, sequence_length),
            **(task_settings or {}),
        )

    def _tell_new_layers(self, preset):
        names = [layer.name for layer in self._own_layers() if layer.weights]
        if names and not self._has_loaded_task_weights:
            warnings.warn(
                f"The preset {preset!r} has no weights of these layers of "
                f"{type(self).__name__}, which start anew: {', '.join(names)}. "
                "Train them before you rely on what they give.",
                stacklevel=3,
            )

    def _own_layers(self):
        """Layers of the task itself, not of its backbone."""
        others = {id(layer) for layer in self.backbone.layers}
        others |= {id(self.backbone), id(self.preprocessor)}
        return [layer for layer in self.layers if id(layer) not in others]

    def save_to_preset(self, preset_dir, **kwargs):
        super().save_to_preset(preset_dir, **kwargs)
        # KerasHub names what the class inherits from.
        path = Path(preset_dir) / "metadata.json"
        metadata = json.loads(path.read_text())
        metadata["tasks"] = [type(self).__name__]
        path.write_text(json.dumps(metadata, indent=4))

    def save_task_weights(self, filepath):
        # Without the optimizer, whose state is twice the size of the weights.
        with self._without_optimizer():
            super().save_task_weights(filepath)

    def load_task_weights(self, filepath):
        with self._without_optimizer():
            super().load_task_weights(filepath)
        self._has_loaded_task_weights = True

    @contextlib.contextmanager
    def _without_optimizer(self):
        optimizer, self.optimizer = self.optimizer, None
        try:
            yield
        finally:
            self.optimizer = optimizer

    def export(
        self,
        filepath,
        format="tf_saved_model",
        verbose=None,
        input_signature=None,
        batch_size=None,
        num_snippets=None,
        sequence_length=None,
        **kwargs,
    ):
        """Exports the forward pass, to be run without Keras.

        Args:
            filepath: str or path. Where to.
            format: `"tf_saved_model"`, or another that `keras.Model.export`
                knows, such as `"torch"` on PyTorch.
            verbose: bool. See `keras.Model.export`.
            input_signature: see `keras.Model.export`. Defaults to `None`: it
                is made of the next three.
            batch_size: int. Clips, and texts, at a time.
            num_snippets: int. Snippets of a clip, T.
            sequence_length: int. Tokens of a text. All three default to
                `None`, any number, save on PyTorch, which must be told them.
            **kwargs: see `keras.Model.export`.

        Raises:
            ValueError: if a number is missing on PyTorch.

        Example:
        ```python
        task.export("./exported")
        exported = tf.saved_model.load("./exported")
        x, _, _ = task.preprocessor(clips)
        exported.serve(x)["logits"]
        ```
        """
        if input_signature is None:
            lengths = (batch_size, num_snippets, sequence_length)
            if keras.backend.backend() == "torch" and None in lengths:
                raise ValueError(
                    "On PyTorch the shapes of what is exported are fixed. Give "
                    "`batch_size`, `num_snippets` and `sequence_length`. "
                    f"Received: {lengths}"
                )
            input_signature = export_signature(self.backbone, *lengths)
            is_saved_model = format == "tf_saved_model"
            if keras.backend.backend() == "jax" and is_saved_model:
                shapes = polymorphic_shapes(self.backbone, input_signature)
                kwargs["jax2tf_kwargs"] = {
                    "polymorphic_shapes": shapes,
                    **kwargs.get("jax2tf_kwargs", {}),
                }
        return super().export(
            filepath,
            format=format,
            verbose=verbose,
            input_signature=input_signature,
            **kwargs,
        )

    def quantize(self, *args, **kwargs):
        with keras_compat.quantizing():
            super().quantize(*args, **kwargs)

    def fit(self, x=None, *args, validation_data=None, **kwargs):
        # Keras would warn that a dataset is not shuffled; KerasHub makes one
        # of everything.
        kwargs.setdefault("shuffle", False)
        return super().fit(
            self._as_dataset(x),
            *args,
            validation_data=self._as_dataset(validation_data),
            **kwargs,
        )

    def evaluate(self, x=None, *args, **kwargs):
        return super().evaluate(self._as_dataset(x), *args, **kwargs)

    def predict(self, x=None, *args, **kwargs):
        try:
            return super().predict(self._as_dataset(x), *args, **kwargs)
        except ValueError as error:
            # NumPy's words. TensorFlow makes ragged tensors of them.
            if "concat" not in str(error).lower():
                raise
            raise ValueError(
                "`predict()` joins the outputs of all batches, but their clips "
                "or texts are not equally long: batches are filled up to what "
                "each needs. Make the dataset with `num_snippets`, so that all "
                "have one length, or call `predict_on_batch()` for each batch."
            ) from error

    def _as_dataset(self, data):
        if is_batch_iterable(data):
            return as_dataset(data, self.preprocess_samples)
        return data

    def get_config(self):
        config = super().get_config()
        modes = {
            layer.path: layer.quantization_mode
            for layer in self._own_leaves()
            if getattr(layer, "quantization_mode", None)
        }
        return {**config, "quantization_modes": modes} if modes else config

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        # KerasHub keeps those of the backbone.
        modes = config.pop("quantization_modes", {})
        task = super().from_config(config)
        with keras_compat.quantizing():
            for layer in task._own_leaves():
                if layer.path in modes:
                    layer.quantize(modes[layer.path])
        return task

    def _own_leaves(self):
        for layer in self._own_layers():
            yield layer
            yield from keras_compat.layers_within(layer)

    def preprocess_samples(self, x, y=None, sample_weight=None):
        # What `clip_dataset` makes with a preprocessor is ready.
        if "token_ids" in x:
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        return super().preprocess_samples(x, y, sample_weight)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Of Keras on TensorFlow. Under `tf.distribute` it would take the mean
        # of a batch over the replicas, which masks have not, only to build
        # what is built already.
        self.build_optimizer()

    def build_optimizer(self):
        """Makes the variables of the optimizer, if they are not there yet."""
        if self.optimizer is None or self.optimizer.built:
            return
        # Of Keras on TensorFlow.
        strategy = getattr(self, "distribute_strategy", None)
        with strategy.scope() if strategy else contextlib.nullcontext():
            self.optimizer.build(self.trainable_variables)

    def call(self, inputs, training=None, mask=None):
        # Tells of a batch what is in it; see `clip_dataset`.
        inputs = {k: v for k, v in inputs.items() if k != "clip_index"}
        _check_rank(inputs["token_ids"])
        texts_shape = ops.shape(inputs["token_ids"])
        if len(texts_shape) == 2:
            return self.outputs_of(inputs, training=training)
        outputs = self.outputs_of(
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

    def outputs_of(self, inputs, training=None):
        """What the call returns of inputs with a row per text."""
        return super().call(inputs, training=training)


def _mark_as_built(preprocessor):
    """Preprocessing has no weights, but Keras builds it by a first call.

    Until then, Keras on JAX computes each `predict()` of a task twice, the
    first time operation by operation, for the sake of building alone.
    """
    for layer in (preprocessor, *keras_compat.layers_within(preprocessor)):
        layer.built = True


def _check_rank(token_ids):
    # Given shapes of two ranks, TensorFlow compiles for any, which is too many.
    if getattr(token_ids.shape, "rank", 0) is None:
        raise ValueError(
            "On TensorFlow, `fit()`, `evaluate()` and `predict()` take texts "
            "that have an axis of texts per clip, or texts that have none, but "
            "not first the ones and then the others. Received: token ids of "
            "both kinds. Give all of them that axis, be it of length 1, or "
            "call `compile()` in between."
        )


def text_rows(values):
    """Values of tokens, `(..., L)`, as one row per text, `(texts, L)`."""
    return ops.reshape(values, (-1, ops.shape(values)[-1]))


def precision(backbone):
    """The dtype policy of layers beside a backbone, be it quantized or not."""
    policy = backbone.dtype_policy
    return getattr(policy, "default_policy", policy)


def _check_match(backbone, preprocessor):
    pairs = {
        "frames_per_snippet": preprocessor.frames_per_snippet,
        "audio_frames_per_snippet": preprocessor.audio_frames_per_snippet,
        "image_size": preprocessor.video_converter.image_size,
        "num_mels": preprocessor.audio_converter.num_mels,
        "snippet_seconds": preprocessor.snippet_seconds,
    }
    for name, value in pairs.items():
        expected = getattr(backbone, name)
        # Two ways to compute a duration may differ in its last bit.
        if not np.allclose(value, expected, rtol=1e-6, atol=0):
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
