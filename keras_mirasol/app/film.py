"""A film that is watched as it plays."""

import time

from keras_mirasol.data import iter_clip
from keras_mirasol.stream import observe_span


class Film:
    """A film that is watched as it plays, and asked about meanwhile.

    Args:
        task: a `MirasolCausalLM` with a preprocessor.
        path: str. The file.
        window: int. The last snippets that are remembered.
        lock: a `threading.Lock`, held while the model computes.

    Raises:
        ValueError: if the file cannot be read.
    """

    def __init__(self, task, path, window, lock):
        preprocessor = task.preprocessor
        self.snippet_seconds = preprocessor.snippet_seconds
        self._spans = iter_clip(
            path, seconds=self.snippet_seconds, **preprocessor.clip_settings
        )
        self._stream = task.stream(window=window)
        self._lock = lock

    @property
    def seconds(self):
        """How much was seen and heard by now."""
        return self._stream.num_snippets * self.snippet_seconds

    def play(self, speed=1.0):
        """Plays it, from where it is to its end.

        Args:
            speed: float. Seconds of the film to play in a second. Defaults to
                `1.0`; infinity is as fast as it can be watched.

        Returns:
            An iterator of `seconds`, after each snippet.

        Raises:
            ValueError: on the way, where the file turns out to be damaged.
        """
        begin = time.monotonic()
        for index, span in enumerate(self._spans, 1):
            # A span has been seen when its time is over.
            due = begin + index * self.snippet_seconds / speed
            time.sleep(max(0.0, due - time.monotonic()))
            with self._lock:
                observe_span(self._stream, span)
            yield self.seconds
        with self._lock:
            self._stream.finish()
        yield self.seconds

    def ask(self, question):
        """Answers about what was seen and heard by now.

        Args:
            question: str.

        Returns:
            An iterator of the pieces of the answer, strings.

        Raises:
            ValueError: if there is no question, it leaves no room for an
                answer, or nothing was seen yet.
        """
        question = check_question(question)
        with self._lock:
            if not self._stream.num_snippets:
                raise ValueError(
                    "Nothing was seen or heard yet. Ask when the film has "
                    "played for a moment."
                )
            yield from self._stream.ask(question, token_by_token=True)


def check_question(question):
    """A question without white space around it.

    Raises:
        ValueError: if nothing is left.
    """
    if not (question and question.strip()):
        raise ValueError("There is no question. Type one.")
    return question.strip()
