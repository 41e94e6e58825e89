import pytest
from small_benchmarks import answered
from small_benchmarks import touch
from small_benchmarks import write

from keras_mirasol.evaluation import NExTQA

pytestmark = pytest.mark.any_backend

CSV = """\
video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4
4010069381,369,640,480,how do they play,0,6,CH,roll,tap,"strum, loud",hit,no
4882821564,2697,640,480,why did he pick one,2,1,CW,share,approach,unwrap,play,go
4882821564,2697,640,480,what did he do before,4,1,TP,a,b,c,d,e
4882821564,2697,640,480,what did he do after,1,9,TN,a,b,c,d,e
3000000000,10,64,64,where is this,3,1,DL,mall,river,pool,room,hill
"""


@pytest.fixture
def benchmark(tmp_path):
    write(tmp_path, "val.csv", CSV)
    write(tmp_path, "map_vid_vidorID.json", {"4010069381": "0101/4010069381"})
    media = touch(tmp_path, "0101/4010069381.mp4", "4882821564.mp4")
    return NExTQA(tmp_path, media)


def test_videos_are_found_in_the_folders_of_vidor_and_in_one(benchmark):
    lines = benchmark.lines("val")
    media = benchmark.media.folder
    assert lines[0] == {
        "media": str(media / "0101/4010069381.mp4"),
        "id": "4010069381_6",
        "prompt": "how do they play",
        "response": "roll",
        "choices": ["roll", "tap", "strum, loud", "hit", "no"],
        "type": "CH",
        "group": "causal",
    }
    assert lines[1]["media"] == str(media / "4882821564.mp4")
    assert benchmark.missing("val") == ["3000000000"]


def test_scores_accuracy_by_type_with_previous_among_next(benchmark):
    lines = benchmark.lines("val")
    scores = benchmark.score(answered(lines, ["roll", "unwrap", "e", "a"]))
    assert scores == {
        "accuracy": 0.75,
        "by_type": {
            "CH": {"accuracy": 1.0},
            "CW": {"accuracy": 1.0},
            "TN": {"accuracy": 0.5},
        },
        "by_group": {
            "causal": {"accuracy": 1.0},
            "temporal": {"accuracy": 0.5},
        },
    }


def test_what_is_written_freely_is_another_metric(benchmark):
    scores = benchmark.score(
        answered(benchmark.lines("val"), ["roll", "open", "e", "b"]), "open"
    )
    assert scores["exact_match"] == 0.75
    assert "accuracy" not in scores


def test_submission_has_numbers_of_choices(benchmark):
    lines = answered(benchmark.lines("val"), ["tap", "unwrap", "e", "a"])
    assert benchmark.submission(lines)["4010069381_6"] == {
        "prediction": 1,
        "answer": 0,
    }


def test_refuses_a_file_without_choices(benchmark, tmp_path):
    write(tmp_path, "test.csv", "video,question,answer,qid,type\n1,a,b,2,CW\n")
    with pytest.raises(ValueError, match="Row 2 .*It lacks a0, a1, a2, a3, a4"):
        benchmark.lines("test")
