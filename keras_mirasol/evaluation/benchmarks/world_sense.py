"""WorldSense."""

from keras_mirasol.evaluation.benchmarks.multiple_choice import MultipleChoice
from keras_mirasol.evaluation.benchmarks.multiple_choice import without_letter
from keras_mirasol.evaluation.benchmarks.official_files import check_keys
from keras_mirasol.evaluation.benchmarks.official_files import read_json


class WorldSense(MultipleChoice):
    """WorldSense: the world in sound and picture, three or four choices.

    Hong et al. 2025, arXiv 2502.04326. The score is accuracy, also by domain,
    kind of task, duration and class of audio; a clip with several classes
    counts in each.

    Args:
        annotations: str or path. The folder of `worldsense_qa.json`.
        media: str or path. The folder of the clips, `UYkFSXsh.mp4` and so on.

    Raises:
        ValueError: if there is no such folder.

    Example:
    ```python
    benchmark = keras_mirasol.evaluation.WorldSense("WorldSense", "videos")
    lines = benchmark.lines("test")
    ```
    """

    name = "WorldSense"
    splits = ("test",)
    types = ("domain", "task_domain", "task_type", "audio_class", "duration")

    def read(self, split):
        path = self.annotations / "worldsense_qa.json"
        for video, item in read_json(path, dict).items():
            what = f"{video} of {path}"
            check_keys(item, ("domain", "audio_class", "duration"), what)
            tasks = [key for key in item if key.startswith("task")]
            for task in tasks:
                yield {
                    "id": f"{video}_{task}",
                    "names": [video],
                    **_question(item[task], f"{task} of {what}"),
                    "domain": item["domain"],
                    "audio_class": item["audio_class"],
                    "duration": item["duration"],
                }


def _question(task, what):
    keys = ("question", "candidates", "answer", "task_domain", "task_type")
    check_keys(task, keys, what)
    choices = [
        without_letter(choice, place)
        for place, choice in enumerate(task["candidates"])
    ]
    return {
        "prompt": task["question"],
        "response": choices["ABCD".index(task["answer"])],
        "choices": choices,
        "task_domain": task["task_domain"],
        "task_type": task["task_type"],
    }
