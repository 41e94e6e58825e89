"""MSRVTT-QA."""

from keras_mirasol.evaluation.benchmarks.benchmark import Benchmark
from keras_mirasol.evaluation.benchmarks.official_files import read_items

_FIRST_WORDS = ("what", "how", "where", "who", "when")


class MSRVTTQA(Benchmark):
    """MSRVTT-QA: short web videos, answers of one word.

    Xu et al. 2017, "Video Question Answering via Gradually Refined Attention
    over Appearance and Motion". Questions were made of captions. The score is
    exact match, to the letter, also by the kind of question: what, how, color,
    where, who and when.

    Answers that training never gave count as wrong, as in the authors' code:
    no question is left out.

    Args:
        annotations: str or path. The folder of `train_qa.json`, `val_qa.json`
            and `test_qa.json`.
        media: str or path. The folder of the clips, `video7010.mp4` and so on.

    Raises:
        ValueError: if there is no such folder.

    Example:
    ```python
    benchmark = keras_mirasol.evaluation.MSRVTTQA("msrvtt_qa", media="videos")
    train = benchmark.lines("train")
    ```
    """

    name = "MSRVTT-QA"
    types = ("type",)

    def read(self, split):
        keys = ("id", "video_id", "question", "answer")
        for item in read_items(self.annotations / f"{split}_qa.json", keys):
            yield {
                "id": item["id"],
                "names": [f"video{item['video_id']}"],
                "prompt": item["question"],
                "response": item["answer"],
                "type": _type_of(item["question"]),
            }


def _type_of(question):
    # Wherever it stands, color goes first, as those who tell scores by it do.
    if "color" in question:
        return "color"
    first = question.split(" ")[0]
    return first if first in _FIRST_WORDS else "other"
