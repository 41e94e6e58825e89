"""ActivityNet-QA."""

from keras_mirasol.evaluation.benchmarks.benchmark import Benchmark
from keras_mirasol.evaluation.benchmarks.official_files import read_items

_TYPES = (
    "motion",
    "spatial relationship",
    "temporal relationship",
    "yes/no",
    "color",
    "object",
    "location",
    "number",
    "other",
)


class ActivityNetQA(Benchmark):
    """ActivityNet-QA: videos of some minutes, answers of a few words.

    Yu et al. 2019, arXiv 1906.02467. The score is exact match, to the letter,
    also by type; all but motion, spatial and temporal relationship are *free*.

    The authors' script divides the right answers to free questions by another
    number than how many there are, which its order of types decides. Here it
    is how many there are. An "accuracy" that a language model judges, as is
    reported for this benchmark elsewhere, is another metric.

    Args:
        annotations: str or path. The folder of `train_q.json`, `train_a.json`
            and so on.
        media: str or path. The folder of the clips, `v_1QIUV7WYKXg.mp4` and so
            on, with or without `v_`.

    Raises:
        ValueError: if there is no such folder.

    Example:
    ```python
    benchmark = keras_mirasol.evaluation.ActivityNetQA(
        "activitynet_qa/dataset", media="videos"
    )
    train = benchmark.lines("train")
    ```
    """

    name = "ActivityNet-QA"
    types = ("type", "group")

    def read(self, split):
        questions = read_items(
            self.annotations / f"{split}_q.json",
            ("question_id", "video_name", "question"),
        )
        answers = {
            item["question_id"]: item
            for item in read_items(
                self.annotations / f"{split}_a.json",
                ("question_id", "answer", "type"),
            )
        }
        for item in questions:
            answer = answers[item["question_id"]]
            name = item["video_name"]
            yield {
                "id": item["question_id"],
                "names": [f"v_{name}", name],
                "prompt": item["question"],
                "response": answer["answer"],
                "type": _TYPES[answer["type"]],
                "group": "free" if answer["type"] > 2 else "relations",
            }

    def submission(self, answered):
        return [
            {"question_id": line["id"], "answer": line["answer"]}
            for line in answered
        ]
