"""NExT-QA without choices."""

import functools

from keras_mirasol.evaluation.benchmarks.benchmark import Benchmark
from keras_mirasol.evaluation.benchmarks.next_qa import folders_of_videos
from keras_mirasol.evaluation.benchmarks.next_qa import names_of
from keras_mirasol.evaluation.benchmarks.next_qa import types_of
from keras_mirasol.evaluation.benchmarks.official_files import read_csv
from keras_mirasol.evaluation.benchmarks.official_files import read_json
from keras_mirasol.metrics import WUPS

# Counts and yes or no: right to the letter, or wrong.
_EXACT = ("DC", "DB")


class NExTOE(Benchmark):
    """NExT-QA, open-ended: why and when things happen, in one's own words.

    Xiao et al. 2021, arXiv 2105.08276. The score is WUPS at 0, and at 0.9,
    each a share and not in percent, of answers and references whose words are
    in their dictionary form and without stop words; the nearest of two
    references counts, where there are two. Counts (`DC`) and yes or no (`DB`)
    must be right to the letter. Also by type and by causal, temporal and
    descriptive questions; what comes before (`TP`) counts with what comes
    next (`TN`), as the authors have it.

    It needs NLTK with WordNet and a tagger: `pip install nltk` and `python -m
    nltk.downloader wordnet averaged_perceptron_tagger_eng`.

    Args:
        annotations: str or path. The folder of `train.csv`, `val.csv` and
            `test.csv` without choices, of `stopwords.txt`, of
            `add_reference_answer_test.json`, and of `map_vid_vidorID.json`
            where clips lie in the folders of VidOR.
        media: str or path. The folder of the clips, as of VidOR or all in one.

    Raises:
        ValueError: if there is no such folder.

    Example:
    ```python
    benchmark = keras_mirasol.evaluation.NExTOE("nextoe", media="vidor")
    train = benchmark.lines("train")
    ```
    """

    name = "NExT-OE"
    types = ("type", "group")

    def read(self, split):
        columns = ("video", "question", "answer", "qid", "type")
        places = folders_of_videos(self.annotations)
        further = self._further_references(split)
        seen = {}
        for row in read_csv(self.annotations / f"{split}.csv", columns):
            video, number = row["video"], row["qid"]
            references = [row["answer"]]
            references += further.get(video, {}).get(number, [])
            # Three questions of training have the number of another.
            key = f"{video}_{number}"
            seen[key] = seen.get(key, 0) + 1
            yield {
                "id": key if seen[key] == 1 else f"{key}_{seen[key]}",
                "names": names_of(video, places),
                "prompt": row["question"],
                "response": row["answer"],
                "references": references,
                "video_id": video,
                "question_id": number,
                **types_of(row),
            }

    def _further_references(self, split):
        path = self.annotations / f"add_reference_answer_{split}.json"
        if not path.exists():
            return {}
        return {
            video: {number: [answer] for number, answer in answers.items()}
            for video, answers in read_json(path, dict).items()
        }

    def measures(self, answered, mode):
        scores = {}
        for threshold in (0.0, 0.9):
            metric = WUPS(threshold, self._stop_words)
            of_lines = [_score(metric, line) for line in answered]
            scores[metric.name] = sum(of_lines) / len(of_lines)
        return scores

    @functools.cached_property
    def _stop_words(self):
        path = self.annotations / "stopwords.txt"
        if not path.exists():
            raise ValueError(
                f"There is no {path}, which the authors' scores leave words "
                "out by. It is beside their script."
            )
        return set(path.read_text(encoding="utf-8").split())

    def submission(self, answered):
        by_video = {}
        for line in answered:
            answers = by_video.setdefault(line["video_id"], {})
            answers[line["question_id"]] = line["answer"]
        return by_video


def _score(metric, line):
    if line["type"] in _EXACT:
        words = metric.words(line["answer"])
        return float(words in map(metric.words, line["references"]))
    return metric.of_answer(line["references"], line["answer"])
