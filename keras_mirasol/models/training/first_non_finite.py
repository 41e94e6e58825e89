"""The first step at which a loss was not a number."""

import keras
import numpy as np
from keras import ops

# As many clips of a batch are kept.
NAMED_CLIPS = 256


class FirstNonFinite(keras.metrics.Metric):
    """Keeps the first step whose losses were not all finite, and its clips.

    It costs no look at the device: the step is found in the program itself,
    and may be read later. Hidden from logs, and not reset at the beginning of
    an epoch.

    Args:
        names: list of str. Names of the losses, in their order.
        name: str. Defaults to `"first_non_finite"`.
        **kwargs: see `keras.metrics.Metric`.
    """

    def __init__(self, names, name="first_non_finite", **kwargs):
        super().__init__(name=name, **kwargs)
        self.names = list(names)
        self.steps = self.add_variable((), "zeros", name="steps")
        # Steps and clips count from 1 here: 0 stands for none.
        self.step = self.add_variable((), "zeros", name="step")
        self.losses = self.add_variable(
            (len(self.names),), "zeros", name="losses"
        )
        self.clips = self.add_variable((NAMED_CLIPS,), "zeros", name="clips")

    def update_state(self, losses, clip_index=None):
        """Looks at a step.

        Args:
            losses: list of scalars, one a name.
            clip_index: int tensor `(batch,)`. Defaults to `None`: not known.
        """
        losses = ops.stack([ops.cast(loss, self.dtype) for loss in losses])
        self.steps.assign_add(ops.ones((), self.dtype))
        is_first = ops.logical_and(
            ops.equal(self.step, 0),
            ops.logical_not(ops.all(ops.isfinite(losses))),
        )
        clips = ops.zeros((NAMED_CLIPS,), self.dtype)
        if clip_index is not None:
            clip_index = ops.cast(clip_index, self.dtype) + 1
            clips = ops.concatenate([clip_index, clips])[:NAMED_CLIPS]
            clips = ops.reshape(clips, (NAMED_CLIPS,))
        for variable, value in (
            (self.losses, losses),
            (self.clips, clips),
            (self.step, self.steps),
        ):
            # JAX takes no variables here.
            value, kept = map(ops.convert_to_tensor, (value, variable))
            variable.assign(ops.where(is_first, value, kept))

    def found(self):
        """`None`, or of that step the number, losses and clips' indices.

        Returns:
            A tuple of an int, counted from 1, a dict of floats by name, and a
            list of ints, empty if they are not known.
        """
        step = int(ops.convert_to_numpy(self.step))
        if not step:
            return None
        losses = ops.convert_to_numpy(self.losses)
        clips = np.rint(ops.convert_to_numpy(self.clips)).astype(int)
        return (
            step,
            dict(zip(self.names, map(float, losses), strict=True)),
            [int(clip) - 1 for clip in clips if clip],
        )

    def forget(self):
        """Begins to look anew; goes on counting steps."""
        self.step.assign(ops.zeros((), self.dtype))

    def reset_state(self):
        """Nothing; see `forget()`."""

    def result(self):
        """Nothing that logs would show."""
        return {}
