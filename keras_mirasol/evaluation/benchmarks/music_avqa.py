"""MUSIC-AVQA."""

import functools
import json

from keras_mirasol.evaluation.benchmarks.benchmark import Benchmark
from keras_mirasol.evaluation.benchmarks.official_files import read_items

# Marks of a question at its end; one template has the wide one.
_QUESTION_MARKS = "?\uff1f"


class MUSICAVQA(Benchmark):
    """MUSIC-AVQA: musical performances, asked of sound, of picture and both.

    Li et al. 2022, arXiv 2203.14072. Answers are one of 42 words. The score is
    exact match, also by modality and by type.

    Questions are templates, whose slots are filled here. Questions that occur
    twice, some with another answer, are both asked, as the authors do.

    Args:
        annotations: str or path. The folder of `avqa-train.json`,
            `avqa-val.json` and `avqa-test.json`: `json` or `json_update`.
        media: str or path. The folder of the clips, `00000093.mp4` and so on.

    Raises:
        ValueError: if there is no such folder.

    Example:
    ```python
    benchmark = keras_mirasol.evaluation.MUSICAVQA(
        "MUSIC-AVQA/data/json", media="videos"
    )
    train = benchmark.lines("train")
    ```
    """

    name = "MUSIC-AVQA"
    modes = ("open", "labels")
    types = ("type", "modality")

    @functools.cached_property
    def labels(self):
        """All answers of training, in the order in which they come."""
        items = self._items("train")
        return list(dict.fromkeys(item["anser"] for item in items))

    def _items(self, split):
        return read_items(
            self.annotations / f"avqa-{split}.json",
            # As it is spelt there.
            (
                "video_id",
                "question_id",
                "type",
                "question_content",
                "templ_values",
                "anser",
            ),
        )

    def read(self, split):
        for number, item in enumerate(self._items(split)):
            modality, kind = json.loads(item["type"])
            yield {
                # Those of the authors are not unique.
                "id": number,
                "question_id": item["question_id"],
                "names": [item["video_id"]],
                "prompt": _filled(item),
                "response": item["anser"],
                "type": f"{modality} {kind}",
                "modality": modality,
            }

    def submission(self, answered):
        return [
            {"question_id": line["question_id"], "answer": line["answer"]}
            for line in answered
        ]


def _filled(item):
    """A question with its slots filled, word by word, and without its mark."""
    values = iter(json.loads(item["templ_values"]))
    words = item["question_content"].rstrip().split(" ")
    words = [next(values) if "<" in word else word for word in words]
    return " ".join(words).rstrip(_QUESTION_MARKS)
