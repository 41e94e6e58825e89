import os
import resource
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import small_models
import tensorflow as tf
from keras import ops

from keras_mirasol.models import TrainingCheckpoint

pytest.importorskip("orbax.checkpoint")

TEXTS, BATCH = 8, 2
STEPS = TEXTS // BATCH
EPOCHS = 3


def build(**settings):
    """A task with dropout, fast to compile."""
    keras.utils.set_random_seed(0)
    task = small_models.build_task(
        None,
        small_models.build_backbone(dropout=0.1),
        frame_weight=0.0,
        spectrogram_weight=0.0,
    )
    task.compile(**{"learning_rate": 1e-2, **small_models.QUICKLY, **settings})
    return task


def arrays():
    x = small_models.random_inputs(TEXTS)
    return x, x["token_ids"], np.ones(x["token_ids"].shape, "float32")


def dataset(repeat=False):
    shuffled = tf.data.Dataset.from_tensor_slices(arrays()).shuffle(TEXTS, 3)
    return (shuffled.repeat() if repeat else shuffled).batch(BATCH)


class Interrupt(keras.callbacks.Callback):
    """Breaks training off after so many steps that were trained."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def _trained(self):
        return int(ops.convert_to_numpy(self.model.optimizer._iterations))

    def on_train_begin(self, logs=None):
        self.steps += self._trained()

    def on_train_batch_end(self, batch, logs=None):
        # Steps that are passed over train nothing.
        if self._trained() == self.steps:
            raise KeyboardInterrupt


def fit(task, data, folder, *callbacks, save_every=3, **settings):
    checkpoint = TrainingCheckpoint(folder, save_every=save_every)
    return task.fit(
        data,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[checkpoint, *callbacks],
        **settings,
    ).history


def interrupted(task, data, folder, steps, **settings):
    with pytest.raises(KeyboardInterrupt):
        fit(task, data, folder, Interrupt(steps), **settings)


def state_of(task):
    variables = [*task.weights, *task.optimizer.variables]
    return [ops.convert_to_numpy(v).copy() for v in variables]


def assert_same(one, other):
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=1))


def steps_in(folder):
    return sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """State and losses of a training of a finite dataset."""
    task = build()
    history = fit(task, dataset(), tmp_path_factory.mktemp("undisturbed"))
    return state_of(task), history


def test_an_interrupted_training_ends_with_the_same_bits(undisturbed, tmp_path):
    # In the second epoch, of which the first two steps are in the checkpoint.
    interrupted(build(), dataset(), tmp_path, steps=STEPS + 3)
    assert steps_in(tmp_path) == [3, 6]
    task = build()
    history = fit(task, dataset(), tmp_path)
    state, expected = undisturbed
    assert_same(state_of(task), state)
    # With the losses of the whole epoch, though half of it came before.
    assert history["loss"] == expected["loss"][1:]
    assert history["token_accuracy"] == expected["token_accuracy"][1:]


@pytest.mark.any_backend
@pytest.mark.parametrize("steps", [1, 4, 11])
def test_wherever_it_is_interrupted(steps, undisturbed, tmp_path):
    interrupted(build(), dataset(), tmp_path, steps)
    task = build()
    fit(task, dataset(), tmp_path)
    assert_same(state_of(task), undisturbed[0])


@pytest.mark.any_backend
def test_again_and_again(undisturbed, tmp_path):
    for steps in (5, 3, 2, 4):
        interrupted(build(), dataset(), tmp_path, steps, save_every=2)
    task = build()
    fit(task, dataset(), tmp_path, save_every=2)
    assert_same(state_of(task), undisturbed[0])


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "settings",
    [
        {"gradient_accumulation_steps": 2},
        {"ema_momentum": 0.9},
        {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9)},
    ],
    ids=["accumulation", "average", "momentum"],
)
def test_all_of_an_optimizer_is_kept(settings, tmp_path):
    def compiled():
        changed = dict(settings)
        if "optimizer" in changed:
            changed["optimizer"] = type(changed["optimizer"]).from_config(
                changed["optimizer"].get_config()
            )
            changed["learning_rate"] = None
        return build(**changed)

    whole = compiled()
    fit(whole, dataset(), tmp_path / "whole")
    interrupted(compiled(), dataset(), tmp_path / "cut", steps=7)
    task = compiled()
    fit(task, dataset(), tmp_path / "cut")
    assert_same(state_of(task), state_of(whole))


@pytest.mark.any_backend
def test_a_dataset_without_end_goes_on(tmp_path):
    settings = dict(steps_per_epoch=5)
    whole = build()
    fit(whole, dataset(repeat=True), tmp_path / "whole", **settings)
    interrupted(
        build(), dataset(repeat=True), tmp_path / "cut", steps=8, **settings
    )
    task = build()
    fit(task, dataset(repeat=True), tmp_path / "cut", **settings)
    assert_same(state_of(task), state_of(whole))


@pytest.mark.any_backend
def test_arrays_go_on(tmp_path):
    def fit_arrays(task, folder, *callbacks):
        x, y, sample_weight = arrays()
        task.fit(
            x,
            y,
            sample_weight=sample_weight,
            batch_size=BATCH,
            epochs=EPOCHS,
            verbose=0,
            callbacks=[TrainingCheckpoint(folder, save_every=3), *callbacks],
        )

    whole, task = build(), build()
    fit_arrays(whole, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit_arrays(build(), tmp_path / "cut", Interrupt(7))
    fit_arrays(task, tmp_path / "cut")
    assert_same(state_of(task), state_of(whole))


@pytest.mark.any_backend
def test_a_training_that_ended_is_not_made_again(undisturbed, tmp_path):
    fit(build(), dataset(), tmp_path)
    task = build()
    history = fit(task, dataset(), tmp_path, Interrupt(1))
    # What was logged of the last epoch is logged again.
    assert history["loss"] == undisturbed[1]["loss"][-1:]
    assert_same(state_of(task), undisturbed[0])


@pytest.mark.any_backend
def test_old_checkpoints_go_by_rule(tmp_path):
    checkpoint = TrainingCheckpoint(
        tmp_path, save_every=1, max_to_keep=2, keep_every=4
    )
    build().fit(dataset(), epochs=EPOCHS, verbose=0, callbacks=[checkpoint])
    assert steps_in(tmp_path) == [4, 8, 11, 12]


@pytest.mark.any_backend
def test_an_epoch_is_where_it_saves_unless_told(tmp_path):
    build().fit(
        dataset(), epochs=2, verbose=0, callbacks=[TrainingCheckpoint(tmp_path)]
    )
    assert steps_in(tmp_path) == [STEPS, 2 * STEPS]


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "change, told",
    [
        (
            lambda: (build(optimizer="sgd", learning_rate=None), dataset(), {}),
            "is of another model or optimizer",
        ),
        (
            lambda: (build(), dataset(repeat=True), dict(steps_per_epoch=5)),
            "had `steps_per_epoch=4`. Go on with the same.* steps_per_epoch=5",
        ),
        (
            lambda: (build(), (batch for batch in [arrays()]), {}),
            "its place in a generator cannot be found",
        ),
    ],
    ids=["optimizer", "steps", "generator"],
)
def test_what_cannot_be_gone_on_with_is_refused(change, told, tmp_path):
    interrupted(build(), dataset(), tmp_path, steps=3)
    task, data, settings = change()
    with pytest.raises(ValueError, match=told):
        fit(task, data, tmp_path, **settings)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "settings, told",
    [
        ({"save_every": 0}, '`save_every` must be.*or `"epoch"`. Received: 0'),
        ({"save_every": "step"}, "`save_every` must be a positive int"),
        ({"max_to_keep": -1}, "`max_to_keep` must be.* or `None`"),
        ({"keep_every": 1.5}, "`keep_every` must be a positive int"),
    ],
)
def test_bad_settings_are_refused(settings, told, tmp_path):
    with pytest.raises(ValueError, match=told):
        TrainingCheckpoint(tmp_path, **settings)


@pytest.mark.any_backend
def test_orbax_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    with pytest.raises(ImportError, match="`pip install orbax-checkpoint`"):
        TrainingCheckpoint(tmp_path)


@pytest.mark.any_backend
def test_a_folder_that_cannot_be_is_told_of_before_training(tmp_path):
    (tmp_path / "file").write_text("in the way")
    task = build()
    before = state_of(task)[: len(task.weights)]
    with pytest.raises(OSError, match="No checkpoint could.*There is none yet"):
        fit(task, dataset(), tmp_path / "file" / "kept")
    assert_same(state_of(task)[: len(task.weights)], before)


class FullDisk(keras.callbacks.Callback):
    """No file may grow any more after some steps, as if the disk were full."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            while 2 not in steps_in(self.folder):
                time.sleep(0.01)  # it is written in the background
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))


@pytest.mark.any_backend
def test_a_full_disk_stops_training_and_leaves_what_was(undisturbed, tmp_path):
    code = (
        "import sys, pathlib, test_training_checkpoint as tests\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "tests.fit(tests.build(), tests.dataset(), folder,"
        " tests.FullDisk(folder), save_every=2)"
    )
    paths = [os.path.dirname(__file__), *sys.path]
    process = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert process.returncode
    (told,) = [
        line
        for line in process.stderr.splitlines()
        if line.startswith("OSError: No checkpoint could be written")
    ]
    assert "The last complete one, of step 2, is as it was" in told
    assert steps_in(tmp_path)[0] == 2
    # With room again, the same training goes on.
    task = build()
    fit(task, dataset(), tmp_path)
    assert_same(state_of(task), undisturbed[0])


@pytest.mark.any_backend
def test_a_damaged_checkpoint_is_named(tmp_path):
    interrupted(build(), dataset(), tmp_path, steps=7)
    for file in (tmp_path / "6" / "state").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    with pytest.raises(OSError, match="of step 6 in.*cannot be read.*remove"):
        fit(build(), dataset(), tmp_path)


@pytest.mark.any_backend
def test_weights_that_are_spoiled_are_not_saved(tmp_path):
    x, y, sample_weight = arrays()
    sample_weight[:] = np.nan
    bad = tf.data.Dataset.from_tensor_slices((x, y, sample_weight)).batch(BATCH)
    data = dataset().concatenate(bad)
    with pytest.raises(FloatingPointError, match="since training step 5: text"):
        fit(build(), data, tmp_path, save_every=2)
    assert steps_in(tmp_path) == [2, 4]
