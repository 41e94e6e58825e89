"""NExT-QA with its choices."""

from keras_mirasol.evaluation.benchmarks.multiple_choice import MultipleChoice
from keras_mirasol.evaluation.benchmarks.multiple_choice import chosen
from keras_mirasol.evaluation.benchmarks.official_files import read_csv
from keras_mirasol.evaluation.benchmarks.official_files import read_json

GROUPS = {"C": "causal", "T": "temporal", "D": "descriptive"}


class NExTQA(MultipleChoice):
    """NExT-QA: why and when things happen in home videos, five choices.

    Xiao et al. 2021, arXiv 2105.08276. The score is accuracy, also by type and
    by causal, temporal and descriptive questions. As the authors have it,
    questions of what comes before (`TP`) count with those of what comes next
    (`TN`).

    Args:
        annotations: str or path. The folder of `train.csv`, `val.csv` and
            `test.csv`, with choices; and of `map_vid_vidorID.json`, where clips
            lie in the folders of VidOR.
        media: str or path. The folder of the clips, as of VidOR or all in one.

    Raises:
        ValueError: if there is no such folder.

    Example:
    ```python
    benchmark = keras_mirasol.evaluation.NExTQA("nextqa", media="vidor")
    train = benchmark.lines("train")
    ```
    """

    name = "NExT-QA"
    types = ("type", "group")

    def read(self, split):
        columns = ("video", "question", "answer", "qid", "type")
        choices = ("a0", "a1", "a2", "a3", "a4")
        path = self.annotations / f"{split}.csv"
        places = folders_of_videos(self.annotations)
        for row in read_csv(path, (*columns, *choices)):
            of_row = [row[name] for name in choices]
            yield {
                "id": f"{row['video']}_{row['qid']}",
                "names": names_of(row["video"], places),
                "prompt": row["question"],
                "response": of_row[int(row["answer"])],
                "choices": of_row,
                **types_of(row),
            }

    def submission(self, answered):
        return {
            line["id"]: {
                "prediction": chosen(line),
                "answer": line["choices"].index(line["response"]),
            }
            for line in answered
        }


def folders_of_videos(annotations):
    """Where VidOR has the videos, if the file that says so is there."""
    path = annotations / "map_vid_vidorID.json"
    return read_json(path, dict) if path.exists() else {}


def names_of(video, places):
    """Names under which a video may be found."""
    return [places[video], video] if video in places else [video]


def types_of(row):
    """Type and group of a question, with *previous* among *next*."""
    kind = "TN" if row["type"] == "TP" else row["type"]
    return {"type": kind, "group": GROUPS[kind[0]]}
