"""Training by objectives, each with a weight of its own."""

import math

import keras
from keras import ops

from keras_mirasol import losses
from keras_mirasol.layers import FrameReconstruction
from keras_mirasol.layers import NextLatentPredictor
from keras_mirasol.layers import SpectrogramReconstruction
from keras_mirasol.metrics import JointTokenSpread
from keras_mirasol.models import replicas
from keras_mirasol.models.default_optimizer import default_optimizer
from keras_mirasol.models.mirasol_backbone import snippet_mask
from keras_mirasol.models.mirasol_task import MirasolTask
from keras_mirasol.models.mirasol_task import precision
from keras_mirasol.models.training_watch import RecentMeans
from keras_mirasol.models.training_watch import TrainingWatch


class ObjectiveTask(MirasolTask):
    """Has a KerasHub task trained by the objectives of snippets and of text.

    To be inherited from before a KerasHub task; see `MirasolTask`.

    Args:
        backbone: a `MirasolBackbone`.
        preprocessor: a `MirasolCausalLMPreprocessor` or `None`.
        snippet_latents: what the next snippets are predicted from.
        outputs: dict of what else the task makes, with `"joint_tokens"`, and
            with `"logits"` if there is a text loss.
        objective_weights: dict of the weight of each objective: `"text"`,
            `"latent"`, `"frame"`, `"spectrogram"` and those of a subclass.
        frame_downsampling: int. How many times smaller reconstructed frames
            are, along height and width.
        mel_downsampling: int. How many times fewer mel bins a reconstructed
            spectrogram has.
        **kwargs: see `keras_hub.models.Task`.
    """

    def __init__(
        self,
        backbone,
        preprocessor,
        snippet_latents,
        outputs,
        objective_weights,
        frame_downsampling,
        mel_downsampling,
        **kwargs,
    ):
        # === Layers ===
        heads = _next_snippet_heads(
            backbone, objective_weights, frame_downsampling, mel_downsampling
        )

        # === Functional Model ===
        heads = {name: head(snippet_latents) for name, head in heads.items()}
        super().__init__(backbone, preprocessor, {**outputs, **heads}, **kwargs)

        # === Config ===
        self.objective_weights = objective_weights
        self.frame_downsampling = frame_downsampling
        self.mel_downsampling = mel_downsampling

        # === Metrics ===
        self.loss_trackers = {
            name: keras.metrics.Mean(name=f"{name}_loss")
            for name, weight in self.objective_weights.items()
            if weight
        }
        if "logits" in outputs:
            self.token_accuracy = keras.metrics.SparseCategoricalAccuracy(
                name="token_accuracy"
            )
        self.joint_token_spread = JointTokenSpread()
        self.recent_means = RecentMeans()
        self._training_watch = TrainingWatch()

    def compile(
        self, optimizer="auto", *, learning_rate=None, steps=None, **kwargs
    ):
        """Configures training.

        The losses and their weights belong to the model; see its arguments.

        Args:
            optimizer: `"auto"`, an optimizer's name or a `keras.Optimizer`.
                Defaults to `"auto"`, AdamW with a warm-up of 100 steps,
                gradients clipped to a norm of 1, and the two settings below.
            learning_rate: float. The highest learning rate of `"auto"`.
                Defaults to `1e-3`, right for `mirasol_tiny`; larger models
                want less.
            steps: int. Training steps, over which the learning rate of
                `"auto"` falls along a cosine: `epochs * len(dataset)`.
                Defaults to `None`, a rate that does not fall.
            **kwargs: see `keras.Model.compile`.

        Raises:
            ValueError: if a loss or metrics are given, or settings of
                `"auto"` for another optimizer.
        """
        for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            if kwargs.pop(name, None) not in (None, "auto"):
                raise ValueError(
                    f"`{name}` cannot be set: the objectives and what is "
                    "tracked belong to the model. Use the `*_weight` "
                    f"arguments of `{type(self).__name__}`."
                )
        settings = {"learning_rate": learning_rate, "steps": steps}
        settings = {k: v for k, v in settings.items() if v is not None}
        if isinstance(optimizer, str) and optimizer == "auto":
            optimizer = default_optimizer(**settings)
        elif settings:
            raise ValueError(
                '`learning_rate` and `steps` are settings of `"auto"`; give '
                f"them to the optimizer itself. Received: {settings} and "
                f"optimizer={optimizer!r}"
            )
        super().compile(
            optimizer=optimizer, loss=None, weighted_metrics=None, **kwargs
        )

    def get_compile_config(self):
        if not self.compiled:
            return None
        return {
            "optimizer": keras.optimizers.serialize(self.optimizer),
            "jit_compile": self.jit_compile,
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
        }

    def compile_from_config(self, config):
        optimizer = keras.optimizers.deserialize(config["optimizer"])
        self.compile(**{**config, "optimizer": optimizer})
        self.optimizer.build(self.trainable_variables)

    def fit(self, *args, callbacks=None, **kwargs):
        """Trains as `keras_hub.models.Task.fit`, and warns of a dead end.

        Once for a task: if inputs are far off a mean of 0 in the first batch,
        and if the joint tokens of all snippets have become the same.
        """
        with self._training_watch.beside(callbacks, self) as callbacks:
            return super().fit(*args, callbacks=callbacks, **kwargs)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        values = self.compute_objectives(
            x, y, y_pred, sample_weight, training=training
        )
        # As Keras weights `loss`: by the clips of a batch.
        clips = ops.shape(x["video_mask"])[0]
        for name, value in values.items():
            self.loss_trackers[name].update_state(value, sample_weight=clips)
        if "logits" in y_pred:
            self.token_accuracy.update_state(y, y_pred["logits"], sample_weight)
        snippets = snippet_mask(x)
        self.joint_token_spread.update_state(y_pred["joint_tokens"], snippets)
        if training:
            self.recent_means.update_state(x, y_pred["joint_tokens"], snippets)
        weighted = [
            self.objective_weights[name] * value
            for name, value in values.items()
        ]
        # What layers add: `add_loss()` and regularizers.
        return replicas.scale_loss_for_replicas(sum([*weighted, *self.losses]))

    def compute_objectives(self, x, y, y_pred, sample_weight, training):
        """The losses in use, before they are weighted.

        Args:
            x, y, y_pred, sample_weight, training: as for `compute_loss()`.

        Returns:
            A dict of scalars, named as in `objective_weights`.
        """
        snippets = snippet_mask(x)
        values = {}
        if "text" in self.loss_trackers:
            values["text"] = losses.text_loss(
                y, y_pred["logits"], sample_weight
            )
        if "latent" in self.loss_trackers:
            values["latent"] = losses.next_latent_loss(
                y_pred["joint_tokens"],
                y_pred["predicted_joint_tokens"],
                snippets,
            )
        if "frame" in self.loss_trackers:
            values["frame"] = losses.next_frames_loss(
                x["pixel_values"], y_pred["frames"], snippets, x["video_mask"]
            )
        if "spectrogram" in self.loss_trackers:
            values["spectrogram"] = losses.next_spectrogram_loss(
                x["audio_features"],
                y_pred["spectrogram"],
                snippets,
                x["audio_mask"],
            )
        return values

    def get_config(self):
        return {
            **super().get_config(),
            **{
                f"{name}_weight": weight
                for name, weight in self.objective_weights.items()
            },
            "frame_downsampling": self.frame_downsampling,
            "mel_downsampling": self.mel_downsampling,
        }


def _next_snippet_heads(
    backbone, weights, frame_downsampling, mel_downsampling
):
    """The layers of the objectives in use, by the name of their output."""
    dtype = precision(backbone)
    heads = {}
    if weights["latent"]:
        heads["predicted_joint_tokens"] = NextLatentPredictor(
            backbone.hidden_dim, dtype=dtype, name="next_latent_predictor"
        )
    if weights["frame"]:
        frames = backbone.frames_per_snippet
        height, width = (
            _downsampled(size, "image_size", frame_downsampling, "frame")
            for size in backbone.image_size
        )
        heads["frames"] = FrameReconstruction(
            backbone.hidden_dim,
            (frames, height, width, 3),
            patch_size=(frames, _patch_side(height), _patch_side(width)),
            num_heads=backbone.num_heads,
            dtype=dtype,
            name="frame_reconstruction",
        )
    if weights["spectrogram"]:
        audio_frames = backbone.audio_frames_per_snippet
        mels = _downsampled(
            backbone.num_mels, "num_mels", mel_downsampling, "mel"
        )
        heads["spectrogram"] = SpectrogramReconstruction(
            backbone.hidden_dim,
            (audio_frames, mels),
            patch_size=(audio_frames, _patch_side(mels)),
            num_heads=backbone.num_heads,
            dtype=dtype,
            name="spectrogram_reconstruction",
        )
    return heads


def _downsampled(size, name, downsampling, prefix):
    """A size as it is reconstructed."""
    if size % downsampling:
        raise ValueError(
            f"`{prefix}_downsampling` must divide the backbone's `{name}`. "
            f"Received: {prefix}_downsampling={downsampling}, {name}={size}"
        )
    return size // downsampling


def _patch_side(size):
    """The divisor of a size that is nearest to 4, in proportion."""
    divisors = [side for side in range(1, size + 1) if size % side == 0]
    return min(divisors, key=lambda side: abs(math.log(side / 4)))
