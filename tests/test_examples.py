"""The example of every public class, function and method runs as it stands.

In a folder with the media files, manifests and presets that examples name,
which are generated, and with what they take as given, such as `task`.
"""

import contextlib
import importlib
import inspect
import shutil

import keras
import numpy as np
import pytest
import small_benchmarks
import small_models
import small_parts
from docstrings import run_example
from keras_hub.src.utils import preset_utils
from media_files import write_media
from pretrained import build_pretrainer
from test_project import NAMESPACES
from test_project import code_blocks
from test_project import public_names

import keras_mirasol
from keras_mirasol.data import sounding_shapes

# What examples need beyond the package.
NEEDS = {
    "grain": ["grain.MapDataset"],
    "torch": ["torch.utils"],
    "apache_beam": ["write_records_with_beam"],
    "tensorflow_io": ["mask_mels"],
    "matplotlib": ["keras_mirasol.visualization"],
}


def examples():
    """The code of every example, by the name that it documents."""
    found = {}
    for namespace in NAMESPACES:
        module = importlib.import_module(f"keras_mirasol.{namespace}")
        for name, value in public_names(module):
            found[name] = code_blocks(value.__doc__ or "")
            if not inspect.isclass(value):
                continue
            for member in dir(value):
                function = inspect.getattr_static(value, member)
                function = getattr(function, "__func__", function)
                if (
                    member[0] != "_"
                    and inspect.isfunction(function)
                    and function.__module__.startswith("keras_mirasol")
                ):
                    found[f"{name}.{member}"] = code_blocks(
                        function.__doc__ or ""
                    )
    # A method that is inherited is documented once.
    codes = {code: name for name, codes in found.items() for code in codes}
    return {
        name.removeprefix("keras_mirasol."): code
        for code, name in codes.items()
    }


EXAMPLES = examples()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What examples find where they run; each has a copy of its own."""
    folder = tmp_path_factory.mktemp("files")
    # Ten seconds of high definition.
    write_media(
        folder / "film.mp4",
        frames=np.full((80, 720, 1280, 3), 90, "uint8"),
        frame_rate=8,
        audio=0.1 * np.sin(np.arange(10 * 48000) / 20)[None],
    )
    manifest = sounding_shapes.write_corpus(folder, 2, questions_per_kind=1)
    for name in ("train", "valid", "test"):
        shutil.copy(manifest, folder / f"{name}.jsonl")
    for number, name in enumerate(("dog", "cat")):
        shutil.copy(
            folder / "media" / f"{number:06}.mp4", folder / f"{name}.mp4"
        )
    keras_mirasol.data.write_records(
        manifest, folder / "records", preprocessor()
    )
    build_pretrainer(preprocessor()).save_to_preset(str(folder / "pretrained"))
    small_parts.save_presets(folder)
    small_benchmarks.write_for_examples(folder, folder / "dog.mp4")
    return folder


def preprocessor():
    """With room for the texts of examples."""
    return small_models.build_preprocessor(sequence_length=80)


class Given(dict):
    """What examples take as given, made when it is asked for."""

    def __init__(self):
        # Functions look here without asking `__missing__`.
        super().__init__(np=np, keras=keras, keras_mirasol=keras_mirasol)

    def __missing__(self, name):
        makers = {
            "keras_hub": lambda: importlib.import_module("keras_hub"),
            "tf": lambda: importlib.import_module("tensorflow"),
            "torch": lambda: importlib.import_module("torch"),
            "grain": lambda: importlib.import_module("grain"),
            "absl": lambda: (
                importlib.import_module("absl.flags")
                and importlib.import_module("absl")
            ),
            "task": lambda: small_models.build_task(preprocessor()),
            "train": lambda: keras_mirasol.data.clip_dataset(
                "train.jsonl", self["task"].preprocessor, batch_size=2
            ),
            "pretrainer": lambda: build_pretrainer(preprocessor()),
            "embedder": lambda: (
                keras_mirasol.models.MirasolEmbedder.from_pretrainer(
                    self["pretrainer"], prompt="what happens?"
                )
            ),
            "clips": lambda: (
                {
                    key: np.stack([value] * 2)
                    for key, value in small_models.random_clip().items()
                }
                | {"prompts": ["what?"] * 2, "responses": ["this"] * 2}
            ),
            "stream": lambda: self["task"].stream(),
            "camera_frames": lambda: small_models.random_clip()["videos"],
            "microphone_samples": lambda: small_models.random_clip()["audio"],
        }
        if name not in makers:
            raise KeyError(name)
        self[name] = makers[name]()
        return self[name]


def marked(name):
    """An example with its marks: PyTorch does not export for TensorFlow."""
    if "tf.saved_model" in EXAMPLES[name]:
        on_torch = keras.backend.backend() == "torch"
        marks = pytest.mark.skipif(on_torch, reason="others export so")
    else:
        marks = pytest.mark.any_backend
    return pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", list(map(marked, EXAMPLES)))
def test_example_runs_as_it_stands(name, files, tmp_path, monkeypatch):
    code = EXAMPLES[name]
    for package, marks in NEEDS.items():
        if any(mark in code for mark in marks):
            pytest.importorskip(package)
    folder = tmp_path / "here"
    shutil.copytree(files, folder)
    for preset, stand_in in small_parts.STAND_INS.items():
        monkeypatch.setitem(
            preset_utils.BUILTIN_PRESETS, preset, {"kaggle_handle": stand_in}
        )
    with contextlib.chdir(folder):
        run_example(code, Given())
