"""Takes pipelines down before Python ends."""

import atexit
import gc

import tensorflow as tf


@atexit.register
def release_iterators():
    """Lets go of the pipelines of all iterators.

    A thread of `tf.data` that calls Python while Python ends waits forever,
    and Python waits for the pipeline to be taken down: a script that leaves an
    iterator in the middle of a pass, as `fit` may, would hang after its last
    line. Before Python ends, taking a pipeline down lets its calls finish.
    """
    for thing in gc.get_objects():
        # By type: `isinstance` would ask a weak proxy for what it stands for,
        # which may be gone.
        if issubclass(type(thing), tf.data.Iterator):
            # TensorFlow has no public way to close an iterator.
            thing._iterator_resource = None
