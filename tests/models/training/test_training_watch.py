import warnings

import keras
import numpy as np
import pytest
import small_models
from arrays import assert_close

from keras_mirasol.models.training import training_watch
from keras_mirasol.models.training.training_watch import RecentMeans

IS_TORCH = keras.backend.backend() == "torch"
# Keras does not support more on PyTorch.
STEPS_PER_EXECUTION = 1 if IS_TORCH else 4
# Sooner than in earnest, so that tests need few steps.
COLLAPSED_STEPS, LOOK_EVERY = 20, 4
LONG = 32  # steps, more than it takes to be sure


@pytest.fixture(autouse=True)
def sooner(monkeypatch):
    monkeypatch.setattr(training_watch, "COLLAPSED_STEPS", COLLAPSED_STEPS)
    monkeypatch.setattr(training_watch, "LOOK_EVERY", LOOK_EVERY)


def batch(alike=False, pixels=0.0, audio_frames=0.0):
    """Noise around these means, or snippets that are all alike."""
    x = small_models.random_inputs(2)
    x["pixel_values"] -= x["pixel_values"].mean() - pixels
    x["audio_features"] -= x["audio_features"].mean() - audio_frames
    if alike:
        x["pixel_values"][:] = pixels
        x["audio_features"][:] = audio_frames
    y = np.roll(x["token_ids"], -1, axis=-1)
    return x, y, np.ones(y.shape, "float32")


def dataset(steps, **settings):
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(batch(**settings)).repeat(steps)


def build():
    """A task of the cheapest objective, whose weights stay as they are."""
    task = small_models.build_task(
        preprocessor=None,
        latent_weight=0.0,
        frame_weight=0.0,
        spectrogram_weight=0.0,
    )
    task.compile(
        keras.optimizers.SGD(0.0),
        steps_per_execution=STEPS_PER_EXECUTION,
        **small_models.QUICKLY,
    )
    return task


@pytest.fixture(scope="module")
def compiled_task():
    return build()


@pytest.fixture
def task(compiled_task):
    """A task that has warned of nothing yet."""
    compiled_task.recent_means.take()
    compiled_task._training_watch.__init__()
    return compiled_task


def warnings_of(fit):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit()
    return [
        str(warning.message)
        for warning in caught
        if "training_watch" in warning.filename
    ]


def warned(task, data, **settings):
    return warnings_of(lambda: task.fit(data, verbose=0, **settings))


@pytest.mark.parametrize(
    "means, words",
    [
        ({"pixels": -0.7}, ["`pixel_values` -0.70"]),
        ({"audio_frames": 1.5}, ["`audio_features` 1.50"]),
        (
            {"pixels": 0.6, "audio_frames": -2.0},
            ["`pixel_values` 0.60 and of `audio_features` -2.00"],
        ),
    ],
)
def test_inputs_far_off_zero_are_warned_of(task, means, words):
    # As soon as after one step, and never again.
    (message,) = warned(task, dataset(1, **means))
    for word in (*words, "task.preprocessor.adapt(manifest)"):
        assert word in message
    assert not warned(task, dataset(1, **means))


def test_inputs_around_zero_are_not(task):
    assert not warned(task, dataset(2, pixels=0.4, audio_frames=-0.4))


def test_what_is_masked_is_no_input(task):
    x, y, sample_weight = batch()
    x["video_mask"][0] = x["audio_mask"][:] = False
    x["pixel_values"][0] = x["audio_features"][:] = 100.0
    assert not warned(task, x, y=y, sample_weight=sample_weight, batch_size=2)


def test_snippets_all_alike_are_warned_of_once(task):
    (message,) = warned(task, dataset(2 * LONG, alike=True))
    assert "`joint_token_spread` has been below 0.01" in message
    assert "task.preprocessor.adapt(manifest)" in message


def test_short_epochs_and_validation_do_not_hide_a_collapse(task):
    (message,) = warned(
        task,
        dataset(8, alike=True),
        epochs=LONG // 8,
        validation_data=dataset(8),
    )
    assert "collapsed" in message


def test_a_collapse_within_an_epoch_shows(task):
    # The mean over the epoch stays far above the limit.
    data = dataset(LONG).concatenate(dataset(LONG, alike=True))
    history = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: history.append(logs)
    )
    (message,) = warned(task, data, callbacks=[keep])
    assert "collapsed" in message
    assert history[0]["joint_token_spread"] > 0.01


def test_snippets_that_differ_again_are_no_collapse(task):
    short = COLLAPSED_STEPS - 2 * LOOK_EVERY
    data = dataset(short, alike=True).concatenate(dataset(LOOK_EVERY))
    assert not warned(task, data.repeat(3))


def test_validation_alone_is_not_watched(task):
    assert not warned(
        task, dataset(1), validation_data=dataset(LONG, alike=True)
    )
    assert set(task.recent_means.take().values()) == {None}


def test_logs_show_nothing_of_it(task):
    history = task.fit(dataset(1), verbose=0).history
    assert sorted(history) == [
        "joint_token_spread",
        "loss",
        "text_loss",
        "token_accuracy",
    ]
    assert len(task.evaluate(dataset(1), verbose=0)) == 4


@pytest.mark.parametrize("as_list", [True, False])
def test_callbacks_of_ones_own_are_called_beside_it(task, as_list):
    seen = []
    own = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(epoch)
    )
    callbacks = own
    if as_list:
        callbacks = keras.callbacks.CallbackList([own], model=task)
    assert warned(task, dataset(1, pixels=-0.9), callbacks=callbacks)
    assert seen == [0]
    if as_list:
        assert callbacks.callbacks == [own]


def test_means_by_hand():
    x = {
        "pixel_values": np.array([[1.0, 3.0, np.nan, 7.0]], "float32"),
        "audio_features": np.array([[5.0, 5.0]], "float32"),
        "video_mask": np.array([[True, False]]),
        "audio_mask": np.array([[False, False]]),
    }
    x["pixel_values"] = x["pixel_values"].reshape(1, 4, 1, 1, 1)
    x["audio_features"] = x["audio_features"].reshape(1, 2, 1)
    # East and north.
    joint_tokens = np.eye(2, dtype="float32").reshape(1, 2, 1, 2)
    means = RecentMeans()
    means.update_state(x, joint_tokens, np.ones((1, 2), bool))
    x["pixel_values"][:] = 6.0
    means.update_state(x, joint_tokens, x["video_mask"])
    means.reset_state()
    taken = means.take()
    assert_close(taken["pixel_values"], 4.0)  # of 2 and 6
    assert taken["audio_features"] is None
    assert_close(taken["joint_token_spread"], 1.0)
    assert set(means.take().values()) == {None}
