"""Similarity of answers in their words, by WordNet."""

import math

import keras

from keras_mirasol.metrics.wordnet import lemmas_of
from keras_mirasol.metrics.wordnet import similarity
from keras_mirasol.metrics.wordnet import words_of


@keras.saving.register_keras_serializable(package="keras_mirasol")
class WUPS(keras.metrics.Mean):
    """How near the words of answers are to those of references: WUPS.

    ```
    wups(A, B)  = prod_a max_b s(a, b)        over words a like any of B
    WUPS        = min(wups(A, B), wups(B, A))
    s(a, b)     = wup(a, b), a tenth of it if below the threshold
    ```

    `wup` is Wu and Palmer's similarity in WordNet, of the first sense of each
    word. Malinowski and Fritz (2014, arXiv 1410.0210) proposed it; this is the
    form that NExT-QA is scored by (arXiv 2105.08276), where words that are
    like none of the other text are left out, and which differs in that from
    theirs. At the threshold 0 all similarities count as they are; at 0.9 next
    to nothing but synonyms does. Of several references the nearest counts.

    It needs NLTK with WordNet: `pip install nltk` and `python -m
    nltk.downloader wordnet`; with `stop_words` also the tagger
    `averaged_perceptron_tagger_eng`.

    Args:
        threshold: float from 0 to 1. Defaults to `0.9`.
        stop_words: sequence of strings. Words to leave out, in the form that
            a dictionary has them in, to which all words are brought then.
            Defaults to `None`: words are as they stand.
        name: str. Defaults to `None`, `"wups"` and the threshold.
        **kwargs: see `keras.metrics.Mean`.

    Raises:
        ValueError: if `threshold` is not from 0 to 1.

    Example:
    ```python
    metric = keras_mirasol.metrics.WUPS(threshold=0.0, stop_words=["a"])
    metric.name  # "wups_0"
    ```
    """

    def __init__(self, threshold=0.9, stop_words=None, name=None, **kwargs):
        if not 0 <= threshold <= 1:
            raise ValueError(
                f"`threshold` must be from 0 to 1. Received: {threshold}"
            )
        super().__init__(name=name or f"wups_{threshold:g}", **kwargs)
        self.threshold = threshold
        self.stop_words = None if stop_words is None else set(stop_words)

    def update_state(self, references, answers):
        """Adds answers.

        Args:
            references: sequence of strings, or of lists of strings.
            answers: sequence of strings, as many.

        Raises:
            ImportError: if NLTK is not there.
            ValueError: if there are not as many answers as references, or
                WordNet is not there.
        """
        if len(references) != len(answers):
            raise ValueError(
                "Expected one answer a reference. Received: "
                f"{len(references)} references and {len(answers)} answers."
            )
        super().update_state(
            [
                self.of_answer(reference, answer)
                for reference, answer in zip(references, answers, strict=True)
            ]
        )

    def of_answer(self, references, answer):
        """The score of one answer, a float.

        Args:
            references: str, or list of strings.
            answer: str.
        """
        if isinstance(references, str):
            references = [references]
        words = self.words(answer)
        return max(
            min(self._product(words, others), self._product(others, words))
            for others in map(self.words, references)
        )

    def words(self, text):
        """The words of a text that count, a list of strings."""
        if self.stop_words is not None:
            words = lemmas_of(text)
            text = " ".join(w for w in words if w not in self.stop_words)
        return words_of(text)

    def _product(self, words, others):
        nearest = [
            max((self._similarity(word, other) for other in others), default=0)
            for word in words
        ]
        # Words that are like none of the others are left out.
        factors = [factor for factor in nearest if factor > 0]
        return math.prod(factors) if factors else 0.0

    def _similarity(self, one, other):
        value = similarity(one, other)
        return value if value >= self.threshold else 0.1 * value

    def get_config(self):
        stop_words = self.stop_words and sorted(self.stop_words)
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "stop_words": stop_words,
        }
