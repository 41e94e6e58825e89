"""All of a training's state, saved as it goes and gone on from."""

import contextlib
import itertools
import os

import keras
import numpy as np
from keras import ops

from keras_mirasol import keras_compat
from keras_mirasol.data.batch_iterables import is_batch_iterable
from keras_mirasol.data.data_position import without_end
from keras_mirasol.models import replicas


class TrainingCheckpoint(keras.callbacks.Callback):
    """Saves a training as it goes, and has `fit()` go on where it was.

    A checkpoint has all that the next step depends on: weights, optimizer,
    seeds, metrics of the epoch so far, and the place in the data. The same
    script, started again after it was killed, ends with the weights that it
    would have had. `fit()` does what is needed: give it the data that it was
    given before.

    Orbax writes in the background, each host its own part (on PyTorch the first
    process all of it), and a checkpoint is there as a whole or not at all. It
    may be restored on more or fewer devices. If it cannot be written, training
    stops with an error, and the last complete one stays.
    `pip install orbax-checkpoint`.

    Args:
        directory: str or path. Where to, one folder a checkpoint. Of several
            hosts all must reach it; `gs://` will do.
        save_every: int, steps from one checkpoint to the next, or `"epoch"`.
            One at the end of the training comes in any case. Defaults to
            `"epoch"`.
        max_to_keep: int. The newest that are kept. `None` stands for all.
            Defaults to `3`.
        keep_every: int. Of which steps a checkpoint is kept for good: of
            those that are multiples of it. Defaults to `None`, of none.

    Data:
        - A `tf.data.Dataset` is brought to its place. If it is shuffled, it
          must have a `seed`. `clip_dataset` and `records_dataset` get there
          by reading two passes at most.
        - NumPy arrays begin anew in each epoch.
        - Generators and the like cannot be gone on with.

    Raises:
        ImportError: if Orbax is not installed.
        ValueError: if an argument is not one of those above, or, by `fit()`,
            if the checkpoint is of another model or of other data.
        OSError: by `fit()`, if a checkpoint cannot be read or written.

    Example:
    ```python
    train = keras_mirasol.data.clip_dataset(
        "train.jsonl", task.preprocessor, batch_size=16, shuffle=True, seed=0
    )
    checkpoint = keras_mirasol.models.TrainingCheckpoint(
        "checkpoints", save_every=500
    )
    task.fit(train, epochs=3, callbacks=[checkpoint])
    ```
    """

    def __init__(
        self, directory, save_every="epoch", max_to_keep=3, keep_every=None
    ):
        super().__init__()
        if save_every != "epoch":
            _check_count("save_every", save_every, ' or `"epoch"`')
        for name, value in (
            ("max_to_keep", max_to_keep),
            ("keep_every", keep_every),
        ):
            if value is not None:
                _check_count(name, value, " or `None`")
        try:
            import orbax.checkpoint as orbax
        except ImportError as error:
            raise ImportError(
                "`TrainingCheckpoint` writes with Orbax, which is not "
                "installed: `pip install orbax-checkpoint`."
            ) from error
        self._orbax = orbax
        directory = os.fspath(directory)
        if "://" not in directory:
            directory = os.path.abspath(directory)
        self.directory = directory
        self.save_every = save_every
        self._options = dict(max_to_keep=max_to_keep, keep_period=keep_every)
        self._manager = None

    # === Going on ===

    def resume(self, task, data, steps_per_epoch=None):
        """Brings a task and its data to where the newest checkpoint was made.

        `fit()` calls it.

        Args:
            task: a compiled task.
            data: what `fit()` was given as `x`.
            steps_per_epoch: int. What `fit()` was given. Defaults to `None`.

        Returns:
            A tuple of the data to go on with, of its steps an epoch, and of
            the epoch to go on in.
        """
        # Else `fit()` would, with a batch of a pass that it begins for it.
        task.build_optimizer()
        # Steps before this epoch, and of it in an earlier run.
        self._steps_before = self._passed_over = 0
        self._random_state = None
        # The one that writes may be at the end of the training before.
        replicas.meet()
        self._manager = self._open()
        self._saved = self._manager.latest_step()
        position = {"epoch": 0, "steps_of_epoch": 0}
        if self._saved is not None:
            position = self._read("position", self._orbax.args.JsonRestore())
            if is_batch_iterable(data):
                raise ValueError(
                    f"'{self.directory}' has a training to go on with, but "
                    f"its place in a {type(data).__name__} cannot be found. "
                    "Train on a `tf.data.Dataset`, such as `clip_dataset` "
                    "makes, or begin anew in an empty folder."
                )
        epoch = position["epoch"]
        if hasattr(data, "cardinality"):
            data, steps_per_epoch = without_end(data, epoch, steps_per_epoch)
        self._steps_per_epoch = steps_per_epoch
        if self._saved is not None:
            self._restore(task, position)
        return data, steps_per_epoch, epoch

    def _restore(self, task, position):
        variables = _variables_of(task)
        self._check(position, variables)
        values = self._read(
            "state",
            self._orbax.args.StandardRestore([_value_of(v) for v in variables]),
        )
        _assign(variables, values)
        # `fit()` resets and draws, before it begins the epoch.
        self._metrics = values[-len(task.metrics_variables) :]
        self._random_state = position["random_state"]
        self._passed_over = position["steps_of_epoch"]
        self._steps_before = self._saved - self._passed_over

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._steps = epoch, self._passed_over
        if self._passed_over:
            _assign(self.model.metrics_variables, self._metrics)
            keras_compat.pass_over(self.model, self._passed_over)

    def _check(self, position, variables):
        if position["steps_per_epoch"] != self._steps_per_epoch:
            raise ValueError(
                f"The training in '{self.directory}' had `steps_per_epoch="
                f"{position['steps_per_epoch']}`. Go on with the same. "
                f"Received: steps_per_epoch={self._steps_per_epoch}"
            )
        here, there = _described(variables), position["variables"]
        for mine, saved in itertools.zip_longest(here, there):
            # Names may count layers that were made before.
            if mine is None or saved is None or mine[1] != saved[1]:
                raise ValueError(
                    f"The checkpoint in '{self.directory}' is of another "
                    f"model or optimizer: it has {len(there)} variables, and "
                    f"{saved} where this training, of {len(here)}, has "
                    f"{mine}. Make the task and compile it as it was, or "
                    "begin anew in an empty folder."
                )

    # === Saving ===

    def on_train_batch_begin(self, batch, logs=None):
        # Only now: to begin with the data of PyTorch draws, too.
        if self._random_state is not None and batch >= self._passed_over:
            keras_compat.set_random_state(self._random_state)
            self._random_state = None

    def on_train_batch_end(self, batch, logs=None):
        before, self._steps = self._steps, batch + 1
        if self.save_every == "epoch" or self._steps <= self._passed_over:
            return
        steps = self._steps_before + self._steps
        due = steps // self.save_every * self.save_every
        if due > self._steps_before + before:
            self._save(steps, self._epoch, self._steps)

    def on_epoch_end(self, epoch, logs=None):
        self._steps_before += self._steps
        self._passed_over = 0
        is_last = self.model.stop_training or (
            epoch + 1 == self.params.get("epochs")
        )
        if self.save_every == "epoch" or is_last:
            self._save(self._steps_before, epoch + 1, 0)

    def on_train_end(self, logs=None):
        with self._told_of():
            self._manager.wait_until_finished()

    def close(self):
        """Ends what writes in the background. `fit()` calls it."""
        if self._manager is not None:
            manager, self._manager = self._manager, None
            # What could not be written has been told of.
            with contextlib.suppress(Exception):
                manager.close()

    def _save(self, step, epoch, steps_of_epoch):
        if step == self._saved:
            return
        self.model.check_losses()
        if not replicas.writes_files():
            return
        variables = _variables_of(self.model)
        position = {
            "epoch": epoch,
            "steps_of_epoch": steps_of_epoch,
            "steps_per_epoch": self._steps_per_epoch,
            "random_state": keras_compat.random_state(),
            "variables": _described(variables),
        }
        args = self._orbax.args
        with self._told_of():
            self._manager.save(
                step,
                args=args.Composite(
                    state=args.StandardSave([_value_of(v) for v in variables]),
                    position=args.JsonSave(position),
                ),
            )
        self._saved = step

    # === Files ===

    def _open(self):
        if replicas.writes_files():
            options = dict(
                create=True, cleanup_tmp_directories=True, **self._options
            )
        else:
            options = dict(create=False, read_only=True, save_interval_steps=0)
        with self._told_of():
            return self._orbax.CheckpointManager(
                self.directory,
                options=self._orbax.CheckpointManagerOptions(**options),
            )

    def _read(self, name, args):
        try:
            composite = self._orbax.args.Composite(**{name: args})
            return self._manager.restore(self._saved, args=composite)[name]
        except Exception as error:
            raise OSError(
                f"The checkpoint of step {self._saved} in '{self.directory}' "
                f"cannot be read: {error}. To go on from the one before it, "
                f"remove '{self.directory}/{self._saved}'."
            ) from error

    @contextlib.contextmanager
    def _told_of(self):
        """Has errors of writing, then or before in the background, say more."""
        try:
            yield
        except Exception as error:
            raise OSError(
                f"No checkpoint could be written in '{self.directory}': "
                f"{error}. {self._whats_left()} See to it that there is room "
                "and that the folder may be written, and start the same "
                "training again."
            ) from error

    def _whats_left(self):
        try:
            steps = self._orbax.utils.checkpoint_steps(self.directory)
        except OSError:
            steps = []
        if not steps:
            return "There is none yet."
        return f"The last complete one, of step {max(steps)}, is as it was."


def _check_count(name, value, others):
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(
            f"`{name}` must be a positive int{others}. Received: {value!r}"
        )


def _variables_of(task):
    """What a step changes, in one order."""
    return [
        *task.trainable_variables,
        *task.non_trainable_variables,
        *task.optimizer.variables,
        *task.metrics_variables,
    ]


def _described(variables):
    return [[variable.path, list(variable.shape)] for variable in variables]


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        if keras.distribution.distribution() is None:
            # Bound to no device, as before: else JAX compiles steps anew.
            value = np.asarray(value)
        variable.assign(value)


def _value_of(variable):
    """An array of JAX, which hosts write in parts, or a copy for NumPy."""
    if keras.backend.backend() == "jax":
        return variable.value
    return np.array(ops.convert_to_numpy(variable))
