import json

import pytest
from small_benchmarks import answered
from small_benchmarks import touch
from small_benchmarks import write

from keras_mirasol.evaluation import MSRVTTQA

pytestmark = pytest.mark.any_backend

ITEMS = [
    {
        "answer": answer,
        "category_id": 10,
        "id": number,
        "question": question,
        "video_id": video,
    }
    for number, video, question, answer in (
        (170859, 7010, "what is the video doing?", "regard"),
        (170860, 7010, "what is the color of the car?", "red"),
        (170861, 7011, "who plays the zither?", "man"),
        (170862, 7012, "is anyone there?", "yes"),
    )
]


@pytest.fixture
def benchmark(tmp_path):
    write(tmp_path, "test_qa.json", ITEMS)
    media = touch(tmp_path, "video7010.mp4", "video7011.webm")
    return MSRVTTQA(tmp_path, media)


def test_lines_are_those_whose_clips_are_there(benchmark):
    lines = benchmark.lines("test")
    assert [line["id"] for line in lines] == [170859, 170860, 170861]
    assert lines[0] == {
        "media": str(benchmark.media.folder / "video7010.mp4"),
        "id": 170859,
        "prompt": "what is the video doing?",
        "response": "regard",
        "type": "what",
    }
    assert benchmark.missing("test") == ["video7012"]


def test_color_goes_before_the_first_word(benchmark):
    kinds = [line["type"] for line in benchmark.read("test")]
    assert kinds == ["what", "color", "who", "other"]


def test_scores_by_exact_match_over_all_questions(benchmark):
    lines = answered(benchmark.lines("test"), ["regard", "Red", "man"])
    assert benchmark.score(lines) == {
        "exact_match": pytest.approx(2 / 3),
        "by_type": {
            "color": {"exact_match": 0.0},
            "what": {"exact_match": 1.0},
            "who": {"exact_match": 1.0},
        },
    }


def test_submission_is_a_list_of_ids_and_answers(benchmark, tmp_path):
    lines = answered(benchmark.lines("test"), ["a", "b", "c"])
    path = benchmark.write_submission(lines, tmp_path)
    assert json.loads(path.read_text())[:2] == [
        {"id": 170859, "answer": "a"},
        {"id": 170860, "answer": "b"},
    ]


def test_says_what_is_missing(benchmark, tmp_path):
    with pytest.raises(ValueError, match="train_qa.json"):
        benchmark.lines("train")
    with pytest.raises(ValueError, match="splits train, val, test"):
        benchmark.lines("dev")
    write(tmp_path, "val_qa.json", [{"id": 1, "video_id": 2}])
    with pytest.raises(ValueError, match="Item 0 .*lacks question, answer"):
        benchmark.lines("val")
    with pytest.raises(ValueError, match="official files of MSRVTT-QA"):
        MSRVTTQA(tmp_path / "nowhere", tmp_path)
    with pytest.raises(ValueError, match="lacks answer"):
        benchmark.score(benchmark.lines("test"))
