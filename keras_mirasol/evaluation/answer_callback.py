"""Answers to a manifest, looked at while a task is trained."""

import keras
import numpy as np

from keras_mirasol.data import read_manifest
from keras_mirasol.evaluation.answers import answer_manifest
from keras_mirasol.evaluation.scores import share_by


class AnswerCallback(keras.callbacks.Callback):
    """Shows after each epoch how well a task answers, and some answers.

    Losses and `token_accuracy` say little about answers: a model that guesses
    gets most tokens of a response right. This callback generates the answers
    to a manifest, prints the share of exactly right ones by kind of question,
    and a few answers with their prompts and responses.

    The shares are added to the epoch's logs, and so to `History` and to
    callbacks after this one, as `"exact_match"` and, for each kind,
    `"exact_match_<kind>"`.

    Args:
        manifest: path of a manifest, or a list of its lines as
            `keras_mirasol.data.read_manifest` returns it. Held-out clips, few
            enough to be answered after every epoch.
        key: str. Lines are grouped by their value of this key. Defaults to
            `None`: `"kind"` if all lines have it, and no groups otherwise.
        num_samples: int. Answers to print, drawn anew after each epoch.
            Defaults to `4`.
        batch_size: int. Clips in a batch. Defaults to `16`.
        every: int. Answer after every so many epochs, and after the first.
            Defaults to `1`.
        seed: int. Seeds the choice of samples. Defaults to `0`.

    Raises:
        ValueError: if the manifest has no lines.

    Example:
    ```python
    watch = keras_mirasol.evaluation.AnswerCallback("valid.jsonl")
    task.fit(train, epochs=3, callbacks=[watch])
    ```
    """

    def __init__(
        self,
        manifest,
        key=None,
        num_samples=4,
        batch_size=16,
        every=1,
        seed=0,
    ):
        super().__init__()
        self.lines = (
            manifest if isinstance(manifest, list) else read_manifest(manifest)
        )
        if not self.lines:
            raise ValueError(
                "`manifest` must have at least one line to answer. Received "
                "an empty list."
            )
        if key is None and all("kind" in line for line in self.lines):
            key = "kind"
        self.key = key
        self.num_samples = num_samples
        self.batch_size = batch_size
        self.every = every
        self._rng = np.random.default_rng(seed)

    def on_epoch_end(self, epoch, logs=None):
        if epoch and (epoch + 1) % self.every:
            return
        answered = answer_manifest(
            self.model, self.lines, batch_size=self.batch_size
        )
        shares = {"exact_match": share_by(answered)}
        if self.key is not None:
            by_value = share_by(answered, self.key)
            shares |= {f"exact_match_{k}": v for k, v in by_value.items()}
        if logs is not None:
            logs.update(shares)
        self._print(epoch, shares, answered)

    def _print(self, epoch, shares, answered):
        shown = ", ".join(
            f"{name} {share:.3f}" for name, share in shares.items()
        )
        print(f"\nAfter epoch {epoch + 1}: {shown}")
        count = min(self.num_samples, len(answered))
        for index in self._rng.choice(len(answered), count, replace=False):
            line = answered[index]
            print(
                f"  {line['prompt']}  ->  {line['answer']!r}"
                f"  (truth: {line['response']!r})"
            )
