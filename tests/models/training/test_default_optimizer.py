import keras
import numpy as np
import pytest
import small_models
from keras import ops

from keras_mirasol.models.training.default_optimizer import default_optimizer


def _rates(optimizer, steps):
    """Learning rates at steps; Keras keeps the schedule to itself."""
    rates = []
    for step in steps:
        optimizer.iterations.assign(step)
        rates.append(float(ops.convert_to_numpy(optimizer.learning_rate)))
    return rates


def test_rate_rises_over_100_steps_and_stays():
    optimizer = default_optimizer(2e-3)
    np.testing.assert_allclose(
        _rates(optimizer, [0, 50, 100, 101, 10_000]),
        [0, 1e-3, 2e-3, 2e-3, 2e-3],
        rtol=1e-5,
    )


def test_rate_falls_to_a_fiftieth_along_a_cosine():
    optimizer = default_optimizer(1e-3, steps=1100)
    np.testing.assert_allclose(
        # Halfway down, the cosine is at the mean of both ends.
        _rates(optimizer, [0, 100, 600, 1100]),
        [0, 1e-3, (1e-3 + 2e-5) / 2, 2e-5],
        rtol=1e-5,
    )


def test_a_short_training_warms_up_for_a_tenth():
    optimizer = default_optimizer(1e-3, steps=50)
    np.testing.assert_allclose(
        _rates(optimizer, [0, 5, 50]), [0, 1e-3, 2e-5], rtol=1e-5
    )


def test_a_single_step_is_taken():
    optimizer = default_optimizer(1e-3, steps=1)
    np.testing.assert_allclose(_rates(optimizer, [0]), [1e-3], rtol=1e-5)


def test_gradients_are_clipped_by_their_norm():
    optimizer = default_optimizer()
    assert isinstance(optimizer, keras.optimizers.AdamW)
    assert optimizer.clipnorm == 1.0


def test_no_steps():
    with pytest.raises(ValueError, match="at least 1.*Received: 0"):
        default_optimizer(steps=0)


@pytest.mark.any_backend
def test_kernels_alone_decay():
    backbone = small_models.build_backbone(combiner="token_turing")
    task = small_models.build_task(None, backbone)
    # Far from zero, and with no gradient to move them.
    for weight in task.trainable_weights:
        weight.assign(np.ones(weight.shape))
    optimizer = default_optimizer(0.1, steps=1)
    optimizer.apply(
        [ops.zeros(weight.shape) for weight in task.trainable_weights],
        task.trainable_weights,
    )
    decayed = {True: 0, False: 0}
    for weight in task.trainable_weights:
        # 0.01 of the weight, times the rate.
        expected = 1 - 0.1 * 0.01 if weight.name == "kernel" else 1
        np.testing.assert_allclose(
            ops.convert_to_numpy(weight), expected, rtol=1e-6
        )
        decayed[weight.name == "kernel"] += 1
    assert all(decayed.values())


@pytest.mark.any_backend
def test_kernels_of_lora_decay():
    backbone = small_models.build_backbone()
    backbone.enable_lora(2)
    kernels, others = [], []
    optimizer = default_optimizer()
    for weight in backbone.trainable_weights:
        decays = optimizer._use_weight_decay(weight)
        (kernels if decays else others).append(weight.name)
    assert {"lora_kernel_a", "lora_kernel_b"} <= set(kernels)
    assert not any("kernel" in name for name in others)


def test_no_kernel_is_trained():
    bias = keras.Variable(np.ones(2), name="bias")
    optimizer = default_optimizer(0.1, steps=1)
    optimizer.apply([ops.ones(2)], [bias])
    # The first step of Adam is as long as the rate.
    np.testing.assert_allclose(ops.convert_to_numpy(bias), 0.9, rtol=1e-4)


@pytest.mark.any_backend
def test_what_decays_is_known_after_loading(tmp_path):
    task = small_models.build_task(None)
    task.compile(learning_rate=0.1)
    task.save(tmp_path / "task.keras")
    loaded = keras.saving.load_model(tmp_path / "task.keras")
    names = {
        weight.name
        for weight in loaded.trainable_weights
        if loaded.optimizer._use_weight_decay(weight)
    }
    assert names == {"kernel"}
    # Another's optimizer is left as it is.
    task.compile(keras.optimizers.AdamW(0.1))
    task.save(tmp_path / "task.keras")
    loaded = keras.saving.load_model(tmp_path / "task.keras")
    assert all(
        loaded.optimizer._use_weight_decay(weight)
        for weight in loaded.trainable_weights
    )


@pytest.mark.any_backend
def test_several_steps_make_one_update_and_averages_are_kept():
    optimizer = default_optimizer(
        1e-3, 10, gradient_accumulation_steps=2, ema_momentum=0.75
    )
    assert optimizer.gradient_accumulation_steps == 2
    assert optimizer.use_ema
    assert optimizer.ema_momentum == 0.75
    assert not default_optimizer().use_ema


def test_an_average_takes_the_place_of_the_weights():
    task = small_models.build_task(
        None, frame_weight=0.0, spectrogram_weight=0.0, latent_weight=0.0
    )
    task.compile(learning_rate=1e-2, ema_momentum=0.75, **small_models.QUICKLY)
    x = small_models.random_inputs()
    y, ones = x["token_ids"], np.ones(x["token_ids"].shape, "float32")
    path = []
    task.fit(
        x,
        y,
        sample_weight=ones,
        epochs=3,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: path.append(
                    task.get_weights()
                ),
                on_epoch_end=lambda epoch, logs: path.append(
                    task.get_weights()
                ),
            )
        ],
    )
    after = path[1::2]  # each of three steps
    # Keras begins the average with the first of them.
    average = after[0]
    for weights in after[1:]:
        average = [
            0.75 * kept + 0.25 * new
            for kept, new in zip(average, weights, strict=True)
        ]
    for weight, expected in zip(task.weights, average, strict=True):
        if weight.trainable:
            np.testing.assert_allclose(
                ops.convert_to_numpy(weight), expected, atol=1e-6
            )
