"""Functions of a model's weights, compiled as each backend does it."""

import collections
import functools
import warnings

import keras
from keras import ops


def compiled_function(model, function, variables=(), donated=()):
    """Compiles a function that computes with the weights of a model.

    The weights are those of each call, so that a model that was trained on
    needs no new function. It computes no gradients, and runs as it is if the
    model is compiled with `run_eagerly=True`.

    Args:
        model: a `keras.Model`.
        function: a function of nested tensors, given by place, and of static
            settings, hashable and given by name.
        variables: list of `keras.Variable`s beside those of the model that
            the function may read and assign, such as the seeds of a sampler.
            What it assigns to other variables is lost on JAX.
        donated: tuple of ints. Places of the arguments whose memory the
            outputs may take, where the backend can; not to be used again.

    Returns:
        A function of the same arguments, arrays or tensors.

    Example:
    ```python
    compiled = compiled_function(model, lambda x: 2 * model(x))
    compiled(np.ones((1, 3)))
    ```
    """
    if model.run_eagerly:
        return function
    compiled = _COMPILE[keras.backend.backend()](
        model, function, list(variables), donated
    )

    def call(*args, **settings):
        args = keras.tree.map_structure(ops.convert_to_tensor, args)
        return compiled(*args, **settings)

    return call


def compiled_step(model, function):
    """Compiles what a loop in a compiled function calls again and again.

    JAX and TensorFlow compile it with the loop. PyTorch runs loops in Python,
    where the code of the layers takes longer than what it computes: there, the
    operations of a step are recorded once it has come `16` times with
    arguments of the same shapes, and are run alone from then on.

    Args:
        model: a `keras.Model`.
        function: a function of nested tensors, given by place, that computes
            with them and with the weights of the model, without a gradient.
            It must not decide in Python by the values of tensors, and must
            not draw or assign.

    Returns:
        A function of the same arguments.

    Example:
    ```python
    step = compiled_step(model, lambda x: 2 * model(x))
    step(ops.ones((1, 3)))
    ```
    """
    if keras.backend.backend() != "torch" or model.run_eagerly:
        return function
    return _RecordedStep(model, function)


def _weights(model):
    return model.trainable_variables + model.non_trainable_variables


def _jax(model, function, variables, donated):
    import jax

    @functools.partial(
        jax.jit,
        static_argnums=0,
        # After the settings, the weights and the variables.
        donate_argnums=tuple(place + 3 for place in donated),
    )
    def stateless(settings, weight_values, values, *args):
        mapping = [
            *zip(_weights(model), weight_values, strict=True),
            *zip(variables, values, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            outputs = function(*args, **dict(settings))
        return outputs, [scope.get_current_value(v) for v in variables]

    def call(*args, **settings):
        outputs, values = stateless(
            tuple(sorted(settings.items())),
            [weight.value for weight in _weights(model)],
            [variable.value for variable in variables],
            *args,
        )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return outputs

    return call


def _tensorflow(model, function, variables, donated):
    import tensorflow as tf

    return tf.function(function, jit_compile=model.jit_compile)


def _torch(model, function, variables, donated):
    import torch

    return torch.no_grad()(function)


_COMPILE = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}


# Recording takes as long as some fifty steps.
_STEPS_BEFORE_RECORDING = 16


class _RecordedStep:
    """See `compiled_step()`."""

    def __init__(self, model, function):
        self._model = model
        self._function = function
        self._counts = collections.Counter()
        self._recordings = {}

    def __call__(self, *args):
        tensors = keras.tree.flatten(args)
        shapes = tuple((x.shape, x.dtype, x.device) for x in tensors)
        if shapes not in self._recordings:
            self._counts[shapes] += 1
            if self._counts[shapes] <= _STEPS_BEFORE_RECORDING:
                return self._function(*args)
            self._recordings[shapes] = self._record(args)
        run = self._recordings[shapes]
        return self._function(*args) if run is None else run(tensors)

    def _record(self, args):
        """What runs the operations, or `None` if they cannot be recorded."""
        from torch.fx.experimental.proxy_tensor import make_fx

        weights = _weights(self._model)
        structure = None

        def function(*tensors):
            nonlocal structure
            values, tensors = tensors[: len(weights)], tensors[len(weights) :]
            mapping = list(zip(weights, values, strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                outputs = self._function(
                    *keras.tree.pack_sequence_as(args, list(tensors))
                )
            # Nothing of this step's tensors is kept.
            structure = keras.tree.map_structure(lambda _: 0, outputs)
            return keras.tree.flatten(outputs)

        values = [weight.value for weight in weights]
        try:
            module = make_fx(function)(*values, *keras.tree.flatten(args))
        except Exception as error:
            warnings.warn(
                "A step of generation could not be recorded on PyTorch and "
                "runs layer by layer, with the same result, but slowly. A part "
                "of the model decides in Python by values of tensors: "
                f"{error}",
                stacklevel=2,
            )
            return None
        inputs = [n for n in module.graph.nodes if n.op == "placeholder"]
        read = []
        for weight, node in zip(weights, inputs, strict=False):
            if node.users:
                read.append(weight)
            else:
                module.graph.erase_node(node)
        module.recompile()

        def run(tensors):
            outputs = module.forward(*[w.value for w in read], *tensors)
            return keras.tree.pack_sequence_as(structure, outputs)

        return run
