"""The write of Neural Turing Machines, for a memory of tokens."""

import keras
from keras import ops

from keras_mirasol.layers.attention_record import record
from keras_mirasol.layers.projection import Projection


@keras.saving.register_keras_serializable(package="keras_mirasol")
class EraseAndAdd(keras.layers.Layer):
    """Every output erases and adds at slots of the memory that it selects.

    With slots j and outputs i, which are the write heads (Graves et al.,
    2014, section 3.2):

    ```
    w_ij = softmax_j(O_i W_Q . (norm(M_j) + P_j) W_K / sqrt(dim))
    e_i  = sigmoid(O_i W_E)
    a_i  = O_i W_A
    M_j <- M_j prod_i (1 - w_ij e_i) + sum_i w_ij a_i
    ```

    The positions P tell slots apart, which are all the same as long as the
    memory is empty, and would get all the same written ever after.

    Args:
        dim: int. Width of memory and outputs.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        memory: tensor of shape `(batch, memory_size, dim)`.
        outputs: tensor of shape `(batch, heads, dim)`.

    Returns:
        The new memory, of the shape of `memory`.
    """

    def __init__(self, dim, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        policy = self.dtype_policy
        # The softmax over slots would not see an offset that all slots share.
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-6, center=False, dtype=policy, name="norm"
        )
        self.key = Projection(dim, use_bias=False, dtype=policy, name="key")
        self.query, self.erase, self.add = (
            Projection(dim, dtype=policy, name=name)
            for name in ("query", "erase", "add")
        )

    def build(self, memory_shape, outputs_shape):
        self.norm.build(memory_shape)
        self.positions = self.add_weight(
            shape=memory_shape[1:],
            initializer=keras.initializers.RandomNormal(stddev=0.5),
            name="positions",
        )
        for dense in (self.key, self.query, self.erase, self.add):
            dense.build(outputs_shape)

    def call(self, memory, outputs):
        places = ops.cast(self.positions, self.compute_dtype)
        keys = self.key(self.norm(memory) + places)
        products = ops.einsum("bid,bjd->bij", self.query(outputs), keys)
        selected = ops.softmax(products * self.dim**-0.5, axis=-1)
        record(self, lambda: selected[:, None])
        erased = ops.einsum(
            "bij,bid->bijd", selected, ops.sigmoid(self.erase(outputs))
        )
        added = ops.einsum("bij,bid->bjd", selected, self.add(outputs))
        return memory * ops.prod(1 - erased, axis=1) + added

    def compute_output_shape(self, memory_shape, *_, **__):
        return memory_shape

    def get_config(self):
        return {**super().get_config(), "dim": self.dim}
