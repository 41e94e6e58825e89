import numpy as np
import pytest

from keras_mirasol.data import read_manifest
from keras_mirasol.data import write_clip
from keras_mirasol.data import write_manifest
from keras_mirasol.evaluation import answer_manifest

pytestmark = pytest.mark.any_backend


class EchoTask:
    """Answers with what it was given: frames, samples and the prompt."""

    class preprocessor:
        clip_settings = {"frame_rate": 4.0, "sampling_rate": 8000}

    def __init__(self):
        self.batches = []

    def generate(self, inputs):
        self.batches.append(inputs)
        count = len(inputs["prompts"])
        videos = inputs.get("videos", [None] * count)
        audio = inputs.get("audio", [None] * count)

        def length(signal):
            return "-" if signal is None else len(signal)

        return [
            [f"{length(video)} {length(sound)} {prompt}" for prompt in prompts]
            for video, sound, prompts in zip(
                videos, audio, inputs["prompts"], strict=True
            )
        ]


@pytest.fixture
def manifest(tmp_path):
    for name, seconds in (("a", 1), ("b", 2), ("c", 1)):
        write_clip(
            tmp_path / f"{name}.mp4",
            np.zeros((8 * seconds, 16, 16, 3), "uint8"),
            np.zeros(8000 * seconds, "float32"),
            frame_rate=8,
            sampling_rate=8000,
        )
    lines = [
        {"media": "a.mp4", "prompt": "p1", "response": "r1", "kind": "x"},
        {"media": "b.mp4", "prompt": "p2", "response": "r2"},
        {"media": "a.mp4", "prompt": "p3", "response": "r3"},
        {"video": "c.mp4", "prompt": "p4", "response": "r4"},
        {"media": "b.mp4", "start": 1.0, "prompt": "p5", "response": "r5"},
    ]
    return write_manifest(tmp_path / "manifest.jsonl", lines)


def test_each_line_gets_its_own_answer_in_the_manifests_order(manifest):
    lines = answer_manifest(EchoTask(), manifest, batch_size=3)
    assert [line["answer"] for line in lines] == [
        "4 8000 p1",
        "8 16000 p2",
        "4 8000 p3",
        "4 - p4",
        "4 8000 p5",
    ]
    assert lines[0]["kind"] == "x"


def test_batches_have_one_shape_and_each_clip_is_loaded_once(manifest):
    task = EchoTask()
    answer_manifest(task, manifest, batch_size=3)
    shapes = [
        (len(batch["prompts"]), {len(row) for row in batch["prompts"]})
        for batch in task.batches
    ]
    assert shapes == [(3, {2}), (3, {2})]


def test_a_modality_can_be_taken_away(manifest):
    without = answer_manifest(EchoTask(), manifest, without="audio")
    assert [line["answer"] for line in without][:2] == ["4 - p1", "8 - p2"]
    without = answer_manifest(EchoTask(), manifest, without="video")
    assert [line["answer"] for line in without][:2] == [
        "- 8000 p1",
        "- 16000 p2",
    ]


def test_refuses_an_unknown_modality(manifest):
    with pytest.raises(ValueError, match="`without` must be None or one of"):
        answer_manifest(EchoTask(), manifest, without="smell")


def test_no_lines_have_no_answers():
    task = EchoTask()
    assert answer_manifest(task, []) == []
    assert not task.batches


def test_a_start_at_zero_is_no_other_clip(manifest):
    lines = read_manifest(manifest)
    task = EchoTask()
    answer_manifest(task, [lines[0], {**lines[2], "start": 0.0}])
    assert task.batches[0]["prompts"][0] == ["p1", "p3"]
