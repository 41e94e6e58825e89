import pytest
from small_benchmarks import answered
from small_benchmarks import touch
from small_benchmarks import write

from keras_mirasol.evaluation import ActivityNetQA

pytestmark = pytest.mark.any_backend

# Name of the video, number of the question, type, question and answer.
ROWS = [
    ("1QIUV7WYKXg", 3, 3, "is the athlete wearing trousers", "no"),
    ("1QIUV7WYKXg", 7, 8, "what is the athlete doing ", "high jump"),
    ("-XSnHhEQe-M", 1, 0, "what happened", "jump"),
    ("-XSnHhEQe-M", 2, 7, "how many people are there", "2"),
]


@pytest.fixture
def benchmark(tmp_path):
    ids = [f"v_{name}_{number}" for name, number, *_ in ROWS]
    write(
        tmp_path,
        "val_q.json",
        [
            {"video_name": name, "question": question, "question_id": key}
            for key, (name, _, _, question, _) in zip(ids, ROWS, strict=True)
        ],
    )
    answers = [
        {"answer": answer, "type": kind, "question_id": key}
        for key, (_, _, kind, _, answer) in zip(ids, ROWS, strict=True)
    ]
    # Their order need not be that of the questions.
    write(tmp_path, "val_a.json", answers[::-1])
    media = touch(tmp_path, "v_1QIUV7WYKXg.mkv", "-XSnHhEQe-M.mp4")
    return ActivityNetQA(tmp_path, media)


def test_questions_meet_their_answers_by_id(benchmark):
    lines = benchmark.lines("val")
    assert benchmark.missing("val") == []
    assert [line["response"] for line in lines] == [row[-1] for row in ROWS]
    assert lines[0] == {
        "media": str(benchmark.media.folder / "v_1QIUV7WYKXg.mkv"),
        "id": "v_1QIUV7WYKXg_3",
        "prompt": "is the athlete wearing trousers",
        "response": "no",
        "type": "yes/no",
        "group": "free",
    }
    assert [line["type"] for line in lines[1:]] == ["other", "motion", "number"]


def test_free_questions_are_all_but_those_of_relations(benchmark):
    lines = answered(benchmark.lines("val"), ["no", "jump", "jump", "2"])
    scores = benchmark.score(lines)
    assert scores["exact_match"] == 0.75
    assert scores["by_group"] == {
        "free": {"exact_match": pytest.approx(2 / 3)},
        "relations": {"exact_match": 1.0},
    }
    assert scores["by_type"]["other"] == {"exact_match": 0.0}


def test_submission_has_the_names_that_the_authors_script_reads(benchmark):
    lines = answered(benchmark.lines("val"), ["a", "b", "c", "d"])
    assert benchmark.submission(lines)[1] == {
        "question_id": "v_1QIUV7WYKXg_7",
        "answer": "b",
    }
