"""What layers attend to, recorded while a model runs."""

import contextlib
import contextvars

from keras import ops

_RECORD = contextvars.ContextVar("attention_record", default=None)


@contextlib.contextmanager
def record_attention():
    """Records what all layers attend to while a model is called.

    The model must be called itself, `model(x)`: what `predict()` or `fit()`
    compile cannot be looked into.

    Returns:
        A context manager that gives a dict. From the path of a layer, such as
        `"combiner/transformer/block_0/self_attention"`, it leads to a list of
        one float32 array per call of that layer: the softmax, with what
        attends in its last axis but one, and what is attended to in its last
        axis, where it sums to 1.

        - `Attention` has the shape `(batch, heads, length, keys)`.
        - The reads and writes of a `TokenTuringCombiner`, `".../cell/read"`
          and `".../cell/write"`, are called once a snippet. Their shape is
          `(batch, heads, summary, tokens)`, with a single head where a
          summary is a weighted sum. With `write="erase_and_add"`, outputs
          attend to slots of the memory.

    Raises:
        ValueError: if a layer is called by a compiled function meanwhile.

    Example:
    ```python
    attention = keras_mirasol.layers.Attention(num_heads=4, dim=64)
    with keras_mirasol.layers.record_attention() as record:
        attention(np.random.normal(size=(2, 5, 64)))
    record[attention.path][0].sum(axis=-1)  # ones, (2, 4, 5)
    ```
    """
    token = _RECORD.set({})
    try:
        yield _RECORD.get()
    finally:
        _RECORD.reset(token)


def is_recording():
    """Whether layers are to tell what they attend to."""
    return _RECORD.get() is not None


def record(layer, weights):
    """Keeps what a layer attends to, while it is recorded.

    Args:
        layer: the layer.
        weights: function without arguments that gives the softmax; it is
            called only if there is a record.
    """
    if not is_recording():
        return
    try:
        values = ops.convert_to_numpy(ops.cast(weights(), "float32"))
    except (TypeError, NotImplementedError) as error:
        raise ValueError(
            f"What {layer.path!r} attends to cannot be recorded while it is "
            "compiled. Call the model itself, `model(x)`, instead of "
            "`predict()`, `fit()` or `generate()`."
        ) from error
    _RECORD.get().setdefault(layer.path, []).append(values)
