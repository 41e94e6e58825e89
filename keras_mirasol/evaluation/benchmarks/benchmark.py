"""What the benchmarks of the field share."""

import json
from pathlib import Path

from keras_mirasol.evaluation.benchmarks.media_folder import MediaFolder
from keras_mirasol.evaluation.scores import share_by


class Benchmark:
    """Clips and questions as their authors publish them, and their metric.

    `keras_mirasol.evaluation.evaluate()` asks and scores a task. For
    fine-tuning, `lines("train")` is a manifest.

    To be inherited from; a subclass reads the official files in `read()`, and
    may have scores of its own in `measures()`.

    Args:
        annotations: str or path. The folder of the official files, under
            their own names.
        media: str or path. The folder of the clips, with or without folders
            within, in any format that FFmpeg reads.

    Attributes:
        name: str. As its authors write it.
        splits: tuple of strings.
        modes: tuple of strings, the default first. `"open"`: the answer is
            written freely. `"choices"`: the likeliest of a question's own
            choices. `"labels"`: the likeliest of all labels, which all get a
            score.
        types: tuple of strings. Keys of lines by which scores are told too.

    Raises:
        ValueError: if there is no such folder.

    Example:
    ```python
    class Dogs(keras_mirasol.evaluation.Benchmark):
        name = "Dogs"
        splits = ("test",)

        def read(self, split):
            yield {
                "id": 1,
                "names": ["dog"],
                "prompt": "what is heard?",
                "response": "bark",
            }


    Dogs(annotations=".", media=".").lines("test")  # About dog.mp4.
    ```
    """

    name = ""
    splits = ("train", "val", "test")
    modes = ("open",)
    types = ()
    submission_name = "submission.json"

    def __init__(self, annotations, media):
        self.annotations = Path(annotations)
        if not self.annotations.is_dir():
            raise ValueError(
                f"There is no folder {str(annotations)!r}. `annotations` must "
                f"be the folder with the official files of {self.name}."
            )
        self.media = MediaFolder(media)

    def read(self, split):
        """Yields the lines of a split, with `"names"` of their media.

        Each is a dict with `"id"`, `"prompt"`, `"response"`, the names under
        which its clip may be found, without suffix, and what else there is to
        know.
        """
        raise NotImplementedError

    def lines(self, split):
        """Lines of a manifest: all questions whose clips are there.

        Args:
            split: one of `splits`.

        Returns:
            A list of dicts, for `keras_mirasol.data.clip_dataset` and
            `keras_mirasol.data.write_manifest`.

        Raises:
            ValueError: if there is no such split, or an official file is
                missing or not as expected.
        """
        return self.found(split)[0]

    def missing(self, split):
        """Names of the clips that a split asks about and `media` lacks."""
        return self.found(split)[1]

    def found(self, split):
        """A pair of `lines(split)` and `missing(split)`."""
        if split not in self.splits:
            raise ValueError(
                f"{self.name} has the splits {', '.join(self.splits)}. "
                f"Received: {split!r}"
            )
        lines, missing = [], {}
        for line in self.read(split):
            names = line.pop("names")
            path = self.media.find(*names)
            if path is None:
                missing[names[0]] = None
            else:
                lines.append({"media": str(path), **line})
        return lines, list(missing)

    def measures(self, answered, mode):
        """Scores of some lines, by the name of the metric.

        Args:
            answered: list of lines with `"answer"` and, where choices were
                scored, `"scores"`, a list of floats.
            mode: str, one of `modes`.
        """
        return {"exact_match": share_by(answered)}

    def score(self, answered, mode=None):
        """Official scores, over all lines and by type.

        Args:
            answered: list of lines with `"answer"`, of a split's `lines()`.
            mode: str, one of `modes`. How they were answered. Defaults to
                `None`, the first of them.

        Returns:
            A dict from names of metrics to floats; and, for each of `types`,
            `"by_<type>"`, a dict of such dicts.

        Raises:
            ValueError: if there are no lines, or one has no answer or no
                response.
        """
        _check_answers(answered)
        mode = mode or self.modes[0]
        scores = self.measures(answered, mode)
        for key in self.types:
            scores[f"by_{key}"] = {
                value: self.measures(lines, mode)
                for value, lines in grouped(answered, key).items()
            }
        return scores

    def submission(self, answered):
        """What the authors want to be handed in, that JSON can hold."""
        return [
            {"id": line["id"], "answer": line["answer"]} for line in answered
        ]

    def write_submission(self, answered, folder):
        """Writes answers in the format that the authors want.

        Args:
            answered: list of lines with `"answer"`.
            folder: str or path. Where the file is put.

        Returns:
            The `pathlib.Path` of the file.
        """
        path = Path(folder) / self.submission_name
        path.write_text(json.dumps(self.submission(answered)) + "\n")
        return path


def grouped(lines, key):
    """Lines by their value of a key; a list counts by each of its values."""
    groups = {}
    for line in lines:
        values = line[key]
        for value in values if isinstance(values, list) else [values]:
            groups.setdefault(value, []).append(line)
    return dict(sorted(groups.items()))


def _check_answers(answered):
    if not answered:
        raise ValueError("Expected at least one line. Received none.")
    for line in answered:
        missing = {"answer", "response"} - set(line)
        if missing:
            raise ValueError(
                f"A line lacks {' and '.join(sorted(missing))}: {line}. A "
                "split without responses is scored by its authors alone."
            )
