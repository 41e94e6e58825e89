import pytest
from small_benchmarks import answered
from small_benchmarks import touch
from small_benchmarks import write

from keras_mirasol.evaluation import MUSICAVQA

pytestmark = pytest.mark.any_backend


def item(number, video, kind, question, values, answer):
    return {
        "video_id": video,
        "question_id": number,
        "type": kind,
        "question_content": question,
        "templ_values": values,
        "question_deleted": 0,
        "anser": answer,  # As it is spelt there.
    }


TEST = [
    item(
        12,
        "00000093",
        '["Audio", "Counting"]',
        "How many musical instruments were heard?",
        "[]",
        "one",
    ),
    item(
        28,
        "vv00003078",
        '["Audio-Visual", "Comparative"]',
        "Is the <Object> on the <LR> louder than the <Object>? ",
        '["violin", "left", "acoustic_guitar"]',
        "no",
    ),
    # The same question twice, with another answer.
    item(
        28,
        "vv00003078",
        '["Audio-Visual", "Comparative"]',
        "Is the <Object> on the <LR> louder than the <Object>? ",
        '["violin", "left", "acoustic_guitar"]',
        "yes",
    ),
    item(
        30,
        "00000094",
        '["Visual", "Location"]',
        "Where is it performed\uff1f",
        "[]",
        "indoor",
    ),
]


@pytest.fixture
def benchmark(tmp_path):
    write(tmp_path, "avqa-test.json", TEST)
    write(tmp_path, "avqa-train.json", [TEST[1], TEST[0], TEST[1]])
    return MUSICAVQA(
        tmp_path, touch(tmp_path, "00000093.mp4", "vv00003078.mp4")
    )


def test_slots_are_filled_in_order_and_question_marks_are_gone(benchmark):
    prompts = [line["prompt"] for line in benchmark.read("test")]
    assert prompts == [
        "How many musical instruments were heard",
        "Is the violin on the left louder than the acoustic_guitar",
        "Is the violin on the left louder than the acoustic_guitar",
        "Where is it performed",
    ]


def test_questions_that_occur_twice_are_told_apart(benchmark):
    lines = benchmark.lines("test")
    assert [line["id"] for line in lines] == [0, 1, 2]
    assert [line["response"] for line in lines] == ["one", "no", "yes"]
    assert benchmark.missing("test") == ["00000094"]


def test_labels_are_the_answers_of_training_as_they_come(benchmark):
    assert benchmark.labels == ["no", "one"]


def test_scores_by_type_and_by_modality(benchmark):
    scores = benchmark.score(
        answered(benchmark.lines("test"), ["one", "no", "no"])
    )
    assert scores == {
        "exact_match": pytest.approx(2 / 3),
        "by_type": {
            "Audio Counting": {"exact_match": 1.0},
            "Audio-Visual Comparative": {"exact_match": 0.5},
        },
        "by_modality": {
            "Audio": {"exact_match": 1.0},
            "Audio-Visual": {"exact_match": 0.5},
        },
    }


def test_submission_has_the_authors_numbers(benchmark):
    lines = answered(benchmark.lines("test"), ["a", "b", "c"])
    assert benchmark.submission(lines)[2] == {
        "question_id": 28,
        "answer": "c",
    }
