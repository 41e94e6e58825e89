"""The optimizer of tasks that are compiled with `"auto"`."""

import keras

from keras_mirasol import keras_compat

# Until the moments of Adam are known, its steps are long and blind.
WARMUP_STEPS = 100


def decay_kernels_alone(optimizer):
    """Has an optimizer let kernels decay, LoRA's among them, and nothing else.

    Biases, gains, embeddings, queries and temperatures have a scale of their
    own, and nothing is won by drawing them to zero. Keras does not save this.

    Args:
        optimizer: a `keras.optimizers.Optimizer` that is not built.

    Returns:
        The optimizer.
    """
    # Where the loss is scaled, another optimizer within decays weights.
    decaying = getattr(optimizer, "inner_optimizer", optimizer)
    # A regular expression of the names of all that is no kernel.
    decaying.exclude_from_weight_decay(var_names=["^(?!(.*_)?kernel)"])
    if keras.backend.backend() == "torch":
        # All kernels may be frozen.
        keras_compat.let_nothing_decay(decaying)
    return optimizer


def default_optimizer(
    learning_rate=1e-3,
    steps=None,
    gradient_accumulation_steps=None,
    ema_momentum=None,
):
    """AdamW as Mirasol learns well with.

    The learning rate rises over the first `WARMUP_STEPS` steps, or over the
    first tenth of `steps` if that is less, and then falls to a fiftieth along
    half a cosine. The gradient of each weight is clipped to a norm of 1, and
    kernels alone decay.

    Args:
        learning_rate: float. The highest. Defaults to `1e-3`.
        steps: int. Training steps, with those of the warm-up. Defaults to
            `None`: the learning rate stays where it is after the warm-up.
        gradient_accumulation_steps: int. Steps, each with a batch of its own,
            whose mean gradient makes one update. Defaults to `None`, one.
        ema_momentum: float below 1. Keeps a moving average of the weights,
            which takes their place when `fit()` ends. Defaults to `None`:
            there is none.

    Returns:
        A `keras.optimizers.AdamW`.

    Raises:
        ValueError: if `steps` is less than 1.
    """
    warmup_steps, decay_steps, alpha = WARMUP_STEPS, 1, 1.0
    if steps is not None:
        if steps < 1:
            raise ValueError(
                "`steps` must be at least 1: `epochs * len(dataset)`, say. "
                f"Received: {steps}"
            )
        warmup_steps = min(WARMUP_STEPS, int(steps) // 10)
        decay_steps, alpha = int(steps) - warmup_steps, 0.02
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else learning_rate,
        decay_steps,
        alpha=alpha,
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    average = {}
    if ema_momentum is not None:
        average = {"use_ema": True, "ema_momentum": ema_momentum}
    return decay_kernels_alone(
        keras.optimizers.AdamW(
            schedule,
            weight_decay=0.01,
            beta_2=0.98,
            clipnorm=1.0,
            gradient_accumulation_steps=gradient_accumulation_steps,
            **average,
        )
    )
