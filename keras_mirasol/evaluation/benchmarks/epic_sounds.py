"""EPIC-SOUNDS."""

import functools

from keras_mirasol.evaluation.benchmarks.classification import Classification
from keras_mirasol.evaluation.benchmarks.official_files import read_csv

SAMPLING_RATE = 24000
_FILES = {
    "train": "EPIC_Sounds_train.csv",
    "val": "EPIC_Sounds_validation.csv",
    "test": "EPIC_Sounds_recognition_test_timestamps.csv",
}


class EPICSounds(Classification):
    """EPIC-SOUNDS: sounds of what is done in kitchens, 44 classes.

    Huh et al. 2023, arXiv 2302.00646. Lines are spans of long videos. The
    paper of Mirasol writes the name of the class; the authors' metrics are
    those of the mode `"labels"`, over the classes that a split has. The split
    `"test"` has no labels: its submission goes to the authors' challenge.

    Args:
        annotations: str or path. The folder of `EPIC_Sounds_train.csv`,
            `EPIC_Sounds_validation.csv` and
            `EPIC_Sounds_recognition_test_timestamps.csv`.
        media: str or path. The folder of the videos of EPIC-KITCHENS-100,
            `P01_11.MP4` and so on, in folders or not.
        prompt: str. Defaults to `"what is heard?"`.
        supervision: tuple of three ints and a fourth. What a submission states
            of itself: levels of pretraining (`sls_pt`), of training labels
            (`sls_tl`) and of training data (`sls_td`), 0 to 5 each, and the
            modalities (`t_mod`): 0 audio, 1 video, 2 both. Defaults to
            `(0, 3, 3, 2)`.

    Raises:
        ValueError: if there is no such folder.

    Example:
    ```python
    benchmark = keras_mirasol.evaluation.EPICSounds("annotations", "videos")
    train = benchmark.lines("train")
    ```
    """

    name = "EPIC-SOUNDS"
    submission_name = "test.json"

    def __init__(
        self,
        annotations,
        media,
        prompt="what is heard?",
        supervision=(0, 3, 3, 2),
    ):
        super().__init__(annotations, media, prompt)
        self.supervision = supervision

    def _rows(self, split):
        columns = ["annotation_id", "video_id", "start_sample", "stop_sample"]
        if split != "test":
            columns += ["class", "class_id"]
        return read_csv(self.annotations / _FILES[split], columns)

    @functools.cached_property
    def labels(self):
        rows = self._rows("train")
        names = {int(row["class_id"]): row["class"] for row in rows}
        return [names[number] for number in sorted(names)]

    def read(self, split):
        for row in self._rows(split):
            line = {
                "id": row["annotation_id"],
                "names": [row["video_id"]],
                "start": int(row["start_sample"]) / SAMPLING_RATE,
                "end": int(row["stop_sample"]) / SAMPLING_RATE,
                "prompt": self.prompt,
            }
            if split != "test":
                line["response"] = row["class"]
            yield line

    def submission(self, answered):
        keys = ("sls_pt", "sls_tl", "sls_td", "t_mod")
        return {
            "version": "0.1",
            "challenge": "audio_based_interaction_recognition",
            **dict(zip(keys, self.supervision, strict=True)),
            "results": {
                line["id"]: {
                    "interaction": {
                        str(number): score
                        for number, score in enumerate(_scores(self, line))
                    }
                }
                for line in answered
            },
        }


def _scores(benchmark, line):
    """A score for each class, of what was scored or of what was written."""
    if "scores" in line:
        return line["scores"]
    return [float(line["answer"] == label) for label in benchmark.labels]
