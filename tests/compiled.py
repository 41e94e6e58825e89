"""On JAX, one program or none where operations would be compiled one by one."""

import keras


def compiled(function):
    """`function`, compiled on JAX, where each new operation takes long.

    Weights are constants to it: set them before the first call.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


def traced(check):
    """Runs a check of shapes and dtypes, on JAX without compiling.

    There they are known from a trace.
    """
    if keras.backend.backend() == "jax":
        import jax

        jax.eval_shape(check)
    else:
        check()
