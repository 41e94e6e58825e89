"""Benchmarks whose questions come with choices."""

from keras_mirasol.evaluation.benchmarks.benchmark import Benchmark
from keras_mirasol.evaluation.scores import share_by


class MultipleChoice(Benchmark):
    """A `Benchmark` whose lines have `"choices"`, the response among them.

    In the mode `"choices"` the score is `accuracy`: how often the right choice
    is the likeliest. In `"open"` it is `exact_match` of what is written with
    the right choice: a harder question, never to be mixed with the other.
    """

    modes = ("choices", "open")

    def measures(self, answered, mode):
        name = "accuracy" if mode == "choices" else "exact_match"
        return {name: share_by(answered)}


def chosen(line):
    """Which of its choices a line was answered with, or `None`."""
    choices = line["choices"]
    return choices.index(line["answer"]) if line["answer"] in choices else None


def without_letter(choice, number):
    """A choice without the `"A. "` that it may begin with."""
    letter = "ABCDEFGH"[number]
    return choice.removeprefix(f"{letter}.").strip()
