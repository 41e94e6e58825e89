import dataclasses
import importlib
import sys
import tomllib
import types

import numpy as np
import pytest
import small_models
from scripts import ROOT

from keras_mirasol.data import write_clip

pytestmark = pytest.mark.any_backend


class FakeBase:
    """What lmms-eval gives a model to inherit from."""

    def __init__(self):
        self.task_dict = {}


@dataclasses.dataclass(frozen=True)
class FakeManifest:
    model_id: str
    simple_class_path: str


@pytest.fixture
def model_class(monkeypatch):
    """The model, on lmms-eval itself where it is installed."""
    try:
        importlib.import_module("lmms_eval.api.model")
    except ImportError:
        for name, member in (
            ("lmms_eval.api.model", {"lmms": FakeBase}),
            ("lmms_eval.models.registry_v2", {"ModelManifest": FakeManifest}),
        ):
            module = types.ModuleType(name)
            vars(module).update(member)
            monkeypatch.setitem(sys.modules, name, module)
    plugin = "keras_mirasol.evaluation.lmms_eval_plugin"
    manifest = importlib.import_module(plugin).manifest()
    assert manifest.model_id == "mirasol"
    module, _, name = manifest.simple_class_path.rpartition(".")
    monkeypatch.delitem(sys.modules, module, raising=False)
    return getattr(importlib.import_module(module), name)


class FakeTask:
    preprocessor = small_models.build_preprocessor()

    def __init__(self):
        self.given = []

    def generate(self, inputs):
        self.given.append(inputs)
        return "a bell.\nAnd more"

    def score_choices(self, clip, prompt, choices):
        self.given.append({**clip, "prompts": prompt})
        return np.array([-0.5])


@pytest.fixture
def requests(tmp_path):
    """Makes requests about a file with 16 frames and 2 seconds of sound."""
    path = tmp_path / "clip.mp4"
    write_clip(
        path,
        np.zeros((16, 16, 16, 3), "uint8"),
        np.zeros(16000, "float32"),
        frame_rate=8,
        sampling_rate=8000,
    )
    docs = {"vggsound": {"test": [{"path": str(path), "label": "bell"}]}}

    def make(model, second):
        model.task_dict = docs
        doc = (lambda doc: [doc["path"]], 0, "vggsound", "test")
        return [types.SimpleNamespace(args=("what is heard?", second, *doc))]

    return make


def test_both_video_and_audio_of_a_file_are_given(model_class, requests):
    task = FakeTask()
    model = model_class(task=task, batch_size=1, device="cpu")
    answers = model.generate_until(requests(model, {"until": ["\n"]}))
    assert answers == ["a bell."]
    (given,) = task.given
    assert given["prompts"] == "what is heard?"
    assert given["videos"].shape == (16, 16, 16, 3)
    assert given["audio"].shape == (16000,)


def test_answers_are_cut_at_the_first_of_what_is_to_end_them(
    model_class, requests
):
    model = model_class(task=FakeTask())
    for until, answer in (
        ("bell", "a "),
        (["more", "."], "a bell"),
        ([], "a bell.\nAnd more"),
    ):
        settings = {"until": until}
        assert model.generate_until(requests(model, settings)) == [answer]
    assert model.generate_until(requests(model, {})) == ["a bell.\nAnd more"]


def test_inputs_take_modalities_away(model_class, requests):
    task = FakeTask()
    model = model_class(task=task, inputs="video")
    model.generate_until(requests(model, {}))
    assert task.given[0]["audio"] is None
    assert task.given[0]["videos"] is not None
    with pytest.raises(ValueError, match="`inputs` must be one of all"):
        model_class(task=task, inputs="sound")


@pytest.mark.parametrize("target", ["bell", lambda doc: doc["label"]])
def test_likelihoods_are_sums_over_tokens_and_the_end(
    target, model_class, requests
):
    model = model_class(task=FakeTask())
    # Four bytes and the end, each of -0.5.
    assert model.loglikelihood(requests(model, target)) == [(-2.5, False)]


def test_refuses_what_is_no_file(model_class, requests):
    model = model_class(task=FakeTask())
    (request,) = requests(model, {})
    prompt, settings, _, *rest = request.args
    request.args = (prompt, settings, lambda doc: [], *rest)
    with pytest.raises(ValueError, match="one path of a video or audio file"):
        model.generate_until([request])


def test_the_entry_point_leads_to_the_plugin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["lmms_eval.models"][
        "mirasol"
    ].partition(":")
    assert callable(getattr(importlib.import_module(module), name))
