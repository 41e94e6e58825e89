"""Kinetics-Sound."""

from keras_mirasol.evaluation.benchmarks.classification import Classification
from keras_mirasol.evaluation.benchmarks.official_files import read_csv

# The id of a video on YouTube has so many characters, `_` and `-` among them.
ID_LENGTH = 11
KINETICS_SOUND_LABELS = (
    "blowing nose",
    "blowing out candles",
    "bowling",
    "chopping wood",
    "dribbling basketball",
    "laughing",
    "mowing lawn",
    "playing accordion",
    "playing bagpipes",
    "playing bass guitar",
    "playing clarinet",
    "playing drums",
    "playing guitar",
    "playing harmonica",
    "playing keyboard",
    "playing organ",
    "playing piano",
    "playing saxophone",
    "playing trombone",
    "playing trumpet",
    "playing violin",
    "playing xylophone",
    "ripping paper",
    "shoveling snow",
    "shuffling cards",
    "singing",
    "stomping grapes",
    "tap dancing",
    "tapping guitar",
    "tapping pen",
    "tickling",
)


class KineticsSound(Classification):
    """Kinetics-Sound: actions that are seen and heard, of Kinetics.

    Arandjelovic and Zisserman 2017, arXiv 1705.08168, chose 34 classes of
    Kinetics. There is no official list of clips; 31 classes are common since
    some were renamed. Lists are lines `clip,10,label`, as of "Balanced
    Multimodal Learning via On-the-fly Gradient Modulation" (arXiv 2203.15332),
    where clips are `ID_000058_000068` or `ID_58`, and labels are numbers.

    Args:
        annotations: str or path. The folder of `my_train.txt` and
            `my_test.txt`.
        media: str or path. The folder of the clips, named as in the lists or
            as in Kinetics, `ID_000058_000068.mp4`.
        prompt: str. Defaults to `"what is happening?"`.
        labels: sequence of strings. Names of the classes, by their number.
            Defaults to `None`, the 31 in alphabetical order.

    Raises:
        ValueError: if there is no such folder.

    Example:
    ```python
    benchmark = keras_mirasol.evaluation.KineticsSound("lists", media="clips")
    train = benchmark.lines("train")
    ```
    """

    name = "Kinetics-Sound"
    splits = ("train", "test")

    def __init__(
        self, annotations, media, prompt="what is happening?", labels=None
    ):
        super().__init__(annotations, media, prompt)
        self._labels = list(labels or KINETICS_SOUND_LABELS)

    @property
    def labels(self):
        return self._labels

    def read(self, split):
        path = self.annotations / f"my_{split}.txt"
        columns = ("clip", "seconds", "label")
        for row in read_csv(path, columns, has_header=False):
            name, number = row["clip"], int(row["label"])
            if not 0 <= number < len(self._labels):
                raise ValueError(
                    f"{path} has the label {number} for {name}. `labels` must "
                    f"name each number. Received: {len(self._labels)} labels"
                )
            yield {
                "id": name,
                "names": [name, _name_in_kinetics(name, row["seconds"])],
                "prompt": self.prompt,
                "response": self._labels[number],
            }


def _name_in_kinetics(clip, seconds):
    """`ID_000058_000068` of that, or of `ID_58`."""
    name, times = clip[:ID_LENGTH], clip[ID_LENGTH + 1 :].split("_")
    start = int(times[0])
    end = int(times[1]) if len(times) > 1 else start + int(seconds)
    return f"{name}_{start:06d}_{end:06d}"
