"""Data parallelism: the one place where backends are told apart.

Keras distributes a batch in two ways. On JAX, under `keras.distribution`, the
program sees the whole batch, and nothing need be done. On TensorFlow, under
`tf.distribute`, and on PyTorch, under `torch.distributed`, each replica runs
the program on its own part of the batch.
"""

import contextlib

import keras
from keras import ops


def gather(tensors):
    """Joins tensors of all replicas along their first axis.

    Gradients flow back to the replica that a part came from, from the losses
    of all replicas. All replicas must take part, in evaluation too, and on
    PyTorch with parts of one size.

    Args:
        tensors: dict of tensors.

    Returns:
        A dict of tensors: those of the first replica, of the second, and so
        on. As they came if there is but one replica, or if the program sees
        the whole batch.
    """
    gather_one = {"tensorflow": _gather_tensorflow, "torch": _gather_torch}.get(
        keras.backend.backend(), lambda tensor: tensor
    )
    return {
        # Not every collective takes booleans.
        name: ops.cast(gather_one(ops.cast(tensor, "int32")), "bool")
        if keras.backend.standardize_dtype(tensor.dtype) == "bool"
        else gather_one(tensor)
        for name, tensor in tensors.items()
    }


def scale_loss_for_replicas(loss):
    """The share of one replica in a loss that is a mean over its batch.

    Under `tf.distribute` Keras adds up the gradients of all replicas, as they
    are; in all other cases their mean is taken.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return loss / tf.distribute.get_strategy().num_replicas_in_sync
    return loss


@contextlib.contextmanager
def averaged_gradients(variables):
    """Has the processes of PyTorch average gradients as they are computed.

    Keras updates weights by the gradients of its own process. Elsewhere, and
    if there is but one process, this changes nothing.

    Args:
        variables: list of trainable `keras.Variable`s.
    """
    distributed = _torch_processes()
    if distributed is None:
        yield
        return

    def average(parameter):
        # Not every backend of PyTorch knows of means.
        parameter.grad /= distributed.get_world_size()
        distributed.all_reduce(parameter.grad)

    hooks = [
        variable.value.register_post_accumulate_grad_hook(average)
        for variable in variables
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def begin_alike(task):
    """Gives all processes of PyTorch the weights that the first one has.

    Args:
        task: a compiled task, of the same kind in all processes.
    """
    distributed = _torch_processes()
    if distributed is not None:
        task.build_optimizer()
        for variable in (*task.variables, *task.optimizer.variables):
            distributed.broadcast(variable.value.data, src=0)


def meet():
    """Waits for the other processes of PyTorch."""
    distributed = _torch_processes()
    if distributed is not None:
        distributed.barrier()


def writes_files():
    """Whether this process is one that writes what all have in common.

    Of the processes of PyTorch it is the first. Those of JAX write together.
    """
    distributed = _torch_processes()
    return distributed is None or distributed.get_rank() == 0


def _torch_processes():
    """PyTorch's module of collectives, or `None` if there are none to make."""
    if keras.backend.backend() != "torch":
        return None
    from torch import distributed

    if not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed if distributed.get_world_size() > 1 else None


def _gather_tensorflow(tensor):
    import tensorflow as tf

    # There is none outside of a replica, where models are built.
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return tensor
    return replica.all_gather(tensor, axis=0)


def _gather_torch(tensor):
    import torch

    distributed = _torch_processes()
    if distributed is None:
        return tensor

    class Gather(torch.autograd.Function):
        @staticmethod
        def forward(context, part):
            parts = [
                torch.empty_like(part)
                for _ in range(distributed.get_world_size())
            ]
            distributed.all_gather(parts, part.contiguous())
            return torch.cat(parts)

        @staticmethod
        def backward(context, gradient):
            # `all_reduce` works in place.
            gradient = gradient.clone()
            distributed.all_reduce(gradient)
            parts = gradient.chunk(distributed.get_world_size())
            return parts[distributed.get_rank()]

    return Gather.apply(tensor)
