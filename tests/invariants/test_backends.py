"""Saved on one backend, a model is the same on another."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import reload_task
import small_models
import whole_model
from arrays import assert_close
from arrays import assert_same_bits

from keras_mirasol.models import MirasolCausalLM

ROOT = Path(__file__).resolve().parents[2]
OTHERS = [
    name
    for name in ("jax", "tensorflow", "torch")
    if name != keras.backend.backend() and importlib.util.find_spec(name)
]

pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.skipif(not OTHERS, reason="needs a second backend"),
]


def _clips():
    """Two clips, with two texts about each."""
    clips = [small_models.random_clip(seed=seed) for seed in (0, 1)]
    return {
        "videos": np.stack([clip["videos"] for clip in clips]),
        "audio": np.stack([clip["audio"] for clip in clips]),
        "prompts": np.array([["see?", "hear?"], ["what?", "why?"]]),
        "responses": np.array([["a cat", "rain"], ["", "no"]]),
    }


def _start(backend, *arguments):
    return subprocess.Popen(
        [sys.executable, reload_task.__file__, *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Travelled:
    """A task that was saved here, and loaded and saved again elsewhere."""

    def __init__(self, kind, folder):
        clips = folder / "clips.npz"
        np.savez(clips, **_clips())
        self.task = whole_model.build_task(kind, has_preprocessor=True)
        self.task.save_to_preset(folder / "task")
        stream = folder / "stream.npz"
        reload_task.save_stream(self.task, _clips(), stream)
        self.folders = {name: folder / name for name in OTHERS}
        processes = []
        for name, place in self.folders.items():
            place.mkdir()
            processes.append(
                _start(name, folder / "task", clips, stream, place)
            )
        self.outputs = reload_task.outputs_of(self.task, _clips(), stream)
        for process in processes:
            printed, _ = process.communicate()
            assert process.returncode == 0, printed


@pytest.fixture(scope="module")
def travelled(kind, tmp_path_factory):
    return Travelled(kind, tmp_path_factory.mktemp("travelled"))


@pytest.mark.parametrize("backend", OTHERS)
def test_the_same_weights_give_the_same_outputs(travelled, backend):
    with np.load(travelled.folders[backend] / "outputs.npz") as file:
        outputs = dict(file)
    assert outputs.keys() == travelled.outputs.keys()
    for key in outputs:
        assert np.abs(outputs[key]).max() > 0.1
        assert_close(outputs[key], travelled.outputs[key], atol=1e-4)


@pytest.mark.parametrize("backend", OTHERS)
def test_what_comes_back_is_the_same_task(travelled, backend):
    copy = MirasolCausalLM.from_preset(travelled.folders[backend] / "task")
    for mine, yours in zip(copy.weights, travelled.task.weights, strict=True):
        assert mine.path == yours.path
        assert_same_bits(mine, yours)
    config, expected = copy.get_config(), travelled.task.get_config()
    assert config == expected
