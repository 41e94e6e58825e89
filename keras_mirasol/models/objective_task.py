"""Training by objectives, each with a weight of its own."""

import contextlib

import keras
from keras import ops

from keras_mirasol import keras_compat
from keras_mirasol.metrics import JointTokenSpread
from keras_mirasol.models import replicas
from keras_mirasol.models.mirasol_backbone import snippet_mask
from keras_mirasol.models.mirasol_task import MirasolTask
from keras_mirasol.models.training.default_optimizer import decay_kernels_alone
from keras_mirasol.models.training.default_optimizer import default_optimizer
from keras_mirasol.models.training.first_non_finite import FirstNonFinite
from keras_mirasol.models.training.throughput_logger import ThroughputLogger
from keras_mirasol.models.training.training_checkpoint import TrainingCheckpoint
from keras_mirasol.models.training.training_watch import RecentMeans
from keras_mirasol.models.training.training_watch import TrainingWatch


class ObjectiveTask(MirasolTask):
    """Has a KerasHub task trained by the objectives of snippets and of text.

    To be inherited from before a KerasHub task; see `MirasolTask`.

    Args:
        backbone: a `MirasolBackbone`.
        preprocessor: a `MirasolCausalLMPreprocessor` or `None`.
        read: dict of symbolic tensors, the inputs and the outputs of the
            backbone, which the objectives start from.
        objectives: list of `Objective`s. Those of a weight of 0 are left out.
        outputs: dict of what else the task makes. Defaults to `None`, nothing.
        **kwargs: see `keras_hub.models.Task`.
    """

    def __init__(
        self, backbone, preprocessor, read, objectives, outputs=None, **kwargs
    ):
        learned = [objective for objective in objectives if objective.weight]
        outputs = {**(outputs or {}), "joint_tokens": read["joint_tokens"]}
        for objective in learned:
            outputs.update(objective.connect(backbone, read))
        super().__init__(backbone, preprocessor, outputs, **kwargs)
        self.objectives = objectives
        self._text = next(o for o in objectives if o.name == "text")
        self._is_in_train_step = False
        if "logits" in outputs:
            # Of the same layers, without those that no loss needs.
            hidden = {**outputs, "sequence_output": read["sequence_output"]}
            del hidden["logits"]
            self._outputs_of_training = keras.Model(backbone.input, hidden).call

        # === Metrics ===
        self.loss_trackers = {
            objective.name: keras.metrics.Mean(name=f"{objective.name}_loss")
            for objective in learned
        }
        if "logits" in outputs:
            self.token_accuracy = keras.metrics.Mean(name="token_accuracy")
        self.joint_token_spread = JointTokenSpread()
        self.recent_means = RecentMeans()
        self.first_non_finite = FirstNonFinite(self.loss_trackers)
        self._training_watch = TrainingWatch()

    def compile(
        self,
        optimizer="auto",
        *,
        learning_rate=None,
        steps=None,
        gradient_accumulation_steps=None,
        ema_momentum=None,
        **kwargs,
    ):
        """Configures training.

        The losses and their weights belong to the model; see its arguments.

        Args:
            optimizer: `"auto"`, an optimizer's name or a `keras.Optimizer`.
                Defaults to `"auto"`, AdamW with a warm-up of 100 steps,
                decay of kernels alone, each weight's gradient clipped to a
                norm of 1, and the four settings below.
            learning_rate: float. The highest learning rate of `"auto"`.
                Defaults to `1e-3`, right for `mirasol_tiny`; larger models
                want less.
            steps: int. Training steps, over which the learning rate of
                `"auto"` falls along a cosine: `epochs * len(dataset)`.
                Defaults to `None`, a rate that does not fall.
            gradient_accumulation_steps: int. Steps of `"auto"` whose mean
                gradient makes one update: the updates of large batches in the
                memory of small ones. Defaults to `None`, one.
            ema_momentum: float below 1, such as `0.999`. Has `"auto"` keep a
                moving average of the weights, which takes their place when
                `fit()` ends; `keras.callbacks.SwapEMAWeights` has epochs
                validated with it. Defaults to `None`, none.
            **kwargs: see `keras.Model.compile`. Under `"mixed_float16"`, Keras
                scales the loss.

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
        settings = {
            "learning_rate": learning_rate,
            "steps": steps,
            "gradient_accumulation_steps": gradient_accumulation_steps,
            "ema_momentum": ema_momentum,
        }
        settings = {k: v for k, v in settings.items() if v is not None}
        self._has_default_optimizer = (
            isinstance(optimizer, str) and optimizer == "auto"
        )
        if self._has_default_optimizer:
            optimizer = default_optimizer(**settings)
        elif settings:
            raise ValueError(
                f'{", ".join(settings)}: settings of `"auto"`; give '
                f"them to the optimizer itself. Received: {settings} and "
                f"optimizer={optimizer!r}"
            )
        optimizer = keras.optimizers.get(optimizer)
        if keras.backend.backend() == "torch":
            keras_compat.fuse_adam(optimizer)
        self._asked_jit_compile = kwargs.get("jit_compile", "auto")
        super().compile(
            optimizer=optimizer, loss=None, weighted_metrics=None, **kwargs
        )

    def get_compile_config(self):
        if not self.compiled:
            return None
        return {
            "optimizer": keras.optimizers.serialize(self.optimizer),
            "has_default_optimizer": self._has_default_optimizer,
            "has_trained": self.optimizer.built,
            # What "auto" is on this backend may be unwise on another.
            "jit_compile": self._asked_jit_compile,
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
        }

    def compile_from_config(self, config):
        config = dict(config)
        # What was not saved could not be loaded into it.
        has_trained = config.pop("has_trained", True)
        is_default = config.pop("has_default_optimizer", False)
        optimizer = keras.optimizers.deserialize(config["optimizer"])
        if is_default:
            decay_kernels_alone(optimizer)
        self.compile(**{**config, "optimizer": optimizer})
        self._has_default_optimizer = is_default
        if has_trained:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, *args, callbacks=None, **kwargs):
        """Trains as `keras_hub.models.Task.fit`, and sees to what goes wrong.

        Warns once if inputs are far off a mean of 0 in the first batch, or if
        the joint tokens of all snippets have become the same.

        With a `keras_mirasol.models.TrainingCheckpoint` among the callbacks, a
        training that was interrupted goes on where it was.

        On PyTorch, if `torch.distributed` was initialized, all processes begin
        with the weights of the first one and average their gradients. Give
        each its own `shard` of the data, of as many batches.

        Raises:
            FloatingPointError: if a loss is NaN or infinite. Names the step,
                the losses, and the clips of that batch if the dataset was
                made with `clip_index=True`.
        """
        names = getattr(x, "name_of", None)
        with contextlib.ExitStack() as stack:
            callbacks = stack.enter_context(
                self._training_watch.beside(callbacks, self, names)
            )
            given = getattr(callbacks, "callbacks", callbacks)
            for callback in given:
                if isinstance(callback, TrainingCheckpoint):
                    stack.callback(callback.close)
                    x, kwargs["steps_per_epoch"], kwargs["initial_epoch"] = (
                        callback.resume(self, x, kwargs.get("steps_per_epoch"))
                    )
            for callback in given:
                if isinstance(callback, ThroughputLogger):
                    x = callback.measure(x, self)
            replicas.begin_alike(self)
            return super().fit(x, *args, callbacks=callbacks, **kwargs)

    def check_losses(self):
        """Raises a `FloatingPointError` if one has been NaN or infinite."""
        self._training_watch.check_losses()

    def train_step(self, *args, **kwargs):
        self._is_in_train_step = True
        try:
            with replicas.averaged_gradients(self.trainable_variables):
                return super().train_step(*args, **kwargs)
        finally:
            self._is_in_train_step = False

    def outputs_of(self, inputs, training=None):
        # Only tokens of responses are to meet the vocabulary, in their loss.
        if self._is_in_train_step and hasattr(self, "token_accuracy"):
            return self._outputs_of_training(inputs, training=training)
        return super().outputs_of(inputs, training=training)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        if hasattr(self, "token_accuracy"):
            scores = self._text.score(y, y_pred, sample_weight)
            y_pred = {**y_pred, "next_tokens": scores}
            self.token_accuracy.update_state(*scores[1:])
        losses, weighted = [], []
        # As Keras weights `loss`: by the clips of a batch.
        clips = ops.shape(x["video_mask"])[0]
        for objective in self.objectives:
            if objective.name in self.loss_trackers:
                loss = objective.loss(x, y, y_pred, sample_weight, training)
                tracker = self.loss_trackers[objective.name]
                tracker.update_state(loss, sample_weight=clips)
                losses.append(loss)
                weighted.append(objective.weight * loss)
        snippets = snippet_mask(x)
        self.joint_token_spread.update_state(y_pred["joint_tokens"], snippets)
        if training:
            self.recent_means.update_state(x, y_pred["joint_tokens"], snippets)
            self.first_non_finite.update_state(losses, x.get("clip_index"))
        # What layers add: `add_loss()` and regularizers.
        return replicas.scale_loss_for_replicas(sum([*weighted, *self.losses]))

    def get_config(self):
        config = super().get_config()
        for objective in self.objectives:
            config.update(objective.get_config())
        return config
