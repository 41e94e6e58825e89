import pytest
from small_benchmarks import answered
from small_benchmarks import touch
from small_benchmarks import write

from keras_mirasol.evaluation import NExTOE
from keras_mirasol.evaluation.benchmarks import next_oe

pytestmark = pytest.mark.any_backend

HEADER = "video,frame_count,width,height,question,answer,qid,type\n"
CSV = HEADER + (
    "4924794333,1058,640,360,is the baby old,no,4,DB\n"
    "4924794333,1058,640,360,how does it move,on the floor,5,CH\n"
    "3747890905,1152,640,360,what came before,a dog,8,TP\n"
    "3747890905,1152,640,360,how many are there,two,9,DC\n"
)


@pytest.fixture
def benchmark(tmp_path):
    write(tmp_path, "test.csv", CSV)
    write(tmp_path, "stopwords.txt", "the\na\n")
    write(
        tmp_path,
        "add_reference_answer_test.json",
        {"4924794333": {"4": "yes", "5": "crawls"}},
    )
    media = touch(tmp_path, "4924794333.mp4", "3747890905.mp4")
    return NExTOE(tmp_path, media)


class FakeWUPS:
    """Half of what two texts share of their words, so that it is not 1."""

    def __init__(self, threshold, stop_words):
        self.name = f"wups_{threshold:g}"
        self.stop_words = stop_words

    def words(self, text):
        return [word for word in text.split() if word not in self.stop_words]

    def of_answer(self, references, answer):
        answer = set(self.words(answer))
        return max(
            0.5 * len(answer & set(self.words(reference)))
            for reference in references
        )


def test_further_references_stand_beside_the_first(benchmark):
    lines = benchmark.lines("test")
    assert [line["references"] for line in lines] == [
        ["no", "yes"],
        ["on the floor", "crawls"],
        ["a dog"],
        ["two"],
    ]
    assert [line["type"] for line in lines] == ["DB", "CH", "TN", "DC"]


def test_counts_and_yes_or_no_are_right_to_the_letter(benchmark, monkeypatch):
    monkeypatch.setattr(next_oe, "WUPS", FakeWUPS)
    lines = answered(
        benchmark.lines("test"), ["yes", "on floor", "the dog", "two dogs"]
    )
    scores = benchmark.score(lines)
    # 1 for "yes", twice a half for "on floor", a half for "dog".
    assert scores["wups_0"] == (1 + 1 + 0.5 + 0) / 4
    assert scores["by_type"]["DC"] == {"wups_0": 0, "wups_0.9": 0}
    assert scores["by_group"]["temporal"]["wups_0"] == 0.5


def test_questions_with_the_number_of_another_have_their_own_id(benchmark):
    row = "4598213889,1,64,64,{},yes,5,DB\n"
    text = HEADER + row.format("one") + row.format("other")
    write(benchmark.annotations, "train.csv", text)
    ids = [line["id"] for line in benchmark.read("train")]
    assert ids == ["4598213889_5", "4598213889_5_2"]


def test_submission_is_by_video_and_question(benchmark):
    lines = answered(benchmark.lines("test"), ["a", "b", "c", "d"])
    assert benchmark.submission(lines) == {
        "4924794333": {"4": "a", "5": "b"},
        "3747890905": {"8": "c", "9": "d"},
    }


def test_says_where_stop_words_are_to_be_found(benchmark):
    (benchmark.annotations / "stopwords.txt").unlink()
    lines = answered(benchmark.lines("test"), ["a", "b", "c", "d"])
    with pytest.raises(ValueError, match="stopwords.txt"):
        benchmark.score(lines)
