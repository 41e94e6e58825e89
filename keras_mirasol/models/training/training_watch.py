"""Notices, while a task is trained, that it does not learn."""

import contextlib
import warnings

import keras
from keras import ops

from keras_mirasol.losses.masked_mean import masked_mean
from keras_mirasol.metrics.joint_token_spread import spread_of

INPUTS = {"pixel_values": "video_mask", "audio_features": "audio_mask"}
# Mean inputs farther from 0 than this are warned of. Adapted converters make
# means of 0 and deviations of 1; default ones map mid-grey, and noise, near 0,
# and darkness and silence beyond -0.9.
FAR_OFF = 0.5
# Joint tokens that differ less than this, as `1 - cosine`, have collapsed.
COLLAPSED = 0.01
# Training steps for which they must have been so.
COLLAPSED_STEPS = 100
# Values are fetched from the device that seldom.
LOOK_EVERY = 25


class RecentMeans(keras.metrics.Metric):
    """Means of inputs and of the joint token spread since the last look.

    Hidden from logs, and neither reset at the beginning of an epoch nor by
    validation: only `take()` begins anew.
    """

    NAMES = (*INPUTS, "joint_token_spread")

    def __init__(self, name="recent_means", **kwargs):
        super().__init__(name=name, **kwargs)
        shape = (len(self.NAMES),)
        self.totals = self.add_variable(shape, "zeros", name="totals")
        self.counts = self.add_variable(shape, "zeros", name="counts")

    def update_state(self, x, joint_tokens, snippet_mask):
        """Adds a batch.

        Args:
            x: dict of the model's inputs.
            joint_tokens: tensor of shape `(batch, T, m, dim)`.
            snippet_mask: bool tensor `(batch, T)`, which snippets count.
        """
        means = [
            _mean_input(x[name], ops.cast(x[mask], "bool"))
            for name, mask in INPUTS.items()
        ]
        means.append(spread_of(joint_tokens, snippet_mask))
        values, weights = (
            ops.stack(column) for column in zip(*means, strict=True)
        )
        self.totals.assign_add(ops.cast(values * weights, self.totals.dtype))
        self.counts.assign_add(ops.cast(weights, self.counts.dtype))

    def take(self):
        """The means, by name, `None` where there was nothing; begins anew."""
        totals = ops.convert_to_numpy(self.totals)
        counts = ops.convert_to_numpy(self.counts)
        super().reset_state()
        return {
            name: float(total / count) if count else None
            for name, total, count in zip(
                self.NAMES, totals, counts, strict=True
            )
        }

    def reset_state(self):
        """Nothing; see `take()`."""

    def result(self):
        """Nothing that logs would show."""
        return {}


def _mean_input(values, mask):
    """Mean of inputs over present snippets, and 1, or 0 if there are none."""
    values = ops.reshape(ops.cast(values, "float32"), (*ops.shape(mask), -1))
    # Not even NaN may pass from what is masked.
    values = ops.where(mask, ops.mean(values, axis=-1), 0)
    return masked_mean(values, mask), ops.cast(ops.any(mask), "float32")


class TrainingWatch(keras.callbacks.Callback):
    """Stops at losses that are NaN, and warns of what leads nowhere.

    Once of inputs far off 0, and once of collapsed joint tokens.

    After the first step of training, if the mean of `pixel_values` or of
    `audio_features` is beyond ±`FAR_OFF`, over the snippets that have them.
    After `COLLAPSED_STEPS` consecutive steps with a joint token spread below
    `COLLAPSED`, on average over the `LOOK_EVERY` steps, or a few more if
    several are executed at a time, between two looks.

    `ObjectiveTask.fit()` adds it to its callbacks. It looks before a step
    instead of after one, so that on JAX Keras may go on handing logs to other
    callbacks while the next step runs.
    """

    def __init__(self):
        super().__init__()
        self._name_of = str
        self._steps = 0  # since the last look
        self._collapsed_steps = 0
        self._has_seen_inputs = self._has_warned = False

    @contextlib.contextmanager
    def beside(self, callbacks, model, name_of=None):
        """The callbacks of `fit()` and this one.

        Args:
            callbacks: what `fit()` was given.
            model: the task.
            name_of: function from the index of a clip to its name. Defaults
                to `None`: clips are told by their indices.
        """
        self._name_of = name_of or str
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            yield [*keras.tree.flatten(callbacks or []), self]
            return
        # Keras takes such a list to know its model already.
        self.set_model(model)
        callbacks.callbacks.append(self)
        try:
            yield callbacks
        finally:
            callbacks.callbacks.remove(self)

    def on_train_begin(self, logs=None):
        self._steps_per_batch = self.model.steps_per_execution
        self.model.first_non_finite.forget()

    def on_train_batch_begin(self, batch, logs=None):
        self._look_if_due()
        self._steps += self._steps_per_batch

    def on_epoch_end(self, epoch, logs=None):
        self.check_losses()
        self._look_if_due()

    def _look_if_due(self):
        if self._steps < (LOOK_EVERY if self._has_seen_inputs else 1):
            return
        steps, self._steps = self._steps, 0
        self.check_losses()
        means = self.model.recent_means.take()
        if not self._has_seen_inputs:
            self._has_seen_inputs = True
            _check_inputs(means)
        spread = means["joint_token_spread"]
        if spread is None:
            return
        self._collapsed_steps = (
            self._collapsed_steps + steps if spread < COLLAPSED else 0
        )
        if self._collapsed_steps >= COLLAPSED_STEPS and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                "Joint tokens have collapsed: `joint_token_spread` has been "
                f"below {COLLAPSED} for {self._collapsed_steps} steps, by now "
                f"{spread:.2g}. All snippets look alike to the text decoder, "
                "and training hardly ever leaves this state. Begin anew, and "
                "adapt the converters to the data first, "
                "`task.preprocessor.adapt(manifest)`; if that is done, lower "
                "the learning rate or warm it up, or raise `frame_weight` "
                "and `spectrogram_weight`.",
                stacklevel=2,
            )

    def check_losses(self):
        """Raises a `FloatingPointError` if one has been NaN or infinite."""
        found = self.model.first_non_finite.found()
        if found is None:
            return
        step, losses, clips = found
        told = ", ".join(f"{name} {loss:.4g}" for name, loss in losses.items())
        batch = (
            f"The clips of its batch: {', '.join(map(self._name_of, clips))}."
            if clips
            else "Make the dataset with `clip_index=True` to be told which "
            "clips it was."
        )
        raise FloatingPointError(
            f"A loss is not finite since training step {step}: {told}. {batch} "
            "The weights are spoiled: load those of before. If it is always "
            "the same clips, look at what they are made of; else lower the "
            "learning rate, or clip gradients more."
        )


def _check_inputs(means):
    far_off = {
        name: means[name]
        for name in INPUTS
        if means[name] is not None and abs(means[name]) > FAR_OFF
    }
    if far_off:
        found = " and ".join(
            f"of `{name}` {mean:.2f}" for name, mean in far_off.items()
        )
        warnings.warn(
            f"In the first batch the mean {found}; near 0 was expected. A "
            "model that is trained from scratch may not learn to tell such "
            "snippets apart. Before training, adapt the converters to the "
            "data: `task.preprocessor.adapt(manifest)`.",
            stacklevel=2,
        )
