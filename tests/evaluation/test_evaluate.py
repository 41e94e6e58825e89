import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import small_models
from scripts import ROOT
from small_benchmarks import write

from keras_mirasol.data import write_clip
from keras_mirasol.evaluation import NExTQA
from keras_mirasol.evaluation import VGGSound
from keras_mirasol.evaluation import evaluate

pytestmark = pytest.mark.any_backend

NAMES = ["a", "b", "c", "d", "e"]
# For a process that imports what tests do.
PATHS = [ROOT, ROOT / "tests", ROOT / "tests" / "evaluation"]


def write_media(folder, names):
    media = folder / "media"
    media.mkdir()
    for name in names:
        write_clip(
            media / f"{name}.mp4",
            np.zeros((8, 16, 16, 3), "uint8"),
            np.zeros(8000, "float32"),
            frame_rate=8,
            sampling_rate=8000,
        )
    return media


@pytest.fixture
def benchmark(tmp_path):
    """Five clips with two questions each, and one that is missing."""
    rows = [
        f"{name},1,1,1,what of {name} {number},{number},{number},CW,v,w,x,y,z"
        for name in [*NAMES, "missing"]
        for number in range(2)
    ]
    header = "video,frame_count,width,height,question,answer,qid,type"
    text = "\n".join([f"{header},a0,a1,a2,a3,a4", *rows, ""])
    write(tmp_path, "val.csv", text)
    return NExTQA(tmp_path, write_media(tmp_path, NAMES))


class FakeTask:
    """Answers "w" to all, and keeps what it was asked."""

    class preprocessor:
        clip_settings = {"frame_rate": 4.0, "sampling_rate": 8000}

    class backbone:
        weights = ()

    def __init__(self, breaks_at=None):
        self.asked, self.given, self.breaks_at = [], [], breaks_at

    def count_params(self):
        return 0

    def generate(self, inputs):
        self._ask(inputs, [p for row in inputs["prompts"] for p in row if p])
        return [["w" for _ in row] for row in inputs["prompts"]]

    def score_choices(self, clip, prompts, choices):
        self._ask(clip, prompts)
        return np.array([[c == "w" for c in row] for row in choices], float)

    def _ask(self, inputs, prompts):
        if self.breaks_at == len(self.given):
            raise KeyboardInterrupt
        self.given.append(
            [key for key in ("videos", "audio") if inputs.get(key) is not None]
        )
        self.asked += prompts


def written_ids(folder, mode):
    """Of the predictions in the file of a run, in their order."""
    path = folder / f"NExT-QA-val-all-{mode}" / "predictions.jsonl"
    lines = path.read_text().splitlines()[1:]
    return [json.loads(line)["id"] for line in lines]


def test_answers_all_questions_and_writes_what_it_found(benchmark, tmp_path):
    task = FakeTask()
    report = evaluate(
        task, benchmark, "val", folder=tmp_path, batch_size=2, verbose=0
    )
    folder = tmp_path / "NExT-QA-val-all-choices"
    # "w" is right of every second question.
    assert report["scores"]["accuracy"] == 0.5
    assert (report["questions"], report["clips"]) == (10, 5)
    assert report["missing_clips"] == ["missing"]
    assert report == json.loads((folder / "report.json").read_text())
    submission = json.loads((folder / "submission.json").read_text())
    assert submission["a_0"] == {"prediction": 1, "answer": 0}
    assert len(submission) == 10
    _, first, *_ = (folder / "predictions.jsonl").read_text().splitlines()
    assert json.loads(first) == {
        "id": "a_0",
        "answer": "w",
        "scores": [0.0, 1.0, 0.0, 0.0, 0.0],
    }


@pytest.mark.parametrize(
    "inputs, given",
    [
        ("all", ["videos", "audio"]),
        ("video", ["videos"]),
        ("audio", ["audio"]),
        ("text", []),
    ],
)
@pytest.mark.parametrize("mode", ["choices", "open"])
def test_inputs_are_what_the_task_is_given(
    inputs, given, mode, benchmark, tmp_path
):
    task = FakeTask()
    evaluate(task, benchmark, "val", inputs, mode, tmp_path, verbose=0)
    assert task.given and all(keys == given for keys in task.given)


@pytest.mark.parametrize("mode", ["choices", "open"])
def test_a_run_that_broke_off_goes_on_and_asks_nothing_twice(
    mode, benchmark, tmp_path
):
    settings = dict(mode=mode, folder=tmp_path, batch_size=2, verbose=0)
    broken = FakeTask(breaks_at=2)
    with pytest.raises(KeyboardInterrupt):
        evaluate(broken, benchmark, "val", **settings)
    task = FakeTask()
    report = evaluate(task, benchmark, "val", **settings)
    # Copies fill a batch up: a question may be asked twice in one, never in
    # two.
    assert not set(broken.asked) & set(task.asked)
    assert set(broken.asked) | set(task.asked) == {
        line["prompt"] for line in benchmark.lines("val")
    }
    ids = written_ids(tmp_path, mode)
    assert sorted(ids) == sorted(set(ids)) and len(ids) == 10
    again = FakeTask()
    assert evaluate(again, benchmark, "val", **settings) == report
    assert again.asked == []


# Takes long to answer about the third clip, so that it is killed amid it.
SLOW_RUN = """
import sys
import time

from test_evaluate import FakeTask

from keras_mirasol.evaluation import NExTQA
from keras_mirasol.evaluation import evaluate


class SlowTask(FakeTask):
    def _ask(self, inputs, prompts):
        super()._ask(inputs, prompts)
        with open("asked.txt", "a") as file:
            print(*prompts, sep="\\n", file=file)
        if len(self.given) == 3:
            time.sleep(600)


evaluate(SlowTask(), NExTQA(".", "media"), "val", mode="open", batch_size=1)
"""


def test_a_run_that_is_killed_loses_one_batch_and_repeats_no_other(
    benchmark, tmp_path
):
    asked = tmp_path / "asked.txt"
    run = subprocess.Popen(
        [sys.executable, "-c", SLOW_RUN],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PATHS))},
    )
    deadline = time.monotonic() + 300
    while not (asked.exists() and asked.read_text().count("\n") >= 6):
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    run.kill()
    assert run.wait() == -signal.SIGKILL
    task = FakeTask()
    evaluate(
        task,
        benchmark,
        "val",
        mode="open",
        folder=tmp_path / "results",
        batch_size=1,
        verbose=0,
    )
    before = asked.read_text().split("\n")[:-1]
    # The third batch was on its way, with both questions about a clip.
    assert len(before) == 6
    assert set(before) & set(task.asked) == set(before[4:])
    assert set(before) | set(task.asked) == {
        line["prompt"] for line in benchmark.lines("val")
    }
    ids = written_ids(tmp_path / "results", "open")
    assert sorted(ids) == [f"{name}_{n}" for name in NAMES for n in range(2)]


def test_refuses_to_go_on_with_another_run(benchmark, tmp_path):
    settings = dict(folder=tmp_path, verbose=0)
    evaluate(FakeTask(), benchmark, "val", **settings)
    with pytest.raises(ValueError, match="seed was 0 and is 1"):
        evaluate(FakeTask(), benchmark, "val", seed=1, **settings)
    other = FakeTask()
    other.backbone = small_models.build_backbone()
    with pytest.raises(ValueError, match="digest_of_weights was"):
        evaluate(other, benchmark, "val", **settings)


def test_refuses_what_is_not_known(benchmark, tmp_path):
    settings = dict(folder=tmp_path, verbose=0)
    with pytest.raises(ValueError, match="`inputs` must be one of all, video"):
        evaluate(FakeTask(), benchmark, "val", inputs="sound", **settings)
    with pytest.raises(ValueError, match="`mode` must be one of choices, open"):
        evaluate(FakeTask(), benchmark, "val", mode="labels", **settings)


def test_refuses_a_folder_without_any_of_the_clips(benchmark, tmp_path):
    (tmp_path / "empty").mkdir()
    nothing = NExTQA(benchmark.annotations, tmp_path / "empty")
    with pytest.raises(ValueError, match="none of the 6 clips .*such as 'a'"):
        evaluate(FakeTask(), nothing, "val", folder=tmp_path, verbose=0)


@pytest.mark.parametrize("mode", ["open", "labels"])
@pytest.mark.parametrize("inputs", ["all", "text"])
def test_a_task_names_classes(mode, inputs, tmp_path):
    labels = ["bell", "drum", "tone", "buzz", "chirp", "noise"]
    rows = [f"clip0000000,{n},{label},test" for n, label in enumerate(labels)]
    write(tmp_path, "vggsound.csv", "\n".join(rows))
    names = [f"clip0000000_{n:06d}" for n in range(len(labels))]
    benchmark = VGGSound(tmp_path, write_media(tmp_path, names))
    task = small_models.shared_task()
    report = evaluate(
        task, benchmark, "test", inputs, mode, tmp_path, verbose=0
    )
    assert report["questions"] == 6
    expected = {"exact_match"} if mode == "open" else {"top_1", "top_5"}
    assert expected <= set(report["scores"])
    if mode == "labels":
        # All labels are likeliest in the same order for what is the same.
        assert report["scores"]["top_1"] == pytest.approx(1 / 6)
