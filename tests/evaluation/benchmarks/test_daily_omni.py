import pytest
from small_benchmarks import answered
from small_benchmarks import touch
from small_benchmarks import write

from keras_mirasol.evaluation import DailyOmni

pytestmark = pytest.mark.any_backend


def item(video, kind, answer, duration, **further):
    return {
        "Question": "What was heard when the door opened?",
        "Choice": ["A. A bell", "B. B. B. King", "C. A drum", "D. Nothing"],
        "Answer": answer,
        "video_id": video,
        "Type": kind,
        "video_category": "Music",
        "video_duration": duration,
        **further,
    }


@pytest.fixture
def benchmark(tmp_path):
    items = [
        item("Ec_lQgZ9wlg", "Event Sequence", "B", "30s"),
        # Some have an explanation, spelt like this, and some more categories.
        item("Ec_lQgZ9wlg", "Inference", "D", "30s", Explaination="It is."),
        item("XUWxQYmiBQY", "Inference", "A", "60s"),
        item("---missing-", "Inference", "A", "60s"),
    ]
    write(tmp_path, "qa.json", items)
    media = touch(
        tmp_path, "Ec_lQgZ9wlg/Ec_lQgZ9wlg_video.mp4", "XUWxQYmiBQY.mp4"
    )
    return DailyOmni(tmp_path, media)


def test_choices_come_without_their_letters(benchmark):
    lines = benchmark.lines("test")
    assert lines[0]["choices"] == ["A bell", "B. B. King", "A drum", "Nothing"]
    assert [line["response"] for line in lines] == [
        "B. B. King",
        "Nothing",
        "A bell",
    ]
    assert benchmark.missing("test") == ["---missing-/---missing-_video"]


def test_scores_accuracy_by_type_category_and_duration(benchmark):
    lines = answered(
        benchmark.lines("test"), ["B. B. King", "A bell", "A bell"]
    )
    assert benchmark.score(lines) == {
        "accuracy": pytest.approx(2 / 3),
        "by_type": {
            "Event Sequence": {"accuracy": 1.0},
            "Inference": {"accuracy": 0.5},
        },
        "by_category": {"Music": {"accuracy": pytest.approx(2 / 3)}},
        "by_duration": {"30s": {"accuracy": 0.5}, "60s": {"accuracy": 1.0}},
    }


def test_names_the_keys_that_an_item_lacks(benchmark, tmp_path):
    write(tmp_path, "qa.json", [{"Question": "what?"}])
    with pytest.raises(ValueError, match="lacks Choice, Answer, video_id"):
        benchmark.lines("test")
