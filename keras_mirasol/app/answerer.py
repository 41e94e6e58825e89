"""What the page asks: one model, for all who look at the page."""

import threading
from pathlib import Path

from keras_mirasol.app.film import Film
from keras_mirasol.app.film import check_question
from keras_mirasol.data import load_clip
from keras_mirasol.evaluation import answer_evidence
from keras_mirasol.visualization import plot_clip
from keras_mirasol.visualization import plot_evidence

# Costs of finding what an answer rests on grow with the square of these.
MOST_TRACED_SNIPPETS = 64


class Answerer:
    """Answers questions about clips, one after another.

    Args:
        task: a `MirasolCausalLM` with a preprocessor.
        max_seconds: float. The longest clip to answer about at once. Defaults
            to `60.0`.
        window: int. The last snippets of a film that are remembered. Defaults
            to `64`.
    """

    def __init__(self, task, max_seconds=60.0, window=64):
        self.task = task
        self.max_seconds = max_seconds
        self.window = window
        # One question computes at a time, and one picture is drawn.
        self._lock = threading.Lock()

    def load(self, path):
        """Reads a clip.

        Args:
            path: str. The file. `None` where there is none.

        Returns:
            A dict as of `load_clip`.

        Raises:
            ValueError: if there is no file, it cannot be read, or it is longer
                than `max_seconds`.
        """
        preprocessor = self.task.preprocessor
        _check_path(path)
        # A little more than is allowed tells whether it is too long.
        limit = self.max_seconds + preprocessor.snippet_seconds
        try:
            clip = load_clip(path, end=limit, **preprocessor.clip_settings)
        except ValueError as error:
            raise _by_its_name(error, path) from error
        if self._seconds(clip) >= limit - preprocessor.snippet_seconds / 2:
            raise ValueError(
                f"'{Path(path).name}' is longer than {self.max_seconds:g} "
                "seconds. Let it play, and ask meanwhile, or start the page "
                "with a larger --max-seconds."
            )
        return clip

    def answer(self, clip, question):
        """Answers a question about a clip.

        Args:
            clip: dict as of `load_clip`.
            question: str.

        Returns:
            The answer, a string.

        Raises:
            ValueError: if there is no question, or it or the clip is not as
                the model needs it.
        """
        question = check_question(question)
        with self._lock:
            return self.task.generate({**clip, "prompts": question})

    def draw(self, clip, question, answer):
        """Draws where in a clip an answer came from.

        Args:
            clip: dict as of `load_clip`.
            question: str.
            answer: str. Where it is empty, or the clip has more than 64
                snippets, the clip alone is drawn.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        preprocessor = self.task.preprocessor
        with self._lock:
            if not answer:
                return plot_clip(clip, preprocessor)
            if self._seconds(clip) > self._most_traced:
                return plot_clip(
                    clip,
                    preprocessor,
                    "what the answer rests on is found in clips of up to "
                    f"{self._most_traced:g} seconds",
                )
            evidence = answer_evidence(
                self.task, clip, check_question(question), answer
            )
            return plot_evidence(evidence, clip, preprocessor)

    def _seconds(self, clip):
        preprocessor = self.task.preprocessor
        return max(
            len(clip.get("videos", ())) / preprocessor.frame_rate,
            len(clip.get("audio", ())) / preprocessor.sampling_rate,
        )

    @property
    def _most_traced(self):
        return MOST_TRACED_SNIPPETS * self.task.preprocessor.snippet_seconds

    def watch(self, path):
        """Begins to watch a film.

        Args:
            path: str. The file. `None` where there is none.

        Returns:
            A `Film`.

        Raises:
            ValueError: if there is no file, or it cannot be read.
        """
        _check_path(path)
        try:
            return Film(self.task, path, self.window, self._lock)
        except ValueError as error:
            raise _by_its_name(error, path) from error

    def warm_up(self, path, question):
        """Has what takes time behind it before somebody asks.

        Args:
            path: str. A clip.
            question: str.
        """
        clip = self.load(path)
        answer = self.answer(clip, question)
        film = self.watch(path)
        for _ in film.play(speed=float("inf")):
            pass
        "".join(film.ask(question))
        # What takes longest comes last.
        self.draw(clip, question, answer)


def _check_path(path):
    if not path:
        raise ValueError(
            "There is no clip. Upload or record one, or choose an example."
        )


def _by_its_name(error, path):
    """An error that names a file as its owner does, not where it was put."""
    return ValueError(str(error).replace(str(path), Path(path).name))
