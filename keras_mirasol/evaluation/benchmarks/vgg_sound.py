"""VGG-Sound."""

import functools
import math
from statistics import NormalDist

from keras_mirasol.evaluation.benchmarks.classification import Classification
from keras_mirasol.evaluation.benchmarks.official_files import read_csv


class VGGSound(Classification):
    """VGG-Sound: what sounds and is seen in ten seconds, 309 classes.

    Chen et al. 2020, arXiv 2004.14368. The paper of Mirasol writes the name of
    the class. With the mode `"labels"` there are the authors' metrics, too:
    mean average precision, mean area under the curve and `d_prime`, which is
    made of the mean area.

    Args:
        annotations: str or path. The folder of `vggsound.csv`, which has no
            header: id, start in seconds, label, split.
        media: str or path. The folder of the clips, named by id and start:
            `ID_000030.mp4`, `ID_30_40.mp4` or `ID_30000_40000.mp4`.
        prompt: str. Defaults to `"what is heard?"`.

    Raises:
        ValueError: if there is no such folder.

    Example:
    ```python
    benchmark = keras_mirasol.evaluation.VGGSound("vggsound", media="clips")
    train = benchmark.lines("train")
    ```
    """

    name = "VGG-Sound"
    splits = ("train", "test")

    def __init__(self, annotations, media, prompt="what is heard?"):
        super().__init__(annotations, media, prompt)

    def _rows(self):
        columns = ("id", "start", "label", "split")
        path = self.annotations / "vggsound.csv"
        return read_csv(path, columns, has_header=False)

    @functools.cached_property
    def labels(self):
        return sorted({row["label"] for row in self._rows()})

    def read(self, split):
        for row in self._rows():
            if row["split"] != split:
                continue
            name, start = row["id"], int(row["start"])
            yield {
                "id": f"{name}_{start:06d}",
                "names": [
                    f"{name}_{start:06d}",
                    f"{name}_{start}_{start + 10}",
                    f"{name}_{1000 * start}_{1000 * (start + 10)}",
                ],
                "prompt": self.prompt,
                "response": row["label"],
            }

    def measures(self, answered, mode):
        scores = super().measures(answered, mode)
        if mode == "labels":
            scores["d_prime"] = d_prime(scores["mean_auc"])
        return scores


def d_prime(auc):
    """How far apart right and wrong lie, as of two normal distributions."""
    if not 0 < auc < 1:
        return math.copysign(math.inf, auc - 0.5)
    return math.sqrt(2) * NormalDist().inv_cdf(auc)
