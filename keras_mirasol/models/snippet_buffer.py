"""What has come of a stream and fills no snippet yet."""

import numpy as np

from keras_mirasol.preprocessing.absent import NO_AUDIO
from keras_mirasol.preprocessing.absent import NO_VIDEO
from keras_mirasol.preprocessing.snippets import count_snippets
from keras_mirasol.preprocessing.snippets import fit_length


class SnippetBuffer:
    """Cuts what comes of one stream into snippets.

    A snippet is complete when every modality that is still to come has filled
    it. Features are those that the preprocessor makes of the whole clip.

    Args:
        preprocessor: a `MirasolCausalLMPreprocessor`.
        modalities: tuple of `"video"` and/or `"audio"`. What will come.

    Attributes:
        num_snippets: int. Snippets that were taken out.
        coming: set. The modalities of which more may come.
    """

    def __init__(self, preprocessor, modalities):
        self._preprocessor = preprocessor
        self._spans = {
            "video": preprocessor.frames_per_snippet,
            "audio": preprocessor.samples_per_snippet,
        }
        self.num_snippets = 0
        self.coming = set(modalities)
        self._waiting = {"video": NO_VIDEO, "audio": NO_AUDIO}
        self._context = np.zeros(
            preprocessor.audio_converter.context_samples, "float32"
        )

    def check(self, frames, samples):
        """Refuses what `push()` cannot add.

        Raises:
            ValueError: if a modality is not to come, or the size of frames
                changes within a snippet.
        """
        for modality, signal in _named(frames, samples):
            if modality not in self.coming:
                raise ValueError(
                    f"No more {modality} can come: of this stream, "
                    f"{sorted(self.coming) or 'nothing'} is still awaited, by "
                    "its `modalities` and what was said to be finished. "
                    "`reset()` begins anew."
                )
            waiting = self._waiting[modality]
            if len(waiting) and waiting.shape[1:] != signal.shape[1:]:
                raise ValueError(
                    "The frames of a snippet must have one size. Received: "
                    f"shape {signal.shape} after {waiting.shape}. Resize them "
                    "first."
                )

    def push(self, frames, samples):
        """Adds what has come.

        Args:
            frames: uint8 array `(frames, height, width, 3)`.
            samples: float32 array `(samples,)`.
        """
        for modality, signal in _named(frames, samples):
            waiting = self._waiting[modality]
            self._waiting[modality] = (
                np.concatenate([waiting, signal])
                if len(waiting)
                # What the caller may write to.
                else signal.copy()
            )

    def finish(self, modality):
        """Says that no more comes of a modality.

        What is left of it is cut or filled to the nearest whole number of
        snippets, as by the preprocessor at the end of a clip.
        """
        self.coming.discard(modality)
        waiting, span = self._waiting[modality], self._spans[modality]
        # Of a signal that is there, the first snippet is filled in any case.
        before = min(self.num_snippets, 1) if len(waiting) else 0
        count = int(count_snippets(before * span + len(waiting), span)) - before
        if len(waiting):
            self._waiting[modality] = fit_length(
                waiting, count * span, repeat_last=modality == "video"
            ).numpy()

    def take(self):
        """Takes out the snippets that are complete.

        Returns:
            Their features and masks, as `preprocess_clip()` makes them, or
            `None` if there are none.
        """
        counts = {
            modality: len(self._waiting[modality]) // span
            for modality, span in self._spans.items()
        }
        of_those_coming = [counts[modality] for modality in self.coming]
        count = min(of_those_coming) if self.coming else max(counts.values())
        if not count:
            return None
        taken = {}
        for modality, span in self._spans.items():
            waiting = self._waiting[modality]
            taken[modality] = waiting[: count * span]
            # A copy, or all that ever came would be kept.
            self._waiting[modality] = waiting[count * span :].copy()
        features = self._preprocessor.preprocess_clip(
            taken["video"],
            taken["audio"],
            # No more than there are; an array, not to be traced for each.
            np.array(count, "int32"),
            self._context,
        )
        if len(taken["audio"]):
            before = len(taken["audio"]) - len(self._context)
            self._context = taken["audio"][before:].copy()
        self.num_snippets += count
        return features

    def get_state(self):
        """A dict of arrays, all that there is to save."""
        return {
            "num_snippets": np.array(self.num_snippets),
            "coming": np.array(sorted(self.coming), "U5"),
            "frames": self._waiting["video"],
            "samples": self._waiting["audio"],
            "context": self._context,
        }

    def set_state(self, state):
        """Goes on from where `get_state()` was called."""
        self.num_snippets = int(state["num_snippets"])
        self.coming = set(state["coming"].tolist())
        self._waiting = {"video": state["frames"], "audio": state["samples"]}
        self._context = state["context"]


def _named(frames, samples):
    """What there is of frames and samples, with their modality."""
    for modality, signal in (("video", frames), ("audio", samples)):
        if len(signal):
            yield modality, signal
