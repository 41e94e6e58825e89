"""The elements of a manifest by their index, in NumPy."""

import operator

import numpy as np

from keras_mirasol.data.clip_batches import check_counts
from keras_mirasol.data.clip_batches import fixed_shape
from keras_mirasol.data.clip_loader import ClipLoader
from keras_mirasol.data.clip_loader import clips_of
from keras_mirasol.data.clip_loader import settings_of
from keras_mirasol.data.file_clips import arrays_of
from keras_mirasol.preprocessing.stacking import stack_padded

# What has one value a token.
TEXT_KEYS = ("token_ids", "padding_mask")


class ClipSource:
    """The elements of a manifest by their index, for Grain or PyTorch.

    These are the elements of which `clip_dataset(manifest, preprocessor)`
    makes batches, in the same order: a clip and `texts_per_clip` of the
    questions about it. What reads them shuffles, batches and works side by
    side, in threads or in processes: `grain.MapDataset`, or a PyTorch
    `DataLoader`. `pad_batch` makes a batch of them.

    Preprocessing runs on TensorFlow, which does not survive a fork: start
    worker processes anew, `multiprocessing_context="spawn"` of a
    `DataLoader`; Grain does so by itself.

    Args:
        manifest: str or path of a manifest, or a list of its lines.
        preprocessor: as for `clip_dataset`. Defaults to `None`: raw clips.
        texts_per_clip: int. How many questions share one clip in an element.
            Defaults to `1`.
        on_error: `"raise"` or `"skip"`: what to do with a clip that cannot be
            loaded. `"skip"` makes its elements `None`, which Grain and
            `pad_batch` leave out. Defaults to `"raise"`.
        shard: pair of ints, `(index, count)`. The part of the clips to take,
            as for `clip_dataset`. Defaults to `None`: all clips.
        num_snippets: int. As for `clip_dataset`. Defaults to `None`: what the
            clips and texts of a batch need.

    Indexing returns `(x, y, sample_weight)`, as `clip_dataset` but without
    the axis of the batch; without a preprocessor, a dict of `"videos"`,
    `"audio"`, `"prompts"` and `"responses"`.

    Raises:
        ValueError: if an argument is not one of those above, the manifest is
            not valid, or media is missing and `on_error="raise"`. Indexing
            raises one that names the file if it cannot be loaded.

    Example:

    ```python
    source = keras_mirasol.data.ClipSource("train.jsonl", task.preprocessor)

    # With Grain, whose MapDataset knows how many steps an epoch has.
    train = grain.MapDataset.source(source).shuffle(seed=0)
    train = train.batch(16, batch_fn=keras_mirasol.data.pad_batch)
    task.fit(train)

    # In two worker processes, which know no length: tell it. They read flags,
    # which are parsed by `absl.app.run()`, or by this:
    absl.flags.FLAGS.mark_as_parsed()
    workers = train.to_iter_dataset().mp_prefetch(
        grain.MultiprocessingOptions(num_workers=2)
    )
    task.fit(workers, steps_per_epoch=len(train))

    # With PyTorch, on any backend.
    train = torch.utils.data.DataLoader(
        source,
        batch_size=16,
        shuffle=True,
        collate_fn=keras_mirasol.data.pad_batch,
        num_workers=2,
        multiprocessing_context="spawn",
    )
    task.fit(train)
    ```
    """

    def __init__(
        self,
        manifest,
        preprocessor=None,
        *,
        texts_per_clip=1,
        on_error="raise",
        shard=None,
        num_snippets=None,
    ):
        check_counts(texts_per_clip=texts_per_clip)
        self._fixed = fixed_shape(num_snippets, preprocessor)
        clips = clips_of(manifest, on_error, shard)
        self._preprocessor = preprocessor
        self._texts_per_clip = texts_per_clip
        self._load = ClipLoader(
            clips, settings_of(preprocessor), skip=on_error == "skip"
        )
        # Which clip, and from which of its lines on.
        self._elements = [
            (index, first)
            for index, clip in enumerate(clips)
            for first in range(0, len(clip.lines), texts_per_clip)
        ]

    def __len__(self):
        return len(self._elements)

    def __getitem__(self, index):
        index, first = self._elements[operator.index(index)]
        clip = self._load(index)
        if clip is None:
            self._load.check_some_are_left()
            return None
        lines = list(self._load.clips[index].lines.values())
        lines = lines[first : first + self._texts_per_clip]
        prompts = self._filled([line["prompt"] for line in lines])
        responses = self._filled([line["response"] for line in lines])
        videos, audio = arrays_of(clip)
        if self._preprocessor is None:
            return {
                "videos": videos,
                "audio": audio,
                "prompts": prompts,
                "responses": responses,
            }
        clip = self._preprocessor.preprocess_clip(videos, audio, *self._fixed)
        x, y, sample_weight = self._preprocessor.preprocess_texts(
            prompts,
            responses,
            self._preprocessor.sequence_length if self._fixed else None,
        )
        if self._texts_per_clip > 1:
            # Nothing is to be learnt from texts that fill up.
            sample_weight[len(lines) :] = 0
        return {**clip, **x}, y, sample_weight

    def report(self):
        """The `ClipReport` of what this process has left out so far."""
        return self._load.report()

    def _filled(self, texts):
        """As many texts as an element has."""
        if self._texts_per_clip == 1:
            return np.array(texts[0])
        return np.array(texts + [""] * (self._texts_per_clip - len(texts)))


def pad_batch(elements):
    """Makes a batch of elements of a `ClipSource` with a preprocessor.

    Args:
        elements: list of `(x, y, sample_weight)`; `None` is left out.

    Returns:
        `(x, y, sample_weight)`, filled up with zeros and `False` to the
        longest clip and text.

    Raises:
        ValueError: if there is no element, or they are raw.

    Example:

    ```python
    source = keras_mirasol.data.ClipSource("train.jsonl", task.preprocessor)
    x, y, sample_weight = keras_mirasol.data.pad_batch([source[0], source[1]])
    ```
    """
    elements = [element for element in elements if element is not None]
    if not elements:
        raise ValueError(
            "No clip of a batch can be loaded. `report()` of the `ClipSource` "
            "names them; mend the manifest, or use larger batches."
        )
    if not isinstance(elements[0], tuple):
        raise ValueError(
            "Expected elements of a `ClipSource` with a preprocessor, "
            "`(x, y, sample_weight)`. Received elements of type "
            f"{type(elements[0]).__name__}."
        )
    features, targets, weights = zip(*elements, strict=True)
    x = {
        key: stack_padded([feature[key] for feature in features])
        for key in features[0]
        if key not in TEXT_KEYS
    }
    for key in TEXT_KEYS:
        x[key] = _stack_texts([feature[key] for feature in features])
    return x, _stack_texts(targets), _stack_texts(weights)


def _stack_texts(arrays):
    """Stacks arrays of tokens, `(..., length)`, filled up to the longest."""
    # Tokens first, for `stack_padded`, and last again.
    stacked = stack_padded([np.moveaxis(array, -1, 0) for array in arrays])
    return np.moveaxis(stacked, 1, -1)
