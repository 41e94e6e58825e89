import keras
import numpy as np
import pytest
import small_models
import tensorflow as tf

from keras_mirasol.models import ThroughputLogger


def dataset(clips=6, batch=2):
    x = small_models.random_inputs(clips)
    x["video_mask"][0, 1:] = False  # of 3 snippets, one is there
    y, sample_weight = x["token_ids"], np.ones(x["token_ids"].shape, "float32")
    data = tf.data.Dataset.from_tensor_slices((x, y, sample_weight))
    return data.batch(batch)


@pytest.fixture(scope="module")
def task():
    return small_models.build_task(
        None, frame_weight=0.0, spectrogram_weight=0.0, latent_weight=0.0
    )


def scalars(folder):
    """Values by tag that TensorBoard finds in a folder."""
    values = {}
    for path in folder.glob("events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                values.setdefault(value.tag, []).append(
                    float(tf.make_ndarray(value.tensor))
                )
    return values


def test_tensorboard_has_losses_spread_frames_and_waiting(task, tmp_path):
    logger = ThroughputLogger()
    history = task.fit(
        dataset(),
        validation_data=dataset(),
        epochs=2,
        verbose=0,
        callbacks=[logger, keras.callbacks.TensorBoard(tmp_path)],
    ).history
    written = scalars(tmp_path / "train")
    for name in (
        "loss",
        "text_loss",
        "token_accuracy",
        "joint_token_spread",
        "frames_per_second",
        "input_wait",
    ):
        np.testing.assert_allclose(
            written[f"epoch_{name}"], history[name], rtol=1e-6
        )
    assert all(0 <= share <= 1 for share in history["input_wait"])
    assert "epoch_text_loss" in scalars(tmp_path / "validation")


@pytest.mark.any_backend
def test_frames_that_are_there_are_counted(monkeypatch):
    logger, task = ThroughputLogger(), small_models.shared_task()
    clock = iter([10.0, 14.0, 18.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    measured = logger.measure(dataset(), task)
    logger.on_epoch_begin(0)  # at 10 seconds
    for _ in measured:
        pass
    logger.on_train_batch_end(0)  # at 14
    logger.on_test_begin()  # at 18: the last step was waited for
    logs = {}
    logger.on_epoch_end(0, logs)
    # 6 clips of 3 snippets, two of which are not there.
    assert logs["frames_per_second"] == 16 * small_models.FRAMES / 8


@pytest.mark.any_backend
def test_what_is_no_dataset_is_left_alone():
    logger, logs = ThroughputLogger(), {}
    arrays = {"x": np.zeros(3)}
    assert logger.measure(arrays, small_models.shared_task()) is arrays
    logger.on_epoch_begin(0)
    logger.on_epoch_end(0, logs)
    assert logs == {}
