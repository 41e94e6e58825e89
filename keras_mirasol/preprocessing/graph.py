"""One path for preprocessing: a TensorFlow graph, under every backend."""

import functools
import json
import numbers
import os
import re
import threading
import weakref

import tensorflow as tf

_GRAPHS = weakref.WeakKeyDictionary()
# Keras layers that work in TensorFlow change their state while they are traced.
_TRACING = threading.RLock()
# Whether this process was forked from one where TensorFlow had run.
_is_broken_by_fork = False


def in_graph(method):
    """Makes a method of TensorFlow operations run on any Keras backend.

    Inside a `tf.data` pipeline the method becomes part of its graph. Called
    eagerly, it runs as a graph of its own on the CPU, traced once for all
    lengths, takes NumPy arrays, lists or strings and returns NumPy arrays. So
    a clip has the same features however it comes and whatever backend.

    A graph holds the settings that its object had when it was traced. When
    the object's `get_config()`, if it has one, says something else, the
    graphs are traced anew; likewise when it has another `tokenizer`, whose
    vocabulary is in no configuration.

    Args:
        method: a method whose arguments are tensors, `None`, or ints: these
            stay static, and the graph is traced anew for each.

    Returns:
        The decorated method. Called eagerly, it raises a `ValueError` with
        the words of a `tf.debugging.Assert` that fails, and a `RuntimeError`
        in a forked process where TensorFlow would hang.

    Example:
    ```python
    class Halver:
        @keras_mirasol.preprocessing.in_graph
        def halve(self, x):
            return x / 2

    Halver().halve(np.ones(3, "float32"))  # array([0.5, 0.5, 0.5])
    ```
    """

    @functools.wraps(method)
    def wrapper(self, *args):
        if not tf.executing_eagerly():
            with _TRACING:
                return method(self, *args)
        if _is_broken_by_fork:
            raise RuntimeError(
                "Clips and texts are preprocessed by TensorFlow, which does "
                "not work in a process that was forked from one where it has "
                "run. Start worker processes anew, by "
                '`multiprocessing_context="spawn"` of a PyTorch `DataLoader` '
                'or `multiprocessing.get_context("spawn")`, or use threads.'
            )
        static = {
            place: arg if arg is None else int(arg)
            for place, arg in enumerate(args)
            if arg is None or isinstance(arg, numbers.Integral)
        }
        with tf.device("cpu"):
            tensors = [
                tf.convert_to_tensor(arg)
                for place, arg in enumerate(args)
                if place not in static
            ]
            signature = tuple(map(_any_length, tensors))
            key = (method.__name__, len(args), *static.items(), signature)
            with _TRACING:
                graphs = _graphs_of(self)
                if key not in graphs:
                    graphs[key] = _trace(
                        self, method, len(args), static, signature
                    )
            try:
                outputs = graphs[key](*tensors)
            except tf.errors.InvalidArgumentError as error:
                raise _without_graph(error) from None
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), outputs)

    return wrapper


def _graphs_of(owner):
    """The graphs of an object with its present settings, by their key."""
    get_config = getattr(owner, "get_config", dict)
    settings = (
        json.dumps(get_config(), sort_keys=True, default=str),
        getattr(owner, "tokenizer", None),
    )
    traced_with, graphs = _GRAPHS.get(owner, (None, None))
    if traced_with != settings:
        graphs = {}
        _GRAPHS[owner] = settings, graphs
    return graphs


def _any_length(tensor):
    """The type of tensors of other lengths; channels, the last axis, stay."""
    shape = tensor.shape.as_list()
    channels = shape[-1:] if len(shape) > 1 else []
    lengths = [None] * (len(shape) - len(channels))
    return tf.TensorSpec(lengths + channels, tensor.dtype)


def _trace(owner, method, num_args, static, signature):
    """A graph of a method whose static arguments are given by place."""
    # A weak reference, or the graph would keep its own key alive.
    owner = weakref.ref(owner)

    def call(*tensors):
        rest = iter(tensors)
        return method(
            owner(),
            *(
                static[place] if place in static else next(rest)
                for place in range(num_args)
            ),
        )

    # Concrete, or TensorFlow takes them all for one that is traced too often.
    return tf.function(
        call, input_signature=signature, autograph=False
    ).get_concrete_function()


def _without_graph(error):
    """A failed assertion as the error that Python code would raise."""
    _, failed, words = error.message.partition("assertion failed: ")
    if not failed:
        return error
    return ValueError(" ".join(re.findall(r"\[(.*?)\]", words.split("\n")[0])))


def outside_graph(function):
    """Calls a function outside of the graph that is being traced, if any."""
    with tf.init_scope():
        return function()


def is_symbolic(value):
    """Whether a value is a tensor of a graph that is being traced."""
    return not tf.executing_eagerly() and isinstance(
        value, (tf.Tensor, tf.RaggedTensor)
    )


def _note_fork():
    """Finds out, in a forked process, whether TensorFlow has run before."""
    global _is_broken_by_fork
    threading = tf.config.threading
    try:
        # Refused once TensorFlow has started, and changes nothing.
        threading.set_inter_op_parallelism_threads(
            threading.get_inter_op_parallelism_threads()
        )
    except RuntimeError:
        _is_broken_by_fork = True


os.register_at_fork(after_in_child=_note_fork)
