import pytest
from small_benchmarks import answered
from small_benchmarks import touch
from small_benchmarks import write

from keras_mirasol.evaluation import WorldSense

pytestmark = pytest.mark.any_backend


def task(kind, answer, candidates):
    return {
        "task_domain": "Reasoning",
        "task_type": kind,
        "question": "What changes?",
        "answer": answer,
        "candidates": candidates,
    }


@pytest.fixture
def benchmark(tmp_path):
    three = ["A. Nothing.", "B. The volume.", "C. The speaker."]
    videos = {
        "UYkFSXsh": {
            "video_id": "UYkFSXsh",
            "duration": "1-2min",
            "domain": "Culture & Politics",
            "audio_class": ["Speech", "Event"],
            "task0": task("Audio Change", "B", three),
            "task1": task("Object Counting", "D", [*three, "D. Two."]),
        },
        "abcdefgh": {
            "video_id": "abcdefgh",
            "duration": "<1min",
            "domain": "Music",
            "audio_class": ["Music"],
            "task0": task("Audio Change", "A", three),
        },
    }
    write(tmp_path, "worldsense_qa.json", videos)
    media = touch(tmp_path, "videos/UYkFSXsh.mp4", "videos/abcdefgh.mp4")
    return WorldSense(tmp_path, media)


def test_each_task_of_a_video_is_a_question(benchmark):
    lines = benchmark.lines("test")
    assert [line["id"] for line in lines] == [
        "UYkFSXsh_task0",
        "UYkFSXsh_task1",
        "abcdefgh_task0",
    ]
    assert lines[0]["choices"] == ["Nothing.", "The volume.", "The speaker."]
    assert [line["response"] for line in lines] == [
        "The volume.",
        "Two.",
        "Nothing.",
    ]


def test_a_clip_counts_in_each_of_its_classes_of_audio(benchmark):
    lines = benchmark.lines("test")
    scores = benchmark.score(answered(lines, ["The volume.", "Two.", "Two."]))
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["by_audio_class"] == {
        "Event": {"accuracy": 1.0},
        "Music": {"accuracy": 0.0},
        "Speech": {"accuracy": 1.0},
    }
    assert scores["by_task_type"] == {
        "Audio Change": {"accuracy": 0.5},
        "Object Counting": {"accuracy": 1.0},
    }


def test_names_the_keys_that_a_task_lacks(benchmark, tmp_path):
    write(
        tmp_path,
        "worldsense_qa.json",
        {"a": {"domain": "", "audio_class": [], "duration": "", "task0": {}}},
    )
    with pytest.raises(ValueError, match="task0 of a of .*lacks question"):
        benchmark.lines("test")
