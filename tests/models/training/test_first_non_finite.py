import keras
import numpy as np
import pytest
import small_models
import tensorflow as tf

from keras_mirasol.models.training.first_non_finite import NAMED_CLIPS
from keras_mirasol.models.training.first_non_finite import FirstNonFinite

CLIPS, BATCH = 8, 2


@pytest.mark.any_backend
def test_the_first_step_is_kept_with_its_losses_and_clips():
    first = FirstNonFinite(["text", "frame"])
    assert first.found() is None
    first.update_state([1.0, 2.0], np.array([5, 6]))
    assert first.found() is None
    first.update_state([3.0, np.inf], np.array([0, 7]))
    first.update_state([np.nan, 4.0], np.array([8, 9]))
    first.reset_state()
    assert first.found() == (2, {"text": 3.0, "frame": np.inf}, [0, 7])
    assert first.result() == {}


@pytest.mark.any_backend
def test_it_looks_anew_and_goes_on_counting():
    first = FirstNonFinite(["text"])
    for loss in (1.0, np.nan):
        first.update_state([loss])
    assert first.found()[::2] == (2, [])
    first.forget()
    assert first.found() is None
    first.update_state([-np.inf])
    assert first.found() == (3, {"text": -np.inf}, [])


@pytest.mark.any_backend
def test_of_a_large_batch_the_first_clips_are_kept():
    first = FirstNonFinite(["text"])
    first.update_state([np.nan], np.arange(NAMED_CLIPS + 10))
    assert first.found()[2] == list(range(NAMED_CLIPS))


def dataset(spoiled, clip_index=True):
    """Eight clips, of which some have a NaN to be learned."""
    x = small_models.random_inputs(CLIPS)
    y, sample_weight = x["token_ids"], np.ones(x["token_ids"].shape, "float32")
    sample_weight[spoiled, 0] = np.nan
    if clip_index:
        x["clip_index"] = np.arange(CLIPS, dtype="int32")
    data = tf.data.Dataset.from_tensor_slices((x, y, sample_weight))
    return data.batch(BATCH)


@pytest.fixture(scope="module")
def task():
    return small_models.build_task(
        None, frame_weight=0.0, spectrogram_weight=0.0, latent_weight=0.0
    )


def test_training_stops_and_tells_the_step_the_loss_and_the_clips(task):
    data = dataset(spoiled=[5])
    data.name_of = "clip number {}".format
    with pytest.raises(
        FloatingPointError,
        match="not finite since training step 3: text nan. The clips of its "
        "batch: clip number 4, clip number 5. The weights are spoiled",
    ):
        task.fit(data, verbose=0)


@pytest.mark.any_backend
def test_without_an_index_it_is_told_how_to_have_one():
    task = small_models.build_task(
        None, frame_weight=0.0, spectrogram_weight=0.0
    )
    with pytest.raises(
        FloatingPointError,
        match="step 1: text nan, latent [0-9.]+. Make the dataset with "
        "`clip_index=True`",
    ):
        task.fit(dataset([0], clip_index=False), verbose=0)


@pytest.mark.any_backend
def test_an_index_changes_nothing_else():
    tasks = []
    for clip_index in (False, True):
        keras.utils.set_random_seed(0)
        task = small_models.build_task(None)
        data = dataset([], clip_index)
        task.fit(data, verbose=0)
        tasks.append((task.evaluate(data, verbose=0), task.predict(data)))
    (loss, outputs), (other_loss, other_outputs) = tasks
    assert loss == other_loss
    np.testing.assert_array_equal(outputs["logits"], other_outputs["logits"])
