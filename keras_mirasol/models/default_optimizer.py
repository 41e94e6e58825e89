"""The optimizer of tasks that are compiled with `"auto"`."""

import keras

# Until the moments of Adam are known, its steps are long and blind.
WARMUP_STEPS = 100


def default_optimizer(learning_rate=1e-3, steps=None):
    """AdamW as Mirasol learns well with.

    The learning rate rises over the first `WARMUP_STEPS` steps, or over the
    first tenth of `steps` if that is less, and then falls to a fiftieth along
    half a cosine. Gradients are clipped to a norm of 1.

    Args:
        learning_rate: float. The highest. Defaults to `1e-3`.
        steps: int. Training steps, with those of the warm-up. Defaults to
            `None`: the learning rate stays where it is after the warm-up.

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
    return keras.optimizers.AdamW(
        schedule, weight_decay=0.01, beta_2=0.98, clipnorm=1.0
    )
