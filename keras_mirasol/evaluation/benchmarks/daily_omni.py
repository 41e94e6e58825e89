"""Daily-Omni."""

from keras_mirasol.evaluation.benchmarks.multiple_choice import MultipleChoice
from keras_mirasol.evaluation.benchmarks.multiple_choice import without_letter
from keras_mirasol.evaluation.benchmarks.official_files import read_items


class DailyOmni(MultipleChoice):
    """Daily-Omni: what is seen and heard at once in daily life, four choices.

    Zhou et al. 2025, arXiv 2505.17862. The score is accuracy, also by type, by
    category and by duration. Its authors ask with all, with the picture alone,
    the sound alone and the text alone: the `inputs` of `evaluate()`.

    Choices are given without their letters, as what is scored is the text. The
    authors leave questions that failed out of the count, and so are those here
    whose clips are missing.

    Args:
        annotations: str or path. The folder of `qa.json`.
        media: str or path. The folder of the clips, `VIDEO/VIDEO_video.mp4`.

    Raises:
        ValueError: if there is no such folder.

    Example:
    ```python
    benchmark = keras_mirasol.evaluation.DailyOmni("Daily-Omni", "Videos")
    lines = benchmark.lines("test")
    ```
    """

    name = "Daily-Omni"
    splits = ("test",)
    types = ("type", "category", "duration")

    def read(self, split):
        keys = (
            "Question",
            "Choice",
            "Answer",
            "video_id",
            "Type",
            "video_category",
            "video_duration",
        )
        items = read_items(self.annotations / "qa.json", keys)
        for number, item in enumerate(items):
            name = item["video_id"]
            choices = [
                without_letter(choice, place)
                for place, choice in enumerate(item["Choice"])
            ]
            yield {
                "id": number,
                "names": [f"{name}/{name}_video", name],
                "prompt": item["Question"],
                "response": choices["ABCD".index(item["Answer"])],
                "choices": choices,
                "type": item["Type"],
                "category": item["video_category"],
                "duration": item["video_duration"],
            }
