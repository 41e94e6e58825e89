"""What binds to private parts of Keras and KerasHub, in one place.

Each has a test that fails when these parts change.
"""

import contextlib
import functools
import gc
import warnings
from pathlib import Path

import keras
import numpy as np
from keras_hub.src.utils import preset_utils


def saved_class(preset):
    """The class that saved a preset, a task if there is one.

    Args:
        preset: str. A folder, or a handle with a scheme that KerasHub knows.

    Returns:
        A class, or `None` if there is no such preset.
    """
    if "://" not in preset and not Path(preset, "config.json").exists():
        return None
    has_task = preset_utils.check_file_exists(
        preset, preset_utils.TASK_CONFIG_FILE
    )
    file = preset_utils.TASK_CONFIG_FILE if has_task else "config.json"
    return preset_utils.check_config_class(preset_utils.load_json(preset, file))


def layers_within(layer):
    """All layers that a layer or model is made of, at any depth."""
    return layer._flatten_layers(include_self=False)


@contextlib.contextmanager
def quantizing():
    """Lets Keras quantize layers in silence, and within a second.

    It tells of each layer without a matrix, and looks through all objects for
    garbage once for each weight that it replaces, which takes half a minute.
    """
    is_frozen = gc.get_freeze_count() > 0
    if not is_frozen:
        gc.freeze()  # What there is by now is not looked through.
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*does not have a `quantize`")
            yield
    finally:
        if not is_frozen:
            gc.unfreeze()


def refuse_cloning(init):
    """Lets the constructor of a task say that it cannot be cloned by parts.

    `keras.models.clone_model` clones a functional model layer by layer. Of a
    subclass it makes a plain functional model, without what the subclass adds,
    unless the constructor takes any arguments: that is given the graph.
    """

    @functools.wraps(init)
    def wrapper(self, *args, **kwargs):
        if args and isinstance(args[0], dict):
            raise ValueError(
                f"A `{type(self).__name__}` cannot be cloned layer by layer, "
                "as `keras.models.clone_model(task)` does: it is more than its "
                "layers. Use `task.from_config(task.get_config())`."
            )
        init(self, *args, **kwargs)

    return wrapper


def drop_layer(owner, name):
    """Takes away a layer that a base class gave its subclass."""
    layer = getattr(owner, name)
    delattr(owner, name)
    # In place: Keras tracks by this very list.
    owner._layers.remove(layer)


def fuse_adam(optimizer):
    """Has an Adam of Keras on PyTorch update all weights in one pass, on a CPU.

    The same update; Keras goes through the weights a dozen times, with copies
    as large as the model.

    Args:
        optimizer: a `keras.optimizers.Optimizer` of any kind.
    """
    if not isinstance(optimizer, keras.optimizers.Adam) or optimizer.amsgrad:
        return
    import torch
    from torch.optim.adam import adam

    one_by_one = optimizer._parallel_update_step

    def update(grads, variables, learning_rate):
        values = [variable.value for variable in variables]
        indices = [optimizer._get_variable_index(v) for v in variables]
        moments, squares = (
            [kept[index].value for index in indices]
            for kept in (optimizer._momentums, optimizer._velocities)
        )
        if any(
            tensor.device.type != "cpu" or tensor.dtype != torch.float32
            for tensor in (*values, *grads)
        ):
            one_by_one(grads, variables, learning_rate)
            return
        steps = float(optimizer.iterations)
        bias = 1 - optimizer.beta_2 ** (steps + 1)
        adam(
            values,
            grads,
            moments,
            squares,
            [],
            list(torch.full((len(values),), steps).unbind()),
            fused=True,
            amsgrad=False,
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            lr=float(learning_rate),
            # Weights decay before, by Keras.
            weight_decay=0.0,
            # Keras adds it to the root of squares that are still biased.
            eps=optimizer.epsilon / bias**0.5,
            maximize=False,
        )

    optimizer._parallel_update_step = update


def let_nothing_decay(optimizer):
    """Lets a Keras optimizer on PyTorch find no weight that decays.

    PyTorch refuses to scale a list of no tensors, which Keras gives it then.

    Args:
        optimizer: a `keras.optimizers.Optimizer` on PyTorch. Changed in place.
    """
    decay = optimizer._apply_weight_decay

    def decay_if_any(variables):
        if any(map(optimizer._use_weight_decay, variables)):
            decay(variables)

    optimizer._apply_weight_decay = decay_if_any


def pass_over(model, steps):
    """Has the first steps of an epoch that `fit()` begins draw batches alone.

    Args:
        model: a `keras.Model` whose `fit()` is about to begin an epoch.
        steps: int. How many steps. The next ones train.

    Raises:
        ValueError: if these are no whole number of executions.
    """
    executions, rest = divmod(steps, model.steps_per_execution)
    if rest:
        raise ValueError(
            f"Training goes on after step {steps} of an epoch, which is no "
            f"multiple of steps_per_execution={model.steps_per_execution}. "
            "Compile with another one, such as before."
        )
    train = model.train_function
    # What was logged before the first of the next steps.
    logs = model.get_metrics_result()

    def draw(*args):
        nonlocal executions
        executions -= 1
        if not executions:
            model.train_function = train
        # PyTorch is given the batches, the others what they are drawn from.
        if keras.backend.backend() != "torch":
            for _ in range(model.steps_per_execution):
                next(args[-1])
        # JAX passes on the state of training.
        return (logs, args[0]) if keras.backend.backend() == "jax" else logs

    model.train_function = draw


def random_state():
    """What random numbers depend on beside the seeds of layers, as JSON has it.

    Dropout of Keras on PyTorch draws from PyTorch's own generator.
    """
    if keras.backend.backend() != "torch":
        return None
    import torch

    return torch.get_rng_state().numpy().tobytes().hex()


def set_random_state(state):
    """Sets what `random_state()` returned, on the same backend."""
    if state is None or keras.backend.backend() != "torch":
        return
    import torch

    values = np.frombuffer(bytes.fromhex(state), "uint8").copy()
    torch.set_rng_state(torch.from_numpy(values))
