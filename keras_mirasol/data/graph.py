"""One path for preprocessing: a TensorFlow graph, under every backend."""

import functools
import re
import weakref

_GRAPHS = weakref.WeakKeyDictionary()


def in_graph(method):
    """Makes a method of TensorFlow operations run on any Keras backend.

    Inside a `tf.data` pipeline the method becomes part of its graph. Called
    eagerly, it runs as a graph of its own on the CPU, traced once for all
    lengths, takes NumPy arrays, lists or strings and returns NumPy arrays. So
    a clip has the same features however it comes and whatever backend.

    Args:
        method: a method whose arguments are tensors, `None`, or ints: these
            stay static, and the graph is traced anew for each.

    Returns:
        The decorated method. Called eagerly, it raises a `ValueError` with
        the words of a `tf.debugging.Assert` that fails.
    """

    @functools.wraps(method)
    def wrapper(self, *args):
        import tensorflow as tf

        if not tf.executing_eagerly():
            return method(self, *args)
        graphs = _GRAPHS.setdefault(self, {})
        if method.__name__ not in graphs:
            # A weak reference, or the graph would keep its own key alive.
            owner = weakref.ref(self)
            graphs[method.__name__] = tf.function(
                lambda *tensors: method(owner(), *tensors),
                reduce_retracing=True,
                autograph=False,
            )
        with tf.device("cpu"):
            tensors = [
                arg
                if arg is None or isinstance(arg, int)
                else tf.convert_to_tensor(arg)
                for arg in args
            ]
            try:
                outputs = graphs[method.__name__](*tensors)
            except tf.errors.InvalidArgumentError as error:
                raise _without_graph(error) from None
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), outputs)

    return wrapper


def _without_graph(error):
    """A failed assertion as the error that Python code would raise."""
    _, failed, words = error.message.partition("assertion failed: ")
    if not failed:
        return error
    return ValueError(" ".join(re.findall(r"\[(.*?)\]", words.split("\n")[0])))


def is_symbolic(value):
    """Whether a value is a tensor of a graph that is being traced."""
    import tensorflow as tf

    return not tf.executing_eagerly() and isinstance(
        value, (tf.Tensor, tf.RaggedTensor)
    )
